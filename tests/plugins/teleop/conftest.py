"""A teleoperation screen on records written by the test, the real window, and a sound server of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.windows import open_window, studio_window
from tests.patience import PATIENCE_S, wait_for_it
from tests.plugins.feed import Feed

__all__ = ["feed", "open_window", "sound_server", "studio_window"]


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    made = Feed(tmp_path)
    yield made
    made.close()


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio of this test's own with a sink that goes nowhere; its environment for a client."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("pulseaudio is not installed (tools/apt-packages.txt)")
    alsa, socket, place = tmp_path / "asound.conf", tmp_path / "native", str(tmp_path)
    alsa.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n")
    own = {"HOME": place, "XDG_RUNTIME_DIR": place, "PULSE_RUNTIME_PATH": place}
    server = subprocess.Popen(
        ["pulseaudio", "-n", "--exit-idle-time=-1", "--use-pid-file=no", "-L",
         f"module-native-protocol-unix socket={socket} auth-anonymous=1", "-L", "module-null-sink sink_name=studio"],
        env={**os.environ, **own}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for_it(lambda: socket.exists() or server.poll() is not None, "the sound server's socket")
        assert socket.exists(), "the sound server did not start"
        yield {**os.environ, **own, "PULSE_SERVER": f"unix:{socket}", "ALSA_CONFIG_PATH": str(alsa),
               "PULSE_LATENCY_MSEC": "30"}  # fmt: skip
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
