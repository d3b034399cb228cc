"""A CAN bus through python-can, whatever interface it has, behind the same blocks of frames as the raw sockets."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from typing import Any

import can

from hw_drivers.bus.can_frame import (
    ERROR_BUS_OFF,
    ERROR_FLAG,
    EXTENDED_FLAG,
    EXTENDED_MASK,
    REMOTE_FLAG,
    STAMP_NS,
    BusError,
    FrameBlock,
    Stamps,
    make_block,
    make_stamps,
    put_frame,
    take_frame,
)
from hw_drivers.bus.claim import BusClaim
from hw_drivers.bus.slcan import BlockSlcanBus
from studio.core.errors import ConfigError, DeviceError

BIT_RATE_HZ = 1_000_000  # AK drives talk at 1 Mbit/s


def open_python_can(interface: str, channel: str, **options: Any) -> Any:
    """Open a bus of python-can at 1 Mbit/s.

    Args:
        interface: such as socketcan, slcan, pcan, virtual or udp_multicast.
        channel: such as `can0` or `/dev/ttyACM0`.
        options: of that interface, such as `sleep_after_open`.

    Raises:
        ConfigError: python-can has no such interface.
        DeviceError: it cannot be opened.
    """
    if interface not in can.VALID_INTERFACES:
        known = ", ".join(sorted(can.VALID_INTERFACES))
        raise ConfigError(f"There is no CAN interface {interface!r}. Interfaces: {known}. Mend the bus's name.")
    kind = BlockSlcanBus if interface == "slcan" else None
    try:
        if kind is not None:
            return kind(channel, bitrate=BIT_RATE_HZ, **options)
        return can.Bus(interface=interface, channel=channel, bitrate=BIT_RATE_HZ, **options)
    except (can.CanError, OSError, ValueError, ImportError, TypeError) as error:
        raise DeviceError(
            f"CAN bus {interface}:{channel} cannot be opened: {error}. Plug in the adapter and bring it up."
        ) from error


class PythonCanTransport:
    """A `FrameTransport` over a bus of python-can; slower than raw sockets, and available everywhere.

    Args:
        bus: open bus; taken over and shut down here.
        name: for people.
        claim: on the bus; released here.
    """

    def __init__(self, bus: Any, name: str, claim: BusClaim | None = None) -> None:
        self.name, self.error = name, BusError.NONE
        self.error_frames = 0
        self._bus, self._claim = bus, claim
        self.offset_ns = 0
        self.attach(make_block(1), make_block(1), make_stamps(1), (0,))

    def attach(self, outgoing: FrameBlock, incoming: FrameBlock, stamps: Stamps, rows: Sequence[int]) -> None:
        self._outgoing, self._incoming, self._stamps, self._rows = outgoing, incoming, stamps, rows

    def send(self, count: int) -> int:
        for row in range(count):
            can_id, data = take_frame(self._outgoing, row)
            message = can.Message(
                arbitration_id=can_id & EXTENDED_MASK,
                is_extended_id=bool(can_id & EXTENDED_FLAG),
                data=data,
                check=False,
            )
            try:
                self._bus.send(message)
            except can.CanOperationError as error:
                self._note_refusal(error)
                return row
            except (can.CanError, OSError):
                self.error = BusError.GONE
                return row
        if self.error is BusError.NO_ACKNOWLEDGE:
            self.error = BusError.NONE
        return count

    def _note_refusal(self, error: can.CanOperationError) -> None:
        """A full queue (ENOBUFS, or not writable at once) is a bus nobody acknowledges on; anything else is the end."""
        full = error.error_code == errno.ENOBUFS or "buffer full" in str(error).lower()
        if not full:
            self.error = BusError.GONE
        elif self.error is BusError.NONE:
            self.error = BusError.NO_ACKNOWLEDGE

    def receive(self) -> int:
        count = 0
        try:
            while count < len(self._rows) and (message := self._bus.recv(0.0)) is not None:
                self._put(self._rows[count], message)
                count += 1
        except (can.CanError, OSError, ValueError):
            self.error = BusError.GONE
        return count

    def _put(self, row: int, message: can.Message) -> None:
        """Times are those of arrival in this process: adapters' own clocks are not comparable."""
        can_id = message.arbitration_id | (EXTENDED_FLAG if message.is_extended_id else 0)
        if message.is_error_frame:
            can_id |= ERROR_FLAG
        if message.is_remote_frame:
            can_id |= REMOTE_FLAG
        put_frame(self._incoming, row, can_id, bytes(message.data)[:8])
        self._stamps[row, STAMP_NS] = time.monotonic_ns()

    def note_error_frame(self, can_id: int) -> None:
        self.error_frames += 1
        if can_id & ERROR_BUS_OFF:
            self.error = BusError.BUS_OFF

    def fileno(self) -> int:
        try:
            return int(self._bus.fileno())
        except (NotImplementedError, can.CanError, OSError):
            return -1

    def clear_error(self) -> None:
        self.error = BusError.NONE

    def close(self) -> None:
        try:
            self._bus.shutdown()
        except (can.CanError, OSError):  # the adapter was pulled out; there is nothing left to close
            self.error = BusError.GONE
        if self._claim is not None:
            self._claim.release()
