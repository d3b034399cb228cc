"""`dataset …`: fields of the JSON, exit codes, one line for an error."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from studio.cli.main import main
from tests.data.lerobot_source import make_lerobot
from tests.data.recordings import make_play


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    code = main(["dataset", *words])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if shown.out.startswith("{") else shown.out, shown.err


def test_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_play(tmp_path / "d", ticks=401)
    code, result, _ = _run(capsys, "info", str(tmp_path / "d"), "--json", "-")
    assert code == 0 and result["total_s"] == 2.0 and result["broken"] == []
    first = result["episodes"][0]
    assert (first["id"], first["duration_s"], first["state"], first["verdict"]) == (
        "session_0001/episode_000001", 1.0, "closed", "good")  # fmt: skip
    assert first["streams"]["control"] == {
        "rate_hz": 400.0,
        "records": 401,
        "gaps": 0,
        "dropped": 0,
        "measured_hz": 400.0,
    }
    code, text, _ = _run(capsys, "info", str(tmp_path / "d"))
    assert code == 0 and "2 episodes" in text


def test_verify_and_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_play(tmp_path / "d", episodes=1, ticks=800)
    assert _run(capsys, "verify", str(tmp_path / "d"), "--json", "-")[:2] == (
        0,
        {"ok": True, "problems": [], "episodes": 1},
    )
    path = dataset.episodes()[0].path / "control.mcap"
    os.truncate(path, path.stat().st_size // 2)
    code, result, _ = _run(capsys, "verify", str(tmp_path / "d"), "--json", "-")
    assert code == 3 and not result["ok"] and len(result["problems"]) == 1
    code, result, _ = _run(capsys, "repair", str(tmp_path / "d"), "--json", str(tmp_path / "r.json"))
    report = json.loads((tmp_path / "r.json").read_text())
    assert code == 0 and report["repaired"] == 1 and 0 < report["lost_s"] < 2
    assert _run(capsys, "verify", str(tmp_path / "d"), "--json", "-")[0] == 0


def test_import_and_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_lerobot(tmp_path / "src")
    code, result, _ = _run(capsys, "import", str(tmp_path / "src"), "--out", str(tmp_path / "d"), "--json", "-")
    assert code == 0 and result["episodes"] == 2 and result["streams"] == ["imported"]
    assert result["total_s"] == pytest.approx(2.1, abs=0.01)
    arguments = ("export", str(tmp_path / "d"), "--out", str(tmp_path / "c"), "--format", "csv", "--json", "-")
    assert _run(capsys, *arguments)[:2] == (0, {"episodes": 2, "frames": 65, "files": 2})


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("info", "{tmp}/none"), 3, "does not exist"),
        (("info", "{tmp}"), 3, "is not a dataset"),
        (("import", "{tmp}", "--out", "{tmp}/o"), 3, "meta/info.json is missing"),
        (("import", "{tmp}", "--out", "{tmp}/o", "--format", "robomimic"), 2, "not in this version"),
        (("import", "{tmp}/a.hdf5", "--out", "{tmp}/o"), 2, "not in this version"),
        (("export", "{tmp}/d", "--out", "{tmp}/o", "--format", "lerobot"), 2, "Use --format csv"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, says: str
) -> None:
    if words[0] == "export":
        make_play(tmp_path / "d", episodes=1, ticks=20)
    found, _, error = _run(capsys, *(word.format(tmp=tmp_path) for word in words))
    assert found == code and error.startswith("error: ") and says in error and error.count("\n") == 1


def test_unknown_subcommand_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "polish"]) == 2
    assert main(["dataset", "--help"]) == 0
    capsys.readouterr()
