"""Windows: how many, where they may not lie, what is in them, and when the cache is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import ConfigError, DataError
from studio.core.observation import StateReader
from studio.core.records import Driver, Field, PairState, RecordType, Role, make_control_record, make_object_pose_record
from studio.core.task import Task, load_task
from studio.data import windows
from studio.data.annotations import Journal
from studio.data.dataset import IMPORTED_STREAM, Dataset, task_for_dataset
from studio.data.episode import EpisodeWriter
from studio.data.windows import WindowSet, load_windows
from tests.data.recordings import CONTROL, POSE, QUICK, make_play, play_records, write_episode

TASK = load_task("move_box")


def _one_episode(tmp_path: Path, control: np.ndarray, pose: np.ndarray) -> Dataset:
    """The episode under test trains; a second one is held out."""
    dataset = Dataset.create(tmp_path / "d")
    session = dataset.new_session()
    write_episode(dataset, session, control, pose)
    write_episode(dataset, session, *play_records(400, seed=9))
    return dataset


def _starts_by_stretch(found: WindowSet) -> list[int]:
    """Lengths of the runs of training starts."""
    if not len(found.train_starts):
        return []
    return [len(run) for run in np.split(found.train_starts, np.flatnonzero(np.diff(found.train_starts) != 1) + 1)]


@pytest.mark.parametrize(("rate_hz", "window", "ticks"), [(400.0, 40, 1000), (100.0, 20, 1003), (200.0, 7, 999)])
def test_a_stretch_of_n_ticks_has_n_minus_w_windows(tmp_path: Path, rate_hz: float, window: int, ticks: int) -> None:
    dataset = _one_episode(tmp_path, *play_records(ticks))
    found = load_windows(dataset, TASK, rate_hz, window)
    rows = ticks // round(400 / rate_hz)
    assert len(found.train_starts) == rows - window
    assert len(found.held_out_starts) == 400 // round(400 / rate_hz) - window
    assert found.states.shape == (rows + 400 // round(400 / rate_hz), 28) and found.states.dtype == np.float32
    assert found.actions.shape[1] == 16 == len(found.action_names)
    # the last window ends inside its own episode, and the next stretch starts behind it
    assert found.row_episode[found.train_starts.max() + window] == 0
    assert found.held_out_starts.min() == rows


def test_states_and_actions_are_those_of_the_recording(tmp_path: Path) -> None:
    control, pose = play_records(800)
    found = load_windows(_one_episode(tmp_path, control, pose), TASK, 100.0, 20)
    reader = StateReader(TASK)
    for start in found.train_starts[::17]:
        for row in (start, start + found.window):  # s_g is the state W ticks later
            tick = 4 * row
            assert found.row_t_ns[row] == control["t_ns"][tick]
            expected = reader.read({"control": control[tick], "object_pose": pose[tick]})
            assert np.allclose(found.states[row], expected, atol=1e-6)
            difference = control["leader_position_rad"][tick] - control["follower_position_rad"][tick]
            mean = control["leader_velocity_rad_s"][tick : tick + 4].mean(axis=0)
            assert np.allclose(found.actions[row], np.concatenate([difference, mean]), atol=1e-5)
    assert found.row_t_ns[found.train_starts[0] + 20] - found.row_t_ns[found.train_starts[0]] == 200_000_000


def test_windows_cross_no_change_of_driver_state_reset_or_gap(tmp_path: Path) -> None:
    control, pose = play_records(2400)
    control["driver"][400:600] = Driver.PLANNER
    control["pair_state"][900:1000, 1] = PairState.HOLDING
    control["reset_count"][1400:] = 1
    keep = np.ones(2400, dtype=bool)
    keep[1800:1803] = False
    control, pose = control[keep], pose[keep]
    found = load_windows(_one_episode(tmp_path, control, pose), TASK, 100.0, 20)
    stretches = [400, 300, 400, 400, 597]  # in records of the operator, engaged, without a break
    assert _starts_by_stretch(found) == [n // 4 - 20 for n in stretches]
    lookup = {int(t): i for i, t in enumerate(control["t_ns"])}
    for start in found.train_starts:
        first, last = lookup[int(found.row_t_ns[start])], lookup[int(found.row_t_ns[start + 20])] + 3
        part = control[first : last + 1]
        assert (part["driver"] == Driver.OPERATOR).all() and (part["pair_state"] == PairState.ENGAGED).all()
        assert len(set(part["reset_count"].tolist())) == 1 and (np.diff(part["t_ns"]) == 2_500_000).all()


def test_what_a_planner_did_can_be_asked_for(tmp_path: Path) -> None:
    control, pose = play_records(800)
    control["driver"][400:] = Driver.PLANNER
    dataset = _one_episode(tmp_path, control, pose)
    both = load_windows(dataset, TASK, 100.0, 20, drivers=(Driver.OPERATOR, Driver.PLANNER))
    assert _starts_by_stretch(both) == [80, 80]


def test_a_pose_is_the_newest_not_later_and_a_dead_one_breaks(tmp_path: Path) -> None:
    tags = make_object_pose_record("tags", 30.0)
    control, _ = play_records(1600)
    pose = tags.empty(100)
    pose["t_ns"] = np.arange(100) * 33_333_333
    pose["position_m"][:, 0] = np.arange(100)
    pose["orientation_xyzw"][:, 3] = 1
    pose = np.delete(pose, slice(40, 60))  # 0.7 s without a tag in sight
    dataset = Dataset.create(tmp_path / "d")
    session = dataset.new_session()
    for _ in range(2):
        writer = EpisodeWriter(dataset.new_episode(session), [CONTROL, tags], {"task": "move_box"}, settings=QUICK)
        writer.write("control", control)
        writer.write("object_pose.tags", pose)
        writer.close()
    found = load_windows(dataset, TASK, 100.0, 20)
    assert found.lineage["pose_stream"] == "object_pose.tags" and len(_starts_by_stretch(found)) == 2
    rows = found.row_episode[:] == 0
    shown, times = found.states[rows, 16], found.row_t_ns[rows]
    kept = pose["t_ns"][np.searchsorted(pose["t_ns"], times, side="right") - 1]
    assert np.array_equal(shown, np.round(kept / 33_333_333).astype(np.float32))
    assert (times - kept).max() <= 5 * 33_333_334
    with pytest.raises(ConfigError, match="was not recorded"):
        load_windows(dataset, TASK, 100.0, 20, pose_stream="object_pose.world")


def test_the_world_pose_is_taken_when_both_are_there(tmp_path: Path) -> None:
    found = load_windows(make_play(tmp_path / "d"), TASK)
    assert found.lineage["pose_stream"] == "object_pose.world"
    assert (found.rate_hz, found.window) == (100.0, 20)


def test_held_out_are_the_last_session_or_the_last_tenth(tmp_path: Path) -> None:
    four = make_play(tmp_path / "four", sessions=4, episodes=2, ticks=200)
    assert four.held_out_split().held_out == ("session_0004/episode_000001", "session_0004/episode_000002")
    one = make_play(tmp_path / "one", sessions=1, episodes=20, ticks=100)
    assert one.held_out_split().held_out == ("session_0001/episode_000019", "session_0001/episode_000020")
    assert len(one.held_out_split().train) == 18

    for sessions in (2, 4):  # a short take at the end does not stand for the whole
        short = make_play(tmp_path / f"short{sessions}", sessions=sessions - 1, episodes=4, ticks=400)
        make_play(short.path, sessions=1, episodes=1, ticks=30)
        held_out = Dataset(short.path).held_out_split().held_out
        assert held_out[-1].startswith(f"session_{sessions:04d}/")
        assert len(held_out) == (2 if sessions == 2 else 5)

    alone = make_play(tmp_path / "alone", sessions=1, episodes=1, ticks=2000)
    found = load_windows(alone, TASK, 100.0, 20)
    assert len(found.held_out_starts) == 48 and alone.held_out_split().within
    assert found.train_starts.max() + 20 < found.held_out_starts.min()


def test_the_cache_is_used_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_play(tmp_path / "d", episodes=3)
    built: list[str] = []
    real_build = windows._build
    monkeypatch.setattr(windows, "_build", lambda *a: (built.append(a[-1]), real_build(*a)))

    first = load_windows(dataset, TASK, 100.0, 20)
    again = load_windows(dataset, TASK, 100.0, 20)
    assert len(built) == 1 and isinstance(again.states, np.memmap)
    assert np.array_equal(first.states, again.states) and first.lineage == again.lineage

    load_windows(dataset, TASK, 100.0, 10)
    load_windows(dataset, TASK, 200.0, 20)
    assert len(set(built)) == 3
    journal = Journal(dataset.episodes()[0].path, author="t")
    journal.set_left_out(True)
    less = load_windows(dataset, TASK, 100.0, 20)
    assert len(built) == 4 and len(less.train_starts) == len(first.train_starts) // 2
    journal.undo()
    load_windows(dataset, TASK, 100.0, 20)
    assert len(built) == 4  # what holds now is what held before
    write_episode(dataset, dataset.path / "session_0001", *play_records(400, seed=77))
    load_windows(dataset, TASK, 100.0, 20)
    assert len(built) == 5
    for folder in (dataset.path / ".cache").iterdir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    load_windows(dataset, TASK, 100.0, 20)  # safe to delete
    assert len(built) == 6


def test_a_damaged_cache_says_what_to_do(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d")
    load_windows(dataset, TASK, cache_dir=tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / "states.npy").write_bytes(b"x")
    with pytest.raises(DataError, match="Delete that folder"):
        load_windows(dataset, TASK, cache_dir=tmp_path / "cache")


def test_imported_data_keep_their_own_action_and_rate(tmp_path: Path) -> None:
    frames = RecordType(
        IMPORTED_STREAM,
        30.0,
        (
            Field(name="observation_state", shape=(26,), dtype="<f4"),
            Field(name="action", shape=(26,), dtype="<f4", role=Role.ACTION),
            Field(name="reward", dtype="<f4", role=Role.LABEL),
        ),
    )
    dataset = Dataset.create(tmp_path / "foreign")
    session = dataset.new_session()
    generator = np.random.default_rng(0)
    episodes = []
    for length in (90, 61, 45):
        records = frames.empty(length)
        records["t_ns"] = np.round(np.arange(length) * 1e9 / 30)
        records["observation_state"], records["action"] = generator.normal(size=(2, length, 26))
        writer = EpisodeWriter(dataset.new_episode(session), [frames], {"robot": "g1"}, settings=QUICK)
        writer.write(IMPORTED_STREAM, records)
        writer.close()
        episodes.append(records)
    task = task_for_dataset(dataset)
    assert (
        [(b.kind, b.size) for b in task.state] == [("vector", 26)] and task.action == "recorded" and task.robot == "g1"
    )
    found = load_windows(dataset, task, 30.0, 10)
    assert _starts_by_stretch(found) == [80, 51] and len(found.held_out_starts) == 35
    assert np.array_equal(found.states, np.concatenate([e["observation_state"] for e in episodes]))
    assert np.array_equal(found.actions, np.concatenate([e["action"] for e in episodes]))
    half = load_windows(dataset, task, 15.0, 10)
    assert np.array_equal(half.actions[:45], episodes[0]["action"][::2])
    with pytest.raises(ConfigError, match="Choose one of 30, 15"):
        load_windows(dataset, task, 100.0, 20)


def test_wrong_requests_are_explained(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", ticks=100)
    with pytest.raises(ConfigError, match="120 Hz; the recording has 400 Hz"):
        load_windows(dataset, TASK, 120.0, 20)
    with pytest.raises(ConfigError, match="give 1 or more"):
        load_windows(dataset, TASK, 100.0, 0)
    with pytest.raises(DataError, match="Record longer"):
        load_windows(dataset, TASK, 100.0, 2000)
    other = Task(name="t", title="", state=task_block("imported"), action="recorded")
    with pytest.raises(DataError, match="needs the stream imported"):
        load_windows(dataset, other, 100.0, 20)
    for episode in dataset.episodes():
        Journal(episode.path).set_left_out(True)
    with pytest.raises(DataError, match="no episode to train on"):
        load_windows(dataset, TASK, 100.0, 20)


def task_block(stream: str) -> tuple[object, ...]:
    from studio.core.task import StateBlock

    return (StateBlock(name="x", stream=stream, field="observation_state", size=26),)


def test_two_robots_or_rates_are_not_mixed(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=200)
    slow = make_control_record(joints=8, pairs=2, rate_hz=200.0)
    for number, (robot, control) in enumerate((("dual_arm_ak60", slow), ("other", CONTROL)), start=2):
        folder = dataset.new_episode(dataset.path / "session_0001")
        writer = EpisodeWriter(folder, [control, POSE], {"robot": robot}, settings=QUICK)
        writer.write("control", play_records(200)[0])
        writer.write("object_pose.world", play_records(200)[1])
        writer.close()
        with pytest.raises(DataError, match=rf"episode_00000{number}.*(200 Hz|robot 'other')"):
            load_windows(dataset, TASK)
        Journal(folder).set_left_out(True)
    assert len(load_windows(dataset, TASK, 100.0, 20).states) == 50


def test_an_episode_without_pose_is_named(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d")
    writer = EpisodeWriter(dataset.new_episode(dataset.new_session()), [CONTROL], {}, settings=QUICK)
    writer.write("control", play_records(400)[0])
    writer.close()
    with pytest.raises(DataError, match="needs the object's pose; episode session_0001/episode_000001"):
        load_windows(dataset, TASK)
    assert POSE.name not in dataset.episodes()[0].streams
