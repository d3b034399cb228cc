"""What the number of effective samples says: whether a plan hangs on as many rollouts as its temperature means it to.

The weights of a sampling planner are a softmax of standardised returns. How many samples count is then set by the
temperature: at 0.03 the best one or two decide, at 1 about two in five do. So the number is compared with what the same
temperature gives for returns that are spread normally, not with a fixed one. No Qt.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from studio.planning.config import PlannerConfig

_DRAWS = 128
_NUMBERS, _MOST = 32_768, 8_192  # drawn at most: this is asked for in the window with every new number of samples
_FEW_SHARE = 0.25  # of the usual number: a few outliers outweigh all others
_MEANT_MANY = 8.0  # below so many usual ones, one that decides is no sign of trouble


@dataclass(frozen=True, kw_only=True)
class SampleNote:
    """Words under the number, and whether it needs a look."""

    words: str
    wrong: bool = False


@lru_cache(maxsize=64)
def usual_samples(samples: int, temperature: float) -> float:
    """Mean effective samples, 1 / sum of squared weights, of `samples` normally spread, standardised returns."""
    samples = min(samples, _MOST)
    draws = max(4, min(_DRAWS, _NUMBERS // samples))
    returns = np.random.default_rng(0).standard_normal((draws, samples))
    returns = (returns - returns.mean(axis=1, keepdims=True)) / returns.std(axis=1, keepdims=True)
    weights = np.exp((returns - returns.max(axis=1, keepdims=True)) / temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    return float((1.0 / np.square(weights).sum(axis=1)).mean())


def judge_samples(effective: float, samples: int, settings: PlannerConfig) -> SampleNote:
    """What `effective` of `samples` means for a planner with these settings."""
    if settings.algorithm == "rl":
        return SampleNote(words="the actor answers without sampling")
    if settings.algorithm == "cem":
        return SampleNote(words=f"the best {100 * settings.elite_share:.0f} % are averaged")
    cut = f" · cut from {settings.samples} to save time" if samples < settings.samples else ""
    usual = usual_samples(max(samples, 2), settings.temperature) if settings.standardise else 1.0
    if effective > (samples + usual) / 2:
        return SampleNote(words="rollouts hardly differ: nothing to choose from", wrong=True)
    if usual >= _MEANT_MANY and effective < _FEW_SHARE * usual:
        return SampleNote(words=f"hangs on few rollouts: about {usual:.0f} are usual{cut}", wrong=True)
    if not settings.standardise:
        return SampleNote(words=f"the best decide{cut}")
    return SampleNote(words=f"about {usual:.0f} {'is' if usual < 1.5 else 'are'} usual{cut}")
