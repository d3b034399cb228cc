"""One CAN bus through python-can, frame by frame: for discovery, the guard and tools. The loop uses `MotorBuses`."""

from __future__ import annotations

import contextlib
from typing import Any

import can

from hw_drivers.bus.claim import BusClaim
from hw_drivers.bus.python_can import open_python_can
from studio.core.errors import DeviceError, StudioError
from studio.core.protocols import CanFrame, Clock


class PythonCanBus:
    """A `Bus`. Receive times are the machine's monotonic clock at arrival in this process.

    Args:
        interface: python-can interface (`socketcan`, `slcan`, `virtual`, ...).
        channel: such as `can0` or `/dev/ttyACM0`.
        clock: source of receive times.
        commands: whether motors are to be commanded: no other program may do so then.
        options: of the interface.

    Raises:
        ConfigError: python-can has no such interface.
        DeviceError: it cannot be opened, or another program commands its motors.
    """

    def __init__(self, interface: str, channel: str, clock: Clock, *, commands: bool = False, **options: Any) -> None:
        self._where = f"{interface}:{channel}"
        self._clock = clock
        self.error_frames = 0  # seen so far: wiring, termination or two drives answering at once
        self._claim = BusClaim(self._where) if commands else None
        try:
            self._bus: Any = open_python_can(interface, channel, **options)
        except StudioError:
            self._release()
            raise

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
        """Close it; of an adapter that was pulled out there is nothing left to close."""
        with contextlib.suppress(can.CanError, OSError):
            self._bus.shutdown()
        self._release()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()
