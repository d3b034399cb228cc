"""One sampled skill as the screen knows it: its path, its name in words, its bands. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.core.geometry import FloatArray, quaternion_to_matrix

MEASURES = ("height_m", "turn_rad", "moved_m")
_STILL_M, _LIFT_M = 0.008, 0.02
_TURN_RAD, _TIP_RAD = np.radians(30.0), np.radians(40.0)


@dataclass(frozen=True, kw_only=True)
class Skill:
    """What the planner worker says of one skill (studio.workers.skill_samples).

    Args:
        number: 1..8, its key and its colour.
        controls: base controls [H, d].
        position_m, orientation_xyzw: of the box at the boundaries, [H+1, 3] and [H+1, 4].
        tips_m: [H+1, hands, 3].
        joints_rad: [H+1, joints].
        middle, low, high: measure -> [H+1]; the band holds 90 % of noisy rollouts.
        spread_m: mean distance of noisy rollouts from this one at the end.
        share: of all draws that end most like this one.
        touches: per hand.
        outside: which limit it leaves, in words; empty when none.
    """

    number: int
    controls: list[list[float]]
    position_m: FloatArray
    orientation_xyzw: FloatArray
    tips_m: FloatArray
    joints_rad: FloatArray
    middle: dict[str, FloatArray]
    low: dict[str, FloatArray]
    high: dict[str, FloatArray]
    spread_m: float
    share: float
    turn_rad: float
    touches: tuple[bool, ...]
    outside: str

    @property
    def stages(self) -> int:
        return len(self.controls)

    @property
    def moved_m(self) -> float:
        """How far the box is from where it was, at the end."""
        return float(np.linalg.norm(self.position_m[-1] - self.position_m[0]))

    @property
    def title(self) -> str:
        return skill_title(self.position_m, self.orientation_xyzw)

    @property
    def hands(self) -> str:
        """Which hand touches the box, in words."""
        touching = [name for name, on in zip(("left", "right"), self.touches) if on]
        if len(touching) == 2:
            return "both hands"
        return f"{touching[0]} hand" if touching else "no hand touches"


def make_skill(number: int, values: dict[str, Any]) -> Skill:
    """From the values of a message."""
    bands = {name: np.asarray(values["bands"][name], dtype=np.float64) for name in MEASURES}
    return Skill(
        number=number,
        controls=[[float(u) for u in row] for row in values["controls"]],
        position_m=np.asarray(values["position_m"], dtype=np.float64),
        orientation_xyzw=np.asarray(values["orientation_xyzw"], dtype=np.float64),
        tips_m=np.asarray(values["tips_m"], dtype=np.float64),
        joints_rad=np.asarray(values["joints_rad"], dtype=np.float64),
        middle={name: np.asarray(values["middle"][name], dtype=np.float64) for name in MEASURES},
        low={name: band[0] for name, band in bands.items()},
        high={name: band[1] for name, band in bands.items()},
        spread_m=float(values["spread_m"]),
        share=float(values["share"]),
        turn_rad=float(values["turn_rad"]),
        touches=tuple(bool(on) for on in values["touches"]),
        outside=str(values["outside"]),
    )


def skill_title(position_m: FloatArray, orientation_xyzw: FloatArray) -> str:
    """What the box does, in words: `Push left`, `Lift`, `Turn`, `Tip over`, `Push away, turn`, `No push`.

    Directions are the operator's behind the robot: away is +x, left is +y.
    """
    start, end = quaternion_to_matrix(orientation_xyzw[[0, -1]])
    tip_rad = float(np.arccos(np.clip((end @ start.T)[2, 2], -1.0, 1.0)))
    relative = end @ start.T
    yaw_rad = abs(float(np.arctan2(relative[1, 0], relative[0, 0])))
    x_m, y_m, z_m = position_m[-1] - position_m[0]
    across_m = float(np.hypot(x_m, y_m))
    if tip_rad > _TIP_RAD:
        return "Tip over"
    if z_m > _LIFT_M and z_m > 0.5 * across_m:
        return "Lift"
    if across_m < _STILL_M:
        return "Turn" if yaw_rad > _TURN_RAD / 2 else "No push"
    word = (
        ("Push away" if x_m > 0 else "Pull near") if abs(x_m) > abs(y_m) else f"Push {'left' if y_m > 0 else 'right'}"
    )
    return f"{word}, turn" if yaw_rad > _TURN_RAD else word
