"""One episode, read and arranged for the eye: curves by lane, poses by time, contacts, camera times. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from plugins.replay.pyramid import Pyramid
from studio.core.records import Driver

CONTACT_N = 3.0  # as in the library: below lie friction and inertia
_APART_S = 0.25  # contacts closer together than this are one
_VECTOR_FIELD_MAX = 64
_COMPARED_MAX = 2  # more curves of another take would hide the take's own
_WANTED = {
    "control": [
        "follower_position_rad", "leader_position_rad", "follower_torque_nm", "leader_torque_nm", "contact_force_n",
        "driver", "plan_id",
    ],
}  # fmt: skip


class Reader(Protocol):
    """The part of `studio.data.episode.EpisodeReader` that is used here."""

    @property
    def info(self) -> Any: ...
    @property
    def cameras(self) -> Any: ...
    @property
    def record_types(self) -> Any: ...
    def read(self, stream: str, names: Sequence[str] | None = None) -> np.ndarray: ...
    def frame_times_ns(self, camera: str) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a lane. `colour` is a token name such as `cat.1` or `side.leader`; `dashed` is the reference."""

    name: str
    colour: str
    pyramid: Pyramid
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Curves that share an axis. `choices` are what the lane can show instead, `chosen` is which it shows."""

    key: str
    title: str
    unit: str
    curves: tuple[Curve, ...]
    choices: tuple[str, ...] = ()
    chosen: int = 0
    from_zero: bool = False


@dataclass(frozen=True, kw_only=True)
class Poses:
    """What the 3-D view needs, over time.

    Args:
        t_s: [N] from the start of the take.
        follower_rad, leader_rad: [N, joints].
        force_n: [N, pairs, 3].
    """

    t_s: np.ndarray
    follower_rad: np.ndarray
    leader_rad: np.ndarray
    force_n: np.ndarray

    def index(self, t_s: float) -> int:
        return int(np.clip(np.searchsorted(self.t_s, t_s, side="right") - 1, 0, len(self.t_s) - 1))


@dataclass(frozen=True, kw_only=True)
class BoxPath:
    """Pose of the object over time: t_s [N], position_m [N, 3], orientation_xyzw [N, 4]."""

    t_s: np.ndarray
    position_m: np.ndarray
    orientation_xyzw: np.ndarray

    def pose(self, t_s: float) -> tuple[np.ndarray, np.ndarray]:
        index = int(np.clip(np.searchsorted(self.t_s, t_s, side="right") - 1, 0, len(self.t_s) - 1))
        return self.position_m[index], self.orientation_xyzw[index]


@dataclass(frozen=True, kw_only=True)
class CameraTrack:
    """Frames of one camera: times from the start of the take, in s."""

    name: str
    t_s: np.ndarray

    @property
    def rate_hz(self) -> float:
        return float((len(self.t_s) - 1) / (self.t_s[-1] - self.t_s[0])) if len(self.t_s) > 1 else 0.0

    def index(self, t_s: float) -> int:
        """The newest frame not after `t_s` (the first one before the camera began)."""
        return int(np.clip(np.searchsorted(self.t_s, t_s + 1e-6, side="right") - 1, 0, max(0, len(self.t_s) - 1)))


@dataclass(frozen=True, kw_only=True)
class SkillRun:
    """A stretch that one plan's skill drove, numbered from 1 in order of appearance."""

    number: int
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Take:
    """An episode ready to be shown."""

    info: Any
    start_ns: int
    duration_s: float
    lanes: tuple[Lane, ...]
    overview: Pyramid
    contacts_s: np.ndarray
    poses: Poses | None = None
    box: BoxPath | None = None
    cameras: tuple[CameraTrack, ...] = ()
    skills: tuple[SkillRun, ...] = ()
    choosers: dict[str, Any] = field(default_factory=dict)

    def with_choice(self, key: str, chosen: int) -> tuple[Lane, ...]:
        """The lanes with one of them showing another joint or value."""
        return tuple(self.choosers[key](chosen) if lane.key == key else lane for lane in self.lanes)


