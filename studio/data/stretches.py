"""Unbroken stretches of states and actions of one episode, at the policy's rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from studio.core.errors import ConfigError, DataError
from studio.core.geometry import quaternion_to_matrix
from studio.core.records import Driver, PairState, RecordType, Role
from studio.core.task import StateBlock, Task
from studio.data.episode import EpisodeReader
from studio.data.episode_info import EpisodeInfo

POSE = "object_pose"
LEADER_MINUS_FOLLOWER = "leader_minus_follower"
RECORDED = "recorded"
_BREAK_PERIODS = 1.5  # a longer step between two records of the leading stream is a gap
_DEAD_PERIODS = 5.0  # an older pose counts as missing (architecture, "Data")
_LEADER_FIELDS = (
    "leader_position_rad",
    "leader_velocity_rad_s",
    "follower_position_rad",
    "driver",
    "pair_state",
    "reset_count",
)


@dataclass(frozen=True)
class Stretch:
    """`states` [N, S] and `actions` [N, A] float32 of N policy ticks in a row, and the time of each."""

    t_ns: np.ndarray
    states: np.ndarray
    actions: np.ndarray


@dataclass(frozen=True, kw_only=True)
class WindowSource:
    """How states and actions are taken from an episode.

    Args:
        stride: records of the leading stream per policy tick.
        pose_stream: which stream stands for `object_pose`; empty when the task has none.
        drivers: whose motion counts.
    """

    task: Task
    stream: str
    rate_hz: float
    stride: int
    pose_stream: str
    drivers: tuple[int, ...]
    action_names: tuple[str, ...] = ()
    action_fields: tuple[str, ...] = ()  # of `recorded` actions

    @staticmethod
    def choose(
        task: Task,
        episodes: Sequence[EpisodeInfo],
        rate_hz: float,
        drivers: tuple[Driver, ...],
        pose_stream: str | None,
    ) -> WindowSource:
        """The source for a dataset, checked against its first episode."""
        if task.action not in (LEADER_MINUS_FOLLOWER, RECORDED):
            raise ConfigError(
                f"Task {task.name}: action is {task.action!r}; allowed {LEADER_MINUS_FOLLOWER}, {RECORDED}."
            )
        first = episodes[0]
        _check_one_robot(episodes)
        stream = next((b.stream for b in task.state if b.stream != POSE), "control")
        if stream not in first.streams:
            raise DataError(
                f"Task {task.name} needs the stream {stream}; the dataset has {', '.join(first.streams)}. "
                "Choose the task that belongs to this dataset."
            )
        stride = _stride(first.streams[stream].rate_hz, rate_hz)
        pose = _pose_stream(task, first, pose_stream)
        reader = EpisodeReader(first.path)
        try:
            record_type = reader.record_types[stream]
            names = _action_names(task, record_type, first)
        finally:
            reader.close()
        return WindowSource(
            task=task,
            stream=stream,
            rate_hz=rate_hz,
            stride=stride,
            pose_stream=pose,
            drivers=tuple(int(d) for d in drivers),
            action_names=names,
            action_fields=tuple(sorted(record_type.names([Role.ACTION]))) if task.action == RECORDED else (),
        )

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        del data["task"]
        return {
            **data,
            "action": self.task.action,
            "drivers": list(self.drivers),
            "action_names": list(self.action_names),
        }

    def read(self, reader: EpisodeReader) -> Iterator[Stretch]:
        """Stretches of one episode, each at least one policy tick long."""
        record_type = reader.record_types.get(self.stream)
        if record_type is None:
            raise DataError(f"Episode {reader.info.id} has no stream {self.stream}. Leave it out.")
        if record_type.rate_hz != self.rate_hz * self.stride:
            raise DataError(
                f"Episode {reader.info.id} was recorded at {record_type.rate_hz:g} Hz, the first one at "
                f"{self.rate_hz * self.stride:g} Hz. Leave one kind out."
            )
        records = reader.read(self.stream, self._fields(record_type))
        pose, pose_index, broken = self._pose(reader, records["t_ns"])
        for start, stop in self._bounds(records, record_type.rate_hz, broken):
            ticks = (stop - start) // self.stride
            if ticks:
                yield self._stretch(
                    records[start : start + ticks * self.stride], pose, pose_index[start : start + ticks * self.stride]
                )

    def _fields(self, record_type: RecordType) -> list[str]:
        names = {b.field for b in self.task.state if b.stream == self.stream}
        if self.task.action == LEADER_MINUS_FOLLOWER:
            names |= set(_LEADER_FIELDS)
        else:
            names |= set(record_type.names([Role.ACTION]))
        return sorted(names)

    def _pose(self, reader: EpisodeReader, t_ns: np.ndarray) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Pose records, for each row the newest not later than it, and where there is none fresh enough."""
        nothing = np.zeros(len(t_ns), dtype=np.int64), np.zeros(len(t_ns), dtype=bool)
        if not self.pose_stream:
            return None, *nothing
        if self.pose_stream not in reader.record_types:
            raise DataError(
                f"Episode {reader.info.id} has no stream {self.pose_stream}. Leave it out, or choose another "
                "pose stream."
            )
        fields = sorted({b.field for b in self.task.state if b.stream == POSE})
        pose = reader.read(self.pose_stream, fields)
        index = np.searchsorted(pose["t_ns"], t_ns, side="right") - 1
        limit_ns = _DEAD_PERIODS * 1e9 / reader.record_types[self.pose_stream].rate_hz
        if not len(pose):
            return pose, nothing[0], np.ones(len(t_ns), dtype=bool)
        stale = (index < 0) | (t_ns - pose["t_ns"][np.maximum(index, 0)] > limit_ns)
        return pose, np.maximum(index, 0), stale

    def _bounds(self, records: np.ndarray, rate_hz: float, broken: np.ndarray) -> list[tuple[int, int]]:
        """Half-open ranges of rows without a break inside."""
        if not len(records):
            return []
        usable = ~broken
        cut = np.diff(records["t_ns"]) > _BREAK_PERIODS * 1e9 / rate_hz
        if self.task.action == LEADER_MINUS_FOLLOWER:
            usable &= np.isin(records["driver"], self.drivers)
            usable &= (records["pair_state"] == PairState.ENGAGED).reshape(len(records), -1).all(axis=1)
            cut |= (np.diff(records["driver"].astype(np.int16)) != 0) | (np.diff(records["reset_count"]) != 0)
        cut |= np.diff(usable.astype(np.int8)) != 0
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(records)]
        return [(a, b) for a, b in pairwise(edges) if usable[a]]

    def _stretch(self, records: np.ndarray, pose: np.ndarray | None, pose_index: np.ndarray) -> Stretch:
        starts = records[:: self.stride]
        at_start = pose[pose_index[:: self.stride]] if pose is not None else starts
        columns = [_block_values(block, at_start if block.stream == POSE else starts) for block in self.task.state]
        actions = self._actions(records, starts)
        return Stretch(
            starts["t_ns"].copy(), np.concatenate(columns, axis=1).astype(np.float32), actions.astype(np.float32)
        )

    def _actions(self, records: np.ndarray, starts: np.ndarray) -> np.ndarray:
        if self.task.action == RECORDED:
            return np.concatenate([starts[n].reshape(len(starts), -1) for n in self.action_fields], axis=1)
        difference = starts["leader_position_rad"] - starts["follower_position_rad"]
        velocity = records["leader_velocity_rad_s"].reshape(len(starts), self.stride, -1).mean(axis=1)
        return np.concatenate([difference, velocity], axis=1)


