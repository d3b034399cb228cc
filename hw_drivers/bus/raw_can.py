"""A CAN bus through the kernel's raw sockets (AF_CAN), all frames of a tick in one call each way.

`sendmmsg` and `recvmmsg` take the whole block, called in C (resources/native/tick/socket.h) where there is a library,
else through ctypes; the headers they need are made once and point into the owner's memory. Kernels without SocketCAN
can still run all of this over a datagram socket pair that carries the same 16-byte frames, which is how it is tested.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_drivers.bus.can_frame import (
    ERROR_BUS_OFF,
    FRAME_BYTES,
    BusError,
    FrameBlock,
    Stamps,
    make_block,
    make_stamps,
)
from hw_drivers.bus.claim import BusClaim
from studio.core.errors import DeviceError
from studio.core.kernel import make_kernel

_CONTROL_BYTES = 32  # one control message with a timespec, CMSG_SPACE(16)
_SO_TIMESTAMPNS = 35
_MSG_DONTWAIT = 0x40
_SOL_CAN_RAW, _CAN_RAW_ERR_FILTER, _CAN_RAW_RECV_OWN_MSGS = 101, 2, 4  # linux/can/raw.h
_ALL_ERRORS = 0x1FFFFFFF
_FIRST_READINGS = 5  # of the clocks; each can only make the offset better
_FULL = (errno.ENOBUFS, errno.EAGAIN, errno.EWOULDBLOCK)


class _IoVector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _MessageHeader(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("vector_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Message(ctypes.Structure):
    _fields_ = [("header", _MessageHeader), ("length", ctypes.c_uint32)]


class _Vectors:
    """Message headers over rows of a block of frames, one frame each; `control` receives times."""

    def __init__(self, frames: FrameBlock, rows: Sequence[int], control: Stamps | None = None) -> None:
        count = len(rows)
        self._keep = frames, control  # the headers point into their memory
        self._vectors = (_IoVector * count)()
        self.messages: Any = (_Message * count)()
        self.block: NDArray[np.uint8] = np.frombuffer(self.messages, dtype=np.uint8)
        for i, row in enumerate(rows):
            self._vectors[i].base, self._vectors[i].length = frames.ctypes.data + FRAME_BYTES * row, FRAME_BYTES
            header = self.messages[i].header
            header.vector, header.vector_length = ctypes.addressof(self._vectors[i]), 1
            if control is not None:
                header.control = control.ctypes.data + _CONTROL_BYTES * row
                header.control_length = _CONTROL_BYTES  # the kernel writes back what it used: always as much
        self.first = ctypes.c_void_p(ctypes.addressof(self.messages))
        self.count = ctypes.c_uint(count)


class RawCanTransport:
    """A `FrameTransport` over a socket that carries `struct can_frame`.

    Args:
        socket_: a bound AF_CAN raw socket, or one end of a datagram socket pair; taken over and closed here.
        name: for people.
        claim: on the bus; released here.
    """

    def __init__(self, socket_: socket.socket, name: str, claim: BusClaim | None = None) -> None:
        self.name, self.error = name, BusError.NONE
        self._claim = claim
        self.error_frames = 0
        self._socket = socket_
        socket_.setblocking(False)
        socket_.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        library: Any = ctypes.CDLL(None, use_errno=True)
        self._send_all, self._receive_all = library.sendmmsg, library.recvmmsg
        self._fd, self._now = ctypes.c_int(socket_.fileno()), ctypes.c_int(_MSG_DONTWAIT)
        self._number = socket_.fileno()
        self.offset_ns = 0
        for _ in range(_FIRST_READINGS):
            self._follow_wall_clock()
        self._offset = np.zeros(1, dtype=np.int64)
        self._kept_offset = self._offset.data
        self.attach(make_block(1), make_block(1), make_stamps(1), (0,))

    def attach(self, outgoing: FrameBlock, incoming: FrameBlock, stamps: Stamps, rows: Sequence[int]) -> None:
        self._out, self._in = _Vectors(outgoing, range(len(outgoing))), _Vectors(incoming, rows, stamps)
        self._counts = [ctypes.c_uint(n) for n in range(len(outgoing) + 1)]
        self._offset[0] = self.offset_ns
        sizes = {"socket": self._number, "rows_out": len(outgoing), "rows_in": len(rows)}
        blocks = {"outgoing": self._out.block, "incoming": self._in.block, "offset_ns": self._offset}
        send = make_kernel("Frames", "send_frames", {**sizes, **blocks}, arguments=1)
        receive = make_kernel("Frames", "receive_frames", {**sizes, **blocks})
        self._send_natively = None if send is None else send.run
        self._receive_natively = None if receive is None else receive.run

    def send(self, count: int) -> int:
        sent = self._send(count) if self._send_natively is None else self._send_natively(count)
        if sent == count:
            if self.error is BusError.NO_ACKNOWLEDGE:
                self.error = BusError.NONE
            return count
        self._note(BusError.NO_ACKNOWLEDGE if sent > 0 or -sent in _FULL else BusError.GONE)
        return max(sent, 0)

    def _send(self, count: int) -> int:
        """How many frames were taken, or the error, negative. The kernel's reference."""
        sent = int(self._send_all(self._fd, self._out.first, self._counts[count], self._now))
        return sent if sent >= 0 else -ctypes.get_errno()

    def receive(self) -> int:
        if self._receive_natively is None:
            count = self._receive()
        else:
            count = self._receive_natively()
            self.offset_ns = self._kept_offset[0]
        if count < 0:
            if -count not in _FULL:
                self._note(BusError.GONE)
            return 0
        return count

    def _receive(self) -> int:
        """How many frames have come, or the error, negative. The kernel's reference."""
        count = int(self._receive_all(self._fd, self._in.first, self._in.count, self._now, None))
        if count > 0:
            self._follow_wall_clock()
        return count if count >= 0 else -ctypes.get_errno()

    def _follow_wall_clock(self) -> None:
        """The kernel stamps with the wall clock: keep what turns that into monotonic time.

        The truth lies between two bounds, far apart where the process was put to sleep between the readings. The offset
        so far is moved only as far as they ask, or a pause of the machine would make all replies look late.
        """
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        self.offset_ns = min(max(self.offset_ns, before_ns - wall_ns), after_ns - wall_ns)

    def _note(self, error: BusError) -> None:
        if self.error is BusError.NONE or error is BusError.GONE:
            self.error = error

    def note_error_frame(self, can_id: int) -> None:
        """An error frame came: bus-off is remembered, anything else only counted."""
        self.error_frames += 1
        if can_id & ERROR_BUS_OFF:
            self.error = BusError.BUS_OFF

    def fileno(self) -> int:
        return self._number

    def clear_error(self) -> None:
        self.error = BusError.NONE

    def close(self) -> None:
        self._send_natively = self._receive_natively = None
        self._fd = ctypes.c_int(-1)  # the number may soon be another file's
        self._socket.close()
        self._number = -1
        if self._claim is not None:
            self._claim.release()


