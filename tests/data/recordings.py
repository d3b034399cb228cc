"""Small recordings for the tests of `studio.data`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.core.records import Driver, Field, PairState, RecordType, Role, make_control_record, make_object_pose_record
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeWriter
from studio.data.episode_info import EpisodeInfo
from studio.data.stream_writer import WriterSettings

CONTROL = make_control_record(joints=8, pairs=2, rate_hz=400.0)
POSE = make_object_pose_record("world", 400.0)
PERIOD_NS = 2_500_000
QUICK = WriterSettings(fsync_interval_s=None, reserve_bytes=4096)

EVERY_KIND = RecordType(
    "every_kind",
    200.0,
    (
        Field(name="double"),
        Field(name="doubles", shape=(2, 3)),
        Field(name="float", dtype="<f4", role=Role.ACTION),
        Field(name="floats", shape=(5,), dtype="<f4", unit="m"),
        Field(name="long", dtype="<i8"),
        Field(name="int", dtype="<i4"),
        Field(name="ints", shape=(2,), dtype="<i4"),
        Field(name="short", dtype="<i2"),
        Field(name="shorts", shape=(3,), dtype="<i2"),
        Field(name="word", dtype="<u2", role=Role.LABEL),
        Field(name="unsigned", dtype="<u4"),
        Field(name="unsigned_long", dtype="<u8"),
        Field(name="byte", dtype="<u1"),
        Field(name="few_bytes", shape=(4,), dtype="<u1"),
        Field(name="many_bytes", shape=(300,), dtype="<u1", role=Role.METRIC),
        Field(name="one", shape=(1,)),
        *(Field(name=f"extra_{i}", dtype="<f4") for i in range(16)),  # field numbers above 15 take two tag bytes
    ),
)


def random_records(record_type: RecordType, count: int, seed: int = 0) -> np.ndarray:
    """Records of random bytes (floats finite), with rising times."""
    generator = np.random.default_rng(seed)
    records = record_type.empty(count)
    for name in records.dtype.names or ():
        field = records[name]
        if field.dtype.kind == "f":
            field[...] = generator.normal(size=field.shape) * 1e3
        else:
            limits = np.iinfo(field.dtype)
            field[...] = generator.integers(limits.min, limits.max, size=field.shape, endpoint=True, dtype=field.dtype)
    records["t_ns"] = np.arange(count) * round(1e9 / record_type.rate_hz)
    return records


def play_records(count: int, *, start: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Engaged teleoperation by the operator: control and pose records at 400 Hz with random joint motion."""
    generator = np.random.default_rng(seed)
    control, pose = CONTROL.empty(count), POSE.empty(count)
    control["t_ns"] = pose["t_ns"] = (start + np.arange(count)) * PERIOD_NS
    control["tick"] = start + np.arange(count)
    for name in ("leader_position_rad", "leader_velocity_rad_s", "follower_position_rad", "follower_velocity_rad_s"):
        control[name] = generator.normal(size=(count, 8))
    control["driver"], control["pair_state"] = Driver.OPERATOR, PairState.ENGAGED
    pose["position_m"] = generator.normal(size=(count, 3))
    quaternion = generator.normal(size=(count, 4))
    pose["orientation_xyzw"] = quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)
    return control, pose


def write_episode(dataset: Dataset, session: Path, control: np.ndarray, pose: np.ndarray) -> EpisodeInfo:
    config = {"robot": "dual_arm_ak60", "task": "move_box"}
    writer = EpisodeWriter(dataset.new_episode(session), [CONTROL, POSE], config, clock="stepped", settings=QUICK)
    for start in range(0, len(control), 100):
        writer.write("control", control[start : start + 100])
        writer.write("object_pose.world", pose[start : start + 100])
    return writer.close()


def make_play(path: Path, *, sessions: int = 1, episodes: int = 2, ticks: int = 800) -> Dataset:
    """A dataset of play; every episode has other numbers."""
    dataset = Dataset.create(path)
    for number in range(sessions):
        session = dataset.new_session()
        for index in range(episodes):
            write_episode(dataset, session, *play_records(ticks, seed=100 * number + index))
    return dataset
