"""The leak check itself must be able to fail: run it on tests that leak on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

LEAKS = {
    "process": "import subprocess\ndef test_it():\n    subprocess.Popen(['sleep', '30'])\n",
    "thread": (
        "import threading, time\ndef test_it():\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    ),
    "shared memory": (
        "import os\nfrom studio.core.paths import SESSION_ROOT\n"
        "def test_it():\n    f = SESSION_ROOT / f'leak-{os.getpid()}'\n    f.mkdir(parents=True)\n"
        "    (f / 'owner.pid').write_text(str(os.getpid()))\n"
    ),
    "thread that waits": (
        "import threading\ndef test_it():\n    threading.Thread(target=threading.Event().wait).start()\n"
    ),
    "nothing": "def test_it():\n    assert True\n",
}


@pytest.mark.parametrize("kind", list(LEAKS))
def test_a_leaking_test_fails(kind: str, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    conftest = (root / "tests" / "conftest.py").read_text()
    assert "_GRACE_S = 120.0" in conftest
    conftest = conftest.replace("_GRACE_S = 120.0", "_GRACE_S = 1.0")  # these leaks do not end by themselves
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_leaks.py").write_text(LEAKS[kind])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xvfb",
        "--rootdir",
        str(tmp_path),
    ]
    result = subprocess.run(
        [*command, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    for folder in Path("/dev/shm/haptic-play-studio").glob("leak-*"):
        (folder / "owner.pid").unlink(missing_ok=True)
        folder.rmdir()
    if kind == "nothing":
        assert result.returncode == 0, result.stdout
    else:
        assert result.returncode != 0
        assert "left behind" in result.stdout
