"""How good a recording is, in one word and one sentence, from drops, gaps and lateness."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio.data.episode_info import EVENT_STREAMS, CameraInfo, StreamInfo

GAP_PERIODS = 2.5
FAIR_LATENESS_PERIODS = 0.4  # of the 99th percentile: 1 ms at 400 Hz
POOR_DROPPED_SHARE = 1e-3
POOR_GAP_SHARE = 0.01
SLOW_CAMERA_SHARE = 0.7


class StreamCount:
    """Counts records, gaps and rate of one stream, block by block."""

    def __init__(self, name: str, rate_hz: float) -> None:
        self.name, self.rate_hz = name, rate_hz
        self.records = self.gaps = self.dropped = 0
        self.gap_ns = 0
        self.first_ns = self.last_ns = 0

    def add(self, t_ns: np.ndarray) -> None:
        if not len(t_ns):
            return
        if not self.records:
            self.first_ns = self.last_ns = int(t_ns[0])
        steps = np.diff(t_ns, prepend=self.last_ns)
        long = steps > GAP_PERIODS * 1e9 / self.rate_hz
        if self.name not in EVENT_STREAMS:
            self.gaps += int(long.sum())
            self.gap_ns += int(steps[long].sum())
        self.records += len(t_ns)
        self.last_ns = int(t_ns[-1])

    def info(self) -> StreamInfo:
        span_s = (self.last_ns - self.first_ns) / 1e9
        measured = (self.records - 1) / span_s if span_s > 0 else 0.0
        return StreamInfo(
            rate_hz=self.rate_hz,
            records=self.records,
            gaps=self.gaps,
            dropped=self.dropped,
            measured_hz=round(measured, 3),
        )


def lateness_percentiles(lateness_s: np.ndarray) -> dict[str, float]:
    """p50, p99, p99_9 and max in µs; empty for no samples."""
    if not len(lateness_s):
        return {}
    values = np.percentile(lateness_s.astype(np.float64) * 1e6, [50, 99, 99.9, 100])
    return {name: round(float(value), 1) for name, value in zip(("p50", "p99", "p99_9", "max"), values, strict=True)}


def judge(
    counts: Mapping[str, StreamCount], cameras: Mapping[str, CameraInfo], lateness_us: Mapping[str, float]
) -> tuple[str, str]:
    """Verdict and reason of a recording.

    Poor: more than 0.1 % of a stream's records dropped, gaps over 1 % of its time, or nothing recorded. Fair: anything
    dropped, any gap, a camera below 70 % of its rate, or the 99th percentile of lateness above 0.4 periods. Good
    otherwise.
    """
    if not any(count.records for count in counts.values()):
        return "poor", "nothing was recorded"
    poor: list[str] = []
    fair: list[str] = []
    for name, count in counts.items():
        share = count.dropped / max(1, count.records + count.dropped)
        if count.dropped:
            (poor if share > POOR_DROPPED_SHARE else fair).append(f"{count.dropped} records of {name} dropped")
        if count.gaps:
            span_ns = max(1, count.last_ns - count.first_ns)
            sentence = f"{count.gaps} gaps in {name}, {count.gap_ns / 1e6:.0f} ms in all"
            (poor if count.gap_ns / span_ns > POOR_GAP_SHARE else fair).append(sentence)
    for name, camera in cameras.items():
        if camera.dropped:
            fair.append(f"{camera.dropped} pictures of {name} dropped")
        if 0 < camera.measured_hz < SLOW_CAMERA_SHARE * camera.rate_hz:
            fair.append(f"camera {name} at {camera.measured_hz:.0f} of {camera.rate_hz:.0f} Hz")
    period_us = 1e6 / max((count.rate_hz for count in counts.values()), default=1.0)
    late_us = lateness_us.get("p99", 0.0)
    if late_us > FAIR_LATENESS_PERIODS * period_us:
        fair.append(f"1 % of the ticks were more than {late_us:.0f} µs late")
    if poor:
        return "poor", "; ".join(poor + fair)
    return ("fair", "; ".join(fair)) if fair else ("good", "no drops, no gaps, on time")
