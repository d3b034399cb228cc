"""`tools/setup.sh` on machines that lack something: what it says, and that no failure passes for success."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]
FILES = ("pyproject.toml", "tools/setup.sh", "tools/apt-packages.txt")


class Machine:
    """A checkout without its environment; `has` puts a command with a script of its own before the real one."""

    def __init__(self, root: Path) -> None:
        self.root, self._bin = root / "checkout", root / "bin"
        self._bin.mkdir()
        (self.root / "tools").mkdir(parents=True)
        for name in (*FILES, "tools/run.sh", "tools/with_display.sh"):
            shutil.copy(ROOT / name, self.root / name)
        (self._bin / "python3.11").symlink_to(sys.executable)
        self.has("id", "echo 1000")
        self.has("sudo", "exit 1")
        self.has("dpkg-query", "echo install ok installed")
        self.has("apt-get", "exit 1")

    def has(self, name: str, script: str) -> None:
        self.write(self._bin / name, script)

    def write(self, path: Path, script: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def setup(self) -> subprocess.CompletedProcess[str]:
        return self.run("tools/setup.sh")

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Without a display."""
        environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        environment["PATH"] = f"{self._bin}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", script], cwd=self.root, env=environment, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / ".studio-setup"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_packages_that_may_not_be_installed_are_one_command_to_type(machine: Machine) -> None:
    machine.has("dpkg-query", 'case "$*" in *xvfb*|*libgl1) exit 1;; *) echo install ok installed;; esac')
    done = machine.setup()
    assert done.returncode == 4 and not machine.stamp.exists()
    assert "  sudo apt-get update && sudo apt-get install -y --no-install-recommends xvfb libgl1\n" in done.stderr


def test_packages_that_cannot_be_installed_end_it(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has("dpkg-query", "exit 1")
    machine.has("apt-get", "echo 'E: no network' >&2; exit 100")
    done = machine.setup()
    assert done.returncode == 4 and not machine.stamp.exists()
    assert "E: no network" in done.stderr and "error: system packages could not be installed" in done.stderr


def test_a_pip_that_fails_ends_it(machine: Machine) -> None:
    machine.write(machine.root / ".venv/bin/pip", "echo 'no space left on device' >&2; exit 1")
    done = machine.setup()
    assert done.returncode == 1 and not machine.stamp.exists()
    assert "no space left on device" in done.stderr and "error: Python packages could not be installed" in done.stderr


def test_an_environment_that_does_not_import_ends_it(machine: Machine) -> None:
    machine.write(machine.root / ".venv/bin/pip", "exit 0")
    machine.write(machine.root / ".venv/bin/python", "echo 'No module named torch' >&2; exit 1")
    done = machine.setup()
    assert done.returncode == 1 and not machine.stamp.exists()
    assert "No module named torch" in done.stderr and "the installation is incomplete" in done.stderr


def test_the_second_start_does_nothing_until_something_changes(machine: Machine) -> None:
    machine.write(machine.root / ".venv/bin/pip", 'echo "$*" >> ../pip-calls')
    machine.write(machine.root / ".venv/bin/python", "exit 0")
    assert machine.setup().returncode == 0
    wanted = b"".join((machine.root / name).read_bytes() for name in FILES)
    assert machine.stamp.read_text().strip() == hashlib.sha256(wanted).hexdigest()
    calls = (machine.root.parent / "pip-calls").read_text()
    assert calls.count("install") == 2 and "torch==" in calls and ".[dev]" in calls
    machine.has("dpkg-query", "exit 1")  # is not even asked
    again = machine.setup()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    with (machine.root / "pyproject.toml").open("a") as file:
        file.write("\n")
    assert machine.setup().returncode == 4


def test_without_a_display_the_tour_runs_under_a_virtual_one(machine: Machine) -> None:
    machine.write(machine.root / ".venv/bin/python", 'echo "display ${DISPLAY:-none}: $*"')
    machine.has("xvfb-run", 'while [ "$1" != .venv/bin/python ]; do shift; done; DISPLAY=:42 exec "$@"')
    done = machine.run("tools/run.sh")
    assert done.returncode == 0 and "There is no display here" in done.stdout
    assert done.stdout.splitlines()[-1] == "display :42: main.py tour --out tour-out"
