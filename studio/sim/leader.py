"""The leader arms as joint-space twins: diagonal inertia, gravity, a hand's spring-damper; no collision."""

from __future__ import annotations

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.kernel import Value, make_kernel
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics
from studio.sim.drive_law import DriveLaw

_HAND_SPEED_RAD_S = 8.0  # a hand is not faster


class LeaderTwins:
    """All leader joints, the first motors of the drive law.

    The hand is a spring-damper between the joint and a hand joint angle, which follows the target smoothly.

    Args:
        state: position and velocity [2, joints] in rad and rad/s; the velocity is advanced here, the position by the
            world together with the followers'.
        law: the drive law, whose outside torque on the leader is set here.
    """

    def __init__(
        self, robot: Robot, kinematics: Kinematics, law: DriveLaw, state: FloatArray, physics_dt_s: float
    ) -> None:
        self._robot, self._kinematics, self._law = robot, kinematics, law
        self._position, self._velocity = state
        self._motors = slice(0, robot.joints)
        self._net = law.net_nm[self._motors]
        self._speed_gain = physics_dt_s / robot.leader_inertia_kg_m2
        self._spring = robot.hand_stiffness_nm_rad
        self._damper = 2 * robot.hand_damping_ratio * np.sqrt(robot.hand_stiffness_nm_rad * robot.leader_inertia_kg_m2)
        self._target_rad, self._hand_rad = robot.home_rad.copy(), robot.home_rad.copy()
        self._active, self._active_key = np.zeros(robot.joints), b""
        self._constant, self._scratch = law.outside_constant[self._motors], np.empty(robot.joints)
        self._duration_s, joints = 0.0, robot.joints
        self._most, self._least = np.zeros(joints), np.zeros(joints)
        self._follow_share, self._rate = np.zeros(joints), np.zeros(joints)
        self._kp, self._kd, self._step = np.zeros(robot.joints), np.zeros(robot.joints), np.empty(robot.joints)
        self._gravity_nm = np.zeros(joints)
        self._move_hands = make_kernel("Hands", "move_hands", self._members())

    @property
    def speed_gain(self) -> FloatArray:
        """Speed [joints] in rad/s that one N*m gives a joint in one physics step."""
        return self._speed_gain

    def _members(self) -> dict[str, Value]:
        """What the kernel `move_hands` needs, by the names in resources/native/tick/twins.h."""
        robot = self._robot
        hand = {"target": self._target_rad, "hand": self._hand_rad, "share": self._follow_share, "most": self._most}
        pull = {"rate": self._rate, "kp": self._kp, "kd": self._kd}
        pull |= {"gravity": self._gravity_nm, "constant": self._constant}
        joints = {"position": self._position, "velocity": self._velocity}
        limits = {"lower": robot.position_lower_rad, "upper": robot.position_upper_rad}
        limits = {name: np.array(limit, dtype=np.float64) for name, limit in limits.items()}
        return {"joints": robot.joints, **hand, **pull, **joints, **limits}

    def hold(self, joint_target_rad: FloatArray, active: np.ndarray) -> None:
        """Hands on the pairs in `active` [pairs]; a hand that takes hold starts where the arm is."""
        key = active.tobytes()
        if key != self._active_key:
            self._active_key = key
            wanted = np.repeat(active, self._robot.joints_per_arm).astype(np.float64)
            fresh = wanted > self._active
            self._hand_rad[fresh] = self._position[fresh]
            self._active = wanted
            np.multiply(self._spring, wanted, self._kp)
            np.multiply(self._damper, wanted, self._kd)
            self._law.set_outside(self._motors, self._kp, self._kd)
        self._target_rad[:] = joint_target_rad

    def load(self, duration_s: float) -> None:
        """Prepare one control period: gravity, and the hand moved on."""
        if duration_s != self._duration_s:
            self._set_duration(duration_s)
        if self._move_hands is not None:
            np.copyto(self._gravity_nm, self._kinematics.gravity_nm(self._position))
            self._move_hands.run()
            return
        step = self._step
        np.subtract(self._target_rad, self._hand_rad, step)
        np.multiply(step, self._follow_share, step)
        np.minimum(step, self._most, out=step)
        np.maximum(step, self._least, out=step)
        np.add(self._hand_rad, step, self._hand_rad)
        constant, x = self._constant, self._scratch
        np.multiply(step, self._rate, step)
        np.multiply(self._kd, step, step)
        np.multiply(self._kp, self._hand_rad, x)
        np.add(x, step, constant)
        np.subtract(constant, self._kinematics.gravity_nm(self._position), constant)
        self._stop_at_limits()

    def _set_duration(self, duration_s: float) -> None:
        """Numbers that depend on the control period, as arrays: NumPy takes twice as long with plain ones."""
        self._duration_s, limit = duration_s, _HAND_SPEED_RAD_S * duration_s
        self._most[:], self._least[:], self._rate[:] = limit, -limit, 1.0 / duration_s
        self._follow_share[:] = min(1.0, duration_s / self._robot.hand_follow_s)

    def update(self) -> None:
        """Velocity after one physics step under the law's net torque."""
        np.multiply(self._net, self._speed_gain, self._step)
        np.add(self._velocity, self._step, self._velocity)

    def _stop_at_limits(self) -> None:
        q, v = self._position, self._velocity
        low, high, x = self._robot.position_lower_rad, self._robot.position_upper_rad, self._scratch
        np.maximum(q, low, out=x)
        np.minimum(x, high, out=x)
        if x.tobytes() != q.tobytes():
            v[q != x] = 0.0
            np.copyto(q, x)

    def place(self, position_rad: FloatArray) -> None:
        """At rest at joint angles [joints] in rad."""
        self._position[:] = self._hand_rad[:] = self._target_rad[:] = position_rad
        self._velocity[:] = 0.0
