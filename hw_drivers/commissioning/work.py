"""What a commissioning step is made of: questions to a person, cycles of the motor, and reasons to refuse.

A step is a generator. It yields `Ask` and is sent the answer, or yields `Drive` and is sent a `Sample`; it returns the
numbers it found, or raises `RefusedError`. So a step reads from top to bottom and never waits.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from math import pi
from typing import cast

from hw_drivers.commissioning.link import Command, Sample
from hw_drivers.motors.models import MotorRange
from studio.core.calibration import MotorCalibration, Number
from studio.core.config import check_range
from studio.core.errors import ConfigError, DeviceError

DONE = "done"


class RefusedError(DeviceError):
    """A check found what must not be; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question or request to the person at the arm."""

    key: str
    text: str
    choices: tuple[str, ...] = (DONE,)


@dataclass(frozen=True, slots=True)
class Drive:
    """One cycle. None asks for the state without torque; `silent` sends nothing."""

    command: Command | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """Motor mode on, off, or the zero written; answered by nothing."""

    what: str


Request = Ask | Drive | Switch
Answer = Sample | str | None
Numbers = dict[str, Number]
Steps = Generator[Request, Answer, Numbers]


@dataclass(frozen=True, kw_only=True)
class CommissionSettings:
    """What is known of the bench, and what is accepted (spec/hardware.md 1.5 and 1.6).

    Args:
        pins_rad: angle between the two fixture pins.
        position_tolerance: accepted share of |reported - true| / true.
        velocity_low, velocity_high: accepted reported speed over slope of the reported angle.
        mass_kg, lever_m: the hanging weight; `lever_nm` the lever's own torque at rest.
        torque_limit: most torque asked for, in commanded units.
        clamp_torque: of the checks with the joint clamped, in commanded units.
        speed_limit_rad_s: faster under torque is a runaway.
        direction: +1 or -1, as set for this motor: what its counter does when the joint turns positive.
        fixture_pose_rad: joint angle in the fixture pose.
        sector_rad: measured; 0 takes 360 degrees over the gear ratio.
        zero_tolerance_rad: accepted angle after zeroing.
    """

    pins_rad: float = pi / 2
    position_tolerance: float = 0.02
    velocity_low: float = 0.97
    velocity_high: float = 1.03
    hand_motion_s: float = 3.0
    mass_kg: float = 0.5
    lever_m: float = 0.2
    lever_nm: float = 0.0
    torque_limit: float = 4.0
    clamp_torque: float = 0.6
    speed_limit_rad_s: float = 4.0
    scale_low: float = 0.2
    scale_high: float = 3.0
    direction: int = 1
    fixture_pose_rad: float = 0.0
    sector_rad: float = 0.0
    pose_tolerance_rad: float = 0.05
    zero_tolerance_rad: float = 0.01
    reply_limit_s: float = 0.25
    temperature_limit_c: float = 60.0

    def __post_init__(self) -> None:
        check_range("commission", "pins_rad", self.pins_rad, 0.2, 6.0, " rad")
        check_range("commission", "mass_kg", self.mass_kg, 0.05, 20.0, " kg")
        check_range("commission", "lever_m", self.lever_m, 0.02, 1.0, " m")
        check_range("commission", "torque_limit", self.torque_limit, 0.2, 50.0, " N*m")
        check_range("commission", "clamp_torque", self.clamp_torque, 0.2, 2.0, " N*m")
        if self.direction not in (1, -1):
            raise ConfigError(f"commission.direction is {self.direction}; allowed 1 or -1. Change the setting.")

    @property
    def weight_nm(self) -> float:
        """Torque of the hanging weight on its level lever."""
        return self.mass_kg * 9.81 * self.lever_m + self.lever_nm


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a step may look at.

    Args:
        candidates: rows that may be this motor's, the one in use first; more than one asks for the gear check.
        calibration: what earlier steps found, and what is stored.
    """

    motor: MotorRange
    settings: CommissionSettings
    calibration: MotorCalibration
    candidates: tuple[MotorRange, ...] = ()
    period_s: float = 0.005
    facts: Mapping[str, int] = field(default_factory=dict[str, int])  # counted by the link


def ask(key: str, text: str, choices: tuple[str, ...] = (DONE,)) -> Generator[Request, Answer, str]:
    """Put a question; the answer is one of the choices."""
    answer = yield Ask(key, text, choices)
    return cast("str", answer)


def look(command: Command | None = None, *, silent: bool = False) -> Generator[Request, Answer, Sample]:
    """One cycle and the state after it."""
    answer = yield Drive(command, silent)
    return cast("Sample", answer)


def switch(what: str) -> Generator[Request, Answer, None]:
    """`enter`, `release` or `zero`."""
    yield Switch(what)


def watch(
    context: Context, duration_s: float, command: Command | None = None
) -> Generator[Request, Answer, list[Sample]]:
    """Every fresh state of a stretch of time under one command."""
    samples: list[Sample] = []
    for _ in range(round(duration_s / context.period_s)):
        sample = yield from look(command)
        if sample.fresh:
            samples.append(sample)
    return samples


def steady_angle(context: Context, what: str, duration_s: float = 0.4) -> Generator[Request, Answer, float]:
    """Mean angle of a joint that rests.

    Raises:
        RefusedError: it moves, or nothing came.
    """
    samples = yield from watch(context, duration_s)
    angles = [sample.reply.position_rad for sample in samples]
    if not angles:
        raise RefusedError(
            f"No state came for {duration_s:g} s at the {what}. Check the wiring and run the step again."
        )
    if max(angles) - min(angles) > 0.03:
        moved = max(angles) - min(angles)
        raise RefusedError(f"The joint moved by {moved:.3f} rad at the {what}. Hold it still and run the step again.")
    return sum(angles) / len(angles)


def unwrapped(motor: MotorRange, difference_rad: float) -> float:
    """A difference of two angles across the end of the code's range."""
    if motor.status_feedback:
        return difference_rad
    full = 2 * motor.position_rad
    return (difference_rad + motor.position_rad) % full - motor.position_rad
