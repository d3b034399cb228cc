"""A small bilateral coupling over the real bytes, so that world and operator can be tested without the control loop."""

from __future__ import annotations

import numpy as np

from hw_drivers.motors.models import find_range
from hw_drivers.motors.plant import TwinPlant
from hw_drivers.motors.twin import TwinMotors
from studio.core.clock import SteppedClock
from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, TORQUE, Operator, OperatorIntent, OperatorView
from studio.core.records import PairState
from studio.core.task import load_task
from studio.robot.description import load_robot
from studio.sim.dual_arm_box import DualArmBoxWorld

ROBOT, TASK = load_robot(), load_task("move_box")
PERIOD_S = 1 / ROBOT.loop_rate_hz


class Bench:
    def __init__(self, seed: int = 0, physics_rate_hz: float = 2000.0) -> None:
        self.world = DualArmBoxWorld(ROBOT, TASK, seed, physics_rate_hz)
        self.clock = SteppedClock()
        self.twins = TwinMotors(self.world.twin_ports(), [find_range(ROBOT.motor_model)] * 16, range(1, 17))
        self.plant = TwinPlant(self.twins, self.clock)
        self.plant.open()
        self.plant.enable(np.ones(16, dtype=bool))
        self.kinematics = self.world.kinematics
        self.states, self.t_ns = np.zeros((16, 5)), np.zeros(16, dtype=np.int64)
        self.plant.read(self.states, self.t_ns)
        self.commands, self.sent = np.zeros((16, 5)), np.zeros((16, 5))
        self.hands_m = self.kinematics.tip_positions(ROBOT.home_rad)
        self.active = np.ones(2, dtype=bool)
        self.put_backs = 0

    def tick(self) -> None:
        self.plant.read(self.states, self.t_ns)
        leader, follower = self.states[:8], self.states[8:]
        self.commands[:8, :2], self.commands[8:, :2] = follower[:, :2], leader[:, :2]
        self.commands[:, KP] = np.tile(ROBOT.stiffness_nm_rad, 2)
        self.commands[:, KD] = np.tile(ROBOT.damping_nm_s_rad, 2)
        self.commands[:8, TORQUE] = self.kinematics.gravity_nm(leader[:, 0])
        self.commands[8:, TORQUE] = self.kinematics.gravity_nm(follower[:, 0])
        self.plant.send(self.commands, self.sent)
        self.world.hold_leader(self.kinematics.inverse(self.hands_m, leader[:, 0]), self.active)
        self.world.step(PERIOD_S)
        self.clock.advance_ns(round(PERIOD_S * 1e9))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            self.tick()

    def tips_m(self) -> FloatArray:
        return self.kinematics.tip_positions(self.states[8:, 0])

    def move(self, end_m: FloatArray, seconds: float) -> None:
        """Both hands in straight lines."""
        start, count = self.hands_m.copy(), round(seconds / PERIOD_S)
        for i in range(1, count + 1):
            self.hands_m = start + (end_m - start) * (i / count)
            self.tick()

    def operate(self, operator: Operator, intent: OperatorIntent) -> None:
        """One tick under an operator."""
        position, orientation = self.world.object_pose()
        state = np.full(2, PairState.ENGAGED, dtype=np.uint8)
        force = np.zeros((2, 3))
        view = OperatorView(self.clock.now_ns(), self.states[:8, 0], self.states[8:, 0], self.tips_m(), force, position,
                            orientation, state)  # fmt: skip
        operator.update(view, intent)
        if intent.put_object_back:
            self.world.put_object_back()
            self.put_backs += 1
        self.hands_m = intent.hand_target_m
        self.tick()

    def close(self) -> None:
        self.plant.close()
        self.world.close()
