"""`gui` from the outside: one clear message each for what is missing, and a clean end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from studio.cli import main as command_line
from tests.patience import PATIENCE_S, wait_for_it

ROOT = Path(__file__).resolve().parents[2]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on stderr of a `gui` that does not open."""
    code = command_line.main(["gui", *arguments])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return code, lines[0]


@pytest.fixture
def displayless(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object) -> None:
    """Settings and projects of this test, not of the person who runs it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_no_display_is_said_with_what_to_do(
    tmp_path: Path, displayless: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = refused(capsys, "--project", str(tmp_path / "p"))
    assert code == 4 and error.startswith("error: No display") and "main.py tour" in error


def test_a_display_that_does_not_answer_is_said(
    tmp_path: Path, displayless: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    displayless.setenv("DISPLAY", ":987")
    code, error = refused(capsys, "--project", str(tmp_path / "p"))
    assert code == 4 and "The display :987 does not answer" in error


@pytest.mark.usefixtures("own_data")
def test_a_folder_that_is_no_project_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    code, error = refused(capsys, "--project", str(tmp_path / "photos"))
    assert code == 3 and "is not a project" in error


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize("text", ["format_version = 9\n", "name = ", ""])
def test_a_broken_project_file_is_named(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "project.toml").write_text(text)
    code, error = refused(capsys, "--project", str(tmp_path / "broken"))
    assert code in (2, 3) and "project.toml" in error


@pytest.mark.usefixtures("own_data")
def test_a_wrong_theme_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = refused(capsys, "--project", str(tmp_path / "p"), "--theme", "pink")
    assert code == 2 and "Choose one of dark, light" in error


def test_an_error_from_the_outside_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    command = [sys.executable, str(ROOT / "main.py"), "gui", "--project", str(tmp_path / "p")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, cwd=tmp_path, check=False
    )
    assert done.returncode == 4 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: No display")


@pytest.mark.parametrize("when", ["starting", "open"])
def test_it_ends_cleanly(tmp_path: Path, when: str) -> None:
    """SIGINT while it starts and while it is open: workers gone, exit code 0."""
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    command = [sys.executable, str(ROOT / "main.py"), "gui"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    project = tmp_path / "haptic-play-studio" / "projects" / "box-play" / "project.toml"
    try:
        wait_for_it(lambda: process.poll() is not None or _catches(process.pid, signal.SIGTERM), "it starts")
        if when == "open":
            wait_for_it(lambda: process.poll() is not None or project.exists(), "the project is made")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "Traceback" not in errors, errors


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has set a handler of its own; the command does so first of all."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1]
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_without_opengl_the_window_opens_and_says_so(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from studio.app.start import StudioOptions, make_application, open_studio
app = make_application()
folder = Path({str(tmp_path)!r})
window = open_studio(StudioOptions(project=folder / "p", settings=folder / "s.json", workers=()))
window.show()
window.navigate("teleop")
for _ in range(20):
    app.processEvents()
print("panel", type(window.panel("teleop")).__name__)
print("notices", [notice.text for notice in window.studio.notices.items])
window.close()
"""
    environment = {**os.environ, "QT_XCB_GL_INTEGRATION": "none"}
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "panel TeleopPanel" in result.stdout
    assert "No 3-D on this display: OpenGL did not start. Numbers and curves work." in result.stdout
    assert "Traceback" not in result.stderr
