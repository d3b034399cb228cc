"""A tiny plant for the loop's tests: joints without links, the drive's law at 4 kHz, replies one tick old."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio.control.drives import DriveKnowledge
from studio.control.inputs import Inputs, make_inputs
from studio.control.loop import ControlLoop
from studio.control.settings import ControlSettings
from studio.core.clock import NS_PER_S, SteppedClock
from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, POSITION, STATE_ERROR, STATE_TEMPERATURE, TORQUE, VELOCITY
from studio.robot.description import Robot, load_robot

SUBSTEPS = 10


class WeightlessKinematics:
    """The loop's use of `Kinematics`, for joints without weight: a tip moves 0.2 m per rad of joints 1 to 3."""

    def __init__(self, robot: Robot) -> None:
        self._shape = (robot.pairs, robot.joints_per_arm)
        self._inertia = robot.leader_inertia_kg_m2

    def gravity_nm(self, q_rad: FloatArray) -> FloatArray:
        return np.zeros_like(q_rad)

    def inverse_dynamics_nm(
        self, q_rad: FloatArray, velocity_rad_s: FloatArray, acceleration_rad_s2: FloatArray
    ) -> FloatArray:
        del q_rad, velocity_rad_s
        return self._inertia * acceleration_rad_s2

    def tip_forces(self, q_rad: FloatArray, torque_nm: FloatArray) -> FloatArray:
        del q_rad
        return torque_nm.reshape(self._shape)[:, :3] / 0.2

    def inverse(self, tips_m: FloatArray, seed_rad: FloatArray) -> FloatArray:
        q = seed_rad.reshape(self._shape).copy()
        q[:, :3] = tips_m / 0.2
        return q.reshape(-1)


class JointPlant:
    """All motors; `silent` ones keep their last reply, `walls` push back, a hand can hold leaders."""

    def __init__(self, robot: Robot, clock: SteppedClock) -> None:
        self.motors = 2 * robot.joints
        self._clock = clock
        self.period_s = 1.0 / robot.loop_rate_hz
        self.inertia = np.tile(robot.leader_inertia_kg_m2, 2)
        self.position, self.velocity = np.tile(robot.home_rad, 2), np.zeros(self.motors)
        self.external_nm = np.zeros(self.motors)
        self.hand_rad: FloatArray | None = None
        self.silent = np.zeros(self.motors, dtype=bool)
        self.enabled = np.zeros(self.motors, dtype=bool)
        self.reply = np.zeros((self.motors, 5))
        self.reply[:, STATE_TEMPERATURE] = 25.0
        self.reply_t_ns = np.zeros(self.motors, dtype=np.int64)
        self.torque = np.zeros(self.motors)
        self.command = np.zeros((self.motors, 5))
        self.error = np.zeros(self.motors)
        self.log: list[FloatArray] = []
        self._answer()

    def open(self) -> None:
        self._answer()

    def enable(self, motors: np.ndarray) -> None:
        self.enabled |= motors

    def disable(self, motors: np.ndarray) -> None:
        self.enabled &= ~motors

    def read(self, states: FloatArray, t_ns: np.ndarray) -> None:
        states[:] = self.reply
        t_ns[:] = self.reply_t_ns

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        self.command = commands.copy()
        sent[:] = commands
        self.log.append(self.command)
        self._answer()

    def close(self) -> None:
        self.enabled[:] = False

    def _answer(self) -> None:
        talks = ~self.silent
        fresh = np.column_stack(
            [self.position, self.velocity, self.torque, self.reply[:, STATE_TEMPERATURE], self.error]
        )
        self.reply[talks] = fresh[talks]
        self.reply[:, STATE_ERROR] = self.error
        self.reply_t_ns[talks] = self._clock.now_ns()

    def step(self) -> None:
        dt, half = self.period_s / SUBSTEPS, self.motors // 2
        for _ in range(SUBSTEPS):
            c = self.command
            drive = c[:, KP] * (c[:, POSITION] - self.position) + c[:, KD] * (c[:, VELOCITY] - self.velocity)
            self.torque = np.clip(drive + c[:, TORQUE], -9.0, 9.0) * self.enabled
            total = self.torque + self.external_nm - 0.02 * self.velocity
            if self.hand_rad is not None:
                total[:half] += 100.0 * (self.hand_rad - self.position[:half]) - 2.0 * self.velocity[:half]
            self.velocity += total / self.inertia * dt
            self.position += self.velocity * dt


class ListSink:
    """Keeps copies of everything."""

    def __init__(self) -> None:
        self.records: dict[str, list[np.ndarray]] = {}

    def write(self, stream: str, record: np.ndarray) -> None:
        self.records.setdefault(stream, []).append(record.copy())

    def control(self) -> np.ndarray:
        return np.concatenate(self.records["control"])


class Bench:
    """Loop, plant and inputs on the stepped clock."""

    def __init__(
        self,
        *,
        latched: bool = True,
        settings: ControlSettings | None = None,
        drives: DriveKnowledge | None = None,
        **robot: object,
    ) -> None:
        self.robot = replace(load_robot(), dead_man_latched=latched, **robot)  # type: ignore[arg-type]
        self.clock = SteppedClock(1_000_000_000)
        self.plant = JointPlant(self.robot, self.clock)
        self.sink = ListSink()
        self.loop = ControlLoop(
            self.robot,
            WeightlessKinematics(self.robot),
            self.plant,
            None,
            self.clock,
            self.sink,
            settings,  # type: ignore[arg-type]
            drives,
        )
        self.inputs: Inputs = make_inputs(self.robot.pairs)
        self.inputs.dead_man = True
        self.period_ns = round(NS_PER_S / self.robot.loop_rate_hz)

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.loop.tick(self.inputs)
            self.plant.step()
            self.clock.advance_ns(self.period_ns)

    def seconds(self, duration_s: float) -> None:
        self.ticks(round(duration_s * self.robot.loop_rate_hz))

    def engage(self) -> None:
        self.ticks(3)
        self.loop.engage()
        self.ticks(1)

    def notices(self) -> str:
        return " | ".join(text for _, text in self.loop.take_notices())
