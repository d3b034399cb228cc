from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from studio.app.commands import Commands
from studio.app.failure import make_failure
from studio.app.host import PluginHost
from studio.app.manifest import read_manifest
from studio.app.settings import Settings
from studio.app.state import Notices
from studio.core.errors import ConfigError, PluginError

MANIFEST = """
id = "skill_map"
title = "Skill map"
version = "0.3.1"
api = 1
role = "train"
author = "Lena Ortiz"
[[commands]]
id = "go"
title = "Map goals"
key = "G"
"""


class Studio:
    """What the host needs of the api."""

    def __init__(self) -> None:
        self.commands, self.notices, self.settings = Commands(), Notices(), Settings(None)


def write_plugin(folder: Path, manifest: str = MANIFEST, **modules: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(manifest)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def make_host(folder: Path, studio: Studio | None = None, **options: Any) -> PluginHost:
    host = PluginHost([(folder, "the project folder")], studio or Studio(), entry_points=False, **options)
    host.add_commands()
    return host


@pytest.fixture(autouse=True)
def forget_modules() -> Any:
    yield
    for name in [name for name in sys.modules if name.startswith("studio_plugin_")]:
        del sys.modules[name]


def test_listing_imports_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "imported"
    write_plugin(tmp_path / "p" / "skill_map", model=f"open({str(marker)!r}, 'w')\n")
    host = make_host(tmp_path / "p")
    assert [p.manifest.title for p in host.in_role("train")] == ["Skill map"]
    assert host.roles() == ["train"]
    assert host.studio.commands.get("skill_map.go").key == "G"
    assert not marker.exists()


def test_the_model_is_made_once_on_first_use(tmp_path: Path) -> None:
    write_plugin(tmp_path / "p" / "skill_map", model="def make_model(studio):\n    return {'studio': studio}\n",
                 panel="def make_panel(studio, model):\n    return ('panel', model)\n")  # fmt: skip
    host = make_host(tmp_path / "p")
    model = host.load("skill_map")
    assert model["studio"] is host.studio
    assert host.load("skill_map") is model
    assert host.make_panel("skill_map") == ("panel", model)


def test_modules_of_a_plugin_may_import_each_other(tmp_path: Path) -> None:
    write_plugin(tmp_path / "p" / "skill_map", facts="ANSWER = 41\n",
                 model="from .facts import ANSWER\ndef make_model(studio):\n    return ANSWER + 1\n")  # fmt: skip
    assert make_host(tmp_path / "p").load("skill_map") == 42


def test_a_missing_package_becomes_a_card_with_the_command(tmp_path: Path) -> None:
    write_plugin(tmp_path / "p" / "skill_map", model="def make_model(studio):\n    return 1\n",
                 panel="\n\nimport umap\n")  # fmt: skip
    host = make_host(tmp_path / "p")
    assert host.make_panel("skill_map") is None
    failure = host.plugins["skill_map"].failure
    assert failure is not None
    assert failure.what == "It needs the package umap, which is not installed."
    assert failure.where == "Skill map 0.3.1 by Lena Ortiz, from the project folder"
    assert failure.next == "Install umap, then press Try again."
    assert failure.command == "pip install umap-learn"
    assert "panel.py line 3: import umap" in failure.detail
    assert "ModuleNotFoundError" in failure.detail
    assert "could not open" in failure.report()


def test_try_again_reads_the_mended_file(tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "p" / "skill_map", model="def make_model(studio):\n    return 1 / 0\n")
    host = make_host(tmp_path / "p")
    assert host.load("skill_map") is None
    assert "division by zero" in host.plugins["skill_map"].failure.what.lower()  # type: ignore[union-attr]
    (folder / "model.py").write_text("def make_model(studio):\n    return 'mended now'\n")
    host.retry("skill_map")
    assert host.load("skill_map") == "mended now"
    assert host.plugins["skill_map"].failure is None


@pytest.mark.parametrize(
    ("model", "words"),
    [("def make_model(studio:\n", "model.py line 1"), ("x = 1\n", "has no function make_model"),
     ("raise SystemError('broken core')\n", "Broken core.")],
)  # fmt: skip
def test_broken_code_is_said_in_words(tmp_path: Path, model: str, words: str) -> None:
    write_plugin(tmp_path / "p" / "skill_map", model=model)
    host = make_host(tmp_path / "p")
    assert host.load("skill_map") is None
    assert words in host.plugins["skill_map"].failure.what  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (MANIFEST.replace('role = "train"', 'role = "dance"'), "role 'dance' does not exist. Allowed: teleoperate"),
        (MANIFEST.replace("api = 1", "api = 7"), "written for api 7"),
        (MANIFEST.replace('version = "0.3.1"', ""), "key 'version' is missing"),
        ('colour = "red"\n' + MANIFEST, "key 'colour' is unknown"),
        (MANIFEST.replace('id = "skill_map"', 'id = "Skill Map"'), "allowed are small letters"),
        (MANIFEST.replace('key = "G"', 'keys = "G"'), "key 'keys' is unknown or missing"),
        ("id = ", "not valid TOML"),
    ],
)
def test_a_broken_manifest_is_named_and_the_others_are_listed(tmp_path: Path, manifest: str, words: str) -> None:
    write_plugin(tmp_path / "p" / "broken", manifest)
    write_plugin(tmp_path / "p" / "good", MANIFEST.replace("skill_map", "good"))
    with pytest.raises(PluginError, match=r"plugin\.toml"):
        read_manifest(tmp_path / "p" / "broken" / "plugin.toml")
    host = make_host(tmp_path / "p")
    assert list(host.plugins) == ["good"]
    assert words in host.broken[0].what
    assert host.studio.notices.items[0].text == "Plugin broken is not listed: its plugin.toml is broken."


def test_two_plugins_of_one_name(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_plugin(tmp_path / "p" / name)
    host = make_host(tmp_path / "p")
    assert host.plugins["skill_map"].manifest.folder.name == "first"
    assert "taken by" in host.broken[0].what


def test_turned_off_stays_off(tmp_path: Path) -> None:
    write_plugin(tmp_path / "p" / "skill_map")
    studio = Studio()
    make_host(tmp_path / "p", studio).turn_off("skill_map")
    assert studio.settings.get("plugins.off") == ["skill_map"]
    again = make_host(tmp_path / "p", Studio(), off=["skill_map"])
    assert again.roles() == [] and again.studio.commands.all() == []
    again.turn_on("skill_map")
    assert again.roles() == ["train"] and len(again.studio.commands.all()) == 1


def test_expected_errors_keep_their_sentence(tmp_path: Path) -> None:
    write_plugin(tmp_path / "p" / "skill_map")
    manifest = read_manifest(tmp_path / "p" / "skill_map" / "plugin.toml")
    failure = make_failure(manifest, ConfigError("Samples is 0; allowed 1 to 4096."))
    assert failure.what == "Samples is 0; allowed 1 to 4096."
