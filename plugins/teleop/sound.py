"""Contact force as sound: two tones, left and right ear, whose loudness and pitch follow the force. No Qt."""

from __future__ import annotations

from typing import Any

import numpy as np

from studio.core.errors import DeviceError

RATE_HZ = 24_000
BASE_HZ = (220.0, 277.0)  # left and right hand
FULL_N = 12.0  # this force is full loudness
_GLIDE_S = 0.03
NO_CARD = "No sound card: force sound is off."


class ForceTone:
    """Makes the samples; separate from the sound card so that it can be heard by a test."""

    def __init__(self) -> None:
        self.force_n = np.zeros(2)
        self._loudness = np.zeros(2)
        self._phase_rad = np.zeros(2)

    def samples(self, count: int) -> np.ndarray:
        """The next samples [count, 2] float32; a change of force glides in 30 ms, so that nothing clicks."""
        wanted = np.clip((self.force_n - 0.3) / FULL_N, 0.0, 1.0) ** 0.7 * 0.35
        glide = 1.0 - np.exp(-np.arange(1, count + 1) / (RATE_HZ * _GLIDE_S))
        loudness = self._loudness + (wanted - self._loudness) * glide[:, None]
        pitch_hz = np.array(BASE_HZ) * (1.0 + 0.5 * np.clip(self.force_n / FULL_N, 0.0, 1.0))
        phase = self._phase_rad + np.arange(1, count + 1)[:, None] * (2 * np.pi * pitch_hz / RATE_HZ)
        self._phase_rad = phase[-1] % (2 * np.pi)
        self._loudness = loudness[-1]
        return (loudness * np.sin(phase)).astype(np.float32)


class ForceSound:
    """The tone on the default sound card."""

    def __init__(self) -> None:
        self.tone = ForceTone()
        self._stream: Any = None
        self._force_age_s = 0.0

    @property
    def on(self) -> bool:
        return self._stream is not None

    @property
    def latency_s(self) -> float:
        """From the force measured to the force heard: its age when it is handed over, and what the sound card says.

        0 while it is off.
        """
        return float(self._stream.latency) + self._force_age_s if self._stream is not None else 0.0

    def start(self) -> None:
        """Open the sound card; takes up to a second.

        Raises:
            DeviceError: there is none, or it is taken.
        """
        try:
            import sounddevice  # loads PortAudio, which may be missing
        except (ImportError, OSError) as error:
            raise DeviceError(NO_CARD, detail=str(error)) from error
        try:
            stream = sounddevice.OutputStream(
                samplerate=RATE_HZ, channels=2, blocksize=512, dtype="float32", callback=self._fill
            )
            stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise DeviceError(NO_CARD, detail=str(error)) from error
        self._stream = stream

    def stop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()
            stream.close()

    def set_force(self, force_n: np.ndarray, age_s: float = 0.0) -> None:
        """Magnitudes [2] in N and their age; `latency_s` takes its mean."""
        self.tone.force_n = np.asarray(force_n, dtype=np.float64)[:2]
        self._force_age_s += 0.1 * (age_s - self._force_age_s)

    def silence(self) -> None:
        """Nothing is felt, or nothing is known."""
        self.tone.force_n = np.zeros(2)

    def _fill(self, out: np.ndarray, frames: int, _time: Any, _status: Any) -> None:
        out[:] = self.tone.samples(frames)
