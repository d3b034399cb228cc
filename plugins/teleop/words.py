"""Sentences of the teleoperation screen: what is true, what happens next, what went wrong. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from studio.core.records import Driver, PairState

_PLAIN = {
    PairState.DISABLED: (
        "Motors are off. Nothing moves until you engage.",
        "Press Engage: the follower moves to the leader’s pose first, slowly.",
    ),
    PairState.ALIGNING: (
        "The follower moves to the leader’s pose, slowly.",
        "You drive as soon as both are together.",
    ),
    PairState.STOPPED: ("Stopped by you. Motors are off.", "Press Engage to start again."),
}
_JOINT_PARTS = ("base", "shoulder", "elbow", "wrist")
_SIDES = ("left", "right")

# fault_code of a control record (studio.control.fault.FaultCode): sentence without the joint's name, often the cause
_FAULTS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "stopped answering.",
        ("Loose plug before or behind this joint", "Terminator missing on the bus", "Motor supply dipped"),
    ),
    2: ("reports an error of its drive.", ("Motor was blocked", "Supply voltage out of range", "Drive was restarted")),
    3: ("turned faster than allowed.", ("The hand let go under load", "Gains too high", "Encoder slipped")),
    4: ("left its range.", ("Zero position is wrong", "Arm was moved by hand while off")),
    5: ("is too hot.", ("Long squeezing or lifting", "No air around the motor")),
    6: ("sent a value that is not a number.", ("Disturbed cable", "Wrong motor model in the robot description")),
    7: ("does not reach where it was sent.", ("Something blocks the arm", "Gains too low for the load")),
    8: ("worked too hard for too long.", ("Long squeezing or lifting", "Something blocks the arm")),
}


def joint_words(name: str, index: int) -> str:
    """`L2 shoulder`."""
    return f"{name} {_JOINT_PARTS[index % 4]}"


def band_words(state: PairState, driver: Driver, touching: Sequence[bool], latched: bool) -> tuple[str, str]:
    """What is true and what happens next, for every state but Fault."""
    if state in _PLAIN:
        return _PLAIN[state]
    if state is PairState.HOLDING:
        if driver in (Driver.PLANNER, Driver.SKILL):
            return "Arms hold: there is no plan that is young enough.", "Press Engage to drive them yourself."
        return "Arms hold where they are.", "Press Engage to go on." if latched else "Hold Space to go on."
    if driver in (Driver.PLANNER, Driver.SKILL):
        who = "The planner" if driver is Driver.PLANNER else "A skill"
        return f"{who} drives. {_touch(touching)}".strip(), "Press H: arms hold. Press E: you drive."
    following = "Press H: arms hold here." if latched else "Let go of Space: arms hold here."
    return f"You drive. {_touch(touching)}".strip(), following


def _touch(touching: Sequence[bool]) -> str:
    if all(touching):
        return "Both hands touch."
    if not any(touching):
        return "Drag a hand." if len(touching) == 2 else ""
    return f"The {_SIDES[list(touching).index(True)]} hand touches."


def fault_words(robot: Any, record: np.ndarray | None, text: str, recording: bool) -> tuple[str, str]:
    """The fault's sentence, and what the other arms do."""
    pair, code, joint = first_fault(record)
    if pair is None:
        return text or "A motor failed.", "Motors are damped. Look at the steps at the right."
    side, other = _SIDES[pair % 2], _SIDES[(pair + 1) % 2]
    sentence = _FAULTS.get(code, ("has a fault.", ()))[0]
    where = f"{side.capitalize()} follower, joint {joint % 4 + 1}" if joint >= 0 else f"The {side} pair"
    kept = " Nothing recorded was lost." if recording else ""
    return text or f"{where} {sentence}", f"Both {side} arms are damped and slack. The {other} pair holds.{kept}"


def first_fault(record: np.ndarray | None) -> tuple[int | None, int, int]:
    """(pair, fault code, joint 0..7 over all pairs or -1) of the first pair in Fault; pair None when there is none."""
    if record is None:
        return None, 0, -1
    for pair, state in enumerate(record["pair_state"]):
        if int(state) == PairState.FAULT:
            joint = int(record["fault_joint"][pair])
            return pair, int(record["fault_code"][pair]), joint
    return None, 0, -1


def fault_causes(code: int) -> tuple[str, ...]:
    return _FAULTS.get(code, ("", ("Look at the motor’s own lamp",)))[1]


def farthest_joint(names: Sequence[str], record: np.ndarray) -> str:
    """The joint in which leader and follower are farthest apart: `L2 1.3°`."""
    apart_rad = np.abs(record["leader_position_rad"] - record["follower_position_rad"])
    joint = int(np.argmax(apart_rad))
    return f"{names[joint]} {np.degrees(apart_rad[joint]):.1f}°"


def bus_words(loads: Sequence[float]) -> tuple[str, str]:
    """Worst-case load of the fullest bus and its tone; the rule is 70 % (spec/hardware.md 5)."""
    if not loads:
        return "no bus, simulated", "2"
    return f"{100 * max(loads):.0f} % of 70", "1" if max(loads) <= 0.70 else "fault"


def dead_man_words(held: bool, latched: bool) -> tuple[str, str]:
    """What control sees of the dead-man, and its tone."""
    return ("latched" if latched else "held", "engaged") if held else ("free", "2")
