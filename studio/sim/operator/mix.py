"""Which primitives a scripted hand plays and how often; what a person does besides: regrasps, mistakes and the like.

`PERSON` plays like a person: quick and slow, firm and light, now and then wrong. `PLAIN` is the first operator, whose
hands never vary and never err; its play is the same, record for record, as before there was a second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from studio.sim.operator.path import HandPath
from studio.sim.operator.primitives import (
    BORDER_M,
    Primitive,
    Stage,
    approach_both,
    choose_hand,
    couple,
    drag,
    grasp_side,
    lift,
    lift_path,
    opposite,
    pivot_lift,
    push,
    random_place_m,
    release,
    slide,
    slide_goal,
    squeeze,
    tip,
    tip_path,
    tip_side,
    touch_point,
    wander,
)
from studio.sim.operator.sight import Side

_GAP_M = 0.022  # between ball and face before contact
_APART_M = 0.03  # of a hand from the middle of a face that both push


def push_both(stage: Stage) -> Iterator[HandPath]:
    """Both hands against one face, side by side; the box goes straight or, with one hand ahead, turns a little."""
    side = _shared_side(stage)
    sight, random = stage.sight, stage.random
    height, stroke = float(random.uniform(0.03, 0.06)), float(random.uniform(0.04, 0.11))
    if sight.outside_m(sight.centre_m - side.normal * stroke, BORDER_M) > sight.outside_m(sight.centre_m, BORDER_M):
        stroke = 0.02
    left = 1.0 if side.tangent[1] > 0 else -1.0  # where on the face the left hand goes
    ahead = random.normal(0.0, 0.008)
    path = stage.path()
    for hand, along in ((0, left * _APART_M), (1, -left * _APART_M)):
        path.over(hand, touch_point(sight, side, along, height, -_GAP_M), stage.free_speed_m_s)
    path.meet()
    speed = float(random.uniform(0.08, 0.2))
    for hand, along in ((0, left * _APART_M), (1, -left * _APART_M)):
        more = ahead if hand == 0 else -ahead
        path.line(hand, touch_point(sight, side, along, height, 0.0), 0.2)
        path.line(hand, touch_point(sight, side, along, height, stroke + more), speed)
    path.meet()
    for hand in (0, 1):
        path.line(hand, path.end(hand) + 0.05 * side.normal, 0.35)
    yield path


def _shared_side(stage: Stage) -> Side:
    """A face that both arms reach: turned away from the arms or towards them, whichever carries the box to a place."""
    wish = random_place_m(stage) - stage.sight.centre_m[:2]
    reached = [side for side in stage.sight.sides if abs(side.normal[0]) > 0.7]
    return max(reached, key=lambda side: -float(side.normal[:2] @ wish))


def regrasp(stage: Stage) -> Iterator[HandPath]:
    """Hold the box between both hands, let go, take it a little further along, and carry on."""
    side, random = grasp_side(stage), stage.random
    press = float(random.uniform(0.018, 0.028)) * stage.grip
    path = stage.path()
    approach_both(stage, path, side, (0.0, 0.0), 0.05)
    squeeze(stage, path, side, (0.0, 0.0), 0.05, press)
    for _ in range(int(random.integers(1, 3))):
        shift = slide_goal(stage, 0.02, 0.06)
        for hand in (0, 1):
            path.line(hand, path.end(hand) + shift, 0.12)
        stage.sight.centre_m[:2] += shift[:2]
        release(path, side, press + 0.012)
        along, height = float(random.uniform(-0.02, 0.02)), float(random.uniform(0.035, 0.06))
        path.meet()
        for hand, face in enumerate((side, opposite(side))):
            place = touch_point(stage.sight, face, along if hand == 0 else -along, height, -0.012)
            path.line(hand, place, 0.2)
        path.meet()
        squeeze(stage, path, side, (along, -along), height, press)
    shift = slide_goal(stage, 0.02, 0.06)
    for hand in (0, 1):
        path.line(hand, path.end(hand) + shift, 0.12)
    release(path, side, press + 0.04)
    yield path


def miss(stage: Stage) -> Iterator[HandPath]:
    """A mistake: a push so near an edge that the hand slips off the corner."""
    sight, random = stage.sight, stage.random
    side = sight.sides[int(random.integers(4))]
    along = float(random.choice([-1.0, 1.0]) * random.uniform(0.046, 0.058))
    hand = choose_hand(stage, touch_point(sight, side, along, 0.05, 0.0), side)
    path = stage.path()
    path.over(1 - hand, stage.parks_m[1 - hand], stage.free_speed_m_s)
    path.over(hand, touch_point(sight, side, along, 0.05, -_GAP_M), stage.free_speed_m_s)
    path.line(hand, touch_point(sight, side, along, 0.05, 0.05), float(random.uniform(0.1, 0.25)))
    path.line(hand, path.end(hand) + np.array([0.0, 0.0, 0.14]), 0.4)
    yield path


def let_slip(stage: Stage) -> Iterator[HandPath]:
    """A mistake: a lift with too little force; the box stays behind or falls out of the hands."""
    random = stage.random
    stage.grip *= float(random.uniform(0.3, 0.55))
    yield lift_path(stage, 0.0, float(random.uniform(0.03, 0.06)), np.zeros(3))


def give_up(stage: Stage) -> Iterator[HandPath]:
    """A mistake: the box is tipped up, but not over, and falls back."""
    top_rad = float(stage.random.uniform(0.3, 0.55))
    yield tip_path(stage, tip_side(stage), float(stage.random.uniform(-0.02, 0.02)), top_rad=top_rad)


PLAIN: tuple[tuple[Primitive, float], ...] = (
    (push, 0.36),
    (tip, 0.22),
    (slide, 0.10),
    (couple, 0.10),
    (lift, 0.10),
    (drag, 0.06),
    (pivot_lift, 0.03),
    (wander, 0.03),
)

PERSON: tuple[tuple[Primitive, float], ...] = (
    (push, 0.30),
    (push_both, 0.06),
    (tip, 0.22),
    (slide, 0.08),
    (regrasp, 0.04),
    (couple, 0.09),
    (lift, 0.08),
    (pivot_lift, 0.03),
    (drag, 0.04),
    (miss, 0.015),
    (let_slip, 0.01),
    (give_up, 0.015),
    (wander, 0.02),
)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a hand plays.

    Args:
        mix: primitives and their shares.
        tempo, grip: range of each; a primitive's are drawn log-uniformly from it.
    """

    mix: tuple[tuple[Primitive, float], ...]
    tempo: tuple[float, float] = (1.0, 1.0)
    grip: tuple[float, float] = (1.0, 1.0)

    def draw(self, random: np.random.Generator) -> tuple[float, float]:
        """Tempo and grip of one primitive; nothing is drawn where they do not vary."""
        tempo, grip = (
            1.0 if low == high else float(np.exp(random.uniform(np.log(low), np.log(high))))
            for low, high in (self.tempo, self.grip)
        )
        return tempo, grip


MANNERS: dict[str, Manner] = {
    "person": Manner(mix=PERSON, tempo=(0.7, 1.25), grip=(0.85, 1.2)),
    "plain": Manner(mix=PLAIN),
}
