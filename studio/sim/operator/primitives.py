"""What the scripted hand can do with the box. Each primitive yields paths of both hands and looks again in between.

Geometry and numbers: feasibility study, sections A and B. Left is hand 0 (y > 0), right is hand 1. A target inside the
box is how a hand presses: its spring and the coupling's turn the penetration into force (about 290 N/m together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from studio.core.geometry import FloatArray
from studio.sim.operator.path import SAFE_HEIGHT_M, HandPath
from studio.sim.operator.sight import Side, Sight

_UP = np.array([0.0, 0.0, 1.0])
_GAP_M = 0.022  # between ball and face before contact
BORDER_M = (
    0.03  # play reaches this far beyond the goal area, so that goals at its border are not at the border of the data
)


@dataclass
class Stage:
    """What a primitive works with; `sight` is renewed whenever a path has been played.

    `tempo` and `grip` are how quick and how firm the hands are in this primitive, 1 as a rule (`player`).
    """

    sight: Sight
    hands_m: FloatArray  # [2, 3], where the hands' targets are
    parks_m: FloatArray  # [2, 3], where an idle hand waits
    random: np.random.Generator
    rate_hz: float
    free_speed_m_s: float = 0.6
    tempo: float = 1.0
    grip: float = 1.0

    def path(self) -> HandPath:
        return HandPath(self.hands_m, self.rate_hz, self.tempo)


Primitive = Callable[[Stage], Iterator[HandPath]]


def choose_hand(stage: Stage, contact_m: FloatArray, side: Side | None = None) -> int:
    """The hand on whose half the contact lies; a face turned to one side belongs to that side's hand."""
    lean = contact_m[1] + (0.06 * side.normal[1] if side is not None else 0.0) + stage.random.normal(0.0, 0.015)
    return 0 if lean > 0 else 1


def random_place_m(stage: Stage) -> FloatArray:
    """A place [2] anywhere in the area or a little beyond its border."""
    (x0, x1), (y0, y1) = stage.sight.task.area_x_m, stage.sight.task.area_y_m
    low, high = np.array([x0, y0]) - BORDER_M, np.array([x1, y1]) + BORDER_M
    return stage.random.uniform(low, high)


def choose_push_side(stage: Stage) -> Side:
    """A face that carries the box towards a random point of the area when pushed; sometimes any face."""
    sight, random = stage.sight, stage.random
    goal = random_place_m(stage)
    away = sight.outside_m(sight.centre_m, BORDER_M)
    if away == 0.0 and random.random() < 0.2:
        return sight.sides[int(random.integers(4))]
    wish = (sight.middle_m if away > 0.0 else goal) - sight.centre_m[:2]
    return max(sight.sides, key=lambda side: -float(side.normal[:2] @ wish))


def touch_point(sight: Sight, side: Side, along_m: float, height_m: float, inside_m: float) -> FloatArray:
    """Centre of a ball at a face: `along_m` on the tangent, pressed `inside_m` into it (negative is off the face)."""
    out = sight.half_m + sight.radius_m - inside_m
    point = sight.centre_m + side.normal * out + side.tangent * along_m
    point[2] = height_m
    return point


def push(stage: Stage) -> Iterator[HandPath]:
    """One to three strokes against a face, off centre by chance."""
    for _ in range(int(stage.random.integers(1, 4))):
        if not stage.sight.standing:
            return
        yield _push_once(stage, choose_push_side(stage))


def _push_once(stage: Stage, side: Side) -> HandPath:
    sight, random = stage.sight, stage.random
    along, height = random.uniform(-0.035, 0.035), random.uniform(0.03, 0.07)
    stroke = _push_length_m(stage, side)
    hand = choose_hand(stage, touch_point(sight, side, along, height, 0.0), side)
    path = stage.path()
    path.over(1 - hand, stage.parks_m[1 - hand], stage.free_speed_m_s)
    path.over(hand, touch_point(sight, side, along, height, -_GAP_M), stage.free_speed_m_s)
    path.line(hand, touch_point(sight, side, along, height, 0.0), 0.25)
    path.line(hand, touch_point(sight, side, along, height, stroke), random.uniform(0.08, 0.22))
    path.line(hand, touch_point(sight, side, along, height, stroke - 0.05), 0.35)
    return path


