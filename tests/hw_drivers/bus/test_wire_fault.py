"""Every fault of the catalogue changes what its report says, and only for the drives it is meant for."""

from __future__ import annotations

import pytest

from hw_drivers.bus.can_frame import EXTENDED_FLAG
from hw_drivers.bus.wire_fault import FaultKind, WireFaults, make_fault
from hw_drivers.motors.codec_mit import Reply, decode_reply, encode_reply
from hw_drivers.motors.models import find_range
from studio.core.errors import ConfigError

MOTOR = find_range("AK60-6")
MS = 1_000_000


def reply(drive_id: int, position_rad: float = 1.0, velocity_rad_s: float = 2.0) -> tuple[int, bytes]:
    return drive_id, encode_reply(MOTOR, Reply(drive_id, position_rad, velocity_rad_s, 0.5, 30.0, 0))


def changed(kind: str, value: float | None = None, drive_id: int = 1, turns: int = 1) -> list[tuple[int, bytes]]:
    """What comes of the replies of drives 1 and 2 in the last of some turns."""
    faults = WireFaults(MOTOR.position_rad)
    faults.inject(make_fault(kind, drive_id, value), 0)
    frames: list[tuple[int, bytes]] = []
    for turn in range(turns):
        frames = faults.change([(1, b"command!")], [reply(1, 0.1 * turn), reply(2)], turn * MS)
    return frames


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind not in (FaultKind.ECHO, FaultKind.BIT_FLIP)])
def test_the_other_drive_is_left_alone(kind: FaultKind) -> None:
    assert reply(2) in changed(kind)


def test_numbers_of_frames() -> None:
    assert changed("lost_reply") == [reply(2)] == changed("no_feedback")
    assert changed("duplicate") == [reply(1, 0.0), reply(1, 0.0), reply(2)]
    assert changed("echo", drive_id=0) == [(1, b"command!"), reply(1, 0.0), reply(2)]
    assert changed("lost_reply", 0.0) == [reply(1, 0.0), reply(2)]


def test_replies_of_another_time() -> None:
    assert changed("previous_reply", turns=3) == [reply(1, 0.1), reply(2)]
    assert changed("stuck_reply", turns=3) == [reply(1, 0.0), reply(2)]
    faults = WireFaults()
    faults.inject(make_fault("delayed", 1, 0.004), 0)
    assert faults.change([], [reply(1)], 0) == [] and faults.due(3 * MS) == []
    assert faults.due(4 * MS) == [reply(1)] and faults.due(5 * MS) == []


def test_fields() -> None:
    def first(kind: str, value: float | None = None) -> Reply:
        return decode_reply(MOTOR, changed(kind, value)[0][1])

    assert first("wrong_id").drive_id == 99
    assert changed("short_reply")[0][1] == reply(1, 0.0)[1][:6]
    assert first("temperature_offset").temperature_c == 70.0 and first("over_temperature").temperature_c == 95.0
    assert first("error_code").error_code == 6 and first("error_code", 77).error_code == 77
    assert abs(first("position_wrap").position_rad) == pytest.approx(12.5, abs=1e-3)
    assert first("sector_jump").position_rad == pytest.approx(1.0472, abs=1e-3)
    assert first("velocity_scale").velocity_rad_s == pytest.approx(2.0 * 50 / 45, abs=0.02)
    flipped = changed("bit_flip")[0][1]
    assert bin(int.from_bytes(flipped, "big") ^ int.from_bytes(reply(1, 0.0)[1], "big")).count("1") == 1


def test_status_frames_come_at_their_own_rate() -> None:
    faults = WireFaults()
    faults.inject(make_fault("status_frames", 1), 0)
    seen = [faults.change([], [reply(1)], turn * 2 * MS) for turn in range(20)]
    status = [frames for frames in seen if frames]
    assert len(status) == 2 and status[0][0][0] == EXTENDED_FLAG | 0x2901


def test_faults_with_a_length_end_by_themselves() -> None:
    faults = WireFaults()
    for kind, value in (("no_feedback", 3.0), ("bus_off", 0.1), ("no_buffer", 0.05)):
        faults.inject(make_fault(kind, 0, value), 0)
        assert faults.is_on(FaultKind(kind), int(value * 1e9) - 1) and not faults.is_on(
            FaultKind(kind), int(value * 1e9)
        )
    faults.clear()
    assert not faults.any


def test_what_drives_take_for_silence() -> None:
    faults = WireFaults()
    assert faults.idle_s(0.3, 0) == 0.3
    faults.inject(make_fault("drop_torque"), 0)
    assert faults.idle_s(0.9, 0) == 0.0 and faults.idle_s(1.1, 0) == float("inf")
    faults.inject(make_fault("hold_torque"), 0)
    assert faults.idle_s(100.0, 0) == 0.0


def test_status_feedback_is_lost_too() -> None:
    faults = WireFaults()
    faults.inject(make_fault("lost_reply", 3), 0)
    status = EXTENDED_FLAG | 0x2903, bytes(8)
    other = EXTENDED_FLAG | 0x2904, bytes(8)
    assert faults.change([], [status, other], 0) == [other]


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ConfigError, match="no fault 'gremlin'"):
        make_fault("gremlin")
