"""The scripted hand with a goal: it knows the object's pose and picks the primitive that brings it closer.

The strongest controller that could be written down by hand; learned planners are compared with it. Order: the face that
must be up (tip), then the yaw (couple), then the place (slide). It looks again after every primitive.
"""

from __future__ import annotations

import numpy as np

from studio.core.geometry import FloatArray, quaternion_to_matrix
from studio.core.task import Goal, Task
from studio.sim.operator.path import HandPath
from studio.sim.operator.primitives import (
    Stage,
    approach_both,
    couple_once,
    grasp_side,
    recover,
    release,
    retreat,
    squeeze,
    tip_path,
)
from studio.sim.operator.sight import Side, look

_FALL_M = 0.12  # how far a box that is tipped comes to lie from where it was
_LEAST_TURN_RAD = np.radians(8.0)
_MOST_TURN_RAD = 1.1
_TURN_GAINED_RAD = 0.14  # a couple turns the box this much farther than the hands go: they press off centre
_LEAST_STROKE_RAD = 0.03
_SLIDE_LOST_M = 0.009  # of a slide, until both grips pull harder than the table holds
_SLIDE_HEIGHT_M, _SLIDE_PRESS_M = 0.05, 0.026
_SLIDE_SPEED_M_S = 0.12
_FARTHEST_SLIDE_M = 0.14
_EDGE_M = 0.05  # the box may be handled this far outside the area
_STRAY_M = 0.08


class GoalOperator:
    """Yields paths of both hands towards a goal.

    Args:
        task: for the area and the sizes.
        goal: pose that the object should have.
        parks_m: where idle hands wait [2, 3].
        rate_hz: of the paths.
        seed: of the little that is random: which hand, how hard, and a remedy when nothing moved.
    """

    def __init__(self, task: Task, goal: Goal, parks_m: FloatArray, *, rate_hz: float, seed: int) -> None:
        self._task, self._goal_m = task, np.asarray(goal.position_m)
        self._goal_rotation = goal.matrix()
        self._parks_m, self._rate_hz = parks_m, rate_hz
        self._random = np.random.default_rng(seed)
        self._last: FloatArray | None = None
        self.doing = ""  # the primitive, for reports

    def next_path(self, position_m: FloatArray, orientation_xyzw: FloatArray, hands_m: FloatArray) -> FloatArray:
        """What to do next from the object's pose and the hands' targets [2, 3]: path [n, 2, 3] in m."""
        sight = look(self._task, position_m, orientation_xyzw)
        stage = Stage(sight, hands_m, self._parks_m, self._random, self._rate_hz)
        rotation = quaternion_to_matrix(orientation_xyzw)
        path = self._choose(stage, rotation)
        self._last = np.concatenate([sight.centre_m, rotation.reshape(9)])
        return path.samples(self._random, 0.0)

    def _choose(self, stage: Stage, rotation: FloatArray) -> HandPath:
        sight = stage.sight
        if not sight.standing or self._nothing_moved(stage, rotation):
            self.doing = "retreat"
            return next(retreat(stage))
        if sight.outside_m(sight.centre_m) > _STRAY_M:
            self.doing = "recover"
            return next(recover(stage))
        wanted_up = rotation @ (
            self._goal_rotation.T @ np.array([0.0, 0.0, 1.0])
        )  # where the goal's top face looks now
        if wanted_up[2] < 0.7:
            return self._tip(stage, wanted_up)
        turn_rad = _yaw_between(rotation, self._goal_rotation)
        if abs(turn_rad) > _LEAST_TURN_RAD:
            self.doing = "couple"
            stroke_rad = max(min(abs(turn_rad), _MOST_TURN_RAD) - _TURN_GAINED_RAD, _LEAST_STROKE_RAD)
            return couple_once(stage, float(np.sign(turn_rad)), stroke_rad)
        return self._slide(stage, self._goal_m[:2] - sight.centre_m[:2])

    def _nothing_moved(self, stage: Stage, rotation: FloatArray) -> bool:
        """The last primitive left the object as it was: hands away first, then a fresh try."""
        if self._last is None or self.doing == "retreat":
            return False
        now = np.concatenate([stage.sight.centre_m, rotation.reshape(9)])
        return bool(np.abs(now - self._last).max() < 1e-3)

    def _tip(self, stage: Stage, wanted_up: FloatArray) -> HandPath:
        """Tip over the edge that brings the wanted face up; when the fall would end outside, slide inwards first."""
        sight = stage.sight
        horizontal = wanted_up * np.array([1.0, 1.0, 0.0])
        sides = sight.sides
        if np.linalg.norm(horizontal) > 0.7:
            sides = (max(sides, key=lambda side: float(side.normal @ horizontal)),)
        side = min(sides, key=lambda one: self._fall_outside_m(stage, one, np.zeros(2)))
        if self._fall_outside_m(stage, side, np.zeros(2)) > 0.0 and self.doing != "slide":
            wish = sight.middle_m + _FALL_M / 2 * side.normal[:2] - sight.centre_m[:2]
            if np.linalg.norm(wish) > 0.02:
                return self._slide(stage, wish)
        self.doing = "tip"
        return tip_path(stage, side, 0.0)

    def _fall_outside_m(self, stage: Stage, side: Side, shift_m: FloatArray) -> float:
        landing = stage.sight.centre_m - side.normal * _FALL_M
        landing[:2] += shift_m
        return stage.sight.outside_m(landing, _EDGE_M)

    def _slide(self, stage: Stage, shift_m: FloatArray) -> HandPath:
        """Hold the box between both hands and slide it by `shift_m` [2]."""
        self.doing = "slide"
        length_m = max(float(np.linalg.norm(shift_m)), 1e-6)
        shift = np.array([*shift_m, 0.0]) / length_m * min(length_m + _SLIDE_LOST_M, _FARTHEST_SLIDE_M)
        side, path = grasp_side(stage), stage.path()
        approach_both(stage, path, side, (0.0, 0.0), _SLIDE_HEIGHT_M)
        squeeze(stage, path, side, (0.0, 0.0), _SLIDE_HEIGHT_M, _SLIDE_PRESS_M)
        for hand in (0, 1):
            path.line(hand, path.end(hand) + shift, _SLIDE_SPEED_M_S)
        for hand in (0, 1):
            path.hold(hand, 0.2)
        release(path, side, _SLIDE_PRESS_M + 0.04)
        return path


def _yaw_between(rotation: FloatArray, goal: FloatArray) -> float:
    """Turn about the vertical, in rad, that brings `rotation` closest to `goal`."""
    between = goal @ rotation.T
    return float(np.arctan2(between[1, 0] - between[0, 1], between[0, 0] + between[1, 1]))
