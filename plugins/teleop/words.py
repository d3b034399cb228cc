"""Sentences of the teleoperation screen: what is true, what happens next, what went wrong. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plugins.teleop.situation import Hold
from studio.core.records import Driver, PairState

_STOPS = {
    True: "Stopped by you. Motors are off.",
    False: "The window was silent for too long: stopped. Motors are off.",
    None: "Stopped. Motors are off.",
}
_HOLDS = {
    Hold.REQUEST: "Arms hold: you asked for it.",
    Hold.DEAD_MAN: "Arms hold: the dead-man is free.",
    Hold.HEARTBEAT: "Arms hold: the window came late.",
    Hold.PLAN: "Arms hold: there is no plan that is young enough.",
    Hold.NONE: "Arms hold where they are.",
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
    9: ("was stopped by the guard: the loop was silent.", ("Too many programs at once", "No real-time priority")),
    10: ("vibrates.", ("Stiffness too high", "Damping too high for this rate", "Leader share too high for the scale")),
    11: ("was let go of: the loop stood still.", ("Too many programs at once", "The machine slept")),
    12: (
        "changed its angle faster than it can turn.",
        ("Drive lost its zero", "Encoder slipped", "Drive was restarted"),
    ),
}


def joint_words(name: str, index: int) -> str:
    """`L2 shoulder`."""
    return f"{name} {_JOINT_PARTS[index % 4]}"


def band_words(
    state: PairState,
    driver: Driver,
    touching: Sequence[bool],
    latched: bool,
    *,
    hold: Hold = Hold.NONE,
    stopped_by_hand: bool | None = None,
    to_go: str = "",
    clutch_open: bool = False,
    scripted: bool = False,
    dead_man: str = "Space",
) -> tuple[str, str]:
    """What is true and what happens next, for every state but Fault.

    Args:
        latched: the robot keeps the dead-man until Hold or Stop; else it must stay held.
        hold, stopped_by_hand: why, as recorded. to_go: what is left of aligning.
        scripted: a scripted hand holds the leaders, nobody's own.
        dead_man: what it is called, from `LinkState.dead_man_name`.
    """
    press = "Press Engage" if latched else f"Hold {dead_man}, then press Engage"
    if state is PairState.DISABLED:
        next_step = f"{press}: the follower moves to the leader’s pose first, slowly."
        return "Motors are off. Nothing moves until you engage.", next_step
    if state is PairState.ALIGNING:
        return "The follower moves to the leader’s pose, slowly.", f"{to_go} You drive as soon as both meet.".strip()
    if state is PairState.STOPPED:
        return _STOPS[stopped_by_hand], f"{press} to start again."
    if state is PairState.HOLDING:
        return _HOLDS[hold], _after_hold(hold, driver, "" if latched else dead_man)
    if driver in (Driver.PLANNER, Driver.SKILL):
        who = "The planner" if driver is Driver.PLANNER else "A skill"
        return f"{who} drives. {_touch(touching, '')}".strip(), "Press H: arms hold. Press E: you drive."
    following = "Press H: arms hold here." if latched else f"Let go of {dead_man}: arms hold here."
    if clutch_open:
        return "You move the leader alone: the clutch is open.", f"Press C: the arms are coupled again. {following}"
    if scripted:
        return f"A scripted hand drives. {_touch(touching, '')}".strip(), following
    return f"You drive. {_touch(touching, 'Drag a hand.')}".strip(), following


def _after_hold(hold: Hold, driver: Driver, held: str) -> str:
    """`held` is what must be held, empty where the robot latches it."""
    if hold is Hold.PLAN or driver in (Driver.PLANNER, Driver.SKILL):
        return "Press Engage to drive them yourself."
    if hold is Hold.HEARTBEAT:
        return "They go on by themselves." if not held else f"Let go of {held} and hold it again to go on."
    if hold is Hold.DEAD_MAN and held:
        return f"Hold {held} to go on."
    return f"Hold {held}, then press Engage to go on." if held else "Press Engage to go on."


def lost_words(age_s: float, alive: bool) -> tuple[str, str]:
    """The control stream has ended: what is known, and what to do."""
    if alive:
        silent = f"The control loop is silent for {age_s:.0f} s. What the arms do is not known."
        return silent, "Press Stop if they move."
    return "The control loop has ended. What the arms do is not known.", "Press Start again at the right, then Engage."


def to_go_words(names: Sequence[str], record: np.ndarray) -> str:
    """What is left of aligning: `24° to go at L2.`"""
    joint, degrees = farthest_joint(names, record)
    return f"{degrees:.0f}° to go at {joint}."


def _touch(touching: Sequence[bool], idle: str) -> str:
    """Which hands touch; `idle` is what to say to a person whose two hands are free."""
    if all(touching):
        return "Both hands touch."
    if not any(touching):
        return idle if len(touching) == 2 else ""
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


def farthest_joint(names: Sequence[str], record: np.ndarray) -> tuple[str, float]:
    """The joint in which leader and follower are farthest apart, and the angle in degrees."""
    apart_rad = np.abs(record["leader_position_rad"] - record["follower_position_rad"])
    joint = int(np.argmax(apart_rad))
    return names[joint], float(np.degrees(apart_rad[joint]))


def bus_words(load: float) -> tuple[str, str]:
    """Worst-case load of the fullest bus and its tone; the rule is 70 % (spec/hardware.md 5)."""
    if load <= 0.0:
        return "no bus, simulated", "2"
    return f"{100 * load:.0f} % of 70", "1" if load <= 0.70 else "fault"


def time_words(seconds: float) -> str:
    """`38 µs`, `2.5 ms`."""
    return f"{1e6 * seconds:.0f} µs" if seconds < 0.9995e-3 else f"{1e3 * seconds:.1f} ms"


def dead_man_words(held: bool, latched: bool, stale: bool) -> tuple[str, str]:
    """What control sees of the dead-man, and its token colour."""
    if stale:
        return "Unknown", "text.3"
    return ("Latched" if latched else "Held", "state.engaged") if held else ("Free", "text.2")
