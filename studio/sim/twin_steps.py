"""What all twins do in one physics step: in C where there is a library, else by the drive law and the leader twins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.kernel import make_kernel
from studio.sim.drive_law import DriveLaw
from studio.sim.leader import LeaderTwins

Step = Callable[[], object]


def make_steps(law: DriveLaw, leader: LeaderTwins, state: FloatArray, physics_dt_s: float) -> tuple[Step, Step]:
    """Torques of all drives with the leaders' velocities; and then, all velocities being new, the positions.

    Args:
        law: of all motors.
        leader: of the first of them.
        state: position and velocity [2, motors] in rad and rad/s.
        physics_dt_s: period of one step.
    """
    sizes = {"motors": state.shape[1], "joints": len(leader.speed_gain)}
    members = {**sizes, **law.members(), "speed_gain": leader.speed_gain, "dt": physics_dt_s}
    drives, joints = make_kernel("Drives", "step_drives", members), make_kernel("Drives", "move_joints", members)
    if drives is not None and joints is not None:
        return drives.run, joints.run
    return _reference_steps(law, leader, state, physics_dt_s)


def _reference_steps(law: DriveLaw, leader: LeaderTwins, state: FloatArray, physics_dt_s: float) -> tuple[Step, Step]:
    position, velocity = state
    dt, moved = np.full(state.shape[1], physics_dt_s), np.empty(state.shape[1])

    def step_drives() -> None:
        law.update()
        leader.update()

    def move_joints() -> None:
        np.multiply(velocity, dt, moved)
        np.add(position, moved, position)

    return step_drives, move_joints
