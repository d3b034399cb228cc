"""Zero and power-up on twins with one rotor encoder: sectors, doubt, blocked drives."""

from __future__ import annotations

from math import floor, pi, radians
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.commissioning.machine import Phase
from hw_drivers.commissioning.zeroing import choose_sector
from studio.core.calibration import StepResult
from tests.hw_drivers.test_commissioning import Bench

SECTOR = pi / 3  # 360 degrees over 6


def stored(reading_rad: float) -> dict[str, StepResult]:
    return {"zero": StepResult(date="2026-11-20T10:00:00+00:00", numbers={"fixture_reading_rad": reading_rad})}


def test_the_sectors_of_the_bench_report() -> None:
    """86.1 -> 86.1, 96.1 -> 16.1, 6.1 -> 86.1 degrees with a window of 80."""
    for reading, sectors in ((86.1, 0), (16.1, -1), (166.1, 1)):
        found = choose_sector(radians(reading), radians(86.1), radians(80.0))
        assert (found.sectors, found.sure) == (sectors, True)
        assert abs(found.rest_rad) < radians(10.1)  # of 96.1, which was 10 degrees away


@given(st.floats(-3, 3), st.integers(-9, 9), st.floats(-0.34, 0.34))
def test_the_candidate_is_found_from_any_sector(pose: float, sectors: int, off: float) -> None:
    found = choose_sector(pose + (sectors + off) * SECTOR, pose, SECTOR)
    assert found.sectors == sectors and found.sure
    assert found.rest_rad == pytest.approx(off * SECTOR, abs=1e-9)


@given(st.floats(-3, 3), st.integers(-9, 9), st.sampled_from([-0.45, -0.4, 0.4, 0.45]))
def test_between_two_sectors_nothing_is_sure(pose: float, sectors: int, off: float) -> None:
    assert not choose_sector(pose + (sectors + off) * SECTOR, pose, SECTOR).sure


@pytest.mark.parametrize("firmware", ["legacy", "v3"])
@pytest.mark.parametrize("start", [-2.4, -1.0, 0.0, 0.9])
def test_a_jump_at_power_up_is_seen_through(firmware: str, start: float) -> None:
    """The drive wakes up in a window of one sector, wherever that window begins."""
    changes: dict[str, Any] = {"sector_rad": SECTOR, "sector_start_rad": start}
    bench = Bench(firmware, check="zero", before=stored(0.2), **changes).run()  # the fixture pose is at 0.2 rad
    assert bench.machine.passed, bench.machine.refusals
    assert abs(bench.drive.position_rad) < 0.01
    assert bench.number("zero", "sectors") == -floor(-start / SECTOR)  # it woke up at angle 0


def test_an_arm_that_is_not_in_the_fixture_pose_is_asked_about() -> None:
    bench = Bench("legacy", check="zero", before=stored(0.5))  # reads 0.2
    while bench.machine.question is None or bench.machine.question.key != "pose":
        if bench.machine.question is not None:
            bench.machine.answer(bench.operator.respond(bench.machine.question))
        bench.machine.tick()
    assert "17.2° from the stored pose" in bench.machine.question.text
    bench.machine.answer("no")
    assert bench.machine.phase is Phase.REFUSED and "not in the fixture pose" in bench.reason("zero")
    assert bench.drive.position_rad == pytest.approx(0.2)  # no zero was written


def test_half_a_sector_off_is_a_doubt() -> None:
    bench = Bench("legacy", check="zero", before=stored(0.2 + 0.45 * SECTOR))
    while bench.machine.question is None or bench.machine.question.key != "pose":
        if bench.machine.question is not None:
            bench.machine.answer(bench.operator.respond(bench.machine.question))
        bench.machine.tick()
    assert "between two sectors of 60°" in bench.machine.question.text


@pytest.mark.parametrize("firmware", ["legacy", "v3"])
def test_a_drive_that_is_busy_while_it_writes(firmware: str) -> None:
    bench = Bench(firmware, check="zero", zero_block_s=1.5).run()
    assert bench.machine.passed and abs(bench.drive.position_rad) < 0.01


def test_a_drive_that_ignores_the_zero_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench("legacy", check="zero")
    monkeypatch.setattr(bench.drive, "_set_zero", lambda now_ns: None)
    bench.run()
    assert "After zeroing the joint reads 0.2" in bench.reason("zero")
    assert "zero" not in bench.machine.calibration.steps
