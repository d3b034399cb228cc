"""Paths of both hands, sampled at the control rate, with the easing and the tremor of a human hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio.core.geometry import FloatArray

SAFE_HEIGHT_M = 0.19  # a ball at this height passes over a box that lies flat
_FLOOR_M = 0.021  # lowest target of a ball's centre
_SHORTEST_S = 0.06


def ease(s: FloatArray) -> FloatArray:
    """Minimum-jerk progress for s in 0..1."""
    return s * s * s * (10 - 15 * s + 6 * s * s)


def window(s: FloatArray, start: float, end: float) -> FloatArray:
    """Eased progress that happens only while s is between start and end."""
    return ease(np.clip((s - start) / (end - start), 0.0, 1.0))


class HandPath:
    """Builds one path for both hands; each `method` appends to one hand's timeline, `meet` makes them equally long.

    Args:
        start_m: where the hands are, [2, 3] in m.
        rate_hz: samples per second.
        tempo: how quick this hand is; every duration is divided by it, but free travel is never quicker than asked.
    """

    def __init__(self, start_m: FloatArray, rate_hz: float, tempo: float = 1.0) -> None:
        self._rate_hz, self._tempo = rate_hz, tempo
        self._samples: list[list[FloatArray]] = [[] for _ in start_m]
        self._ends = [np.array(p, dtype=np.float64) for p in start_m]
        self._counts = [0] * len(start_m)

    def end(self, hand: int) -> FloatArray:
        """Where the hand is after what was added so far."""
        return self._ends[hand]

    def _progress(self, duration_s: float) -> FloatArray:
        count = max(2, round(max(duration_s / self._tempo, _SHORTEST_S) * self._rate_hz))
        return np.arange(1, count + 1) / count

    def _append(self, hand: int, points: FloatArray) -> None:
        points[:, 2] = np.maximum(points[:, 2], _FLOOR_M)
        self._samples[hand].append(points)
        self._counts[hand] += len(points)
        self._ends[hand] = points[-1].copy()

    def line(self, hand: int, end_m: FloatArray, speed_m_s: float) -> None:
        """Straight and eased; `speed_m_s` is the mean."""
        start = self._ends[hand]
        s = ease(self._progress(float(np.linalg.norm(end_m - start)) / speed_m_s))[:, None]
        self._append(hand, start + s * (end_m - start))

    def over(self, hand: int, end_m: FloatArray, speed_m_s: float, height_m: float = SAFE_HEIGHT_M) -> None:
        """Up, across and down in one flowing movement."""
        start = self._ends[hand]
        top = max(height_m, float(start[2]), float(end_m[2]))
        length = float(np.linalg.norm(end_m[:2] - start[:2])) + (top - start[2]) + (top - end_m[2])
        s = self._progress(length / speed_m_s * max(self._tempo, 1.0))
        points = np.empty((len(s), 3))
        points[:, :2] = start[:2] + window(s, 0.15, 0.8)[:, None] * (end_m[:2] - start[:2])
        points[:, 2] = start[2] + window(s, 0.0, 0.42) * (top - start[2]) - window(s, 0.6, 1.0) * (top - end_m[2])
        self._append(hand, points)

    def follow(self, hand: int, curve: Callable[[FloatArray], FloatArray], duration_s: float) -> None:
        """Along `curve(s)` -> [n, 3] with eased s from 0 to 1."""
        self._append(hand, curve(ease(self._progress(duration_s))))

    def hold(self, hand: int, duration_s: float) -> None:
        self._append(hand, np.repeat(self._ends[hand][None], len(self._progress(duration_s)), axis=0))

    def meet(self) -> None:
        """The hand that is done waits for the other."""
        longest = max(self._counts)
        for hand, count in enumerate(self._counts):
            if count < longest:
                self._append(hand, np.repeat(self._ends[hand][None], longest - count, axis=0))

    def samples(self, random: np.random.Generator, tremor_m: float) -> FloatArray:
        """All samples [n, 2, 3] in m, with tremor fading in and out so that paths join."""
        self.meet()
        path = np.stack([np.concatenate(parts) for parts in self._samples], axis=1)
        count = len(path)
        time_s = np.arange(count)[:, None, None, None] / self._rate_hz
        frequency_hz = random.uniform(1.0, 8.0, (1, *path.shape[1:], 3))
        phase = random.uniform(0, 2 * np.pi, (1, *path.shape[1:], 3))
        shake = np.sin(2 * np.pi * frequency_hz * time_s + phase).sum(axis=-1) * (tremor_m / 3)
        edge = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.1 * self._rate_hz))
        return path + shake * edge[:, None, None]
