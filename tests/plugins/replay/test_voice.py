"""Voice notes: through a real sound server, without a sound card, and what lies in the take's folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.replay.voice import NO_CARD, RATE_HZ, load_note, save_note, waveform
from studio.app.api import StudioApi
from studio.app.host import PluginHost
from studio.core.errors import DataError
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from tests.patience import PATIENCE_S
from tests.plugins.recording import write_episode

# Plays a tone into the server's sink and speaks it back through the sink's monitor, as a microphone would hear it.
_SPEAKER = """
import json, time
import numpy as np
from plugins.replay.voice import RATE_HZ, Microphone, play
tone = (12000 * np.sin(2 * np.pi * 440 * np.arange(6 * RATE_HZ) / RATE_HZ)).astype(np.int16)
microphone = Microphone()
play(tone)
microphone.start()
end_s = time.monotonic() + 100
while sum(map(len, microphone._blocks)) < RATE_HZ and time.monotonic() < end_s:
    time.sleep(0.05)
heard = microphone.stop().astype(float)
strength = np.abs(np.fft.rfft(heard))
print(json.dumps({"samples": len(heard), "hz": float(np.argmax(strength)) * RATE_HZ / len(heard)}))
"""


def settle(model: Any, until: Any) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s, "the replay's threads did not finish"
        model.tick(time.monotonic())
        time.sleep(0.005)


@pytest.fixture
def model(host: PluginHost, studio: StudioApi) -> Any:
    dataset = Dataset.create(studio.project.dataset_path)
    folder = dataset.new_episode(dataset.new_session())
    write_episode(folder, seconds=2.0, cameras=())
    model = host.load("replay")
    assert host.plugins["replay"].failure is None, host.plugins["replay"].failure
    model.open(folder)
    settle(model, lambda: model.take is not None)
    return model


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio of this test's own with a sink that goes nowhere; its environment for a client."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("pulseaudio is not installed (tools/apt-packages.txt)")
    alsa = tmp_path / "asound.conf"
    alsa.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n")
    place = str(tmp_path)
    own = {"HOME": place, "XDG_RUNTIME_DIR": place, "PULSE_RUNTIME_PATH": place}
    socket = tmp_path / "native"
    server = subprocess.Popen(
        ["pulseaudio", "-n", "--exit-idle-time=-1", "--use-pid-file=no", "-L",
         f"module-native-protocol-unix socket={socket} auth-anonymous=1", "-L", "module-null-sink sink_name=studio"],
        env={**os.environ, **own}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end_s = time.monotonic() + PATIENCE_S
    while not socket.exists() and server.poll() is None and time.monotonic() < end_s:
        time.sleep(0.05)
    assert socket.exists(), "the sound server did not start"
    yield {**os.environ, **own, "PULSE_SERVER": f"unix:{socket}", "ALSA_CONFIG_PATH": str(alsa),
           "PULSE_LATENCY_MSEC": "30"}  # fmt: skip
    server.terminate()
    server.wait(PATIENCE_S)


def test_a_real_sound_server_is_heard(sound_server: dict[str, str]) -> None:
    root = Path(__file__).resolve().parents[3]
    spoken = subprocess.run(
        [sys.executable, "-c", _SPEAKER], env=sound_server, cwd=root, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert spoken.returncode == 0, spoken.stderr
    heard = json.loads(spoken.stdout.splitlines()[-1])
    assert heard["samples"] >= RATE_HZ and heard["hz"] == pytest.approx(440.0, abs=12.0)


def test_without_a_sound_card_it_is_said(model: Any, studio: StudioApi, monkeypatch: pytest.MonkeyPatch) -> None:
    import sounddevice

    def no_device(**_: Any) -> None:
        raise sounddevice.PortAudioError("Error querying device -1")

    monkeypatch.setattr(sounddevice, "InputStream", no_device)
    studio.commands.run("replay.speak")
    assert model.dictation.listening
    studio.commands.release("replay.speak")
    settle(model, lambda: not model.dictation._loader.busy)
    assert studio.notices.items[0].text == NO_CARD and not model.dictation.listening
    assert model.notes.marks == ()


def test_what_was_spoken_lies_in_the_take_and_undoes(
    model: Any, studio: StudioApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = (8000 * np.sin(np.arange(RATE_HZ) / 20)).astype(np.int16)

    class Card:
        def __init__(self, *, callback: Any, **_: Any) -> None:
            self._callback = callback

        def start(self) -> None:
            for start in range(0, len(spoken), 512):
                block = spoken[start : start + 512, None]
                self._callback(block, len(block), None, None)

        def stop(self) -> None: ...
        def close(self) -> None: ...

    import sounddevice

    monkeypatch.setattr(sounddevice, "InputStream", Card)
    model.seek(1.25)
    studio.commands.run("replay.speak")
    model.seek(1.5)
    studio.commands.release("replay.speak")
    settle(model, lambda: model.notes.marks)
    item = Journal(model.path).items[0]
    assert (item.kind, item.text) == ("note", "note_0001.wav")
    assert model.seconds(item.start_ns) == pytest.approx(1.25), "where the cursor was when the key went down"
    assert (item.end_ns - item.start_ns) / 1e9 == pytest.approx(1.0)
    np.testing.assert_array_equal(load_note(model.path / item.text), spoken)
    assert model.notes.history[0].text == "Voice note added"
    model.undo()
    settle(model, lambda: not model.notes.marks)
    assert (model.path / item.text).exists(), "nothing spoken is lost"
    model.redo()
    settle(model, lambda: model.notes.marks)


def test_a_note_too_short_for_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"shorter than 0\.2 s"):
        save_note(tmp_path, np.zeros(100, np.int16))


@pytest.mark.parametrize("content", [None, b"", b"RIFF", b"no sound at all" * 20])
def test_a_broken_file_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "note_0001.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as sound"):
        load_note(path)


def test_numbers_go_on_where_files_lie(tmp_path: Path) -> None:
    samples = np.ones(RATE_HZ, np.int16)
    assert [save_note(tmp_path, samples).name for _ in range(2)] == ["note_0001.wav", "note_0002.wav"]
    (tmp_path / "note_0001.wav").unlink()
    assert save_note(tmp_path, samples).name == "note_0003.wav"


def test_waveform_is_loudness_by_column() -> None:
    samples = np.concatenate([np.zeros(500), np.full(500, 1000)]).astype(np.int16)
    shape = waveform(samples, 10)
    assert shape.tolist() == [0.0] * 5 + [1.0] * 5 and waveform(np.empty(0), 4).tolist() == [0.0] * 4
