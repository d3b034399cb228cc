"""Datasets, the lossless sink, trash and export."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import ConfigError, DataError
from studio.core.records import Driver, PairState
from studio.data.dataset import Dataset, task_for_dataset
from studio.data.episode import EpisodeReader
from studio.data.export import export_dataset
from studio.data.sink import EpisodeSink
from studio.data.trash import list_trash, move_to_trash, restore
from studio.data.verify import verify_dataset
from studio.data.video_encoder import FrameEncoder
from tests.data.recordings import CONTROL, POSE, make_play, play_records


def test_folders_are_numbered_and_never_taken_twice(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d")
    first, second = dataset.new_session(), dataset.new_session()
    assert (first.name, second.name) == ("session_0001", "session_0002")
    assert [dataset.new_episode(second).name for _ in range(2)] == ["episode_000001", "episode_000002"]
    (second / "episode_000041").mkdir()
    assert dataset.new_episode(second).name == "episode_000042"
    assert Dataset.create(tmp_path / "d").new_session().name == "session_0003"


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Dataset(tmp_path / "x")
    with pytest.raises(DataError, match="is not a dataset"):
        Dataset(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        Dataset(tmp_path / "file")
    with pytest.raises(DataError, match="cannot be made"):
        Dataset.create(tmp_path / "file" / "below")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "dataset.json").write_text('{"format_version": 7}')
    with pytest.raises(DataError, match="format_version is 7"):
        Dataset(tmp_path / "d")
    empty = Dataset.create(tmp_path / "e")
    with pytest.raises(DataError, match="has no episode yet"):
        task_for_dataset(empty)
    with pytest.raises(DataError, match=r"has no episode '\.\./x'"):
        empty.episode("../x")


def test_our_recordings_have_the_robots_task(tmp_path: Path) -> None:
    assert task_for_dataset(make_play(tmp_path / "d", ticks=50)).name == "move_box"


def _sink_play(dataset: Dataset, ticks: int, resets: list[int], **settings: float) -> EpisodeSink:
    sink = EpisodeSink(dataset, [CONTROL, POSE], config={"robot": "r", "task": "move_box"}, **settings)
    control, pose = play_records(ticks)
    for tick in resets:
        control["reset_count"][tick:] += 1
    for tick in range(ticks):
        sink.write("control", control[tick : tick + 1])
        sink.write("object_pose.world", pose[tick])
    sink.close()
    return sink


def test_the_sink_loses_nothing_and_cuts_all_streams_together(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d")
    sink = _sink_play(dataset, 5000, [1234, 1300, 4999], episode_s=4.0, session_s=10.0)
    infos = dataset.episodes()
    assert sink.episodes == infos
    assert [(i.session[-1], i.streams["control"].records, i.close_reason) for i in infos] == [
        ("1", 1234, "the box was put back"),
        ("1", 66, "the box was put back"),
        ("1", 1600, "episode length"),
        ("1", 1600, "episode length"),
        ("2", 499, "the box was put back"),
        ("2", 1, "cut"),
    ]
    control, pose = play_records(5000)
    for stream, expected in (("control", control), ("object_pose.world", pose)):
        found = []
        for info in infos:
            reader = EpisodeReader(info.path)
            found.append(reader.read(stream))
            reader.close()
        assert np.array_equal(np.concatenate(found)["t_ns"], expected["t_ns"])
    assert {i.streams["object_pose.world"].records - i.streams["control"].records for i in infos} == {0}
    assert all(i.clock["kind"] == "stepped" for i in infos) and verify_dataset(dataset) == []


def test_every_episode_of_the_sink_has_a_video_that_decodes_from_its_start(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d")
    sink = EpisodeSink(dataset, [CONTROL], 1.0)
    control, _ = play_records(1200)
    encoder = FrameEncoder(32, 32, 30.0)
    sink.declare_camera("top", width_px=32, height_px=32, rate_hz=30.0)
    for tick in range(1200):
        if tick % 13 == 0:
            t_ns = int(control["t_ns"][tick])
            image = np.full((32, 32, 3), tick // 13 * 2, dtype=np.uint8)
            for packet in encoder.encode(t_ns, t_ns, image):
                sink.write_frame("top", packet.t_ns, packet.receive_t_ns, packet.data, packet.keyframe)
        sink.write("control", control[tick])
    sink.close()
    for info in dataset.episodes():
        reader = EpisodeReader(info.path)
        times = reader.frame_times_ns("top")
        assert (info.cameras["top"].width_px, info.cameras["top"].rate_hz) == (32, 30.0)
        assert len(set(times.tolist())) == len(times)
        assert times[0] <= info.started_t_ns and times[0] > info.started_t_ns - 8 * 13 * 2_500_000
        for index, t_ns in enumerate(times):
            assert reader.frame("top", index).mean() == pytest.approx(int(t_ns) // 2_500_000 // 13 * 2, abs=4)
        reader.close()


def test_the_sink_refuses_nonsense(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d")
    with pytest.raises(ConfigError, match="Episodes of 0 s"):
        EpisodeSink(dataset, [CONTROL], 0.0)
    with pytest.raises(ConfigError, match="at least one stream"):
        EpisodeSink(dataset, [])
    assert dataset.episodes() == []


def test_trash_takes_and_gives_back(tmp_path: Path) -> None:
    (tmp_path / "project.toml").write_text("format_version = 1\n")
    dataset = make_play(tmp_path / "datasets" / "play", ticks=60)
    trashed = move_to_trash(dataset, "session_0001/episode_000001")
    assert [e.id for e in dataset.episodes()] == ["session_0001/episode_000002"]
    assert trashed.path.parent == tmp_path / "trash" and list_trash(tmp_path / "trash") == [trashed]
    with pytest.raises(DataError, match="may be in the trash"):
        move_to_trash(dataset, "session_0001/episode_000001")
    assert restore(trashed) == (dataset.path / "session_0001" / "episode_000001").resolve()
    assert len(dataset.episodes()) == 2 and list_trash(tmp_path / "trash") == []
    assert verify_dataset(dataset) == []
    with pytest.raises(DataError, match="exists again"):
        restore(trashed)


def test_csv_has_every_number(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=60)
    done = export_dataset(dataset, tmp_path / "out", "csv")
    assert (done.episodes, done.frames, done.files) == (1, 120, 2)
    rows = list(csv.DictReader((tmp_path / "out" / "session_0001_episode_000001" / "control.csv").open()))
    control, _ = play_records(60)
    assert [float(row["leader_position_rad.3"]) for row in rows] == control["leader_position_rad"][:, 3].tolist()
    assert int(rows[5]["driver"]) == Driver.OPERATOR and int(rows[5]["pair_state.1"]) == PairState.ENGAGED
    assert int(rows[-1]["t_ns"]) == control["t_ns"][-1]
    slower = export_dataset(dataset, tmp_path / "slow", "csv", fps=100.0)
    assert slower.frames == 30
    for name, words in (("lerobot", "not in this version"), ("xls", "not known")):
        with pytest.raises(ConfigError, match=words):
            export_dataset(dataset, tmp_path / "y", name)
    with pytest.raises(ConfigError, match="not empty"):
        export_dataset(dataset, tmp_path / "out", "csv")
