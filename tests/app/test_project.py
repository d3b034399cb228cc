from __future__ import annotations

from pathlib import Path

import pytest

from studio.app.project import open_project
from studio.app.settings import Settings
from studio.core.errors import ConfigError, DataError


def test_a_missing_project_is_made_and_opens_again(tmp_path: Path) -> None:
    made = open_project(tmp_path / "deep" / "box-play")
    assert made.made_now and made.name == "box-play"
    assert {p.name for p in made.path.iterdir()} == {
        "project.toml", "datasets", "bundles", "goals", "runs", "layouts", "trash",
    }  # fmt: skip
    again = open_project(made.path)
    assert not again.made_now and again.name == "box-play"
    assert again.bundles() == [] and again.free_bytes() > 0


def test_trash_keeps_both_of_one_name(tmp_path: Path) -> None:
    project = open_project(tmp_path / "p")
    for text in ("first", "second"):
        path = project.folder("goals") / "far.toml"
        path.write_text(text)
        project.trash(path)
    kept = sorted(p.read_text() for p in project.folder("trash").iterdir())
    assert kept == ["first", "second"] and not project.goal_files()


def test_foreign_folders_and_newer_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="is not a project"):
        open_project(tmp_path)
    with pytest.raises(DataError, match="is not a project"):
        open_project(tmp_path / "cat.jpg")
    (tmp_path / "project.toml").write_text("format_version = 2\n")
    with pytest.raises(DataError, match="format_version is 2; this studio reads 1"):
        open_project(tmp_path)
    (tmp_path / "project.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        open_project(tmp_path)


def test_settings_are_kept_and_a_broken_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "settings.json"
    settings = Settings(path)
    changed: list[str] = []
    settings.changed.connect(changed.append)
    settings.set("theme", "light")
    settings.set("theme", "light")
    settings.set("screens", {"review": "replay"})
    assert changed == ["theme", "screens"]
    assert Settings(path).get("theme") == "light" and Settings(path).get("screens") == {"review": "replay"}
    settings.set("theme", None)
    assert Settings(path).get("theme", "dark") == "dark"
    path.write_text("{")
    broken = Settings(path)
    assert "could not be read" in broken.problem and broken.get("theme", "dark") == "dark"


def test_settings_that_cannot_be_written_last_until_the_end(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    settings = Settings(blocked / "settings.json")
    settings.set("theme", "light")
    assert settings.get("theme") == "light" and "could not be written" in settings.problem