def _push_length_m(stage: Stage, side: Side) -> float:
    """A stroke that leaves the box in the area or brings it back."""
    sight = stage.sight
    wanted = float(stage.random.uniform(0.04, 0.14))
    for length in (wanted, 0.7 * wanted, 0.4 * wanted):
        if sight.outside_m(sight.centre_m - side.normal * length, BORDER_M) <= sight.outside_m(
            sight.centre_m, BORDER_M
        ):
            return length + 0.012
    return 0.02


def recover(stage: Stage) -> Iterator[HandPath]:
    """Bring a box that strayed back by pushing the face that looks away from the middle; out of reach, drag it."""
    sight = stage.sight
    wish = sight.middle_m - sight.centre_m[:2]
    side = max(sight.sides, key=lambda s: -float(s.normal[:2] @ wish))
    reach = float(np.linalg.norm(wish))
    height = 0.06
    hand = choose_hand(stage, touch_point(sight, side, 0.0, height, 0.0), side)
    path = stage.path()
    path.over(1 - hand, stage.parks_m[1 - hand], stage.free_speed_m_s)
    path.over(hand, touch_point(sight, side, 0.0, height, -_GAP_M), stage.free_speed_m_s)
    start = path.end(hand).copy()
    end = start + np.array([*wish, 0.0]) / max(reach, 1e-6) * min(reach + 0.03, 0.2)
    path.line(hand, end, 0.18)
    path.line(hand, end + side.normal * 0.04, 0.35)
    yield path


def tip(stage: Stage) -> Iterator[HandPath]:
    """Turn the box over its far bottom edge with one hand: contact 12 mm below the top edge, then an arc."""
    yield tip_path(stage, tip_side(stage), float(stage.random.uniform(-0.02, 0.02)))


def tip_side(stage: Stage) -> Side:
    """A face from which the fall (about 12 cm away from it) ends well inside the area."""
    sight = stage.sight
    noise = stage.random.normal(0.0, 0.03, 4)

    def cost(index: int) -> float:
        landing = sight.centre_m - sight.sides[index].normal * 0.12
        return (
            sight.outside_m(landing, BORDER_M)
            + 0.3 * float(np.linalg.norm(landing[:2] - sight.middle_m))
            + noise[index]
        )

    return sight.sides[min(range(4), key=cost)]


def tip_path(stage: Stage, side: Side, along_m: float, *, top_rad: float | None = None) -> HandPath:
    """One hand turns the box about the far bottom edge; `top_rad` is how far, by chance far enough."""
    sight, random = stage.sight, stage.random
    edge = 2 * sight.half_m
    height, press = edge - 0.012, float(random.uniform(0.014, 0.022))
    contact = touch_point(sight, side, along_m, height, 0.0)
    hand = choose_hand(stage, contact, side)
    pivot = sight.centre_m - side.normal * sight.half_m + side.tangent * along_m
    pivot[2] = 0.0
    out0, up0 = edge + sight.radius_m - press, height
    whole_rad = float(random.uniform(1.05, 1.3)) if top_rad is None else top_rad

    def arc(s: FloatArray) -> FloatArray:
        turn = s * whole_rad
        out = out0 * np.cos(turn) - up0 * np.sin(turn)
        up = out0 * np.sin(turn) + up0 * np.cos(turn)
        return pivot + out[:, None] * side.normal + up[:, None] * _UP

    path = stage.path()
    path.over(1 - hand, stage.parks_m[1 - hand], stage.free_speed_m_s)
    path.over(hand, touch_point(sight, side, along_m, height, -_GAP_M), stage.free_speed_m_s)
    path.line(hand, touch_point(sight, side, along_m, height, press), 0.15)
    path.follow(hand, arc, float(random.uniform(0.9, 1.3)))
    path.line(hand, path.end(hand) + 0.05 * side.normal + 0.05 * _UP, 0.4)
    path.hold(hand, 0.15)
    return path


