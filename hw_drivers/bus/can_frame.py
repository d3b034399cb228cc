"""One CAN frame as the kernel's `struct can_frame` (linux/can.h): 16 bytes, host byte order, in blocks made once."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXTENDED_FLAG = 0x80000000
REMOTE_FLAG = 0x40000000
ERROR_FLAG = 0x20000000
STANDARD_MASK = 0x7FF
EXTENDED_MASK = 0x1FFFFFFF
ERROR_BUS_OFF = 0x40  # class bit of an error frame (linux/can/error.h)
ERROR_RESTARTED = 0x100

FRAME_BYTES = 16
CAN_FRAME: np.dtype[Any] = np.dtype(
    [("can_id", "=u4"), ("length", "u1"), ("padding", "u1", (3,)), ("data", "u1", (8,))]
)
FrameBlock = NDArray[np.void]  # of CAN_FRAME
Words = NDArray[np.uint64]
Stamps = NDArray[np.int64]  # [frames, 4]: room for the kernel's header, seconds, nanoseconds
STAMP_S, STAMP_NS = 2, 3


class BusError(IntEnum):
    """What is wrong with a whole bus; data in the states, never an exception on the way."""

    NONE = 0
    NO_ACKNOWLEDGE = 1  # frames were refused: nobody answers on the wire, the queue is full
    BUS_OFF = 2  # the controller has left the bus
    GONE = 3  # adapter unplugged, interface down, far end closed


def make_block(count: int) -> FrameBlock:
    """`count` zeroed frames."""
    return np.zeros(count, dtype=CAN_FRAME)


def make_stamps(count: int) -> Stamps:
    """Times of `count` frames, all zero."""
    return np.zeros((count, 4), dtype=np.int64)


def words_of(frames: FrameBlock) -> Words:
    """The same memory as [frames, 2] words: identifier with length, and the eight data bytes."""
    return frames.view(np.uint64).reshape(len(frames), 2)


def put_frame(frames: FrameBlock, row: int, can_id: int, data: bytes) -> None:
    """Write one frame of up to eight bytes into a row; `can_id` carries the flags."""
    frames["can_id"][row], frames["length"][row] = can_id, len(data)
    frames["data"][row] = np.frombuffer(data.ljust(8, b"\0"), dtype=np.uint8)


def take_frame(frames: FrameBlock, row: int) -> tuple[int, bytes]:
    """Identifier with flags, and the data of one row."""
    return int(frames["can_id"][row]), frames["data"][row].tobytes()[: min(int(frames["length"][row]), 8)]
