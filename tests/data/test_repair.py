"""Cut files become prefixes again; a dead recorder costs at most half a second."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import DataError
from studio.core.paths import repository_root
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader, EpisodeWriter
from studio.data.episode_info import load_episode_info
from studio.data.repair import is_being_recorded, repair_dataset, repair_episode, repair_project
from studio.data.verify import verify_dataset, verify_episode
from studio.data.video_encoder import FrameEncoder
from tests.data.recordings import CONTROL, QUICK, make_play, play_records


def _read(folder: Path, stream: str) -> np.ndarray:
    reader = EpisodeReader(folder)
    try:
        return reader.read(stream)
    finally:
        reader.close()


def test_whole_datasets_verify_and_need_no_repair(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d")
    assert verify_dataset(dataset) == []
    report = repair_dataset(dataset)
    assert report.repaired == () and report.problems == ()


def test_a_file_cut_at_any_byte_is_repaired_to_a_prefix(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "whole", episodes=1, ticks=1200)
    control = _read(dataset.episodes()[0].path, "control")
    size = (dataset.episodes()[0].path / "control.mcap").stat().st_size
    generator = random.Random(5)
    cuts = [0, 3, 8, 40, size - 1, size - 9, size - 40, *(generator.randrange(size) for _ in range(25))]
    kept: list[int] = []
    for number, cut in enumerate(cuts):
        copy = tmp_path / f"cut_{number}"
        shutil.copytree(dataset.path, copy)
        path = Dataset(copy).episodes()[0].path / "control.mcap"
        os.truncate(path, cut)
        assert verify_dataset(Dataset(copy))
        report = repair_dataset(Dataset(copy))
        assert len(report.repaired) == 1 and report.problems == (), cut
        assert path.with_name("control.mcap.original").stat().st_size == cut
        info = load_episode_info(path.parent)
        assert info.state == "repaired" and info.verdict in ("fair", "poor")
        if "control" in info.streams:
            found = _read(path.parent, "control")
            assert found.tobytes() == control[: len(found)].tobytes()
            kept.append(len(found))
        assert verify_dataset(Dataset(copy)) == []
        assert repair_dataset(Dataset(copy)).repaired == ()
    assert max(kept) == 1200 and min(kept) < 400


def test_a_flipped_bit_is_found_and_the_part_before_it_kept(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=1200)
    path = dataset.episodes()[0].path / "control.mcap"
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)
    assert any("repair" in problem for problem in verify_dataset(dataset))
    report = repair_dataset(dataset)
    assert len(report.repaired) == 1 and 0 < report.lost_s < 2.0
    assert 200 < len(_read(path.parent, "control")) < 1200
    assert verify_dataset(dataset) == []


def test_a_lost_description_is_made_again_from_the_recording(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=400)
    before = dataset.episodes()[0]
    (before.path / "episode.json").write_text("")
    assert dataset.episodes() == [] and "empty" in next(iter(dataset.broken().values()))
    assert len(repair_dataset(dataset).repaired) == 1
    after = dataset.episodes()[0]
    assert (after.robot, after.task, after.clock) == (before.robot, before.task, before.clock)
    assert after.streams == before.streams and after.content == before.content


def test_a_cut_video_keeps_its_start(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d")
    writer = EpisodeWriter(dataset.new_episode(dataset.new_session()), [CONTROL], {}, settings=QUICK)
    writer.write("control", play_records(400)[0])
    encoder = FrameEncoder(64, 64, 30.0)
    generator = np.random.default_rng(0)
    for index in range(60):
        image = generator.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        for packet in encoder.encode(index * 33_333_333, index * 33_333_333, image):
            writer.write_frame("top", packet.t_ns, packet.receive_t_ns, packet.data, packet.keyframe)
    folder = writer.close().path
    video = folder / "cam_top.mcap"
    os.truncate(video, video.stat().st_size * 2 // 3)
    assert len(repair_dataset(dataset).repaired) == 1
    info = load_episode_info(folder)
    assert 20 <= info.cameras["top"].frames < 60
    assert verify_dataset(dataset) == []


def test_what_cannot_be_repaired_is_said_and_left_alone(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=2, ticks=100)
    first, second = (episode.path for episode in dataset.episodes())
    (first / "control.mcap").write_bytes(b"%PDF-1.7 something else entirely")
    (second / "control.mcap").unlink()
    report = repair_dataset(dataset)
    assert report.repaired == () and len(report.problems) == 2
    assert "not an MCAP file" in report.problems[0] and "is missing" in report.problems[1]
    assert (first / "control.mcap").read_bytes().startswith(b"%PDF")


def test_bytes_changed_anywhere_are_never_more_than_an_error(tmp_path: Path) -> None:
    """Flipped, cut, doubled and inserted bytes: reading gives records or a DataError, repair keeps what is whole."""
    dataset = make_play(tmp_path / "whole", episodes=1, ticks=300)
    whole = (dataset.episodes()[0].path / "control.mcap").read_bytes()
    generator = random.Random(8)
    for number in range(60):
        data, place = bytearray(whole), generator.randrange(len(whole) if number % 2 else 900)
        match number % 4:
            case 0:
                data[place] ^= generator.randrange(1, 256)
            case 1:
                data[place:place] = generator.randbytes(20)
            case 2:
                data[place : place + 64] = bytes(64)
            case _:
                data[place:place] = data[place : place + 200]
        folder = tmp_path / "d" / f"session_{number}" / "episode_000001"
        shutil.copytree(dataset.episodes()[0].path, folder)
        (folder / "control.mcap").write_bytes(data)
        with suppress(DataError):
            _read(folder, "control")
        assert verify_episode(folder), number
        with suppress(DataError):
            assert repair_episode(folder) is not None
            assert verify_episode(folder) == []


def test_an_episode_that_somebody_records_now_is_left_alone(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "d")
    writer = EpisodeWriter(dataset.new_episode(dataset.new_session()), [CONTROL], {}, settings=QUICK)
    writer.write("control", play_records(50)[0])
    assert is_being_recorded(writer.folder)
    report = repair_dataset(dataset)
    assert report.repaired == () and report.busy == ("session_0001/episode_000001",)
    writer.close()
    assert not is_being_recorded(writer.folder)


def test_start_up_repair_goes_over_all_datasets(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "datasets" / "play", episodes=1, ticks=400)
    os.truncate(dataset.episodes()[0].path / "control.mcap", 100_000)
    (tmp_path / "datasets" / "notes").mkdir()
    assert list(repair_project(tmp_path)) == ["play"]
    assert repair_project(tmp_path) == {}


_CHILD = """
import sys, time
from pathlib import Path
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeWriter
from tests.data.recordings import CONTROL, POSE, play_records
control, pose = play_records(8000)
dataset = Dataset.create(Path(sys.argv[1]))
writer = EpisodeWriter(dataset.new_episode(dataset.new_session()), [CONTROL, POSE], {"robot": "r"})
start = time.monotonic()
done = 0
while True:
    due = min(done + 80, int((time.monotonic() - start) * 400))
    writer.write("control", control[done:due]); writer.write("object_pose.world", pose[done:due])
    done = due
    print(done, flush=True)
    time.sleep(0.02)
