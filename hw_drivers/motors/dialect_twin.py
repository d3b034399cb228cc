"""One drive as a twin in any dialect, on one joint that a hand, a pin, a stop or a hanging weight acts upon.

`TwinMotors` plays all motors of a rig at loop rate; this one plays a single motor on a bench, with what can be wrong
with it: another gear or full scale than the studio believes, a reversed axis, a current without sign, a torque scale, a
start-up angle that is only known modulo a sector, and what it does when commands stop (spec/hardware.md 1 to 3, 4.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import cos, inf, pi

from hw_drivers.bus.can_frame import EXTENDED_FLAG
from hw_drivers.bus.wire_fault import WireFaults
from hw_drivers.motors.codec_mit import ENTER, EXIT, ZERO, Reply, decode_command, encode_reply
from hw_drivers.motors.codec_servo import START_MARK, START_PACKET, ServoStatus, decode_servo, encode_status
from hw_drivers.motors.codec_uart import FrameParser, encode_frame
from hw_drivers.motors.models import MotorRange
from hw_drivers.motors.uart_commands import decode_payload, encode_values
from studio.core.errors import DataError
from studio.core.protocols import CanFrame, Clock

_STEP_NS = 500_000
_REPLY_DELAY_NS = 250_000  # command, turnaround of 15 us and reply on a 1 Mbit/s wire
_DEGREE = 180.0 / pi
_GRAVITY_M_S2 = 9.81


class Speech(StrEnum):
    """What a drive says on CAN."""

    LEGACY = "legacy"  # MIT, one reply per command
    V3_PERIODIC = "v3_periodic"  # status frames at a fixed rate
    V3_QUERY = "v3_query"  # a message per accepted command; its layout is not documented: as the motor's row says
    SERVO = "servo"  # legacy firmware in servo mode: status frames, MIT frames ignored


@dataclass(kw_only=True)
class JointTwin:
    """One joint: angle, speed, and what acts on it besides the drive.

    `hand` moves the joint as it likes (angle in rad of a time in s) until it is None; `weight_nm` is the torque of a
    weight on a lever at angle 0, pulling towards negative angles; the joint is free from `lower_rad` to `upper_rad`.
    """

    angle_rad: float = 0.0
    speed_rad_s: float = 0.0
    inertia_kg_m2: float = 0.01
    coulomb_nm: float = 0.15
    viscous_nm_s_rad: float = 0.02
    weight_nm: float = 0.0
    lower_rad: float = -inf
    upper_rad: float = inf
    hand: Callable[[float], float] | None = None

    def pin(self, angle_rad: float) -> None:
        """Hold the joint at an angle."""
        self.angle_rad, self.speed_rad_s = angle_rad, 0.0
        self.hand = lambda _: angle_rad

    def release(self) -> None:
        self.hand = None

    def hang_weight(self, mass_kg: float, lever_m: float) -> None:
        self.weight_nm = mass_kg * _GRAVITY_M_S2 * lever_m

    def step(self, torque_nm: float, t_s: float, dt_s: float) -> None:
        """Advance under the drive's torque; friction holds what is too weak to move it."""
        if self.hand is not None:
            angle = self.hand(t_s)
            self.speed_rad_s, self.angle_rad = (angle - self.angle_rad) / dt_s, angle
            return
        push = torque_nm - self.weight_nm * cos(self.angle_rad) - self.viscous_nm_s_rad * self.speed_rad_s
        most = self.coulomb_nm * dt_s / self.inertia_kg_m2
        free = self.speed_rad_s + push * dt_s / self.inertia_kg_m2
        self.speed_rad_s = free - min(max(free, -most), most)
        self.angle_rad += self.speed_rad_s * dt_s
        if not self.lower_rad <= self.angle_rad <= self.upper_rad:
            self.angle_rad = min(max(self.angle_rad, self.lower_rad), self.upper_rad)
            self.speed_rad_s = 0.0


