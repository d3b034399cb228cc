"""The force sound through a real sound server: what comes out of the sink is the tone of the force."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.teleop.sound import BASE_HZ, FULL_N

# The tone goes into the server's sink; the sink's monitor is heard as a microphone hears. Left 6 N, right nothing.
_LISTENER = """
import json, time
import numpy as np, sounddevice
from plugins.teleop.sound import RATE_HZ, ForceSound
heard = []
sound = ForceSound()
with sounddevice.InputStream(samplerate=RATE_HZ, channels=2, dtype="float32",
                             callback=lambda block, *_: heard.append(block.copy())):
    sound.start()
    latency_s = sound.latency_s
    sound.set_force([6.0, 0.0], 0.02)
    end_s = time.monotonic() + 90
    def loud():
        return sum(len(block) for block in heard if np.abs(block[:, 0]).max() > 0.05)
    while loud() < RATE_HZ and time.monotonic() < end_s:
        time.sleep(0.05)
    later_s = sound.latency_s
    sound.silence()
    sound.stop()
tone = np.concatenate([block for block in heard if np.abs(block[:, 0]).max() > 0.05])
spectrum = np.abs(np.fft.rfft(tone[:, 0]))
print(json.dumps({"hz": float(np.argmax(spectrum)) * RATE_HZ / len(tone), "left": float(np.abs(tone[:, 0]).max()),
                  "right": float(np.abs(tone[:, 1]).max()), "latency_s": latency_s, "later_s": later_s,
                  "off_s": sound.latency_s}))
"""


def test_the_tone_of_a_force_is_heard_through_a_real_server(sound_server: dict[str, str]) -> None:
    root = Path(__file__).resolve().parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", _LISTENER], env=sound_server, cwd=root, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    heard = json.loads(ran.stdout.splitlines()[-1])
    assert heard["hz"] == pytest.approx(BASE_HZ[0] * (1.0 + 0.5 * 6.0 / FULL_N), rel=0.04)
    assert heard["left"] > 0.1 and heard["right"] < 0.02, "one hand, one ear"
    assert heard["latency_s"] > 0.0 and heard["later_s"] > heard["latency_s"] and heard["off_s"] == 0.0
