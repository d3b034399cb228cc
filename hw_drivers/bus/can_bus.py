"""One CAN bus through python-can: SocketCAN, slcan adapters, or its in-process virtual bus."""

from __future__ import annotations

from typing import Any

import can

from studio.core.errors import DeviceError
from studio.core.protocols import CanFrame, Clock

BIT_RATE_HZ = 1_000_000  # AK drives talk at 1 Mbit/s


class PythonCanBus:
    """A `Bus`. Receive times are the machine's monotonic clock at arrival in this process.

    Args:
        interface: python-can interface (`socketcan`, `slcan`, `virtual`, ...).
        channel: such as `can0` or `/dev/ttyACM0`.
        clock: source of receive times.
    """

    def __init__(self, interface: str, channel: str, clock: Clock) -> None:
        self._where = f"{interface}:{channel}"
        self._clock = clock
        self.error_frames = 0  # seen so far: wiring, termination or two drives answering at once
        try:
            self._bus: Any = can.Bus(interface=interface, channel=channel, bitrate=BIT_RATE_HZ)
        except (can.CanError, OSError, ValueError, ImportError) as error:
            raise DeviceError(
                f"CAN bus {self._where} cannot be opened: {error}. Plug in the adapter and bring it up."
            ) from error

    def send(self, frame: CanFrame) -> None:
        message = can.Message(arbitration_id=frame.arbitration_id, data=frame.data, is_extended_id=frame.extended)
        try:
            self._bus.send(message)
        except can.CanError as error:
            raise DeviceError(
                f"CAN bus {self._where} does not send: {error}. Check power, termination and wiring."
            ) from error

    def receive(self, timeout_s: float) -> CanFrame | None:
        try:
            while (message := self._bus.recv(timeout_s)) is not None and message.is_error_frame:
                self.error_frames += 1
        except can.CanError as error:
            raise DeviceError(f"CAN bus {self._where} does not receive: {error}. Check the adapter.") from error
        if message is None:
            return None
        return CanFrame(message.arbitration_id, bytes(message.data), message.is_extended_id, self._clock.now_ns())

    def close(self) -> None:
        self._bus.shutdown()
