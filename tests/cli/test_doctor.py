"""`doctor` on this machine, and on parts of machines that lack something."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.cli import doctor
from studio.cli import main as command_line
from studio.core.native import NativeBuild

NAMES = [
    "processor",
    "shared memory",
    "display",
    "OpenGL",
    "audio",
    "disk",
    "real-time priority",
    "CAN",
    "serial latency",
    "GPU",
    "native code",
]


def test_every_check_is_made_and_written(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    words = ["doctor", "--json", str(out), "--folder", str(tmp_path / "not" / "there"), "--megabytes", "1"]
    assert command_line.main(words) == 0
    checks = json.loads(out.read_text())["checks"]
    assert [check["name"] for check in checks] == NAMES
    for check in checks:
        assert set(check) == {"name", "ok", "detail", "fix"} and isinstance(check["ok"], bool)
        assert check["detail"] and "\n" not in check["detail"] + check["fix"] and "Traceback" not in check["detail"]
    found = {check["name"]: check for check in checks}
    assert found["display"]["ok"], "these tests run under a display"
    assert str(tmp_path) in found["disk"]["detail"] and "MB/s" in found["disk"]["detail"]
    assert not list(tmp_path.glob(".studio-doctor-*"))


def test_without_a_display_it_says_so_and_tries_no_opengl(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    display = doctor.check_display_here()
    assert not display.ok and "No display" in display.detail and "main.py tour" in display.fix
    opengl = doctor.check_opengl(display)
    assert not opengl.ok and "without a display" in opengl.detail


def test_little_or_no_shared_memory_is_a_fault_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = doctor.check_shared_memory(tmp_path / "shm")
    assert not missing.ok and "No such file" in missing.detail and "tmpfs" in missing.fix
    monkeypatch.setattr(doctor, "_ENOUGH_SHARED_BYTES", 1 << 60)
    little = doctor.check_shared_memory(tmp_path)
    assert not little.ok and "--shm-size" in little.fix


@pytest.fixture
def small_files() -> Iterator[None]:
    """The kernel refuses to write more than 1 MB into a file, as a full disk or a quota would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_takes_no_more_is_told_and_left_clean(tmp_path: Path) -> None:
    check = doctor.check_disk(tmp_path, 4)
    assert not check.ok and str(tmp_path) in check.detail and "Free some space" in check.fix
    assert not list(tmp_path.iterdir())


def test_a_disk_that_may_not_be_written_is_told() -> None:
    check = doctor.check_disk(Path("/proc/self"), 1)
    assert not check.ok and "/proc" in check.detail and "--folder" in check.fix


@pytest.mark.parametrize(
    ("interfaces", "ok", "words"),
    [
        ({}, False, "no interface"),
        ({"eth0": ("1", "up")}, False, "no interface"),
        ({"can0": ("280", "up"), "eth0": ("1", "up")}, True, "can0 is up"),
        ({"can0": ("280", "up"), "can1": ("280", "down")}, False, "can1 is down"),
    ],
)
def test_can_interfaces_of_the_kernel(
    tmp_path: Path, interfaces: dict[str, tuple[str, str]], ok: bool, words: str
) -> None:
    for name, (kind, state) in interfaces.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(kind + "\n")
        (tmp_path / name / "operstate").write_text(state + "\n")
    check = doctor.check_can(tmp_path, tmp_path / "no-adapters")
    assert check.ok is ok and words in check.detail
    assert ("ip link set can1 up" in check.fix) is ("can1" in interfaces)


def test_a_child_that_fails_is_one_sentence() -> None:
    assert doctor._try_python("print(1)") == ("1\n", "")
    assert doctor._try_python("raise OSError('the driver is broken')") == ("", "OSError: the driver is broken")
    assert doctor._try_python("import os; os.abort()") == ("", "it ended with -6")


def test_a_wrong_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["doctor", "--megabytes", "0"]) == 2
    assert "allowed 1 to 4096" in capsys.readouterr().err


def test_without_native_code_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = NativeBuild(library=None, reason="no C compiler (cc, gcc or clang) is installed")
    monkeypatch.setattr(doctor, "tick_build", lambda: missing)
    found = doctor.check_native()
    assert not found.ok and "control tick: no C compiler" in found.detail and "apt-get install gcc" in found.fix
