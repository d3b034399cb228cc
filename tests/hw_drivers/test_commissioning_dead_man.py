"""The dead-man of a bench: without it no torque, let go of it and torque ends; steps back; findings that stay."""

from __future__ import annotations

from pathlib import Path

from hw_drivers.commissioning.link import MotorLink
from hw_drivers.commissioning.machine import CHECKS, Commissioning, Phase
from hw_drivers.commissioning.twin_bench import TwinOperator, make_drive
from hw_drivers.commissioning.work import CommissionSettings
from hw_drivers.motors.codec_mit import ENTER
from hw_drivers.motors.dialect_twin import TwinBus
from hw_drivers.motors.models import find_range
from studio.core.calibration import MotorCalibration, load_calibration, save_calibration
from studio.core.clock import SteppedClock


class Stand:
    """A twin, its machine, a person, and the dead-man in their hand."""

    def __init__(self, rehearsal: str = "none") -> None:
        self.held = False
        row, clock, settings = find_range("AK60-6"), SteppedClock(), CommissionSettings()
        drive = make_drive(row, 1, rehearsal)
        self.person = TwinOperator(drive=drive, settings=settings)
        self.drive, self.bus = drive, TwinBus([drive], clock)
        fresh = MotorCalibration(joint="leader.L1", drive_id=1, model="AK60-6", firmware="legacy", source="")
        link = MotorLink(self.bus, clock, row, 1)
        self.machine = Commissioning(link, settings, fresh, CHECKS["all"], (row,), dead_man=lambda: self.held)

    def until(self, step: str, phase: Phase) -> None:
        machine = self.machine
        for _ in range(40_000):
            if (machine.step, machine.phase) == (step, phase):
                return
            if machine.question is not None:
                machine.answer(self.person.respond(machine.question))
            else:
                machine.tick()
        raise AssertionError(f"{machine.step}, {machine.phase}, {machine.pause}")


def test_no_torque_without_the_dead_man() -> None:
    stand = Stand()
    machine = stand.machine
    stand.until("torque", Phase.ASKING)
    assert machine.needs_dead_man and not machine.pause
    machine.answer("done")
    assert machine.phase is Phase.ASKING and machine.pause.startswith("Nothing was switched on")
    assert not machine.gives_torque and ENTER not in [frame.data for frame in stand.bus.sent]
    assert machine.refusals == [] and "torque" not in machine.calibration.findings


def test_letting_go_under_torque_ends_it_within_a_cycle_and_asks_again() -> None:
    stand = Stand()
    machine = stand.machine
    stand.until("torque", Phase.ASKING)
    stand.held = True
    machine.answer(stand.person.respond(machine.question))  # type: ignore[arg-type]
    while machine.sample.carried[4] < 0.5:
        machine.tick()
    assert stand.drive.torque_units > 0.4
    stand.held = False
    machine.tick()
    machine.tick()
    assert stand.drive.torque_units == 0.0 and not machine.gives_torque
    assert machine.phase is Phase.ASKING and machine.pause.startswith("You let go") and machine.refusals == []
    stand.held = True
    stand.until("zero", Phase.ASKING)
    assert machine.pause == "" and "torque" in machine.calibration.steps


def test_back_and_again_let_go_and_forget_the_refusals_of_what_is_run_again() -> None:
    stand = Stand("wrong_gear")
    machine = stand.machine
    stand.until("position", Phase.REFUSED)
    assert list(machine.calibration.findings) == ["position"]
    machine.leave()
    stand.until("velocity", Phase.ASKING)
    machine.back()
    assert machine.step == "position" and machine.phase is Phase.ASKING and machine.refusals == []
    machine.again()
    assert machine.step == "position" and machine.phase is Phase.ASKING
    machine.back()
    assert machine.step == "reply" and machine.phase is Phase.ASKING
    machine.back()
    assert machine.step == "reply", "there is nothing before it"
    machine.abort()
    machine.again()
    assert machine.phase is Phase.ABORTED, "what has ended stays ended"


def test_findings_stay_in_the_file_until_the_step_passes(tmp_path: Path) -> None:
    stand = Stand("wrong_gear")
    stand.until("position", Phase.REFUSED)
    path = save_calibration(tmp_path, stand.machine.calibration)
    kept = load_calibration(path)
    assert "9:1 gear" in kept.findings["position"] and kept.to_json()["findings"] == kept.findings
    stand = Stand()
    assert "findings" not in stand.machine.calibration.to_json()  # so the identity of older files stays the same
