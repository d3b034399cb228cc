"""Whatever is wrong on a command line: one line with what, where and what next, and the right exit code."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.cli import main as command_line
from studio.core.task import load_task
from tests.data.lerobot_source import make_lerobot
from tests.data.recordings import make_play
from tests.planning.random_model import save_random_bundle

GOAL = '[[goal]]\nname = "far"\nposition_m = [0.9, 0.0, 0.05]\norientation_xyzw = [0.0, 0.0, 0.0, 1.0]\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good things and bad ones, by name."""
    root = tmp_path_factory.mktemp("bad-input")
    _make_datasets(root)
    _make_bundles(root)
    _make_sources(root)
    (root / "empty").mkdir()
    (root / "empty-file").write_bytes(b"")
    (root / "foreign-file").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    (root / "photos").mkdir()
    (root / "photos" / "cat.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "far.toml").write_text(GOAL)
    (root / "words.toml").write_text(GOAL.replace("[0.9, 0.0, 0.05]", '"there"'))
    (root / "cut.toml").write_text(GOAL[:30])
    (root / "no-goal.toml").write_text('title = "none"\n')
    return root


def _make_datasets(root: Path) -> None:
    make_play(root / "play", episodes=1, ticks=400)
    make_play(root / "cut-play", episodes=1, ticks=400)
    record = next((root / "cut-play").glob("*/*/control.mcap"))
    os.truncate(record, record.stat().st_size // 2)
    make_play(root / "no-facts", episodes=1, ticks=40)
    next((root / "no-facts").glob("*/*/episode.json")).write_text("{")
    make_play(root / "no-json", episodes=1, ticks=40)
    (root / "no-json" / "dataset.json").write_text("[1, 2")


def _make_bundles(root: Path) -> None:
    good = save_random_bundle(root / "bundle")
    save_random_bundle(root / "big-arm", task={**load_task("move_box").to_json(), "robot": "big_arm"})
    for name in ("cut-bundle", "empty-part", "broken-bundle", "foreign-part"):
        shutil.copytree(good, root / name)
    parts = {
        name: sorted((root / name).glob("*.safetensors"))[0] for name in ("cut-bundle", "empty-part", "foreign-part")
    }
    os.truncate(parts["cut-bundle"], parts["cut-bundle"].stat().st_size // 2)
    os.truncate(parts["empty-part"], 0)
    parts["foreign-part"].write_bytes(b"PK\x03\x04" + b"archive/data.pkl" * 10)
    (root / "broken-bundle" / "bundle.json").write_text('{"method": ')


def _make_sources(root: Path) -> None:
    for name in ("cut-table", "cut-info", "empty-table"):
        make_lerobot(root / name, lengths=(4,), codec=None)
    for name in ("cut-table", "empty-table"):
        table = next((root / name).glob("data/**/*.parquet"))
        os.truncate(table, table.stat().st_size // 2 if name == "cut-table" else 0)
    (root / "cut-info" / "meta" / "info.json").write_text('{"codebase_version": ')


EVALUATE = "evaluate {p}/bundle --goals 1"
TRAIN = "train haptic_play {p}/play --out {n}"
WRONG = [
    # no such command, no such option, no such value
    ("dance", 2, "There is no command"),
    ("play --wings 2", 2, "wings"),
    ("play --minutes", 2, "minutes"),
    ("play --out {n} --minutes -1", 2, "allowed"),
    ("play --out {n} --minutes nan", 2, "minutes"),
    ("play --out {n} --seed 1.5", 2, "seed"),
    ("play --out {n} --world moon", 2, "moon"),
    ("record --seconds 1e9", 2, "allowed"),
    ("record --seconds 5 --operator ghost", 2, "ghost"),
    ("record --seconds 5 --operator gamepad --pad {p}/no-pad --out {n}", 4, "no-pad"),
    ("bench nothing", 2, "no benchmark"),
    ("doctor --megabytes -1", 2, "allowed"),
    ("tour", 2, "out"),
    # datasets
    ("dataset info {p}/none", 3, "does not exist"),
    ("dataset info {p}/empty", 3, "is not a dataset"),
    ("dataset info {p}/photos", 3, "is not a dataset"),
    ("dataset info {p}/empty-file", 3, "empty-file"),
    ("dataset info {p}/foreign-file", 3, "foreign-file"),
    ("dataset info {p}/no-json", 3, "dataset.json"),
    ("dataset verify {p}/none", 3, "does not exist"),
    ("dataset repair {p}/photos", 3, "is not a dataset"),
    ("dataset dance {p}/play", 2, "dance"),
    # foreign data
    ("dataset import {p}/none --out {n}", 3, "none"),
    ("dataset import {p}/empty --out {n}", 3, "info.json"),
    ("dataset import {p}/foreign-file --out {n}", 3, "foreign-file"),
    ("dataset import {p}/cut-info --out {n}", 3, "info.json"),
    ("dataset import {p}/cut-table --out {n}", 3, ".parquet"),
    ("dataset import {p}/empty-table --out {n}", 3, ".parquet"),
    ("dataset export {p}/play --out {p}/photos --format csv", 2, "photos"),
    ("dataset export {p}/none --out {n} --format csv", 3, "does not exist"),
    ("dataset export {p}/play --out {n} --format xml", 2, "xml"),
    # training
    ("train nothing {p}/play --out {n}", 2, "nothing"),
    ("train haptic_play {p}/none --out {n}", 3, "does not exist"),
    ("train haptic_play {p}/photos --out {n}", 3, "is not a dataset"),
    ("train haptic_play {p}/play --out {p}/photos", 3, "is not a bundle"),
    (TRAIN + " --preset giant", 2, "giant"),
    (TRAIN + " --set colour=blue", 2, "colour"),
    (TRAIN + " --set stage_1.steps=many", 2, "stage_1.steps"),
    (TRAIN + " --set window_ticks", 2, "window_ticks"),
    (TRAIN + " --resume", 3, "no run to resume"),
    # bundles and goals
    ("evaluate {p}/none --goals 1", 3, "is not a bundle"),
    ("evaluate {p}/empty --goals 1", 3, "is not a bundle"),
    ("evaluate {p}/foreign-file --goals 1", 3, "foreign-file"),
    ("evaluate {p}/broken-bundle --goals 1", 3, "bundle.json"),
    ("evaluate {p}/cut-bundle --goals 1", 3, "cut-bundle"),
    ("evaluate {p}/empty-part --goals 1", 3, "empty-part"),
    ("evaluate {p}/foreign-part --goals 1", 3, "foreign-part"),
    ("evaluate {p}/big-arm --goals 1", 3, "big_arm"),
    (EVALUATE + " --goals-file {p}/far.toml", 2, "0.9"),
    (EVALUATE + " --goals-file {p}/words.toml", 2, "position_m"),
    (EVALUATE + " --goals-file {p}/cut.toml", 2, "cut.toml"),
    (EVALUATE + " --goals-file {p}/no-goal.toml", 2, "no-goal.toml"),
    (EVALUATE + " --goals-file {p}/foreign-file", 2, "foreign-file"),
    (EVALUATE + " --preset best", 2, "best"),
    (EVALUATE + " --set samples=none", 2, "samples"),
    (EVALUATE + " --limit-s 0", 2, "limit_s"),
    # places that cannot be written
    ("play --out /proc/nowhere/play --minutes 0.1", 3, "/proc/nowhere"),
    ("play --out {p}/empty-file/play --minutes 0.1", 3, "empty-file"),
    ("record --seconds 5 --out /proc/nowhere/play", 3, "/proc/nowhere"),
    ("dataset export {p}/play --out /proc/nowhere --format csv", 3, "/proc/nowhere"),
    ("train haptic_play {p}/play --out /proc/nowhere/bundle", 3, "/proc/nowhere"),
    ("methods --json /proc/nowhere/result.json", 2, "/proc/nowhere"),
    ("tour --out /proc/nowhere", 2, "/proc/nowhere"),
]


def _refuse(capsys: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str]:
    """Exit code and error line; anything else on stderr fails."""
    code = command_line.main(words)
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    assert "Traceback" not in error and "Error:" not in error.removeprefix("error:"), error
    return code, error


@pytest.mark.parametrize(
    ("line", "code", "says"), WRONG, ids=[line.replace("{p}/", "").replace("{n}", "new") for line, _, _ in WRONG]
)
def test_one_line_and_the_right_code(
    place: Path,
    tmp_path: Path,
    line: str,
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    found, error = _refuse(capsys, [word.format(p=place, n=tmp_path / "new") for word in line.split()])
    assert says in error and found == code, f"{found}: {error}"
    assert not (tmp_path / "new").exists(), "something was left behind"


@pytest.mark.parametrize("name", ["cut-play", "no-facts"])
def test_a_broken_dataset_fails_its_check_without_a_traceback(
    place: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["dataset", "verify", str(place / name)]) == 3
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert command_line.main(["dataset", "info", str(place / name)]) in (0, 3)
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.fixture
def small_files() -> Iterator[None]:
    """The kernel refuses to write more than 200 kB into a file, as a full disk or a quota would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_during_play_is_said_and_what_is_there_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = _refuse(capsys, ["play", "--out", str(tmp_path / "d"), "--minutes", "0.2"])
    assert code == 3 and "Free some space" in error
    assert command_line.main(["dataset", "repair", str(tmp_path / "d")]) == 0
    assert command_line.main(["dataset", "verify", str(tmp_path / "d")]) == 0
