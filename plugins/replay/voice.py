"""Voice notes: hold, speak; the microphone's sound lies as a WAV file in the take's folder. No Qt.

Opening a sound card takes a while, so everything here runs in a thread of the replay's model.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import DataError, DeviceError
from studio.data.annotations import Annotation, Journal

RATE_HZ = 16_000
NO_CARD = "No sound card: voice notes are off. Plug in a microphone, then hold V again."
_SHORTEST_S = 0.2
_BLOCK = 512  # samples a call
_LONGEST_S = 120.0


def _sound_library() -> Any:
    try:
        import sounddevice  # loads PortAudio, which may be missing
    except (ImportError, OSError) as error:
        raise DeviceError(NO_CARD, detail=str(error)) from error
    return sounddevice


class Microphone:
    """The default microphone, one channel of 16 bit at 16 kHz."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._blocks: list[np.ndarray] = []

    def start(self) -> None:
        """Begin to listen.

        Raises:
            DeviceError: there is no sound card, or another program has it.
        """
        sound = _sound_library()
        self._blocks = []
        try:
            self._stream = sound.InputStream(
                samplerate=RATE_HZ, channels=1, dtype="int16", blocksize=_BLOCK, callback=self._hear
            )
            self._stream.start()
        except (sound.PortAudioError, ValueError) as error:
            self._stream = None
            raise DeviceError(NO_CARD, detail=str(error)) from error

    def stop(self) -> np.ndarray:
        """Samples [n] int16 since `start`; empty when it never began."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()
            stream.close()
        return np.concatenate(self._blocks) if self._blocks else np.empty(0, np.int16)

    def _hear(self, block: np.ndarray, frames: int, _time: Any, _status: Any) -> None:
        if sum(map(len, self._blocks)) < _LONGEST_S * RATE_HZ:
            self._blocks.append(block[:, 0].copy())


def save_note(folder: Path, samples: np.ndarray) -> Path:
    """Write samples [n] int16 as the next `note_0001.wav` of an episode's folder.

    Raises:
        DataError: too short to hold a word, or the folder cannot be written.
    """
    if len(samples) < _SHORTEST_S * RATE_HZ:
        raise DataError("The voice note is shorter than 0.2 s. Hold V while you speak.")
    number = 1 + max((int(p.stem[5:]) for p in folder.glob("note_*.wav") if p.stem[5:].isdigit()), default=0)
    path = folder / f"note_{number:04d}.wav"
    try:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(samples.astype("<i2").tobytes())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}. Free some space.") from error
    return path


def load_note(path: Path) -> np.ndarray:
    """Samples [n] int16.

    Raises:
        DataError: missing, or not a note of ours.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE_HZ):
                raise DataError(f"{path} is not a voice note: 16 kHz, 16 bit, one channel are expected.")
            return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"{path} cannot be read as sound: {error}. Was the file moved?") from error


def add_voice_note(journal: Journal, samples: np.ndarray, t_ns: int) -> Annotation:
    """Save the sound beside the journal and note it at a time of the take; the item's text is the file's name."""
    path = save_note(journal.path.parent, samples)
    return journal.add("note", path.name, t_ns, t_ns + round(len(samples) / RATE_HZ * 1e9))


def is_voice(item: Annotation) -> bool:
    return item.kind == "note" and item.text.startswith("note_") and item.text.endswith(".wav")


def play(samples: np.ndarray) -> None:
    """Play samples on the default sound card; returns at once.

    Raises:
        DeviceError: there is no sound card.
    """
    sound = _sound_library()
    try:
        sound.play(samples, RATE_HZ)
    except (sound.PortAudioError, ValueError) as error:
        raise DeviceError(NO_CARD.replace("off. Plug in a microphone, then hold V again.", "silent."),
                          detail=str(error)) from error  # fmt: skip


def waveform(samples: np.ndarray, columns: int) -> np.ndarray:
    """Loudness [columns] from 0 to 1 for a small picture."""
    if not len(samples):
        return np.zeros(columns)
    starts = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    top = np.maximum.reduceat(np.abs(samples.astype(np.float64)), starts)
    return top / max(float(top.max()), 1.0)
