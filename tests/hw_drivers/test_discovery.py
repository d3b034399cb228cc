"""Discovery against twins of every dialect, with faults: nothing moves, and nobody is taken for another."""

from __future__ import annotations

import pytest

from hw_drivers.bus.wire_fault import FaultKind, WireFaults, make_fault
from hw_drivers.commissioning.discovery import (
    Dialect,
    Discovery,
    discover,
    serial_firmware,
    temperature_offset_c,
)
from hw_drivers.motors.codec_mit import ENTER, EXIT, decode_command
from hw_drivers.motors.dialect_twin import DriveSettings, DriveTwin, JointTwin, Speech, TwinBus, UartTwin
from hw_drivers.motors.models import find_range
from studio.core.clock import SteppedClock

LEGACY, V3 = find_range("AK60-6"), find_range("AK60-6", "v3")


def make_drive(drive_id: int, speech: Speech, **settings: object) -> DriveTwin:
    motor = LEGACY if speech is Speech.LEGACY else V3
    return DriveTwin(DriveSettings(drive_id=drive_id, speech=speech, motor=motor, **settings), JointTwin(angle_rad=0.3))  # type: ignore[arg-type]


def search(*drives: DriveTwin, faults: WireFaults | None = None, **options: object) -> tuple[Discovery, TwinBus]:
    clock = SteppedClock()
    bus = TwinBus(drives, clock, faults)
    return discover(bus, clock, range(1, 9), **options), bus  # type: ignore[arg-type]


def assert_harmless(bus: TwinBus) -> None:
    """Only exit frames and V3 commands of no gain and no torque went out, and no joint moved."""
    for frame in bus.sent:
        if frame.extended:
            p, v, kp, kd, t = decode_command(V3, frame.data)
            assert (kp, kd) == (0.0, 0.0) and abs(t) < 0.004 and abs(v) < 0.02 and abs(p) < 0.001
        else:
            assert frame.data == EXIT and frame.data != ENTER
    assert all(drive.joint.angle_rad == pytest.approx(0.3, abs=1e-3) for drive in bus.drives)


def test_every_dialect_is_told_apart() -> None:
    found, bus = search(
        make_drive(1, Speech.LEGACY),
        make_drive(2, Speech.V3_PERIODIC, status_rate_hz=50.0),
        make_drive(3, Speech.V3_QUERY),
        make_drive(4, Speech.SERVO, status_rate_hz=2.0),
        make_drive(5, Speech.LEGACY, six_bytes=True),
        nothing_can_fall=True,
    )
    assert [(d.drive_id, d.dialect) for d in found.drives] == [
        (1, Dialect.LEGACY), (2, Dialect.STATUS), (3, Dialect.V3_QUERY), (4, Dialect.STATUS), (5, Dialect.LEGACY)
    ]  # fmt: skip
    assert found.drives[1].rate_hz == pytest.approx(50.0, rel=0.05)
    assert found.drives[3].rate_hz == pytest.approx(2.0, rel=0.2)
    assert [d.reply_bytes for d in found.drives] == [8, 8, 8, 8, 6]
    assert found.drives[4].temperature_byte is None and found.drives[0].temperature_byte == 67
    assert_harmless(bus)


def test_a_v3_drive_in_query_mode_is_asked_only_when_nothing_can_fall() -> None:
    found, bus = search(make_drive(3, Speech.V3_QUERY))
    assert found.drives == () and "allow the zero-torque question" in found.advice
    assert not any(frame.extended for frame in bus.sent)
    found, _ = search(nothing_can_fall=True)
    assert "Check the motor supply" in found.advice


def test_a_drive_that_holds_a_load_keeps_it_until_it_is_asked() -> None:
    drive = make_drive(2, Speech.V3_PERIODIC)
    drive._command = (0.0, 0.0, 0.0, 0.0, 1.0)
    found, _ = search(drive)
    assert found.drives[0].dialect is Dialect.STATUS
    assert drive.torque_units == 1.0  # a drive that was heard is not asked in V3, and does not hear legacy