def load_take(reader: Reader, joint_names: tuple[str, ...] = ()) -> Take:
    """Read an episode. Our own recordings get force and torque lanes; anything else gets a lane per vector."""
    streams = list(reader.info.streams)
    records = {name: reader.read(name, _WANTED.get(name)) for name in streams if name not in ("truth", "plan")}
    cameras = {name: np.asarray(reader.frame_times_ns(name)) for name in reader.cameras}
    start_ns, end_ns = _extent(records, cameras)
    tracks = tuple(CameraTrack(name=name, t_s=(times - start_ns) / 1e9) for name, times in cameras.items())
    values: dict[str, Any] = {"info": reader.info, "start_ns": start_ns, "duration_s": (end_ns - start_ns) / 1e9}
    control = records.get("control")
    if control is not None and len(control):
        values |= _arm_values(control, start_ns, joint_names)
    else:
        values |= _vector_values(records, start_ns, _component_names(reader))
    pose = records.get("object_pose.world", records.get("object_pose.tags"))
    if pose is not None and len(pose):
        values["box"] = BoxPath(
            t_s=_seconds(pose, start_ns), position_m=pose["position_m"], orientation_xyzw=pose["orientation_xyzw"]
        )
    return Take(**values, cameras=tracks)


def _extent(records: dict[str, np.ndarray], cameras: dict[str, np.ndarray]) -> tuple[int, int]:
    times = [r["t_ns"] for r in records.values() if len(r)] + [t for t in cameras.values() if len(t)]
    if not times:
        return 0, 0
    return min(int(t[0]) for t in times), max(int(t[-1]) for t in times)


def _seconds(records: np.ndarray, start_ns: int) -> np.ndarray:
    return (records["t_ns"] - start_ns) / 1e9


def _arm_values(control: np.ndarray, start_ns: int, joint_names: tuple[str, ...]) -> dict[str, Any]:
    t_s = _seconds(control, start_ns)
    force_n = np.linalg.norm(control["contact_force_n"], axis=-1)
    joints = control["follower_position_rad"].shape[1]
    names = joint_names if len(joint_names) == joints else tuple(f"joint {i + 1}" for i in range(joints))

    def torque_lane(chosen: int) -> Lane:
        curves = tuple(
            Curve(
                name=side,
                colour=f"side.{side}",
                dashed=side == "leader",
                pyramid=Pyramid(t_s, control[f"{side}_torque_nm"][:, chosen]),
            )
            for side in ("leader", "follower")
        )
        return Lane(
            key="torque", title=f"Torque {names[chosen]}", unit="N·m", curves=curves, choices=names, chosen=chosen
        )

    poses = Poses(
        t_s=t_s,
        follower_rad=control["follower_position_rad"],
        leader_rad=control["leader_position_rad"],
        force_n=control["contact_force_n"],
    )
    lanes = (_force_lane(t_s, force_n), torque_lane(min(1, joints - 1)))
    return {
        "lanes": lanes,
        "poses": poses,
        "overview": Pyramid(t_s, force_n.max(axis=1)),
        "contacts_s": contact_starts_s(t_s, force_n.max(axis=1)),
        "choosers": {"torque": torque_lane},
        "skills": skill_runs(t_s, control["driver"], control["plan_id"]),
    }


def skill_runs(t_s: np.ndarray, driver: np.ndarray, plan_id: np.ndarray) -> tuple[SkillRun, ...]:
    """Stretches [n] in which a planner or a skill drove, one for each plan."""
    if not len(t_s):
        return ()
    driven = np.isin(driver, [int(Driver.PLANNER), int(Driver.SKILL)])
    plan = np.where(driven, plan_id, -1)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(plan)) + 1])
    ends = np.concatenate([starts[1:], [len(plan) - 1]])
    spans = [(float(t_s[a]), float(t_s[b])) for a, b in zip(starts, ends, strict=True) if driven[a]]
    return tuple(SkillRun(number=n, start_s=a, end_s=b) for n, (a, b) in enumerate(spans, start=1))


def with_other(lanes: Sequence[Lane], other: Sequence[Lane], name: str) -> tuple[Lane, ...]:
    """Lanes with the curves of another take under the same cursor, in grey behind them."""
    found = {lane.key: lane for lane in other}
    merged: list[Lane] = []
    for lane in lanes:
        twin = found.get(lane.key)
        extra = twin.curves if twin is not None and len(twin.curves) <= _COMPARED_MAX else ()
        grey = [
            replace(curve, name=f"{name} {curve.name}", colour="text.3", dashed=i % 2 == 1)
            for i, curve in enumerate(extra)
        ]
        merged.append(replace(lane, curves=(*lane.curves, *grey)))
    return tuple(merged)