def grasp_side(stage: Stage) -> Side:
    """The face that looks most to the left: hand 0 takes it, hand 1 the opposite one."""
    return max(stage.sight.sides, key=lambda side: float(side.normal[1]))


def opposite(side: Side) -> Side:
    return Side(-side.normal, -side.tangent)


def approach_both(stage: Stage, path: HandPath, side: Side, alongs_m: tuple[float, float], height_m: float) -> None:
    for hand, face in enumerate((side, opposite(side))):
        path.over(hand, touch_point(stage.sight, face, alongs_m[hand], height_m, -_GAP_M), stage.free_speed_m_s)
    path.meet()


def squeeze(
    stage: Stage, path: HandPath, side: Side, alongs_m: tuple[float, float], height_m: float, press_m: float
) -> None:
    for hand, face in enumerate((side, opposite(side))):
        path.line(hand, touch_point(stage.sight, face, alongs_m[hand], height_m, press_m), 0.15)
    path.meet()


def release(path: HandPath, side: Side, distance_m: float, rise_m: float = 0.0) -> None:
    path.meet()
    for hand, face in enumerate((side, opposite(side))):
        path.line(hand, path.end(hand) + face.normal * distance_m + _UP * rise_m, 0.3)


def slide_goal(stage: Stage, low_m: float, high_m: float) -> FloatArray:
    """A displacement [3] on the table that ends in the area."""
    wish = random_place_m(stage) - stage.sight.centre_m[:2]
    length = max(float(np.linalg.norm(wish)), 1e-6)
    return np.array([*(wish / length * np.clip(length, low_m, high_m)), 0.0])


def slide(stage: Stage) -> Iterator[HandPath]:
    """Both hands hold opposite faces and slide the box over the table."""
    side, random = grasp_side(stage), stage.random
    height, press = float(random.uniform(0.035, 0.06)), float(random.uniform(0.018, 0.03)) * stage.grip
    path = stage.path()
    approach_both(stage, path, side, (0.0, 0.0), height)
    squeeze(stage, path, side, (0.0, 0.0), height, press)
    for _ in range(int(random.integers(1, 3))):
        shift = slide_goal(stage, 0.05, 0.12)
        for hand in (0, 1):
            path.line(hand, path.end(hand) + shift, 0.12)
        stage.sight.centre_m[:2] += shift[:2]
    release(path, side, press + 0.04)
    yield path


def couple(stage: Stage) -> Iterator[HandPath]:
    """Both hands turn the box on the spot: forces at offsets of the same sense on opposite faces."""
    for _ in range(int(stage.random.integers(1, 3))):
        if not stage.sight.standing:
            return
        yield couple_once(stage, float(stage.random.choice([-1.0, 1.0])), float(stage.random.uniform(0.7, 1.3)))


def couple_once(stage: Stage, sign: float, turn_rad: float) -> HandPath:
    """One stroke of a couple; a positive sign turns the box counter-clockwise seen from above."""
    sight, side = stage.sight, grasp_side(stage)
    height, along, press = 0.05, sign * 0.03, 0.02 * stage.grip
    path = stage.path()
    approach_both(stage, path, side, (along, along), height)
    squeeze(stage, path, side, (along, along), height, press)
    centre = sight.centre_m.copy()
    for hand, face in enumerate((side, opposite(side))):
        out = sight.half_m + sight.radius_m - press

        def curve(s: FloatArray, face: Side = face, out: float = out) -> FloatArray:
            turn = sign * turn_rad * s
            direction = np.cos(turn)[:, None] * face.normal + np.sin(turn)[:, None] * face.tangent
            across = -np.sin(turn)[:, None] * face.normal + np.cos(turn)[:, None] * face.tangent
            points = centre + out * direction + along * across
            points[:, 2] = height
            return points

        path.follow(hand, curve, 0.9 + 0.5 * turn_rad)
    for hand in (0, 1):
        away = path.end(hand) - centre
        away[2] = 0.0
        path.line(hand, path.end(hand) + 0.05 * away / np.linalg.norm(away), 0.3)
    return path