@dataclass(frozen=True, kw_only=True)
class DriveSettings:
    """What a drive is, which may differ from what the studio believes.

    Args:
        motor: the drive's own full scale, gear and pole pairs.
        position_scale: reported over true angle; 1.5 is a 9:1 gear under a 6:1 setting.
        torque_scale: N*m at the output per commanded unit.
        kp_scale, kd_scale: effective over commanded gain, in commanded units of torque.
        direction: -1 turns the other way than the studio's positive.
        current_sign: 1 right, -1 inverted, 0 always positive.
        six_bytes: old firmware without temperature and error.
        temperature_offset_c: of byte 6 of a reply.
        holds_s: how long the last command is kept when no more come; inf: for ever.
        quiet_start_s: no feedback this long after power-on.
        sector_rad: the start-up angle is known modulo this; 0: absolute.
        sector_start_rad: where that window begins.
        zero_block_s: deaf and dumb while the zero is written.
        reply_id: arbitration id of replies; None: the drive's own.
    """

    drive_id: int
    speech: Speech
    motor: MotorRange
    position_scale: float = 1.0
    torque_scale: float = 1.0
    kp_scale: float = 1.0
    kd_scale: float = 1.0
    direction: int = 1
    current_sign: int = 1
    six_bytes: bool = False
    temperature_offset_c: float = -40.0
    temperature_c: float = 27.0
    holds_s: float = inf
    quiet_start_s: float = 0.0
    sector_rad: float = 0.0
    sector_start_rad: float = 0.0
    status_rate_hz: float = 50.0
    zero_block_s: float = 0.0
    reply_id: int | None = None


