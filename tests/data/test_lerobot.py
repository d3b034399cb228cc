"""Import of LeRobot v2.1: numbers exact, video packets kept, every broken file named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from studio.core.errors import ConfigError, DataError
from studio.core.records import Role
from studio.data.dataset import task_for_dataset
from studio.data.episode import EpisodeReader, read_packets
from studio.data.lerobot import import_dataset
from studio.data.verify import verify_dataset
from studio.data.windows import load_windows
from tests.data.lerobot_source import KEY, make_lerobot


def _has_encoder(name: str) -> bool:
    return name in av.codecs_available


@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
def test_numbers_and_pictures_come_over(tmp_path: Path, codec: str) -> None:
    if not _has_encoder(codec):
        pytest.skip(f"this PyAV has no {codec}")
    states = make_lerobot(tmp_path / "src", codec=codec)
    done = import_dataset(tmp_path / "src", tmp_path / "out")
    assert (done.episodes, done.streams, done.cameras, done.left_out) == (2, ("imported",), ("cam_high",), ("task",))
    assert done.total_s == pytest.approx((39 + 24) / 30, abs=1e-3)
    for episode, state in zip(done.dataset.episodes(), states, strict=True):
        assert (episode.robot, episode.verdict, episode.clock["kind"]) == ("toy_leg", "good", "imported")
        reader = EpisodeReader(episode.path)
        records = reader.read("imported")
        assert np.array_equal(records["observation_state"], state) and np.array_equal(records["action"], 2 * state)
        assert np.array_equal(records["t_ns"], np.round(np.arange(len(state)) * 1e9 / 30))
        assert records["next_done"].tolist() == [0] * (len(state) - 1) + [1]
        roles = {f.name: f.role for f in reader.record_types["imported"].fields}
        assert (roles["observation_state"], roles["action"], roles["next_done"]) == (
            Role.OBSERVATION, Role.ACTION, Role.LABEL)  # fmt: skip
        assert len(reader.frame_times_ns("cam_high")) == len(state)
        assert np.abs(reader.frame_times_ns("cam_high") - records["t_ns"]).max() < 1_000_000
        for index in (0, 7, 8, 3, len(state) - 1):  # B-frames: shown in order of time, not of decoding
            shown = reader.frame("cam_high", index)[:, :, 0].mean(axis=0).reshape(8, 8).mean(axis=1)
            assert int(np.argmax(shown)) == index % 8, index
        reader.close()
    assert verify_dataset(done.dataset) == []


def test_video_is_not_encoded_again(tmp_path: Path) -> None:
    make_lerobot(tmp_path / "src")
    done = import_dataset(tmp_path / "src", tmp_path / "out")
    mp4 = tmp_path / "src" / "videos" / "chunk-000" / KEY / "episode_000000.mp4"
    with av.open(str(mp4)) as container:
        original = [bytes(p) for p in container.demux(video=0) if p.size]
    kept, codec = read_packets(done.dataset.episodes()[0].path / "cam_cam_high.mcap")
    assert codec == "h264" and len(kept) == len(original)
    for packet, before in zip(kept, original, strict=True):
        assert packet.data.endswith(b"\0\0\1" + _last_unit(before))  # the same coded slice behind another framing


def _last_unit(packet: bytes) -> bytes:
    """The last NAL unit of a packet with length prefixes, as mp4 has it."""
    unit = b""
    while packet:
        size = int.from_bytes(packet[:4], "big")
        unit, packet = packet[4 : 4 + size], packet[4 + size :]
    return unit


def test_imported_data_make_windows(tmp_path: Path) -> None:
    make_lerobot(tmp_path / "src", codec=None)
    dataset = import_dataset(tmp_path / "src", tmp_path / "out").dataset
    task = task_for_dataset(dataset)
    found = load_windows(dataset, task, 30.0, 10)
    assert (len(found.train_starts), len(found.held_out_starts)) == (30, 15)
    assert found.action_names == ("action.hip", "action.knee", "action.toe")
    assert task.name == "imported_out"


def _set_times(path: Path, times_s: np.ndarray) -> None:
    table = parquet.read_table(path)
    index = table.column_names.index("timestamp")
    parquet.write_table(table.set_column(index, "timestamp", pa.array(times_s.astype(np.float32))), path)


def test_missing_frames_stay_missing(tmp_path: Path) -> None:
    make_lerobot(tmp_path / "src", codec=None)
    times_s = np.arange(25) / 30
    times_s[10:] += 0.4
    _set_times(tmp_path / "src" / TABLE, times_s)
    dataset = import_dataset(tmp_path / "src", tmp_path / "out").dataset
    info = dataset.episodes()[1]
    assert info.streams["imported"].gaps == 1 and info.verdict == "poor"
    found = load_windows(dataset, task_for_dataset(dataset), 30.0, 5)
    assert len(found.held_out_starts) == (10 - 5) + (15 - 5)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _nan(path: Path) -> None:
    table = parquet.read_table(path)
    values = table.column("action").to_pylist()
    values[3][1] = float("nan")
    parquet.write_table(table.set_column(1, "action", pa.array(values, type=pa.list_(pa.float32()))), path)


def _change_info(**changes: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


TABLE = "data/chunk-000/episode_000001.parquet"
VIDEO = f"videos/chunk-000/{KEY}/episode_000001.mp4"
INFO = "meta/info.json"


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        (TABLE, Path.unlink, "is missing"),
        (TABLE, lambda p: p.write_bytes(b""), "not a readable parquet"),
        (TABLE, _cut, "not a readable parquet"),
        (TABLE, lambda p: p.write_bytes(b"PK\3\4 a zip file, really" * 9), "not a readable parquet"),
        (TABLE, lambda p: parquet.write_table(parquet.read_table(p).drop_columns(["action"]), p), "no column 'action'"),
        (TABLE, lambda p: parquet.write_table(parquet.read_table(p).slice(0, 0), p), "has no rows"),
        (TABLE, lambda p: _set_times(p, np.arange(25) / -30), "row 1: time does not go on"),
        (TABLE, _nan, "column action, row 3: not a finite number"),
        (VIDEO, Path.unlink, "is missing"),
        (VIDEO, lambda p: p.write_bytes(b""), "is empty"),
        (VIDEO, _cut, "readable video|cut off"),
        (VIDEO, lambda p: p.write_bytes(b"not a film" * 50), "not a readable video"),
        (INFO, Path.unlink, "meta/info.json is missing"),
        (INFO, lambda p: p.write_text(""), "is empty"),
        (INFO, _cut, "cut off"),
        (INFO, lambda p: p.write_text('{"name": "package.json"}'), "no 'codebase_version'"),
        (INFO, _change_info(fps=0), "fps is 0"),
        (INFO, _change_info(total_episodes=3), "is missing"),
        (INFO, _change_info(features={"x": {"dtype": "string", "shape": [1]}}), "no feature holds numbers"),
    ],
)
def test_broken_sources_are_named_and_leave_nothing(
    tmp_path: Path, file: str, damage: Callable[[Path], object], words: str
) -> None:
    make_lerobot(tmp_path / "src")
    damage(tmp_path / "src" / file)
    with pytest.raises(DataError, match=words):
        import_dataset(tmp_path / "src", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_wrong_places_and_versions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        import_dataset(tmp_path / "nothing", tmp_path / "out")
    make_lerobot(tmp_path / "src", codec=None)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    with pytest.raises(ConfigError, match="not empty"):
        import_dataset(tmp_path / "src", tmp_path / "taken")
    _change_info(codebase_version="v3.0")(tmp_path / "src" / INFO)
    with pytest.raises(ConfigError, match=r"version is v3\.0"):
        import_dataset(tmp_path / "src", tmp_path / "out")
