"""Feel a take: the leaders' hands follow a recorded take, behind the same states as a person's hands. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.app.api import Loader, StudioApi
from studio.core.errors import DataError, StudioError
from studio.core.records import Driver, PairState
from studio.data.episode import EpisodeReader
from studio.robot.description import Robot
from studio.robot.geometry import tip_of_arm

_SPEED_M_S = 0.20  # on the way to where the take begins
_SHORTEST_S = 0.8
_KEPT_HZ = 100.0  # the window gives at most 60 targets a second


@dataclass(frozen=True, kw_only=True)
class HandPath:
    """Where the leaders' hands were: t_s [n] from 0 and tips_m [n, pairs, 3]."""

    title: str
    t_s: np.ndarray
    tips_m: np.ndarray

    @property
    def duration_s(self) -> float:
        return float(self.t_s[-1])

    def at(self, t_s: float) -> np.ndarray:
        """Hands [pairs, 3] in m at a time."""
        return self.tips_m[int(np.clip(np.searchsorted(self.t_s, t_s), 0, len(self.t_s) - 1))]


def read_path(folder: Path, robot: Robot) -> tuple[HandPath | None, StudioError | None]:
    """The hands' way through an episode; runs in a thread."""
    try:
        reader = EpisodeReader(folder)
        try:
            if "control" not in reader.info.streams:
                raise DataError(f"{folder.name} has no joints: only takes of this robot can be felt.")
            control = reader.read("control", ["leader_position_rad"])
        finally:
            reader.close()
        return make_path(folder.name, control, robot), None
    except StudioError as error:
        return None, error


def make_path(name: str, control: np.ndarray, robot: Robot) -> HandPath:
    """From records with `t_ns` and `leader_position_rad` [n, joints].

    Raises:
        DataError: another robot's joints, or hardly any records.
    """
    joints = control["leader_position_rad"].shape[1] if len(control) > 1 else 0
    if joints != robot.joints:
        raise DataError(f"{name} was recorded with {joints} joints, this robot has {robot.joints}: it cannot be felt.")
    t_s = (control["t_ns"] - control["t_ns"][0]) / 1e9
    kept = np.unique(np.searchsorted(t_s, np.arange(0.0, float(t_s[-1]), 1 / _KEPT_HZ)))
    per_arm = robot.joints_per_arm
    tips = [
        [
            tip_of_arm(robot.arm_bases_m[pair], robot.link_lengths_m, q[pair * per_arm : (pair + 1) * per_arm])
            for pair in range(robot.pairs)
        ]
        for q in control["leader_position_rad"][kept].tolist()
    ]
    number = name.rpartition("_")[2].lstrip("0")
    title = f"Episode {number}" if number.isdigit() else name
    return HandPath(title=title, t_s=t_s[kept], tips_m=np.asarray(tips))


class TakePlayer:
    """Pulls the leaders' hands along a loaded take. Whatever ends Engaged ends it, and so does a hand of the person."""

    def __init__(self, studio: StudioApi) -> None:
        self._studio = studio
        self._loader = Loader("teleop-take")
        self.path: HandPath | None = None
        self.loading = False
        self.t_s = 0.0
        self._from_m: np.ndarray | None = None
        self._way_s = 0.0
        self._last_s: float | None = None

    @property
    def playing(self) -> bool:
        return self._from_m is not None

    def load(self, folder: Path) -> None:
        self.stop()
        self.path, self.loading = None, True
        self._loader.ask("path", read_path, folder, self._studio.robot)

    def unload(self) -> None:
        self.stop()
        self.path = None

    def blocked(self) -> str:
        """Why the take cannot be played now."""
        link = self._studio.state.link
        if self.path is None:
            return "open a take in Replay and press Feel this take"
        if self._studio.streams.latest("object_pose.world") is None:
            return "a person holds the leaders of real arms"
        driven = link.worst is PairState.ENGAGED and link.driver is Driver.OPERATOR
        return "" if driven else "engage the arms first"

    def toggle(self, tips_m: np.ndarray) -> None:
        """Play from the start, beginning at the leaders' hands [pairs, 3]; or stop."""
        if self.playing:
            self.stop()
        elif self.path is not None:
            self._from_m, self._last_s, self.t_s = np.array(tips_m), None, 0.0
            way_m = float(np.linalg.norm(self.path.at(0.0) - tips_m, axis=-1).max())
            self._way_s = max(_SHORTEST_S, 1.875 * way_m / _SPEED_M_S)
            self.t_s = -self._way_s

    def stop(self) -> None:
        """Let go of the hands where they are."""
        if self._from_m is not None:
            self._from_m = None
            for pair in range(self._studio.robot.pairs):
                self._studio.input.set_hand(pair, np.zeros(3), False)

    def tick(self, now_s: float) -> None:
        """Take over what was read; move the hands on."""
        for _, (path, error) in self._loader.poll():
            self.path, self.loading = path, False
            if error is not None:
                self._studio.notices.error(error)
        if self._from_m is None or self.path is None:
            return
        if self.blocked() or self.t_s >= self.path.duration_s:
            self.stop()
            return
        self.t_s += 0.0 if self._last_s is None else min(now_s - self._last_s, 0.05)  # a late window waits
        self._last_s = now_s
        for pair, place_m in enumerate(self.targets_m()):
            self._studio.input.set_hand(pair, place_m, True)

    def targets_m(self) -> np.ndarray:
        """Where the hands are pulled to now, [pairs, 3]: first to the take's start, then along it."""
        assert self.path is not None and self._from_m is not None
        if self.t_s >= 0.0:
            return self.path.at(self.t_s)
        s = 1.0 + self.t_s / self._way_s
        share = s * s * s * (10.0 + s * (6.0 * s - 15.0))  # minimum jerk
        return self._from_m + share * (self.path.at(0.0) - self._from_m)

    def close(self) -> None:
        self.stop()
        self._loader.close()
