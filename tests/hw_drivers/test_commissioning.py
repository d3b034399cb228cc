"""Commissioning on twins: every step finds the truth of a good motor and refuses a wrong one, in both dialects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hw_drivers.commissioning.link import MotorLink
from hw_drivers.commissioning.machine import CHECKS, STEPS, Commissioning, Phase
from hw_drivers.commissioning.twin_bench import REHEARSALS, TwinOperator, make_drive, rehearse
from hw_drivers.commissioning.work import CommissionSettings
from hw_drivers.motors.codec_mit import ENTER, decode_command
from hw_drivers.motors.dialect_twin import DriveTwin, TwinBus
from hw_drivers.motors.models import MotorRange, find_range
from studio.core.calibration import MotorCalibration, StepResult
from studio.core.clock import SteppedClock
from studio.core.errors import ConfigError, SafetyError

SETTINGS = CommissionSettings()
FIRMWARES = ("legacy", "v3")


class Bench:
    """A machine on a twin, with the person who handles it."""

    def __init__(
        self,
        firmware: str,
        rehearsal: str = "none",
        *,
        check: str = "all",
        model: str = "AK60-6",
        settings: CommissionSettings = SETTINGS,
        clumsy: tuple[str, ...] = (),
        believed: MotorRange | None = None,
        candidates: tuple[MotorRange, ...] = (),
        before: dict[str, StepResult] | None = None,
        own: dict[str, float] | None = None,
        **changes: Any,
    ) -> None:
        row, clock = believed or find_range(model, firmware), SteppedClock()
        self.drive: DriveTwin = make_drive(find_range(model, firmware, own), 3, rehearsal, **changes)
        self.bus = TwinBus([self.drive], clock)
        self.link = MotorLink(self.bus, clock, row, 3)
        calibration = MotorCalibration(
            joint="leader.L1", drive_id=3, model=row.model, firmware=firmware, source=row.source, steps=before or {}
        )
        self.machine = Commissioning(
            self.link, settings, calibration, CHECKS[check], candidates, date=lambda: "2026-11-21T15:00:00+00:00"
        )
        self.operator = TwinOperator(drive=self.drive, settings=settings, clumsy=clumsy)

    def run(self) -> Bench:
        rehearse(self.machine, self.operator)
        return self

    def number(self, step: str, name: str) -> Any:
        return self.machine.calibration.number(step, name)

    def reason(self, step: str) -> str:
        return next(refusal.reason for refusal in self.machine.refusals if refusal.step == step)

    def released(self) -> bool:
        """Nothing pushes the joint any more."""
        for _ in range(3):
            self.machine.tick()
        return self.drive.torque_units == pytest.approx(0.0, abs=0.005)


PASSED = {name: StepResult(date="2026-11-20T10:00:00+00:00", numbers={"ratio": 1.0}) for name in CHECKS["gear"]}


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_a_good_motor_passes_everything(firmware: str) -> None:
    bench = Bench(firmware, torque_scale=0.6, kp_scale=0.523, kd_scale=0.6).run()
    assert bench.machine.passed and bench.machine.refusals == []
    assert set(bench.machine.calibration.steps) == set(STEPS)
    assert bench.number("position", "ratio") == pytest.approx(1.0, abs=0.005)
    assert bench.number("velocity", "ratio") == pytest.approx(1.0, abs=0.01)
    assert bench.number("torque", "nm_per_unit") == pytest.approx(0.6, rel=0.03)
    assert 0.1 < bench.number("torque", "friction_at_most_nm") < 0.3  # 0.15 in truth
    assert bench.number("gain", "kp_factor") == pytest.approx(0.523, rel=0.03)
    assert bench.number("gain", "kd_factor") == pytest.approx(0.6, rel=0.03)
    assert bench.number("sign", "direction") == 1 and bench.number("current", "sign") == "right"
    assert bench.machine.calibration.silence == "lets_go"
    assert bench.number("silence", "within_s") == 1.0  # the twin holds for 0.5 s
    assert abs(bench.drive.position_rad) < 0.01 and bench.released()
    assert bench.machine.calibration.date == "2026-11-21T15:00:00+00:00"


REFUSALS = [
    ("no_reply", "reply", "does not answer"),
    ("wrong_dialect", "reply", "Drive 3"),
    ("error", "reply", "error 5, encoder"),
    ("wrong_gear", "position", "9:1 gear under a 6:1 setting"),
    ("wrong_table", "velocity", "times the slope"),
    ("wrong_direction", "sign", "Set direction = -1"),
    ("weak_torque", "torque", "Nothing moved up to 4.00"),
    ("runaway", "gain", "Effective Kp is -1.0"),
]


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize(("rehearsal", "step", "said"), REFUSALS)
def test_a_wrong_motor_is_refused_where_it_shows(firmware: str, rehearsal: str, step: str, said: str) -> None:
    bench = Bench(firmware, rehearsal).run()
    assert bench.machine.phase is Phase.FINISHED and not bench.machine.passed
    assert bench.machine.refusals[0].step == step
    assert said in bench.reason(step) and step not in bench.machine.calibration.steps
    assert bench.released()


def test_the_refusals_name_the_way_out() -> None:
    assert "velocity_rad_s = 50" in Bench("legacy", "wrong_table", check="gear").run().reason("velocity")
    assert "AK70-9" in Bench("v3", "wrong_table", check="gear").run().reason("velocity")  # 14 pole pairs, 9:1
    assert "choose firmware v3" in Bench("legacy", "wrong_dialect").run().reason("reply")
    cold = Bench("legacy", temperature_offset_c=0.0, check="gear").run()
    assert "temperature_offset_c = 0" in cold.reason("reply")
    known = Bench(
        "legacy",
        temperature_offset_c=0.0,
        check="gear",
        believed=find_range("AK60-6", "legacy", {"temperature_offset_c": 0.0}),
    )
    assert known.run().machine.passed


def test_a_v3_drive_that_answers_with_mit_replies() -> None:
    """Query-reply mode: it is named, never called a legacy one (whose commands would give it gains), and is checked."""
    own = {"status_feedback": 0.0}
    said = Bench("v3", own=own, check="gear").run().reason("reply")
    assert "set status_feedback = 0 for this motor" in said and "legacy" not in said
    bench = Bench("v3", own=own, believed=find_range("AK60-6", "v3", own)).run()
    assert bench.machine.passed and bench.number("reply", "reply_bytes") == 8
    other = Bench("v3", believed=find_range("AK60-6", "v3", own), check="gear").run().reason("reply")
    assert "set status_feedback = 1" in other


def test_rehearsals_are_all_covered() -> None:
    covered = {rehearsal for rehearsal, _, _ in REFUSALS} | {"none", "unreliable_current", "holds_torque"}
    assert covered == set(REHEARSALS)


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize(("sign", "expected"), [(1, "right"), (-1, "inverted"), (0, "unreliable")])
def test_the_sign_of_the_current(firmware: str, sign: int, expected: str) -> None:
    bench = Bench(firmware, check="current", before=PASSED, current_sign=sign).run()
    assert bench.machine.passed and bench.number("current", "sign") == expected


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize(("holds_s", "behaviour"), [(0.02, "lets_go"), (1e9, "holds")])
def test_what_a_drive_does_when_commands_stop(firmware: str, holds_s: float, behaviour: str) -> None:
    bench = Bench(firmware, check="silence", before=PASSED, holds_s=holds_s).run()
    assert bench.machine.calibration.silence == behaviour
    if behaviour == "lets_go":
        assert bench.number("silence", "within_s") == (0.1 if firmware == "legacy" else 1.0)
    assert bench.released()


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_the_gear_check_decides_an_unresolved_model(firmware: str) -> None:
    rows = tuple(find_range(model, firmware) for model in ("AK60-6", "AK80-9"))
    for truth in rows:
        bench = Bench(firmware, check="gear", model=truth.model, believed=rows[0], candidates=rows).run()
        assert bench.machine.passed, bench.machine.refusals
        assert (bench.machine.calibration.model, bench.link.motor) == (truth.model, truth)
        assert bench.number("velocity", "ratio") == pytest.approx(1.0, abs=0.01)
    stranger = Bench(firmware, "wrong_table", check="gear", model="AK80-9", believed=rows[0], candidates=rows).run()
    assert "does not decide" in stranger.reason("velocity")


def test_an_undecided_model_gets_no_torque() -> None:
    rows = tuple(find_range(model) for model in ("AK60-6", "AK80-9"))
    with pytest.raises(ConfigError, match="no torque before that"):
        Bench("legacy", check="torque", candidates=rows)


def test_no_torque_before_the_gear_is_known() -> None:
    for check in ("torque", "gain", "current", "silence"):
        bench = Bench("legacy", check=check).run()
        assert "No torque before position has passed" in bench.reason(check)
        assert all(frame.data != ENTER for frame in bench.bus.sent)


CLUMSY = [
    ("second_pin", "position", "did not change between the pins"),
    ("move", "velocity", "The joint moved 0.00 rad"),
    ("positive", "sign", "turned 0.0°"),
]


@pytest.mark.parametrize(("key", "step", "said"), CLUMSY)
def test_a_person_who_does_nothing(key: str, step: str, said: str) -> None:
    bench = Bench("legacy", check=step, before=PASSED, clumsy=(key,)).run()
    assert said in bench.reason(step)


def test_a_joint_that_is_not_clamped() -> None:
    bench = Bench("legacy", check="gain", before=PASSED)
    bench.machine.answer("done")
    while bench.machine.question is None:
        bench.machine.tick()
    bench.machine.answer("done")  # and nobody clamps it
    while bench.machine.phase is Phase.RUNNING:
        bench.machine.tick()
    assert bench.machine.phase is Phase.REFUSED and bench.released()
    assert "Clamp it" in bench.reason("gain") or "ran at" in bench.reason("gain")


def _until_torque(bench: Bench) -> None:
    """Up to the middle of the torque ramp."""
    while bench.drive.torque_units < 0.5:
        if bench.machine.question is not None:
            bench.machine.answer(bench.operator.respond(bench.machine.question))
        bench.machine.tick()


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_torque_ends_when_the_joint_runs_away(firmware: str) -> None:
    bench = Bench(firmware, check="torque", before=PASSED)
    _until_torque(bench)
    bench.drive.joint.hand = lambda t_s: 10.0 * t_s
    for _ in range(20):
        bench.machine.tick()
    assert "ran at" in bench.reason("torque") and bench.released()


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_torque_ends_when_the_drive_is_not_heard(firmware: str) -> None:
    bench = Bench(firmware, check="torque", before=PASSED)
    _until_torque(bench)
    bench.drive.silent = True
    sent = len(bench.bus.sent)
    for _ in range(200):
        bench.machine.tick()
    assert "was silent for" in bench.reason("torque")
    after = [f for f in bench.bus.sent[sent + 60 :] if f.data[:7] != ENTER[:7]]
    assert all(decode_command(bench.link.motor, f.data)[2:4] == (0.0, 0.0) for f in after)


@pytest.mark.parametrize(("what", "said"), [("error", "error 2, over-current"), ("hot", "at 75 degC")])
def test_torque_ends_when_the_drive_complains(what: str, said: str) -> None:
    bench = Bench("legacy", check="torque", before=PASSED)
    _until_torque(bench)
    if what == "error":
        bench.drive.error_code = 2
    else:
        bench.drive.settings = replace(bench.drive.settings, temperature_c=75.0)
    for _ in range(5):
        bench.machine.tick()
    assert said in bench.reason("torque") and bench.released()


def test_abort_lets_go_at_once() -> None:
    bench = Bench("v3", check="torque", before=PASSED)
    _until_torque(bench)
    bench.machine.abort()
    assert bench.machine.phase is Phase.ABORTED and bench.released()
    with pytest.raises(SafetyError, match="was not expected"):
        bench.machine.answer("done")


def test_a_refused_step_can_be_run_again() -> None:
    bench = Bench("legacy", check="position", clumsy=("second_pin",))
    while bench.machine.phase is not Phase.REFUSED:
        if bench.machine.question is not None:
            bench.machine.answer(bench.operator.respond(bench.machine.question))
        else:
            bench.machine.tick()
    bench.operator = TwinOperator(drive=bench.drive, settings=SETTINGS)
    bench.machine.again()
    assert bench.run().machine.passed


def test_a_step_that_asks_for_too_much_is_stopped() -> None:
    bench = Bench("legacy", check="torque", before=PASSED)
    _until_torque(bench)
    bench.machine.settings = replace(SETTINGS, torque_limit=0.3)
    with pytest.raises(SafetyError, match="Nothing was sent"):
        bench.machine.tick()
    assert bench.released()


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_nothing_is_sent_before_a_person_says_that_nothing_can_fall(firmware: str) -> None:
    bench = Bench(firmware)
    assert bench.machine.question is not None and bench.machine.question.key == "free"
    for _ in range(50):
        bench.machine.tick()
    assert bench.bus.sent == []
    bench.machine.abort()
    assert bench.bus.sent == []


def test_no_frame_carries_torque_outside_the_torque_steps() -> None:
    bench = Bench("v3", check="gear").run()
    assert bench.machine.passed
    for frame in bench.bus.sent:
        _, _, kp, kd, t = decode_command(bench.link.motor, frame.data)
        assert (kp, kd) == (0.0, 0.0) and abs(t) < 0.004


def test_unknown_steps() -> None:
    bench = Bench("legacy")
    for steps in (["dance"], ["reply", "dance"], ["position"], []):
        with pytest.raises(ConfigError, match="begin with reply"):
            Commissioning(bench.link, SETTINGS, bench.machine.calibration, steps)
    with pytest.raises(ConfigError, match=r"clamp_torque is 5 N\*m; allowed"):
        CommissionSettings(clamp_torque=5.0)
