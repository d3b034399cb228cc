"""`evaluate --workers ray`: the same goals and answers on a cluster of this machine. Needs the extra `cluster`."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from studio.cli.main import main
from studio.core.errors import DataError
from studio.evaluation.claims import GoalClaims
from studio.jobs.queue import start_run, wait_for
from studio.workers import ray_evaluation
from studio.workers.ray_evaluation import pack_folder, unpack_folder
from tests.patience import PATIENCE_S
from tests.planning.random_model import save_random_bundle

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed: pip install -e '.[cluster]'"
)


def test_without_ray_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ray_evaluation.importlib.util, "find_spec", lambda name: None)
    assert main(["evaluate", str(tmp_path), "--workers", "ray"]) == 2
    assert "ray is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(("workers", "more", "said"), [("rays", [], "or ray for a cluster"), ("-1", [], "number of")])
def test_wrong_workers(
    tmp_path: Path, workers: str, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tmp_path), f"--workers={workers}", *more]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_travels_whole(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "bundle.json").write_text("{}")
    (tmp_path / "a" / "part.safetensors").write_bytes(bytes(range(256)))
    unpack_folder(pack_folder(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b" / "part.safetensors").read_bytes() == bytes(range(256))
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["bundle.json", "part.safetensors"]


def test_a_packed_folder_cannot_lead_out_of_its_place(tmp_path: Path) -> None:
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w") as archive:
        entry = tarfile.TarInfo("../stray.json")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"{}"))
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="only plain files"):
        unpack_folder(room.getvalue(), tmp_path / "b")
    assert not (tmp_path / "stray.json").exists()


def test_a_goal_that_is_given_back_can_be_claimed_again(tmp_path: Path) -> None:
    claims = GoalClaims(tmp_path, 2)
    assert (claims.claim(), claims.claim(), claims.claim()) == (0, 1, None)
    claims.give_back(1)
    assert (claims.claim(), claims.claim()) == (1, None)


@needs_ray
@pytest.mark.timeout(900)
def test_a_local_cluster_gives_the_same_answers_and_goes_on_with_what_is_open(tmp_path: Path) -> None:
    bundle = save_random_bundle(tmp_path / "bundle")
    spec = {"bundle": str(bundle), "goals": 3, "limit_s": 0.6, "settings": ["samples=8", "stages=2", "passes=1"]}
    spec |= {"keep_skills": True}
    here = start_run(tmp_path / "here", "evaluate", {**spec, "workers": 1})
    assert wait_for(here, timeout_s=PATIENCE_S).state == "done"
    shutil.copytree(tmp_path / "here" / "goals", tmp_path / "there" / "goals")
    for index in (1, 2):  # two goals are open, one of them was claimed by somebody who is gone
        (tmp_path / "there" / "goals" / f"{index}.json").unlink()
    (tmp_path / "there" / "goals" / "2.claim").unlink()
    kept_ns = (tmp_path / "there" / "goals" / "0.json").stat().st_mtime_ns
    there = start_run(tmp_path / "there", "evaluate", {**spec, "cluster": "ray"})
    status = wait_for(there, timeout_s=2 * PATIENCE_S)
    assert status.state == "done", status.message + status.detail
    assert (tmp_path / "there" / "goals" / "0.json").stat().st_mtime_ns == kept_ns
    assert sorted(path.name for path in (tmp_path / "there" / "skills").iterdir()) == ["1.npz", "2.npz"]
    assert there.result()["cluster"] == "ray" and there.result()["complete"]
    for index in range(3):
        rows = [json.loads((tmp_path / name / "goals" / f"{index}.json").read_text()) for name in ("here", "there")]
        assert rows[0]["trace"] == rows[1]["trace"] and rows[0]["success"] == rows[1]["success"]