def _force_lane(t_s: np.ndarray, force_n: np.ndarray) -> Lane:
    sides = ("left", "right") if force_n.shape[1] == 2 else tuple(f"hand {i + 1}" for i in range(force_n.shape[1]))
    colours = ("cat.1", "cat.5", "cat.3", "cat.7")
    curves = tuple(
        Curve(name=side, colour=colours[i % 4], pyramid=Pyramid(t_s, force_n[:, i])) for i, side in enumerate(sides)
    )
    return Lane(key="force", title="Contact force", unit="N", curves=curves, from_zero=True)


def contact_starts_s(t_s: np.ndarray, force_n: np.ndarray) -> np.ndarray:
    """When contact begins: force rises above 3 N after at least 0.25 s below."""
    touching = force_n > CONTACT_N
    starts = np.flatnonzero(touching & ~np.concatenate([[False], touching[:-1]]))
    ends = np.flatnonzero(~touching & np.concatenate([[False], touching[:-1]]))
    kept: list[float] = []
    for start in starts:
        earlier = ends[ends <= start]
        if not len(earlier) or t_s[start] - t_s[earlier[-1]] >= _APART_S:
            kept.append(float(t_s[start]))
    return np.asarray(kept)


def _component_names(reader: Reader) -> dict[str, tuple[str, ...]]:
    """Names of the entries of vector fields, where the importer kept them (`episode.json`: config.names)."""
    config = getattr(reader.info, "config", None) or {}
    names = config.get("names", {}) if isinstance(config, dict) else {}
    return {key: tuple(map(str, value)) for key, value in names.items()} if isinstance(names, dict) else {}


def _vector_values(records: dict[str, np.ndarray], start_ns: int, names: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    found = [
        (name, field_name, block)
        for name, block in records.items()
        for field_name in (block.dtype.names or ())[1:]
        if len(block) and block[field_name].ndim == 2 and block[field_name].shape[1] <= _VECTOR_FIELD_MAX
    ]
    found.sort(key=lambda item: ("state" not in item[1], item[1]))  # measured before commanded
    lanes = [_all_lane(_seconds(block, start_ns), field_name, block[field_name]) for _, field_name, block in found]
    values: dict[str, Any] = {"contacts_s": np.empty(0), "overview": _motion(found, start_ns), "choosers": {}}
    if found:
        one = _one_lane(found, start_ns, names)
        lanes.append(one(0))
        values["choosers"] = {"one": one}
    return {**values, "lanes": tuple(lanes)}


def _all_lane(t_s: np.ndarray, name: str, values: np.ndarray) -> Lane:
    curves = tuple(
        Curve(name=str(i), colour=f"cat.{i % 8 + 1}", pyramid=Pyramid(t_s, values[:, i]))
        for i in range(values.shape[1])
    )
    title = name.rsplit(".", 1)[-1].replace("_", " ").capitalize()
    return Lane(key=f"all.{name}", title=title, unit="", curves=curves)


def _one_lane(found: list[tuple[str, str, np.ndarray]], start_ns: int, names: dict[str, tuple[str, ...]]) -> Any:
    """One entry of the measured vector, and the same entry of the commanded one where both have as many."""
    _, first_name, first_block = found[0]
    width = first_block[first_name].shape[1]
    shown = [item for item in found if item[2][item[1]].shape[1] == width][:2]
    labels = names.get(first_name, ())
    labels = labels if len(labels) == width else tuple(f"value {i + 1}" for i in range(width))

    def make(chosen: int) -> Lane:
        curves = tuple(
            Curve(
                name="measured" if i == 0 else "commanded",
                colour="side.follower" if i == 0 else "side.leader",
                dashed=i == 1,
                pyramid=Pyramid(_seconds(block, start_ns), block[field_name][:, chosen]),
            )
            for i, (_, field_name, block) in enumerate(shown)
        )
        return Lane(key="one", title=labels[chosen], unit="", curves=curves, choices=labels, chosen=chosen)

    return make


def _motion(found: list[tuple[str, str, np.ndarray]], start_ns: int) -> Pyramid:
    """How fast the first vector changes, for the whole-take strip."""
    if not found or len(found[0][2]) < 2:
        return Pyramid(np.empty(0), np.empty(0))
    _, field_name, block = found[0]
    speed = np.abs(np.diff(np.asarray(block[field_name], dtype=np.float64), axis=0)).mean(axis=1)
    return Pyramid(_seconds(block, start_ns)[1:], speed)
