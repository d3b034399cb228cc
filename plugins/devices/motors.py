"""The motors of a robot as rows: where each is, what it is taken for, what is known of it. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio.core.calibration import MotorCalibration
from studio.robot.description import Robot

TWIN = "twin"
STEPS = ("reply", "position", "velocity", "torque", "gain", "sign", "current", "silence", "zero")
_PARTS = ("base", "shoulder", "elbow", "wrist")
_SIDES = ("follower", "leader")  # as they are listed
_PAIRS = {"L": "left", "R": "right"}
SCALE_LOW, SCALE_HIGH = 0.98, 1.02


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One side of one pair, and where its motors are.

    Args:
        name: as the robot's file names arms, such as `L leader`.
        bus: `twin`, or interface:channel.
        drive_ids: base to wrist.
    """

    name: str
    bus: str
    drive_ids: tuple[int, ...]

    @property
    def title(self) -> str:
        pair, _, side = self.name.partition(" ")
        return f"{_PAIRS.get(pair, pair).capitalize()} {side}"

    @property
    def load_key(self) -> str:
        """Twins share no bus: each arm is one of its own."""
        return self.name if self.bus == TWIN else self.bus


@dataclass(frozen=True, kw_only=True)
class Motor:
    """One row.

    Args:
        joint: name of its calibration, such as `follower.L3`.
        name: such as `L3`; `index` its place in the robot, for its hue.
        rehearse: what is wrong with it when it is a twin.
        seen: what discovery found of it; None before, empty when it did not answer.
    """

    joint: str
    name: str
    index: int
    side: str
    arm: str
    bus: str
    drive_id: int
    model: str
    firmware: str
    rehearse: str = "none"
    calibration: MotorCalibration | None = None
    seen: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """`L3, left follower elbow`."""
        pair = _PAIRS.get(self.name[:1], self.name[:1])
        return f"{self.name}, {pair} {self.side} {_PARTS[self.index % len(_PARTS)]}"

    @property
    def firmware_words(self) -> str:
        return "V3 firmware" if self.firmware == "v3" else "older firmware"

    @property
    def missing(self) -> tuple[str, ...]:
        """Checks that have not passed, in order."""
        passed = self.calibration.steps if self.calibration else {}
        return tuple(step for step in STEPS if step not in passed)

    @property
    def passed(self) -> Mapping[str, Mapping[str, Any]]:
        """Numbers by check."""
        return {name: step.numbers for name, step in self.calibration.steps.items()} if self.calibration else {}

    @property
    def findings(self) -> Mapping[str, str]:
        return self.calibration.findings if self.calibration else {}

    @property
    def scale(self) -> float | None:
        """True torque per commanded torque, None before that was measured."""
        found = self.calibration.number("torque", "nm_per_unit") if self.calibration else None
        return None if found is None else float(found)


@dataclass(frozen=True, kw_only=True)
class MotorState:
    """What a row says at its end: words, a verdict, and the whole story for the tool tip."""

    words: str
    verdict: str  # good, fair, poor, busy or none
    detail: str = ""

    @property
    def count_words(self) -> str:
        """For the count of motors in this state."""
        return "in check" if self.verdict == "busy" else _COUNTS.get(self.words, self._plain)

    @property
    def _plain(self) -> str:
        return "refused" if self.verdict == "poor" else "unfinished"


_COUNTS = {"Ready": "ready", "Not checked": "not checked", "Set zero": "to zero", "No answer": "silent",
           "Scale is off": "scale off", "Demo gains only": "demo gains"}  # fmt: skip


def motor_state(motor: Motor, checking: str = "") -> MotorState:
    """The most important thing about a motor.

    Args:
        checking: words for the check that is running on it, empty when there is none.
    """
    if checking:
        return MotorState(words=checking, verdict="busy")
    if motor.seen is not None and not motor.seen:
        return MotorState(words="No answer", verdict="poor", detail="Check its supply, wiring, termination and id.")
    if motor.findings:
        step, reason = next(iter(motor.findings.items()))
        more = f", {len(motor.findings) - 1} more" if len(motor.findings) > 1 else ""
        return MotorState(words=f"{STEP_WORDS[step]} refused{more}", verdict="poor", detail=reason)
    if motor.calibration is None or not motor.calibration.steps:
        return MotorState(words="Not checked", verdict="none", detail="Enter begins its check.")
    return _checked_state(motor)


