from pathlib import Path

import numpy as np
import pytest

from plugins.library.facts import FactsCache, compute_facts
from studio.data.episode import EpisodeReader
from tests.plugins.recording import write_episode


def read(folder: Path):
    reader = EpisodeReader(folder)
    try:
        return compute_facts(reader)
    finally:
        reader.close()


def test_facts_are_those_of_the_recording(tmp_path: Path) -> None:
    write_episode(tmp_path / "session_0001" / "episode_000001", seconds=4.0, contacts_s=((1.0, 2.0),))
    facts = read(tmp_path / "session_0001" / "episode_000001")
    assert facts.duration_s == pytest.approx(4.0, abs=0.06)
    assert facts.contact_share == pytest.approx(0.25, abs=0.01)
    assert facts.peak_force_n == pytest.approx(6.0) and facts.mean_force_n == pytest.approx(6.0)
    assert (facts.faces, facts.flips) == (2, 1)
    assert facts.picture.shape == (120, 160, 3) and facts.picture[100, 100, 0] < 60
    assert facts.spark.shape == (2, 96)
    assert facts.spark[0].max() > facts.spark[1].max() > 0 and facts.spark[0, 0] == 0
    assert facts.box_map.sum() == pytest.approx(1.0, abs=1e-5)
    assert facts.box_path_m[-1, 0] == pytest.approx(0.08, abs=1e-3)


def test_no_camera_means_no_picture_but_a_path(tmp_path: Path) -> None:
    write_episode(tmp_path / "s" / "e", seconds=1.0, cameras=())
    facts = read(tmp_path / "s" / "e")
    assert facts.picture.size == 0 and len(facts.box_path_m) > 10


def test_cache_gives_back_the_same_and_forgets_a_changed_recording(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "e"
    write_episode(folder, seconds=1.0)
    cache = FactsCache(tmp_path / "cache")
    assert cache.load(folder) is None
    facts = read(folder)
    cache.save(folder, facts)
    again = cache.load(folder)
    assert again is not None and again.contact_share == facts.contact_share and again.spark_kind == "force"
    assert np.array_equal(again.picture, facts.picture) and np.array_equal(again.box_map, facts.box_map)
    with (folder / "control.mcap").open("ab") as file:
        file.write(b"more")
    assert cache.load(folder) is None


def test_a_damaged_cache_file_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "e"
    write_episode(folder, seconds=0.5, cameras=())
    cache = FactsCache(tmp_path / "cache")
    cache.save(folder, read(folder))
    for file in cache.folder.iterdir():
        file.write_bytes(file.read_bytes()[:200])
    assert cache.load(folder) is None