def open_socketcan(interface: str) -> RawCanTransport:
    """Bind a raw socket to a network interface such as `can0`, with error frames and a deep queue, to command motors.

    Raises:
        DeviceError: this kernel has no SocketCAN, the interface does not exist or is down, or another program commands
            its motors.
    """
    family, protocol = getattr(socket, "AF_CAN", None), getattr(socket, "CAN_RAW", None)
    if family is None or protocol is None:
        raise DeviceError("SocketCAN exists on Linux only. Choose another interface of python-can, such as slcan.")
    try:
        raw = socket.socket(family, socket.SOCK_RAW, protocol)
        raw.setsockopt(_SOL_CAN_RAW, _CAN_RAW_ERR_FILTER, _ALL_ERRORS)
        raw.setsockopt(_SOL_CAN_RAW, _CAN_RAW_RECV_OWN_MSGS, 0)
        raw.bind((interface,))
    except OSError as error:
        raise DeviceError(
            f"CAN interface {interface} cannot be opened ({error.strerror}). Bring it up with "
            f"`ip link set {interface} up type can bitrate 1000000 restart-ms 100`."
        ) from error
    name = f"socketcan:{interface}"
    try:
        return RawCanTransport(raw, name, BusClaim(name))
    except DeviceError:
        raw.close()
        raise
