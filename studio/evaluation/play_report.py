"""What a stretch of play covers: faces, flips, contact, places. NumPy only; used by `play`, the tour and the window."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from studio.core.geometry import FloatArray, quaternion_to_matrix, up_face
from studio.core.task import Task

CELL_M = 0.02
CONTACT_N = 0.3  # less is noise of the contact solver
MOVING_M_S = 0.01
FORCE_EDGES_N = (CONTACT_N, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, float("inf"))
HAND_EVERY = 5  # samples between two places of the hands, of which their speed is taken
_MINUTE_S = 60.0
_FLAT = float(np.cos(np.radians(10.0)))
_LIFTED_M = 0.005
_YAW_BINS = 12


@dataclass(frozen=True, kw_only=True)
class PlayReport:
    """Coverage of play. Shares are of the time; `up_face_s` is in the order +x -x +y -y +z -z of the object's frame.

    Contact forces are those of hands that touch; `force_histogram` has their shares between the edges `FORCE_EDGES_N`.
    `object_speed_*` are of the object while it moves, `touch_speed_*` of hands that touch (0 without their places).
    `per_minute` has the same facts of every whole minute, and of what is left.
    """

    sim_s: float
    contact_share: float
    both_hands_share: float
    moving_share: float
    tilted_share: float
    lifted_share: float
    flips: int
    flips_per_min: float
    up_face_s: tuple[float, ...]
    faces_up: int
    xy_cells_visited: int
    area_cells_share: float
    yaw_entropy: float
    contact_force_median_n: float
    contact_force_p95_n: float
    contact_force_largest_n: float
    force_histogram: tuple[float, ...]
    object_speed_median_m_s: float = 0.0
    object_speed_p95_m_s: float = 0.0
    touch_speed_median_m_s: float = 0.0
    touch_speed_p95_m_s: float = 0.0
    per_minute: tuple[PlayReport, ...] = ()

    def to_json(self) -> dict[str, Any]:
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "per_minute"}
        values = {key: round(v, 4) if isinstance(v, float) else v for key, v in facts.items()} | {
            "up_face_s": [round(v, 2) for v in self.up_face_s],
            "force_histogram": [round(v, 4) for v in self.force_histogram],
        }
        if not self.per_minute:
            return values
        return values | {
            "force_histogram_edges_n": list(FORCE_EDGES_N[:-1]),
            "per_minute": [minute.to_json() for minute in self.per_minute],
        }


def measure_play(
    task: Task,
    t_s: FloatArray,
    position_m: FloatArray,
    orientation_xyzw: FloatArray,
    force_n: FloatArray,
    *,
    tips_m: FloatArray | None = None,
) -> PlayReport:
    """Coverage of evenly sampled play (20 Hz or more), of the whole and minute by minute.

    Args:
        task: sizes and area.
        t_s: times [n].
        position_m: of the object [n, 3].
        orientation_xyzw: of the object [n, 4].
        force_n: contact force of each hand [n, pairs, 3].
        tips_m: where the hands were at every `HAND_EVERY`-th sample, [n / HAND_EVERY, pairs, 3].
    """
    if len(t_s) < 2:
        return _nothing()
    tips = tips_m if tips_m is not None else np.zeros((0, force_n.shape[1], 3))
    whole = _measure(task, t_s, position_m, orientation_xyzw, force_n, tips)
    minute = max(HAND_EVERY, round(_MINUTE_S / float(np.median(np.diff(t_s))) / HAND_EVERY) * HAND_EVERY)
    parts: list[PlayReport] = []
    for start in range(0, len(t_s) - 1, minute):
        cut, hands = slice(start, start + minute), slice(start // HAND_EVERY, (start + minute) // HAND_EVERY)
        if len(t_s[cut]) > 1:
            parts.append(_measure(task, t_s[cut], position_m[cut], orientation_xyzw[cut], force_n[cut], tips[hands]))
    return replace(whole, per_minute=tuple(parts))


def _measure(
    task: Task,
    t_s: FloatArray,
    position_m: FloatArray,
    orientation_xyzw: FloatArray,
    force_n: FloatArray,
    tips_m: FloatArray,
) -> PlayReport:
    period_s = float(np.median(np.diff(t_s)))
    duration_s = len(t_s) * period_s
    matrix = quaternion_to_matrix(orientation_xyzw)
    faces, flat = up_face(matrix), np.abs(matrix[:, 2]).max(axis=1) > _FLAT
    strength_n = np.linalg.norm(force_n, axis=2)
    touching = strength_n > CONTACT_N
    speed = np.linalg.norm(np.diff(position_m, axis=0), axis=1) / period_s
    flips = count_flips(faces, flat)
    seconds = np.bincount(faces, minlength=6) * period_s
    cells, area_share = _cells(task, position_m)
    rest_m = task.object_rest_height_m
    return PlayReport(
        sim_s=duration_s,
        contact_share=float(touching.any(axis=1).mean()),
        both_hands_share=float(touching.all(axis=1).mean()),
        moving_share=float((speed > MOVING_M_S).mean()),
        tilted_share=float((~flat).mean()),
        lifted_share=float((flat & (position_m[:, 2] > rest_m + _LIFTED_M)).mean()),
        flips=flips,
        flips_per_min=flips * 60.0 / duration_s,
        up_face_s=tuple(float(s) for s in seconds),
        faces_up=int((seconds > 0.5).sum()),
        xy_cells_visited=cells,
        area_cells_share=area_share,
        yaw_entropy=_yaw_entropy(matrix[flat], faces[flat]),
        **_forces(strength_n[touching]),
        **_speeds("object", speed[speed > MOVING_M_S]),
        **_speeds("touch", _touching_speeds(tips_m, touching, HAND_EVERY * period_s)),
    )


def _touching_speeds(tips_m: FloatArray, touching: np.ndarray, period_s: float) -> FloatArray:
    """Speeds of the hands in m/s [k] over the stretches at whose start they touch [n, pairs]."""
    if len(tips_m) < 2:
        return np.zeros(0)
    speed = np.linalg.norm(np.diff(tips_m, axis=0), axis=2) / period_s
    return speed[touching[::HAND_EVERY][: len(speed)]]


def _speeds(whose: str, values_m_s: FloatArray) -> dict[str, Any]:
    """Median and 95 % point; zeros of nothing."""
    names = (f"{whose}_speed_median_m_s", f"{whose}_speed_p95_m_s")
    if not len(values_m_s):
        return dict.fromkeys(names, 0.0)
    return dict(zip(names, (float(v) for v in np.percentile(values_m_s, (50, 95))), strict=True))


def _forces(strength_n: FloatArray) -> dict[str, Any]:
    """Median, 95 % point, largest and histogram of contact forces [n] of touching hands; zeros without contact."""
    bins = len(FORCE_EDGES_N) - 1
    if not len(strength_n):
        names = ("contact_force_median_n", "contact_force_p95_n", "contact_force_largest_n")
        return {**dict.fromkeys(names, 0.0), "force_histogram": (0.0,) * bins}
    counts = np.histogram(strength_n, bins=np.array(FORCE_EDGES_N))[0]
    return {
        "contact_force_median_n": float(np.median(strength_n)),
        "contact_force_p95_n": float(np.percentile(strength_n, 95)),
        "contact_force_largest_n": float(strength_n.max()),
        "force_histogram": tuple(float(share) for share in counts / counts.sum()),
    }


def count_flips(faces: np.ndarray, flat: np.ndarray) -> int:
    """How often the object came to lie on another face; faces [n] count only while it lies flat [n]."""
    resting = faces[flat]
    return int((np.diff(resting) != 0).sum()) if len(resting) else 0


def _cells(task: Task, position_m: FloatArray) -> tuple[int, float]:
    """Cells of 2 cm that the object's centre has been in: number, and share of the task's area."""
    cells = np.unique(np.floor(position_m[:, :2] / CELL_M).astype(np.int64), axis=0)
    centres = (cells + 0.5) * CELL_M
    low, high = np.array([task.area_x_m[0], task.area_y_m[0]]), np.array([task.area_x_m[1], task.area_y_m[1]])
    inside = int(((centres >= low) & (centres <= high)).all(axis=1).sum())
    all_cells = int(np.prod(np.round((high - low) / CELL_M)))
    return len(cells), min(1.0, inside / max(all_cells, 1))


def _yaw_entropy(matrix: FloatArray, faces: np.ndarray) -> float:
    """Entropy of the direction of one side of the object over 12 bins, 1 = uniform."""
    if not len(matrix):
        return 0.0
    side = (faces // 2 + 1) % 3
    axis = np.take_along_axis(matrix, side[:, None, None], axis=2)[:, :, 0]
    counts = np.histogram(np.arctan2(axis[:, 1], axis[:, 0]), bins=_YAW_BINS, range=(-np.pi, np.pi))[0]
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(_YAW_BINS))


def _nothing() -> PlayReport:
    shares = dict.fromkeys(("contact_share", "both_hands_share", "moving_share", "tilted_share", "lifted_share"), 0.0)
    counts = dict.fromkeys(("flips", "faces_up", "xy_cells_visited"), 0)
    rest = dict.fromkeys(("sim_s", "flips_per_min", "area_cells_share", "yaw_entropy"), 0.0)
    return PlayReport(**shares, **counts, **rest, **_forces(np.zeros(0)), up_face_s=(0.0,) * 6)