class DriveTwin:
    """The drive: frames in, frames out, torque on its joint in between.

    Args:
        settings: what it is.
        joint: what it moves.
        now_ns: when it was powered on.
    """

    def __init__(self, settings: DriveSettings, joint: JointTwin, now_ns: int = 0) -> None:
        self.settings, self.joint = settings, joint
        self.error_code = 0
        self.silent = False  # a cut wire: it neither hears nor answers
        self.torque_units = 0.0  # what it gives, in commanded units
        self.power_on(now_ns)

    def power_on(self, now_ns: int) -> None:
        """Forget zero, command and turns: the angle is folded into the sector's window."""
        s = self.settings
        self._t_ns = self._on_ns = now_ns
        self._quiet_until_ns = now_ns + int(s.quiet_start_s * 1e9)
        self._status_due_ns = now_ns
        self._enabled = s.speech in (Speech.V3_PERIODIC, Speech.V3_QUERY)
        self._command, self._command_ns = (0.0, 0.0, 0.0, 0.0, 0.0), now_ns
        self._offset_rad = 0.0
        if s.sector_rad > 0.0:
            raw = self.position_rad
            self._offset_rad = (raw - s.sector_start_rad) // s.sector_rad * s.sector_rad

    @property
    def position_rad(self) -> float:
        """What it believes its angle is."""
        s = self.settings
        return s.direction * s.position_scale * self.joint.angle_rad - self._offset_rad

    @property
    def speed_rad_s(self) -> float:
        return self.settings.direction * self.settings.position_scale * self.joint.speed_rad_s

    @property
    def time_s(self) -> float:
        """How far its physics has come."""
        return self._t_ns / 1e9

    @property
    def torque_nm(self) -> float:
        """What it puts on the joint, in the joint's direction."""
        return self.torque_units * self.settings.torque_scale * self.settings.direction

    def advance(self, now_ns: int) -> list[CanFrame]:
        """Physics up to now, and the status frames that fell due on the way."""
        frames: list[CanFrame] = []
        while self._t_ns + _STEP_NS <= now_ns:
            self._t_ns += _STEP_NS
            self._update_torque()
            self.joint.step(self.torque_nm, self._t_ns / 1e9, _STEP_NS / 1e9)
            if self._t_ns >= self._status_due_ns and self.settings.speech in (Speech.V3_PERIODIC, Speech.SERVO):
                self._status_due_ns = self._t_ns + int(1e9 / self.settings.status_rate_hz)
                frames += self._say(self._status(), self._t_ns)
        return frames

    def _update_torque(self) -> None:
        s = self.settings
        silence_s = (self._t_ns - self._command_ns) / 1e9
        if not self._enabled or self.error_code or silence_s > s.holds_s:
            self.torque_units = 0.0
            return
        p, v, kp, kd, t = self._command
        tau = kp * s.kp_scale * (p - self.position_rad) + kd * s.kd_scale * (v - self.speed_rad_s) + t
        self.torque_units = min(max(tau, -s.motor.torque_nm), s.motor.torque_nm)

    def receive(self, frame: CanFrame, now_ns: int) -> list[CanFrame]:
        """A frame from the bus; the answers carry their own times."""
        if self.silent or now_ns < self._quiet_until_ns:
            return []
        s = self.settings
        if not frame.extended:
            hears = s.speech is Speech.LEGACY and frame.arbitration_id == s.drive_id and len(frame.data) == 8
            return self._hear_legacy(frame.data, now_ns) if hears else []
        if frame.arbitration_id & 0xFF != s.drive_id or s.speech is Speech.LEGACY:
            return []
        if frame.arbitration_id >> 8 == 8:
            return self._hear_v3(frame.data, now_ns)
        return self._hear_servo(frame, now_ns)

    def _hear_legacy(self, data: bytes, now_ns: int) -> list[CanFrame]:
        if data == ENTER:
            self._enabled = self.error_code == 0  # the old command stays, as in real drives
        elif data == EXIT:
            self._enabled = False
        elif data == ZERO:
            self._set_zero(now_ns)
        else:
            self._command = decode_command(self.settings.motor, data)
        self._command_ns = now_ns
        return self._say(self._reply(), now_ns + _REPLY_DELAY_NS)  # the current that flows, not the one to come

    def _hear_v3(self, data: bytes, now_ns: int) -> list[CanFrame]:
        if self.settings.speech is Speech.SERVO or len(data) != 8:
            return []
        self._command, self._command_ns = decode_command(self.settings.motor, data), now_ns
        if self.settings.speech is Speech.V3_QUERY:
            answer = self._status() if self.settings.motor.status_feedback else self._reply()
            return self._say(answer, now_ns + _REPLY_DELAY_NS)
        return []

    def _hear_servo(self, frame: CanFrame, now_ns: int) -> list[CanFrame]:
        """Servo packets: current, brake and origin are played; the others are heard and move nothing."""
        try:
            command = decode_servo(frame.arbitration_id, frame.data)
        except DataError:
            return []
        per_a = self.settings.motor.torque_per_current_nm_a or 0.0
        if command.packet == "origin":
            self._set_zero(now_ns)
        elif command.packet == "current":
            self._enabled, self._command = True, (0.0, 0.0, 0.0, 0.0, command.values[0] * per_a)
        elif command.packet == "current_brake":
            self._enabled, self._command = True, (0.0, 0.0, 0.0, min(abs(command.values[0]) * per_a, 5.0), 0.0)
        self._command_ns = now_ns
        return self._say(self._status(), now_ns + _REPLY_DELAY_NS) if self.settings.speech is Speech.V3_QUERY else []

    def _set_zero(self, now_ns: int) -> None:
        self._offset_rad += self.position_rad
        self._quiet_until_ns = now_ns + int(self.settings.zero_block_s * 1e9)

    def _say(self, frame: CanFrame, t_ns: int) -> list[CanFrame]:
        if self.silent or t_ns < self._quiet_until_ns:
            return []
        return [CanFrame(frame.arbitration_id, frame.data, frame.extended, t_ns)]

    def _shown_torque(self) -> float:
        sign = self.settings.current_sign
        return abs(self.torque_units) if sign == 0 else sign * self.torque_units

    def _reply(self) -> CanFrame:
        s = self.settings
        # the codec's own rule for the byte, with this drive's convention for the temperature
        shown = s.temperature_c - s.temperature_offset_c + s.motor.temperature_offset_c
        six = s.six_bytes
        reply = Reply(
            drive_id=s.drive_id,
            position_rad=_wrapped(self.position_rad, s.motor.position_rad),
            velocity_rad_s=self.speed_rad_s,
            torque_nm=self._shown_torque(),
            temperature_c=None if six else shown,
            error_code=None if six else self.error_code,
        )
        return CanFrame(s.drive_id if s.reply_id is None else s.reply_id, encode_reply(s.motor, reply))

    def status(self) -> ServoStatus:
        """What its status frame says."""
        s = self.settings
        return ServoStatus(
            drive_id=s.drive_id,
            position_deg=self.position_rad * _DEGREE,
            speed_erpm=self.speed_rad_s * (s.motor.erpm_per_rad_s or 0.0),
            current_a=self._shown_torque() / (s.motor.torque_per_current_nm_a or 1.0),
            temperature_c=s.temperature_c,
            error_code=self.error_code,
        )

    def _status(self) -> CanFrame:
        number, data = encode_status(self.status())
        return CanFrame(number, data, True)

    def start_frame(self) -> CanFrame:
        """What a drive sends when servo mode starts."""
        return CanFrame(START_PACKET << 8 | self.settings.drive_id, START_MARK, True)


