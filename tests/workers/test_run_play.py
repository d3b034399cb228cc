"""`play` from the command to the dataset, in this process and as a job."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.cli.main import main
from studio.core.errors import ConfigError
from studio.data.dataset import Dataset
from studio.jobs.queue import start_run, wait_for
from studio.workers.run_play import Play, PlayConfig, generate_play
from tests.patience import PATIENCE_S

SECONDS = 15.0


def play(folder: Path, **changes: object) -> dict[str, object]:
    config = {"out": str(folder), "minutes": SECONDS / 60, "seed": 3, "manner": "plain"} | changes
    return generate_play(PlayConfig(**config))  # type: ignore[arg-type]


def control_records(folder: Path) -> np.ndarray:
    dataset = Dataset(folder)
    return np.concatenate([dataset.open(episode.id).read("control") for episode in dataset.episodes()])


def test_the_same_seed_gives_the_same_records(tmp_path: Path) -> None:
    runs = (("a", 3), ("b", 3), ("c", 4))
    first, again, other = (play(tmp_path / name, seed=seed, minutes=0.08, manner="person") for name, seed in runs)
    records = control_records(tmp_path / "a")
    assert records.tobytes() == control_records(tmp_path / "b").tobytes()
    assert records.tobytes() != control_records(tmp_path / "c").tobytes()
    same = ("contact_share", "flips", "xy_cells_visited", "up_face_s", "primitives", "episodes")
    assert [first[k] for k in same] == [again[k] for k in same] != [other[k] for k in same]


def test_play_records_every_tick_of_a_coupled_play(tmp_path: Path) -> None:
    result = play(tmp_path / "a")
    records = control_records(tmp_path / "a")
    assert len(records) == SECONDS * 400 and (np.diff(records["t_ns"]) == 2_500_000).all()
    assert 0.2 < float(str(result["contact_share"])) < 0.9
    share_engaged = float((records["pair_state"] == 2).all(axis=1).mean())
    assert share_engaged > 0.99
    spread = np.abs(records["leader_position_rad"] - records["follower_position_rad"])[400:]
    assert np.median(spread.max(axis=1)) < 0.1


def test_without_haptics_the_leader_feels_nothing_and_presses_harder(tmp_path: Path) -> None:
    """kappa = 0: the same hands, but nothing pushes them back, so the box does."""
    felt, numb = play(tmp_path / "a", minutes=0.15), play(tmp_path / "b", minutes=0.15, haptics=False)
    assert (control_records(tmp_path / "a")["coupling_share"][400:] == 1.0).all()
    assert (control_records(tmp_path / "b")["coupling_share"][400:] == 0.0).all()
    assert (felt["haptics"], numb["haptics"]) == (True, False)
    assert float(str(numb["contact_force_p95_n"])) > float(str(felt["contact_force_p95_n"])) > 0.0


def test_the_command_writes_the_promised_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "--out", str(tmp_path / "d"), "--minutes", "0.1", "--seed", "1", "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    promised = {"episodes", "sim_s", "wall_s", "contact_share", "flips", "xy_cells_visited", "up_face_s"}
    assert promised <= set(result)
    assert result["sim_s"] == pytest.approx(6.0, abs=0.1) and len(result["up_face_s"]) == 6
    assert sum(result["up_face_s"]) == pytest.approx(result["sim_s"], abs=0.05)
    (minute,) = result["per_minute"]
    assert minute["sim_s"] == pytest.approx(6.0, abs=0.1) and minute["contact_share"] == result["contact_share"]
    assert minute["touch_speed_p95_m_s"] == result["touch_speed_p95_m_s"] and result["manner"] == "person"


def test_a_camera_is_recorded_at_its_own_rate(tmp_path: Path) -> None:
    play(tmp_path / "d", minutes=0.05, camera=True)
    dataset = Dataset(tmp_path / "d")
    reader = dataset.open(dataset.episodes()[0].id)
    times = reader.frame_times_ns("top")
    assert len(times) == pytest.approx(3.0 * 30, abs=2)
    assert np.abs(np.diff(times) - 1e9 / 30).max() < 2.6e6  # pictures are taken at ticks
    assert reader.frame("top", 10).shape == (240, 320, 3)
    reader.close()


def test_stopping_early_keeps_what_is_played(tmp_path: Path) -> None:
    calls: list[int] = []

    def asked() -> bool:
        calls.append(1)
        return len(calls) > 3

    result = generate_play(PlayConfig(out=str(tmp_path / "d"), minutes=5.0, seed=1), asked=asked)
    assert result["stopped"] and 1.0 < float(result["sim_s"]) < 6.0
    assert len(control_records(tmp_path / "d")) > 400


def test_play_as_a_job(tmp_path: Path) -> None:
    spec = {"out": str(tmp_path / "d"), "minutes": 0.1, "seed": 1}
    run = start_run(tmp_path / "run", "play", spec)
    status = wait_for(run, timeout_s=PATIENCE_S)
    assert status.state == "done", status
    assert run.result()["sim_s"] == pytest.approx(6.0, abs=0.1)
    assert "flips" in status.message
    bad = start_run(tmp_path / "bad", "play", {**spec, "minutes": -1})
    status = wait_for(bad, timeout_s=PATIENCE_S)
    assert status.state == "failed" and "minutes" in status.message


@pytest.mark.parametrize("change", [{"minutes": 0.0}, {"world": "moon"}, {"seed": -1}, {"manner": "bored"}])
def test_wrong_settings_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        play(tmp_path / "d", **change)
    assert not (tmp_path / "d").exists()


def test_a_lost_box_is_put_back_and_marked(tmp_path: Path) -> None:
    run = Play(PlayConfig(out=str(tmp_path / "d"), minutes=0.1, seed=1, manner="plain"))
    knocked: list[int] = []

    def knock(share: float) -> None:
        if share > 0.3 and not knocked:
            knocked.append(1)
            world = run._simulation.world
            world.place_object(np.array([0.0, 0.5, 0.05]), np.array([0.0, 0.0, 0.0, 1.0]))

    try:
        result = run.run(knock, lambda: False)
    finally:
        run.close()
    assert (result["put_backs"], result["episodes"]) == (1, 2)
    episodes = Dataset(tmp_path / "d").episodes()
    counts = []
    for episode in episodes:
        reader = Dataset(tmp_path / "d").open(episode.id)
        counts.append(np.unique(reader.read("control")["reset_count"]).tolist())
        assert (np.abs(reader.read("object_pose.world")["position_m"][60:, 1]) < 0.34).all() or episode is episodes[0]
        reader.close()
    assert counts == [[0], [1]]