"""


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_recording_loses_at_most_half_a_second(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "d")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=repository_root(), text=True)
    assert child.stdout is not None
    killed_at = random.Random(seed).randint(120, 520)
    while int(child.stdout.readline()) < killed_at:
        pass
    time.sleep(random.Random(seed).uniform(0.0, 0.1))
    child.send_signal(signal.SIGKILL)
    done = [killed_at, *(int(line) for line in child.stdout.read().split("\n")[:-1] if line)]
    child.wait()
    child.stdout.close()
    dataset = Dataset(tmp_path / "d")
    report = repair_dataset(dataset)
    assert len(report.repaired) == 1 and report.lost_s <= 0.5
    for stream in ("control", "object_pose.world"):
        records = _read(dataset.episodes()[0].path, stream)
        assert (done[-1] - len(records)) / 400 <= 0.5
        assert np.array_equal(records["t_ns"], np.arange(len(records)) * 2_500_000)
    assert verify_dataset(dataset) == []


def test_repair_of_a_foreign_format_version_touches_nothing(tmp_path: Path) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=100)
    facts = dataset.episodes()[0].path / "episode.json"
    facts.write_text(facts.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(DataError):
        load_episode_info(facts.parent)
    report = repair_dataset(dataset)
    assert report.repaired == () and "Update the studio" in report.problems[0]
