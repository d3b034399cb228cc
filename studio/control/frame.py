"""The loop's arrays, made once: measured states and commands of all motors, column by column.

`measured` and `command` are [5, sides, joints] (leader = 0, follower = 1), so that every column is contiguous; the
plant sees the same memory as [motors, 5].
"""

from __future__ import annotations

import numpy as np

from studio.core.geometry import FloatArray

LEADER, FOLLOWER = 0, 1
SIDES = 2


class Frame:
    """Everything one tick reads and writes.

    `measured` holds position, velocity, torque, temperature, error code; `requested`, `command` and `sent` hold
    position, velocity, Kp, Kd, torque before the limiter, after it, and as decoded from the wire.
    """

    def __init__(self, joints: int, pairs: int) -> None:
        self.joints, self.pairs, self.per_arm = joints, pairs, joints // pairs
        self.motors = SIDES * joints
        self.measured, self.states = _twofold(joints)
        self.requested, _ = _twofold(joints)
        self.command, self.commands = _twofold(joints)
        self.sent, self.sents = _twofold(joints)
        self.gravity_nm = np.zeros((SIDES, joints))
        self.t_ns = np.zeros(self.motors, dtype=np.int64)
        self.spans = [slice(p * self.per_arm, (p + 1) * self.per_arm) for p in range(pairs)]


def _twofold(joints: int) -> tuple[FloatArray, FloatArray]:
    columns = np.zeros((5, SIDES, joints))
    return columns, columns.reshape(5, SIDES * joints).T
