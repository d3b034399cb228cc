"""What is felt and worked by the records, as curves: nothing while motors are off or silent. No Qt."""

from __future__ import annotations

import numpy as np

from studio.core.records import PairState

FELT = (PairState.ALIGNING, PairState.ENGAGED, PairState.HOLDING)  # states with motors on


def felt_forces_n(records: np.ndarray) -> np.ndarray:
    """Force of each hand [n, pairs] in N; nothing is felt while a pair's motors are off."""
    felt = np.isin(records["pair_state"], [int(state) for state in FELT])
    return np.where(felt, np.linalg.norm(records["contact_force_n"], axis=-1), 0.0)


def joint_torques_nm(records: np.ndarray, silent_s: float) -> np.ndarray:
    """Follower's torques, then the leader's [n, 2 * joints]; a gap while a motor has been silent for longer."""
    sides = [
        np.where(records[f"{side}_reply_age_s"] > silent_s, np.nan, records[f"{side}_torque_nm"])
        for side in ("follower", "leader")
    ]
    return np.concatenate(sides, axis=1)