def _check_one_robot(episodes: Sequence[EpisodeInfo]) -> None:
    """One set of windows, one robot: joints of two would be mixed up without a word."""
    first = episodes[0]
    for episode in episodes:
        if episode.robot != first.robot:
            raise DataError(
                f"Episode {episode.id} is of robot {episode.robot or 'unknown'!r}, {first.id} of "
                f"{first.robot or 'unknown'!r}. Leave one kind out, or keep them in two datasets."
            )


def _stride(recorded_hz: float, rate_hz: float) -> int:
    stride = recorded_hz / rate_hz if rate_hz > 0 else 0.0
    if round(stride) < 1 or abs(stride - round(stride)) > 1e-6:
        allowed = ", ".join(f"{recorded_hz / n:g}" for n in (1, 2, 4, 5, 8, 10) if (recorded_hz / n).is_integer())
        raise ConfigError(
            f"Policy rate is {rate_hz:g} Hz; the recording has {recorded_hz:g} Hz, and only a divisor of it "
            f"can be learned. Choose one of {allowed} Hz."
        )
    return round(stride)


def _pose_stream(task: Task, episode: EpisodeInfo, wanted: str | None) -> str:
    if all(block.stream != POSE for block in task.state):
        return ""
    there = sorted((name for name in episode.streams if name.startswith(f"{POSE}.")), reverse=True)
    if wanted is not None and wanted not in there:
        raise ConfigError(f"Pose stream {wanted!r} was not recorded; the dataset has {there or 'none'}.")
    if not there:
        raise DataError(
            f"Task {task.name} needs the object's pose; episode {episode.id} has none. Record with the world "
            "or a tag camera."
        )
    return wanted or there[0]  # "world" sorts after "tags"


def _action_names(task: Task, record_type: RecordType, episode: EpisodeInfo) -> tuple[str, ...]:
    if task.action == LEADER_MINUS_FOLLOWER:
        missing = [n for n in _LEADER_FIELDS if n not in record_type.names(list(Role))]
        if missing:
            raise DataError(
                f"Episode {episode.id}: stream {record_type.name} has no {missing[0]}, which the action needs."
            )
        joints = record_type.field("leader_position_rad").shape[0]
        return tuple(
            [f"position_difference_rad.{i}" for i in range(joints)]
            + [f"leader_velocity_rad_s.{i}" for i in range(joints)]
        )
    fields = [f for f in record_type.fields if f.role is Role.ACTION]
    if not fields:
        raise DataError(f"Episode {episode.id}: the recording has no action. Import data with an `action` column.")
    names = episode.config.get("names", {})
    return tuple(
        f"{f.name}.{_entry_name(names, f.name, i)}"
        for f in sorted(fields, key=lambda f: f.name)
        for i in range(int(np.prod(f.shape)) if f.shape else 1)
    )


def _entry_name(names: dict[str, list[str]], field: str, index: int) -> str:
    return names[field][index] if field in names else str(index)


def _block_values(block: StateBlock, records: np.ndarray) -> np.ndarray:
    """One block of the state, [N, size]; a rotation becomes its 9 matrix entries."""
    values = records[block.field].reshape(len(records), -1)
    if block.kind == "rotation" and values.shape[1] == 4:
        values = quaternion_to_matrix(values).reshape(len(records), 9)
    if values.shape[1] != block.size:
        raise DataError(
            f"State block {block.name} has size {block.size}; {block.stream}.{block.field} has "
            f"{values.shape[1]} entries. Choose the task that belongs to this dataset."
        )
    return values