def test_the_first_seconds_after_power_on_are_waited_for() -> None:
    late = make_drive(2, Speech.V3_PERIODIC, quiet_start_s=4.9)
    found, _ = search(late, powered_for_s=0.0)
    assert [d.drive_id for d in found.drives] == [2]


def test_replies_on_one_arbitration_id_are_marked() -> None:
    found, _ = search(make_drive(1, Speech.LEGACY, reply_id=0), make_drive(2, Speech.LEGACY, reply_id=0))
    assert [d.shared_reply_id for d in found.drives] == [True, True]
    found, _ = search(make_drive(1, Speech.LEGACY), make_drive(2, Speech.LEGACY))
    assert [d.shared_reply_id for d in found.drives] == [False, False]


def test_two_drives_on_one_id_are_a_conflict() -> None:
    found, _ = search(make_drive(1, Speech.LEGACY), make_drive(1, Speech.LEGACY))
    assert found.drives[0].dialect is Dialect.CONFLICT
    assert "two drives have this id" in found.drives[0].sentence


def test_a_drive_that_was_heard_is_asked_nothing() -> None:
    _, bus = search(make_drive(1, Speech.V3_PERIODIC), make_drive(2, Speech.LEGACY), nothing_can_fall=True)
    assert {frame.arbitration_id & 0xFF for frame in bus.sent} == set(range(2, 9))
    assert not any(frame.extended and frame.arbitration_id & 0xFF == 2 for frame in bus.sent)


@pytest.mark.parametrize(
    "kind", [FaultKind.ECHO, FaultKind.ERROR_CODE, FaultKind.SHORT_REPLY, FaultKind.TEMPERATURE_OFFSET]
)
def test_faults_that_leave_a_drive_recognisable(kind: FaultKind) -> None:
    faults = WireFaults()
    faults.inject(make_fault(kind), 0)
    found, _ = search(make_drive(1, Speech.LEGACY), faults=faults)
    assert [(d.drive_id, d.dialect) for d in found.drives] == [(1, Dialect.LEGACY)]
    if kind is FaultKind.ERROR_CODE:
        assert found.drives[0].error_code == 6


@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.WRONG_ID, FaultKind.NO_FEEDBACK])
def test_faults_that_hide_a_drive_invent_none(kind: FaultKind) -> None:
    faults = WireFaults()
    faults.inject(make_fault(kind, value={FaultKind.NO_FEEDBACK: 60.0, FaultKind.WRONG_ID: 99.0}.get(kind, 1.0)), 0)
    found, _ = search(make_drive(1, Speech.LEGACY), faults=faults)
    assert found.drives == ()


def test_a_silent_drive_is_not_found() -> None:
    drive = make_drive(1, Speech.LEGACY)
    drive.silent = True
    assert search(drive)[0].find(1) is None


def test_the_serial_port_tells_v3_from_servo_mode() -> None:
    servo, v3 = make_drive(1, Speech.SERVO), make_drive(2, Speech.V3_PERIODIC)
    assert serial_firmware(UartTwin(servo, "legacy").exchange) == "legacy"
    assert serial_firmware(UartTwin(v3, "v3").exchange) == "v3"
    assert serial_firmware(lambda _: b"\x02\x49\x04" + bytes(80)) is None
    assert serial_firmware(lambda _: b"") is None


@pytest.mark.parametrize(("byte", "expected"), [(62, -40.0), (25, 0.0), (45, None), (120, None), (0, None)])
def test_the_temperature_convention_of_a_cold_drive(byte: int, expected: float | None) -> None:
    assert temperature_offset_c(byte) == expected


def test_a_known_room_decides_more() -> None:
    assert temperature_offset_c(45, room_c=35.0) == 0.0
    assert temperature_offset_c(45, room_c=10.0) == -40.0