def lift(stage: Stage) -> Iterator[HandPath]:
    """Squeeze opposite faces, lift, carry, put down."""
    random = stage.random
    yield lift_path(stage, 0.0, float(random.uniform(0.04, 0.08)), slide_goal(stage, 0.0, 0.08))


def pivot_lift(stage: Stage) -> Iterator[HandPath]:
    """As `lift`, but off centre, so that the box swings and lands on an edge."""
    random = stage.random
    along = float(random.choice([-1.0, 1.0]) * random.uniform(0.02, 0.032))
    yield lift_path(stage, along, float(random.uniform(0.05, 0.08)), slide_goal(stage, 0.0, 0.05))


def lift_path(stage: Stage, along_m: float, rise_m: float, carry_m: FloatArray) -> HandPath:
    """Grasp `along_m` from the middle of the faces, lift by `rise_m`, carry, lower, let go."""
    side, press = grasp_side(stage), float(stage.random.uniform(0.045, 0.055)) * min(stage.grip, 1.1)
    height = 0.05 if along_m else 0.062  # above the centre of mass the box hangs straight
    alongs = (along_m, -along_m)  # the same line through the box: the two faces' tangents are opposite
    path = stage.path()
    approach_both(stage, path, side, alongs, height)
    squeeze(stage, path, side, alongs, height, press)
    for shift, speed in ((_UP * rise_m, 0.12), (carry_m, 0.12), (-_UP * rise_m, 0.1)):
        if np.linalg.norm(shift) > 1e-3:
            for hand in (0, 1):
                path.line(hand, path.end(hand) + shift, speed)
    release(path, side, press + 0.04)
    return path


def drag(stage: Stage) -> Iterator[HandPath]:
    """Press one ball on the top and drag the box along."""
    sight, random = stage.sight, stage.random
    shift = slide_goal(stage, 0.05, 0.10)
    top = 2 * sight.half_m + sight.radius_m
    hand = choose_hand(stage, sight.centre_m)
    point = sight.centre_m - 0.25 * shift
    point[2] = top + 0.02
    pressed = point.copy()
    pressed[2] = top - float(random.uniform(0.045, 0.055)) * max(stage.grip, 0.95)  # less slides over the top
    path = stage.path()
    path.over(1 - hand, stage.parks_m[1 - hand], stage.free_speed_m_s)
    path.over(hand, point, stage.free_speed_m_s)
    path.line(hand, pressed, 0.15)
    path.line(hand, pressed + shift, 0.1)
    path.line(hand, point + shift + 0.04 * _UP, 0.3)
    yield path


def wander(stage: Stage) -> Iterator[HandPath]:
    """Free motion of both hands, above the box."""
    random = stage.random
    path = stage.path()
    for hand in (0, 1):
        for _ in range(2):
            offset = np.array([random.uniform(-0.05, 0.15), random.uniform(-0.1, 0.1), random.uniform(0.0, 0.08)])
            goal = stage.parks_m[hand] + offset
            goal[2] = max(goal[2], SAFE_HEIGHT_M)
            path.over(hand, goal, 0.4)
    yield path


def retreat(stage: Stage) -> Iterator[HandPath]:
    """Both hands up and home; whatever leans on them falls."""
    path = stage.path()
    for hand in (0, 1):
        path.line(hand, path.end(hand) + np.array([-0.02, 0.0, max(0.0, 0.26 - path.end(hand)[2])]), 0.5)
        path.line(hand, stage.parks_m[hand], 0.6)
        path.hold(hand, 0.3)
    yield path
