"""The real control loop over both sides' arm twins on the stepped clock: codec bytes between, no world to touch."""

from __future__ import annotations

import numpy as np

from hw_drivers.motors.models import find_range
from hw_drivers.motors.plant import TwinPlant
from hw_drivers.motors.twin import TwinMotors
from studio.control.inputs import make_inputs
from studio.control.loop import ControlLoop
from studio.control.settings import ControlSettings
from studio.core.clock import NS_PER_S, SteppedClock
from studio.core.geometry import FloatArray
from studio.core.protocols import TwinPorts
from studio.core.records import PairState
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics
from studio.sim.arm_twin import ArmTwin


class _NoSink:
    def write(self, stream: str, record: np.ndarray) -> None:
        del stream, record


class ArmRig:
    """Leader arms and follower arms behind one plant of motor twins.

    Args:
        robot: of the loop and of the leaders.
        followers: of the followers' twins, where their surroundings differ (its hand is what they touch).
    """

    def __init__(
        self,
        robot: Robot,
        settings: ControlSettings,
        *,
        followers: Robot | None = None,
        physics_rate_hz: float = 4000.0,
    ) -> None:
        self.robot, self._clock = robot, SteppedClock(NS_PER_S)
        self.arms = [ArmTwin(robot, physics_rate_hz), ArmTwin(followers or robot, physics_rate_hz)]
        motors = 2 * robot.joints
        self._ports = TwinPorts(np.zeros((5, motors)).T, np.zeros((5, motors)).T, np.zeros(motors))
        twins = TwinMotors(
            self._ports, [find_range(robot.motor_model, robot.firmware)] * motors, list(range(1, motors + 1))
        )
        self.plant = TwinPlant(twins, self._clock)
        self._copy_states()
        self.plant.open()
        kinematics = Kinematics(robot)
        self.loop = ControlLoop(robot, kinematics, self.plant, None, self._clock, _NoSink(), settings)
        self.inputs = make_inputs(robot.pairs, robot.leader_share)
        self.inputs.dead_man = True
        self._period_ns = round(NS_PER_S * self.loop.period_s)

    def place(self, leader_rad: FloatArray, follower_rad: FloatArray) -> None:
        """At rest at joint angles [joints]."""
        for arm, angles in zip(self.arms, (leader_rad, follower_rad), strict=True):
            arm.place(angles)
        self._copy_states()
        self.plant.open()

    def engage(self) -> None:
        self.ticks(2)
        self.loop.engage()
        self.ticks(1)

    @property
    def engaged(self) -> bool:
        return all(state is PairState.ENGAGED for state in self.loop.states)

    @property
    def position_rad(self) -> FloatArray:
        """[2 sides, joints], as the twins have it, not as the wire says."""
        return np.stack([arm.position_rad for arm in self.arms])

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.loop.tick(self.inputs)
            for side, arm in enumerate(self.arms):
                rows = slice(side * self.robot.joints, (side + 1) * self.robot.joints)
                arm.ports.command[:], arm.ports.powered[:] = self._ports.command[rows], self._ports.powered[rows]
                arm.step(self.loop.period_s)
            self._copy_states()
            self._clock.advance_ns(self._period_ns)

    def _copy_states(self) -> None:
        for side, arm in enumerate(self.arms):
            rows = slice(side * self.robot.joints, (side + 1) * self.robot.joints)
            self._ports.state[rows, :4] = arm.ports.state[:, :4]

    def close(self) -> None:
        self.plant.close()
