"""Who is on a bus and which dialect they speak, found without moving anything (spec/hardware.md 1.5, 2.1, 2.5).

In order: listen; ask with the legacy exit frame, which gives no torque; and only when a person says that nothing can
fall, a V3 command of zero gains and zero torque. An enter frame or a gain is never sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hw_drivers.motors.codec_mit import EXIT, encode_command, is_special
from hw_drivers.motors.codec_servo import JUMP_START_PACKET, START_PACKET, STATUS_PACKET
from hw_drivers.motors.codec_uart import FRAMINGS, FrameParser
from hw_drivers.motors.models import find_range
from hw_drivers.motors.uart_commands import decode_payload, encode_uart
from studio.core.errors import DataError
from studio.core.protocols import Bus, CanFrame, Clock

LISTEN_S = 1.2  # the status rate may be 1 Hz
POWER_ON_WAIT_S = 5.0  # V3 drives say nothing in their first seconds
ANSWER_S = 0.05  # serial adapters may hold an answer back for 16 ms
SerialExchange = Callable[[bytes], bytes]
_LEFT_FRAMES = 64  # looked at after the time is up
_ROOM_C = (5.0, 45.0)  # a drive that has been off for an hour is within


class Dialect(StrEnum):
    """What the replies prove."""

    LEGACY = "legacy"  # MIT of V1 and V2 firmware, one reply per command
    STATUS = "status"  # status frames by themselves: V3, or legacy firmware in servo mode
    V3_QUERY = "v3_query"  # V3 that answers when it is commanded
    CONFLICT = "conflict"  # two drives on one id

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Dialect.LEGACY: "speaks legacy MIT: choose firmware legacy.",
    Dialect.STATUS: "sends status frames: V3 firmware, or legacy firmware in servo mode. Its serial port tells which.",
    Dialect.V3_QUERY: "answers V3 commands: choose firmware v3.",
    Dialect.CONFLICT: "answers twice: two drives have this id. Connect them one by one and give each its own.",
}


@dataclass(frozen=True, kw_only=True)
class FoundDrive:
    """One drive and the evidence.

    Args:
        reply_id: arbitration id of its replies; a legacy drive may use its own id, 0, or a master id.
        reply_bytes: 6 in old firmware, else 8.
        rate_hz: of status frames that come by themselves, else 0.
        temperature_byte: as sent; None in six-byte replies.
        shared_reply_id: others answer on the same arbitration id, so that two answers at once collide: ask in turn.
    """

    drive_id: int
    dialect: Dialect
    reply_id: int
    reply_bytes: int
    rate_hz: float = 0.0
    temperature_byte: int | None = None
    error_code: int | None = None
    shared_reply_id: bool = False

    @property
    def sentence(self) -> str:
        mit = self.dialect is Dialect.V3_QUERY and self.reply_id >> 8 != STATUS_PACKET
        more = " Its replies are MIT ones: set status_feedback = 0 for this motor." if mit else ""
        return f"Drive {self.drive_id} {self.dialect.sentence}{more}"


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What a search found, and what it could not know."""

    drives: tuple[FoundDrive, ...]
    foreign_frames: int = 0
    asked_v3: bool = False

    def find(self, drive_id: int) -> FoundDrive | None:
        return next((drive for drive in self.drives if drive.drive_id == drive_id), None)

    @property
    def advice(self) -> str:
        """The next step when nobody was found."""
        if self.drives:
            return ""
        if self.asked_v3:
            return "No drive answered. Check the motor supply, the 1 Mbit/s bit rate, termination and wiring."
        return (
            "No drive answered. A V3 drive in query-reply mode is silent until it is commanded: with the arms at rest, "
            "allow the zero-torque question. Else check supply, bit rate, termination and wiring."
        )


def listen(bus: Bus, clock: Clock, duration_s: float) -> list[CanFrame]:
    """Every frame of a stretch of time, and what came while the machine kept this process from looking."""
    end_ns, frames = clock.now_ns() + int(duration_s * 1e9), list[CanFrame]()
    while (left_ns := end_ns - clock.now_ns()) > 0:
        frame = bus.receive(left_ns / 1e9)
        if frame is not None:
            frames.append(frame)
    for _ in range(_LEFT_FRAMES):
        if (frame := bus.receive(0.0)) is None:
            break
        frames.append(frame)
    return frames


def is_status(frame: CanFrame) -> bool:
    return frame.extended and frame.arbitration_id >> 8 == STATUS_PACKET and len(frame.data) == 8


def is_reply(frame: CanFrame) -> bool:
    """Whether a frame has the shape of a legacy reply; which drive it is from is in byte 0."""
    return not frame.extended and len(frame.data) in (6, 8) and not is_special(frame.data)


def is_known_other(frame: CanFrame) -> bool:
    """Frames of drives that are no state: start of servo mode, jump start."""
    return frame.extended and frame.arbitration_id >> 8 in (START_PACKET, JUMP_START_PACKET)


def statuses(frames: Sequence[CanFrame]) -> list[FoundDrive]:
    """Drives that send status frames by themselves, with their rates."""
    found: list[FoundDrive] = []
    for drive_id in sorted({f.arbitration_id & 0xFF for f in frames if is_status(f)}):
        own = [f for f in frames if is_status(f) and f.arbitration_id & 0xFF == drive_id]
        span_s = (own[-1].t_ns - own[0].t_ns) / 1e9
        rate_hz = (len(own) - 1) / span_s if span_s > 0 else 1.0
        found.append(_from_status(own[-1], Dialect.STATUS, rate_hz))
    return found


