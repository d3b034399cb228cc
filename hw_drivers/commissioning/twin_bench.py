"""A motor on a bench as twins, with a person who does what is asked: rehearsal of commissioning without hardware."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, pi, sin
from typing import Any

from hw_drivers.commissioning.machine import Commissioning, Phase
from hw_drivers.commissioning.work import Ask, CommissionSettings
from hw_drivers.motors.dialect_twin import DriveSettings, DriveTwin, JointTwin, Speech
from hw_drivers.motors.models import MotorRange, find_range
from studio.core.errors import ConfigError

_SHAFT_KG_M2 = 0.01

# name -> what is wrong with the drive, or with what the studio believes of it
REHEARSALS: dict[str, dict[str, Any]] = {
    "none": {},
    "no_reply": {},
    "wrong_dialect": {},
    "wrong_gear": {"position_scale": 1.5},
    "wrong_table": {},
    "wrong_direction": {"direction": -1},
    "weak_torque": {"torque_scale": 0.1},
    "unreliable_current": {"current_sign": 0},
    "holds_torque": {"holds_s": inf},
    "error": {},
    "runaway": {"kp_scale": -1.0},
}


@dataclass(frozen=True, kw_only=True)
class TwinOperator:
    """The person at the bench. `turns` is what positive means to them, `fixture_rad` where the fixture pose is.

    Args:
        drive: twin whose joint they handle.
        settings: of the bench, for pins, weight and lever.
        clumsy: question keys at which they do nothing.
    """

    drive: DriveTwin
    settings: CommissionSettings
    fixture_rad: float = 0.2
    clumsy: tuple[str, ...] = ()

    def respond(self, question: Ask) -> str:
        """Do what is asked; returns the answer."""
        joint = self.drive.joint
        if question.key in self.clumsy:
            joint.pin(joint.angle_rad)
        elif question.key == "first_pin":
            joint.pin(0.1)
        elif question.key == "second_pin":
            joint.pin(0.1 + self.settings.pins_rad)
        elif question.key == "rest":
            joint.pin(joint.angle_rad)
        elif question.key == "move":
            self._swing()
        elif question.key == "positive":
            joint.pin(joint.angle_rad + 0.5)
        elif question.key == "weight":
            self._hang()
        elif question.key == "clamp":
            joint.weight_nm = 0.0
            joint.pin(joint.angle_rad)
        elif question.key == "fixture":
            joint.pin(self.fixture_rad)
        return question.choices[0]

    def _swing(self) -> None:
        joint, start_s = self.drive.joint, self.drive.time_s
        middle = joint.angle_rad
        joint.hand = lambda t_s: middle + 1.2 * sin(2 * pi * 0.4 * (t_s - start_s))

    def _hang(self) -> None:
        """The lever rests on its stop, on the side from which the motor's positive torque lifts it."""
        joint, side = self.drive.joint, self.drive.settings.direction
        joint.release()
        joint.angle_rad = joint.speed_rad_s = 0.0
        joint.hang_weight(self.settings.mass_kg, self.settings.lever_m)
        joint.weight_nm *= side
        joint.inertia_kg_m2 = _SHAFT_KG_M2 + self.settings.mass_kg * self.settings.lever_m**2
        joint.lower_rad, joint.upper_rad = (0.0, inf) if side > 0 else (-inf, 0.0)


def make_drive(motor: MotorRange, drive_id: int, rehearsal: str = "none", **changes: Any) -> DriveTwin:
    """A drive that fits a row, or does not, as the rehearsal says.

    Raises:
        ConfigError: there is no such rehearsal.
    """
    if rehearsal not in REHEARSALS:
        raise ConfigError(f"There is no rehearsal {rehearsal!r}. Known: {', '.join(REHEARSALS)}.")
    status = motor.status_feedback != (rehearsal == "wrong_dialect")
    own = find_range(motor.model, "v3") if rehearsal == "wrong_dialect" and status else motor
    if rehearsal == "wrong_table":  # the spec's 45 and 50 rad/s, or another model's pole pairs and gear
        own = replace(motor, velocity_rad_s=motor.velocity_rad_s * 50 / 45, gear_ratio=(motor.gear_ratio or 6.0) * 1.5)
    values: dict[str, Any] = {"holds_s": 0.5, "status_rate_hz": 100.0, **REHEARSALS[rehearsal], **changes}
    speech = Speech.V3_PERIODIC if status else Speech.LEGACY
    if own.firmware == "v3" and not own.status_feedback:
        speech, values["temperature_offset_c"] = Speech.V3_QUERY, own.temperature_offset_c
    settings = DriveSettings(drive_id=drive_id, speech=speech, motor=own, **values)
    drive = DriveTwin(settings, JointTwin(inertia_kg_m2=_SHAFT_KG_M2))
    drive.silent = rehearsal == "no_reply"
    drive.error_code = 5 if rehearsal == "error" else 0
    return drive


def rehearse(machine: Commissioning, operator: TwinOperator, *, limit_s: float = 600.0) -> None:
    """Run a machine to its end; refused steps are left.

    Raises:
        ConfigError: it did not come to an end.
    """
    end_ns = machine.link.clock.now_ns() + int(limit_s * 1e9)
    while machine.phase not in (Phase.FINISHED, Phase.ABORTED):
        if machine.question is not None:
            machine.answer(operator.respond(machine.question))
        elif machine.phase is Phase.REFUSED:
            machine.leave()
        else:
            machine.tick()
        if machine.link.clock.now_ns() > end_ns:
            raise ConfigError(f"Commissioning did not end within {limit_s:g} s at step {machine.step}.")