def _checked_state(motor: Motor) -> MotorState:
    missing = motor.missing
    if missing == ("zero",):
        return MotorState(words="Set zero", verdict="fair", detail="Z sets it; it is lost when the power goes.")
    if missing:
        names = ", ".join(STEP_WORDS[step] for step in missing)
        return MotorState(words=f"{len(missing)} checks left", verdict="fair", detail=f"Not passed: {names}.")
    assert motor.calibration is not None
    if motor.calibration.silence != "lets_go":
        detail = "It was not seen to let go when commands stop: stay at the demo gains."
        return MotorState(words="Demo gains only", verdict="fair", detail=detail)
    if motor.scale is not None and not SCALE_LOW <= motor.scale <= SCALE_HIGH:
        return MotorState(words="Scale is off", verdict="fair", detail="The loop divides by it.")
    return MotorState(words="Ready", verdict="good")


STEP_WORDS = {
    "reply": "Reply", "position": "Gear", "velocity": "Speed", "torque": "Torque", "gain": "Gains", "sign": "Sign",
    "current": "Current", "silence": "Silence", "zero": "Zero",
}  # fmt: skip


def make_arms(robot: Robot, places: Mapping[str, str]) -> list[Arm]:
    """The arms in the order of the list, each on its bus.

    Args:
        places: bus of an arm by its name, chosen by a person; else as the robot's file says, else twins.
    """
    wired = {arm: bus.name for bus in robot.buses for arm in bus.arms}
    ids = _wired_ids(robot)
    next_id = {bus.name: max(bus.ids(robot.joints_per_arm), default=0) + 1 for bus in robot.buses}
    arms: list[Arm] = []
    for side in _SIDES:
        for pair in robot.pair_names:
            name = f"{pair} {side}"
            bus = places.get(name) or wired.get(name, TWIN)
            own = ids.get(name) if bus == wired.get(name) else None
            first = 1 if bus == TWIN else next_id.get(bus, 1)
            drive_ids = own or tuple(range(first, first + robot.joints_per_arm))
            next_id[bus] = max(next_id.get(bus, 1), max(drive_ids) + 1)
            arms.append(Arm(name=name, bus=bus, drive_ids=drive_ids))
    return arms


def _wired_ids(robot: Robot) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    per_arm = robot.joints_per_arm
    for bus in robot.buses:
        ids = bus.ids(per_arm)
        found |= {arm: ids[i * per_arm : (i + 1) * per_arm] for i, arm in enumerate(bus.arms)}
    return found


def make_motors(
    robot: Robot,
    arms: Sequence[Arm],
    chosen: Mapping[str, Mapping[str, str]],
    kept: Mapping[str, MotorCalibration],
    kept_twins: Mapping[str, MotorCalibration],
    seen: Mapping[str, Mapping[str, Any]],
) -> list[Motor]:
    """Rows, arm by arm.

    Args:
        chosen: `model`, `firmware`, `rehearse` that a person chose, by joint.
        kept, kept_twins: calibrations of motors on buses, and of rehearsals.
        seen: what discovery found, by joint.
    """
    motors: list[Motor] = []
    for arm in arms:
        pair, _, side = arm.name.partition(" ")
        first = list(robot.pair_names).index(pair) * robot.joints_per_arm
        for place, drive_id in enumerate(arm.drive_ids):
            name = robot.joint_names[first + place]
            joint = f"{side}.{name}"
            motor = Motor(
                joint=joint, name=name, index=first + place, side=side, arm=arm.name, bus=arm.bus, drive_id=drive_id,
                model=robot.motor_model, firmware=robot.firmware,
                calibration=(kept_twins if arm.bus == TWIN else kept).get(joint), seen=seen.get(joint),
            )  # fmt: skip
            motors.append(_as_chosen(motor, chosen.get(joint, {})))
    return motors


def _as_chosen(motor: Motor, chosen: Mapping[str, str]) -> Motor:
    """What a person chose, else what the motor was commissioned as, else the robot's own."""
    if motor.calibration is not None:
        motor = replace(motor, model=motor.calibration.model, firmware=motor.calibration.firmware)
    known = {key: str(chosen[key]) for key in ("model", "firmware", "rehearse") if key in chosen}
    return replace(motor, **known)