def _from_status(frame: CanFrame, dialect: Dialect, rate_hz: float = 0.0) -> FoundDrive:
    return FoundDrive(
        drive_id=frame.arbitration_id & 0xFF,
        dialect=dialect,
        reply_id=frame.arbitration_id,
        reply_bytes=8,
        rate_hz=rate_hz,
        temperature_byte=frame.data[6],
        error_code=frame.data[7],
    )


def _from_reply(frame: CanFrame, dialect: Dialect) -> FoundDrive:
    whole = len(frame.data) == 8
    return FoundDrive(
        drive_id=frame.data[0],
        dialect=dialect,
        reply_id=frame.arbitration_id,
        reply_bytes=len(frame.data),
        temperature_byte=frame.data[6] if whole else None,
        error_code=frame.data[7] if whole else None,
    )


def ask_legacy(bus: Bus, clock: Clock, drive_id: int, answer_s: float = ANSWER_S) -> FoundDrive | None:
    """The exit frame to one drive, and its reply. A motor that held a load lets go of it."""
    replies = [f for f in _ask(bus, clock, CanFrame(drive_id, EXIT), answer_s) if is_reply(f) and f.data[0] == drive_id]
    if not replies:
        return None
    return _from_reply(replies[0], Dialect.LEGACY if len(replies) == 1 else Dialect.CONFLICT)


def ask_v3(bus: Bus, clock: Clock, drive_id: int, answer_s: float = ANSWER_S) -> FoundDrive | None:
    """A V3 command of zero gains and zero torque, and what answers: a status frame or a reply of the legacy shape.

    The layout of the answer is not documented, so both are taken. A drive that held a load lets go of it.
    """
    zero = encode_command(find_range("AK60-6", "v3"), 0.0, 0.0, 0.0, 0.0, 0.0)  # the same bytes for every range
    for frame in _ask(bus, clock, CanFrame(0x800 | drive_id, zero, True), answer_s):
        if is_status(frame) and frame.arbitration_id & 0xFF == drive_id:
            return _from_status(frame, Dialect.V3_QUERY)
        if is_reply(frame) and frame.data[0] == drive_id:
            return _from_reply(frame, Dialect.V3_QUERY)
    return None


def _ask(bus: Bus, clock: Clock, question: CanFrame, answer_s: float) -> list[CanFrame]:
    """What comes back within the answer time; adapters that echo our own frame are seen through."""
    while bus.receive(0.0) is not None:
        pass  # nothing older may be taken for the answer
    bus.send(question)
    asked = (question.arbitration_id, question.data, question.extended)
    return [f for f in listen(bus, clock, answer_s) if (f.arbitration_id, f.data, f.extended) != asked]


def discover(
    bus: Bus,
    clock: Clock,
    drive_ids: Sequence[int],
    *,
    powered_for_s: float = POWER_ON_WAIT_S,
    nothing_can_fall: bool = False,
    listen_s: float = LISTEN_S,
    answer_s: float = ANSWER_S,
) -> Discovery:
    """Search a bus.

    Args:
        bus: nothing else may be using it.
        clock: for waiting.
        drive_ids: ids to ask; those that were heard are not asked.
        powered_for_s: how long the motors have had power; the search waits until V3 drives can speak.
        nothing_can_fall: a person says that no motor holds a load; only then V3 drives are asked.
        listen_s: how long to listen first.
        answer_s: how long to wait for an answer of each drive.
    """
    if powered_for_s < POWER_ON_WAIT_S:
        clock.sleep_until_ns(clock.now_ns() + int((POWER_ON_WAIT_S - powered_for_s) * 1e9))
    frames = listen(bus, clock, listen_s)
    found = {drive.drive_id: drive for drive in statuses(frames)}
    foreign = sum(not (is_status(f) or is_known_other(f)) for f in frames)
    for drive_id in drive_ids:
        if drive_id not in found and (answer := ask_legacy(bus, clock, drive_id, answer_s)) is not None:
            found[drive_id] = answer
    if nothing_can_fall:
        for drive_id in drive_ids:
            if drive_id not in found and (answer := ask_v3(bus, clock, drive_id, answer_s)) is not None:
                found[drive_id] = answer
    return Discovery(drives=_marked(found), foreign_frames=foreign, asked_v3=nothing_can_fall)


def _marked(found: dict[int, FoundDrive]) -> tuple[FoundDrive, ...]:
    """Sorted by id; those whose reply id is not theirs alone are marked."""
    ids = [drive.reply_id for drive in found.values()]
    shared = {number for number in ids if ids.count(number) > 1}
    return tuple(replace(found[i], shared_reply_id=found[i].reply_id in shared) for i in sorted(found))


def temperature_offset_c(temperature_byte: int, room_c: float | None = None) -> float | None:
    """Which convention a drive follows that has been off for long: byte - 40 or the byte as it is.

    Returns:
        -40.0 or 0.0, or None when both or neither are possible.
    """
    low, high = _ROOM_C if room_c is None else (room_c - 8.0, room_c + 12.0)
    fits = [offset for offset in (-40.0, 0.0) if low <= temperature_byte + offset <= high]
    return fits[0] if len(fits) == 1 else None


def serial_firmware(exchange: SerialExchange) -> str | None:
    """Which dialect a drive's serial port speaks: asks for the values, which moves nothing.

    Args:
        exchange: sends bytes and returns what came back within a while.

    Returns:
        `legacy`, `v3`, or None when nothing understandable came.
    """
    for firmware in FRAMINGS:
        parser = FrameParser(firmware)
        for payload in parser.feed(exchange(encode_uart("values", (), firmware))):
            try:
                message = decode_payload(payload, firmware)
            except DataError:
                continue
            if message.command == "values" and message.reply:
                return firmware
    return None
