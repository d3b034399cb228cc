"""What an installation brings, built from this checkout: the same studio, and no common name in site-packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]
PROBE = """
import json
from studio.core import paths
paths.find_shipped_code()
import benchmarks, plugins.teleop.model, studio.cli.main
from studio.app.manifest import read_manifest
from studio.robot.description import load_robot
print(json.dumps({
    "studio": studio.__file__, "plugins": plugins.teleop.model.__file__, "benchmarks": benchmarks.__file__,
    "resources": str(paths.resources_dir()), "robot": load_robot().name, "program": paths.program()[1:],
    "screens": sorted(read_manifest(path).id for path in paths.plugins_dir().glob("*/plugin.toml")),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What would come into site-packages."""
    place = tmp_path_factory.mktemp("installation") / "lib"
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return place


def _run(installed: Path, *words: str) -> str:
    """Python on the installation, from a folder that is no checkout."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *words], cwd=installed.parent, env=environment, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_only_our_own_names_come_into_site_packages(installed: Path) -> None:
    assert sorted(path.name for path in installed.iterdir()) == ["hw_drivers", "studio"]
    assert sorted(path.name for path in (installed / "studio" / "shipped").iterdir()) == [
        "benchmarks", "plugins", "resources",
    ]  # fmt: skip
    assert not list(installed.rglob("*.pyc"))


def test_every_resource_and_screen_comes_along(installed: Path) -> None:
    for name in ("plugins", "resources"):
        assert _files(installed / "studio" / "shipped" / name) == _files(ROOT / name)


def test_the_installed_studio_uses_what_it_brought(installed: Path) -> None:
    found = json.loads(_run(installed, "-c", PROBE))
    for name in ("studio", "plugins", "benchmarks", "resources"):
        assert found[name].startswith(str(installed / "studio")), name
    assert found["robot"] == "dual_arm_ak60" and {"teleop", "library", "deploy"} <= set(found["screens"])
    assert found["program"] == ["-m", "studio"]
    assert "haptic_play" in _run(installed, "-m", "studio", "methods")


def test_the_script_of_the_package_is_the_command_line() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"haptic-play-studio": "studio.cli.main:main"}
