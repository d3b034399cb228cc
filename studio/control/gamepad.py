"""A gamepad as both hands: a stick moves its hand over the table, shoulder button and trigger move it up and down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Protocol

import numpy as np

from studio.core.protocols import OperatorIntent, OperatorView
from studio.core.records import PairState

SPEED_M_S = 0.15
_DEAD_ZONE = 0.12
_STICKS = ((0, 1), (3, 4))  # right and down axis of the left and of the right stick
_TRIGGERS = (2, 5)
_SHOULDERS = (310, 311)
_LOWEST_M = 0.02
_LEASH_M = 0.08  # a target never runs further ahead of its hand


class Pad(Protocol):
    """What is read of a gamepad: axes in -1..1 (right, down positive) or 0..1, and pressed button codes."""

    @property
    def axes(self) -> Mapping[int, float]: ...
    @property
    def pressed(self) -> Set[int]: ...


class GamepadOperator:
    """An `Operator` that integrates stick positions into hand targets.

    Args:
        read: the newest state of the gamepad.
        pairs: pairs of arms; the left stick is pair 0.
    """

    def __init__(self, read: Callable[[], Pad], pairs: int) -> None:
        self._read = read
        self._targets_m = np.zeros((pairs, 3))
        self._held = np.zeros(pairs, dtype=bool)
        self._t_ns = 0

    def update(self, view: OperatorView, intent: OperatorIntent) -> None:
        """Move the targets by the time since the last update; hands are held while their pair is engaged."""
        pad = self._read()
        step_s = min(0.1, max(0.0, (view.t_ns - self._t_ns) * 1e-9)) if self._t_ns else 0.0
        self._t_ns = view.t_ns
        for pair in range(len(self._targets_m)):
            engaged = view.pair_state[pair] == PairState.ENGAGED
            if engaged and not self._held[pair]:
                self._targets_m[pair] = view.tip_position_m[pair]
            self._held[pair] = engaged
            self._move(pair, pad, step_s, view)
        intent.hand_active[:] = self._held
        intent.hand_target_m[:] = self._targets_m

    def _move(self, pair: int, pad: Pad, step_s: float, view: OperatorView) -> None:
        right, down = (_soften(pad.axes[axis]) for axis in _STICKS[pair])
        up = float(_SHOULDERS[pair] in pad.pressed) - pad.axes[_TRIGGERS[pair]]
        target = self._targets_m[pair]
        target += SPEED_M_S * step_s * np.array([-down, -right, up])  # away from the operator is +x, to the left +y
        ahead = target - view.tip_position_m[pair]
        length = float(np.linalg.norm(ahead))
        if length > _LEASH_M:
            target[:] = view.tip_position_m[pair] + ahead * (_LEASH_M / length)
        target[2] = max(target[2], _LOWEST_M)


def _soften(value: float) -> float:
    """No drift around the middle, full speed at the rim."""
    size = (abs(value) - _DEAD_ZONE) / (1.0 - _DEAD_ZONE)
    return 0.0 if size <= 0.0 else float(np.copysign(size, value))
