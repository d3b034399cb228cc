"""The arms of one side without anything to touch: joint-space twins, gravity, a hand's spring-damper, the drives' law.

What a twin behind a real bus needs; the world with a box is `dual_arm_box`.
"""

from __future__ import annotations

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.protocols import STATE_POSITION, STATE_TEMPERATURE, STATE_TORQUE, STATE_VELOCITY, TwinPorts
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics
from studio.sim.drive_law import DriveLaw
from studio.sim.leader import LeaderTwins
from studio.sim.twin_steps import make_steps

_ROOM_TEMPERATURE_C = 25.0


class ArmTwin:
    """All joints of one side (leader or follower arms), with the registers that motor twins write and read.

    Args:
        robot: gives inertia, friction, bandwidth and gravity.
        physics_rate_hz: of the drives' law.
    """

    def __init__(self, robot: Robot, physics_rate_hz: float = 2000.0) -> None:
        joints, self.dt_s = robot.joints, 1.0 / physics_rate_hz
        self.robot = robot
        self.ports = TwinPorts(np.zeros((5, joints)).T, np.zeros((5, joints)).T, np.zeros(joints))
        self.peak_torque_nm, self.peak_speed_rad_s = np.zeros(joints), np.zeros(joints)
        self._columns = self.ports.state.T
        self._columns[STATE_TEMPERATURE] = _ROOM_TEMPERATURE_C
        self._state = np.zeros((2, joints))
        self._law = DriveLaw(robot, self._state, self.dt_s)
        self._arms = LeaderTwins(robot, Kinematics(robot), self._law, self._state, self.dt_s)
        self._step_drives, self._move_joints = make_steps(self._law, self._arms, self._state, self.dt_s)
        self._left_s = 0.0
        self.place(robot.home_rad)

    @property
    def position_rad(self) -> FloatArray:
        """[joints]; a view."""
        return self._state[0]

    def place(self, position_rad: FloatArray) -> None:
        """At rest at joint angles [joints] in rad."""
        self._arms.place(position_rad)
        self._law.reset()
        self._publish()

    def hold(self, joint_target_rad: FloatArray, active: np.ndarray) -> None:
        """Hands on the pairs in `active` [pairs] pull their arms towards joint angles [joints] in rad."""
        self._arms.hold(joint_target_rad, active)

    def step(self, duration_s: float) -> None:
        """Advance by whole physics steps; what is left over is kept for the next call."""
        self._left_s += duration_s
        steps = int(self._left_s / self.dt_s + 1e-9)
        if steps == 0:
            return
        self._left_s -= steps * self.dt_s
        self._law.load(self.ports)
        self._arms.load(steps * self.dt_s)
        for _ in range(steps):
            self._step_drives()
            self._move_joints()
        self._publish()

    def _publish(self) -> None:
        columns, torque = self._columns, self._law.torque_nm
        columns[STATE_POSITION], columns[STATE_VELOCITY] = self._state
        columns[STATE_TORQUE] = torque
        np.maximum(self.peak_torque_nm, np.abs(torque), out=self.peak_torque_nm)
        np.maximum(self.peak_speed_rad_s, np.abs(self._state[1]), out=self.peak_speed_rad_s)

    def forget_peaks(self) -> None:
        """Peaks of torque and speed start anew."""
        self.peak_torque_nm[:] = 0.0
        self.peak_speed_rad_s[:] = 0.0
