"""What happened when a skill was done: the box and the joint torques between its start and its end. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from studio.core.geometry import FloatArray, quaternion_to_matrix, rotation_angle_rad


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution.

    Args:
        times_s: since its start, [N].
        measures: as of a skill's bands, measure -> [N].
        error_m, error_rad: how far the box ended from where the skill predicted it.
        peak_nm: largest joint torque of the followers.
    """

    skill: int
    times_s: FloatArray
    measures: dict[str, FloatArray]
    error_m: float
    error_rad: float
    peak_nm: float


@dataclass
class Witness:
    """Collects records while a skill is done; the newest seconds are kept, because its start is told afterwards."""

    limit: int = 24_000
    poses: list[np.ndarray] = field(default_factory=list)
    torques: list[tuple[int, float]] = field(default_factory=list)

    def begin(self) -> None:
        self.poses.clear()
        self.torques.clear()

    def see(self, poses: np.ndarray | None, control: np.ndarray | None) -> None:
        if poses is not None and len(poses):
            self.poses.append(poses[["t_ns", "position_m", "orientation_xyzw"]].copy())
        if control is not None and len(control):
            peaks = np.abs(control["follower_torque_nm"]).max(axis=1)
            self.torques += list(zip(control["t_ns"].tolist(), peaks.tolist()))
            del self.torques[: -self.limit]

    def conclude(
        self, skill: int, start_ns: int, end_ns: int, end_m: FloatArray, end_xyzw: FloatArray
    ) -> Execution | None:
        """The execution between two times against the predicted end; None when nothing was seen of it."""
        if not self.poses:
            return None
        poses = np.concatenate(self.poses)
        poses = poses[(poses["t_ns"] >= start_ns) & (poses["t_ns"] <= end_ns)]
        if len(poses) < 2:
            return None
        turns = quaternion_to_matrix(poses["orientation_xyzw"].astype(np.float64))
        position_m = poses["position_m"].astype(np.float64)
        first = np.broadcast_to(turns[:1], turns.shape)
        peaks = [peak for t_ns, peak in self.torques if start_ns <= t_ns <= end_ns]
        return Execution(
            skill=skill,
            times_s=(poses["t_ns"] - start_ns) * 1e-9,
            measures={
                "height_m": position_m[:, 2],
                "moved_m": np.linalg.norm(position_m[:, :2] - position_m[0, :2], axis=-1),
                "turn_rad": rotation_angle_rad(turns, first),
            },
            error_m=float(np.linalg.norm(position_m[-1] - end_m)),
            error_rad=float(rotation_angle_rad(turns[-1], quaternion_to_matrix(end_xyzw))),
            peak_nm=max(peaks, default=float("nan")),
        )
