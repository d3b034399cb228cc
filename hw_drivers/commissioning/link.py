"""One motor on a bus for commissioning: a command a cycle, and the newest state, in either dialect."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from hw_drivers.commissioning.discovery import is_reply, is_status
from hw_drivers.motors.codec_mit import (
    ENTER,
    EXIT,
    ZERO,
    Reply,
    command_id,
    decode_command,
    decode_reply,
    encode_command,
    status_steps,
)
from hw_drivers.motors.codec_servo import decode_status, encode_servo, status_reply
from hw_drivers.motors.models import MotorRange
from studio.core.protocols import Bus, CanFrame, Clock

Command = tuple[float, float, float, float, float]  # p rad, v rad/s, kp, kd, t, in the units of the drive
IDLE: Command = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """A motor's state.

    Args:
        t_ns: when it arrived.
        reply: in SI units; torque in commanded units.
        fresh: it came in this cycle.
        carried: what the wire carried of the last command.
    """

    t_ns: int
    reply: Reply
    fresh: bool
    carried: Command


class MotorLink:
    """Talks to one drive. Nothing here decides; torque flows only between `enter` and `release`.

    Args:
        bus: nothing else may be using it.
        clock: paces the cycles.
        motor: row of the range table.
        drive_id: on this bus.
        period_s: of a cycle.

    Raises:
        ConfigError: the row cannot read the drive's status frames.
    """

    def __init__(self, bus: Bus, clock: Clock, motor: MotorRange, drive_id: int, period_s: float = 0.005) -> None:
        if motor.status_feedback:
            status_steps(motor)  # refuses a row that cannot read status frames, before anything is sent
        self.motor, self.drive_id, self.clock = motor, drive_id, clock
        self._bus, self._period_ns = bus, int(period_s * 1e9)
        self._entered = False
        self._last = Sample(0, Reply(drive_id, 0.0, 0.0, 0.0, None, None), False, IDLE)
        self._carried: Command = IDLE
        self.period_s = period_s
        self.counts = {"foreign_shape": 0}  # frames of this drive in the other dialect's shape
        self._due_ns = clock.now_ns()

    @property
    def silence_s(self) -> float:
        """Since the newest state."""
        return (self.clock.now_ns() - self._last.t_ns) / 1e9 if self._last.t_ns else inf

    def cycle(self, command: Command | None = None, *, silent: bool = False) -> Sample:
        """Send, then take what comes until the period is over.

        Args:
            command: None asks for the state without any torque: a legacy drive that is off gets the exit frame.
            silent: send nothing at all.

        Returns:
            The newest state; zeros that are not fresh as long as there was none.
        """
        if not silent:
            self._send(command)
        self._due_ns = max(self._due_ns + self._period_ns, self.clock.now_ns())
        fresh: Sample | None = None
        while (left_ns := self._due_ns - self.clock.now_ns()) > 0:
            frame = self._bus.receive(left_ns / 1e9)
            fresh = self._take(frame) or fresh if frame is not None else fresh
        self._last = fresh or Sample(self._last.t_ns, self._last.reply, False, self._carried)
        return self._last

    def _send(self, command: Command | None) -> None:
        if not self._entered:
            command = None
            if self.motor.firmware != "v3":
                self._bus.send(CanFrame(self.drive_id, EXIT))
                return
        data = encode_command(self.motor, *(command or IDLE))
        number, extended = command_id(self.motor, self.drive_id)
        self._bus.send(CanFrame(number, data, extended))
        self._carried = decode_command(self.motor, data)

    def _take(self, frame: CanFrame) -> Sample | None:
        if is_status(frame) and frame.arbitration_id & 0xFF == self.drive_id:
            if not self.motor.status_feedback:
                self.counts["foreign_shape"] += 1
                return None
            reply = status_reply(self.motor, decode_status(frame.arbitration_id, frame.data))
        elif is_reply(frame) and frame.data[0] == self.drive_id:
            if self.motor.status_feedback:
                self.counts["foreign_shape"] += 1
                return None
            reply = decode_reply(self.motor, frame.data)
        else:
            return None
        return Sample(frame.t_ns or self.clock.now_ns(), reply, True, self._carried)

    def drain(self) -> None:
        """Forget what has been waiting: it is older than the person's answer."""
        while self._bus.receive(0.0) is not None:
            pass

    def enter(self) -> None:
        """Motor mode, with an empty command before it: a drive remembers its last one."""
        if self.motor.firmware != "v3":
            self._bus.send(CanFrame(self.drive_id, encode_command(self.motor, *IDLE)))
            self._bus.send(CanFrame(self.drive_id, ENTER))
        self._entered = True

    def release(self) -> None:
        """No gain, no torque, motor mode left."""
        self._entered = False
        data = encode_command(self.motor, *IDLE)
        number, extended = command_id(self.motor, self.drive_id)
        self._bus.send(CanFrame(number, data, extended))
        if not extended:
            self._bus.send(CanFrame(self.drive_id, EXIT))

    def zero(self) -> None:
        """The present angle becomes zero, until the power goes."""
        if self.motor.firmware != "v3":
            self._bus.send(CanFrame(self.drive_id, ZERO))
        else:
            number, data = encode_servo("origin", (0,), self.drive_id)
            self._bus.send(CanFrame(number, data, True))