def _wrapped(angle_rad: float, full_rad: float) -> float:
    """The position code wraps at the end of its range."""
    return (angle_rad + full_rad) % (2 * full_rad) - full_rad


class TwinBus:
    """A `Bus` with drive twins on it; waiting lets simulated time pass.

    Args:
        drives: on this bus.
        clock: `receive` sleeps on it; a stepped one makes the twins as fast as the machine.
        faults: of the wire, put between drives and host.
    """

    def __init__(self, drives: Sequence[DriveTwin], clock: Clock, faults: WireFaults | None = None) -> None:
        self.drives, self.faults = list(drives), faults or WireFaults()
        self._clock = clock
        self._queue: list[CanFrame] = []
        self.sent: list[CanFrame] = []  # everything the host sent, for tests
        self.closed = False

    def send(self, frame: CanFrame) -> None:
        now_ns = self._clock.now_ns()
        self.sent.append(frame)
        self._advance(now_ns)
        replies = [reply for drive in self.drives for reply in drive.receive(frame, now_ns)]
        self._put([frame], replies, now_ns)

    def receive(self, timeout_s: float) -> CanFrame | None:
        """The next frame that has arrived, else the next one within the timeout, else None."""
        deadline_ns = self._clock.now_ns() + int(timeout_s * 1e9)
        while True:
            now_ns = self._clock.now_ns()
            self._advance(now_ns)
            if self._queue and self._queue[0].t_ns <= now_ns:
                return self._queue.pop(0)
            if now_ns >= deadline_ns:
                return None
            self._clock.sleep_until_ns(min(now_ns + _STEP_NS, deadline_ns))

    def _advance(self, now_ns: int) -> None:
        frames = [frame for drive in self.drives for frame in drive.advance(now_ns)]
        if frames or self.faults.any:
            self._put([], frames, now_ns)

    def _put(self, commands: list[CanFrame], replies: list[CanFrame], now_ns: int) -> None:
        if self.faults.any:
            replies = self._disturb(commands, replies, now_ns)
        self._queue += replies
        self._queue.sort(key=lambda frame: frame.t_ns)

    def _disturb(self, commands: list[CanFrame], replies: list[CanFrame], now_ns: int) -> list[CanFrame]:
        changed = self.faults.change([_flagged(f) for f in commands], [_flagged(f) for f in replies], now_ns)
        t_ns = replies[0].t_ns if replies else now_ns
        return [CanFrame(i & ~EXTENDED_FLAG, data, bool(i & EXTENDED_FLAG), t_ns) for i, data in changed]

    def close(self) -> None:
        self.closed = True


def _flagged(frame: CanFrame) -> tuple[int, bytes]:
    return frame.arbitration_id | (EXTENDED_FLAG if frame.extended else 0), frame.data


class UartTwin:
    """The serial port of a drive: bytes in, bytes out, in the dialect of its firmware.

    Args:
        drive: whose state it tells.
        firmware: framing and command ids, `legacy` or `v3`.
    """

    def __init__(self, drive: DriveTwin, firmware: str) -> None:
        self.drive, self.firmware = drive, firmware
        self.parser = FrameParser(firmware)

    def exchange(self, data: bytes) -> bytes:
        """What comes back for some bytes; queries are answered, everything else is silence."""
        return b"".join(self._answer(payload) for payload in self.parser.feed(data))

    def _answer(self, payload: bytes) -> bytes:
        try:
            message = decode_payload(payload, self.firmware)
        except DataError:
            return b""
        if message.command == "values":
            return encode_values(self._values(), self.firmware)
        if message.command == "firmware":
            return encode_frame(payload + b"\x01\x12", self.firmware)
        return b""

    def _values(self) -> dict[str, float]:
        status = self.drive.status()
        return {
            "mosfet_temperature_c": status.temperature_c,
            "motor_temperature_c": status.temperature_c,
            "output_current_a": status.current_a,
            "iq_a": status.current_a,
            "speed_erpm": status.speed_erpm,
            "supply_v": 24.0,
            "fault_code": status.error_code,
            "position_deg": status.position_deg,
            "drive_id": status.drive_id,
        }
