"""What a tick is told from outside: heartbeat, dead-man, stop, hands, gain settings, the policy's target, lateness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.core.geometry import FloatArray


@dataclass(slots=True)
class Inputs:
    """Made once and refilled every tick.

    Args:
        hand_target_m: [pairs, 3], world frame.
        hand_active: [pairs], which hands hold their leader.
        heartbeat_age_s: since the window or the command last showed life.
        stop_count: rises with every press of stop.
        hand_count: rises with every new hand target.
        target: newest record of slot `target` (shape []), or None.
        guard_count: rises each time the guard has had to stop the motors.
        watchdog_proven: the independent watchdog's answers are right and fresh.
        scheme: bilateral law asked for (`scheme.Scheme`); 0 = as the settings name it.
        motion_scale: follower's angle per leader's angle; 0 = as in the settings.
        clutch_open: the leader may be moved without the follower.
        force_cutoff_hz: low-pass of the estimated contact force; 0 = as in the settings.
        disturbance_cutoff_hz: of the 4-channel law's disturbance observer; 0 = as in the settings.
        lateness_s: how late this tick was woken.
        missed_ticks: deadlines skipped so far.
        away_s: since the tick before, where the loop runs in real time; 0 on a stepped clock.
    """

    hand_target_m: FloatArray
    hand_active: np.ndarray
    heartbeat_age_s: float = 0.0
    dead_man: bool = False
    stop_count: int = 0
    hand_count: int = 0
    stiffness_scale: float = 1.0
    damping_scale: float = 1.0
    leader_share: float = 1.0
    target: np.ndarray | None = None
    guard_count: int = 0
    watchdog_proven: bool = False
    lateness_s: float = 0.0
    missed_ticks: int = 0
    away_s: float = 0.0
    scheme: int = 0
    motion_scale: float = 0.0
    clutch_open: bool = False
    force_cutoff_hz: float = 0.0
    disturbance_cutoff_hz: float = 0.0


def make_inputs(pairs: int, leader_share: float = 1.0) -> Inputs:
    """Nobody there: no hands, dead-man released, heartbeat fresh."""
    return Inputs(np.zeros((pairs, 3)), np.zeros(pairs, dtype=np.uint8), leader_share=leader_share)
