"""Many independent pairs of one leader and one follower joint at once: sampled linear model, and twins.

Both take the same numbers, so one checks the other. A state is sampled when a command arrives and acted on with the
next command, which is then held: 1.5 periods of delay, as on the bus (spec/hardware.md 6.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp, pi

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, POSITION, TORQUE, VELOCITY, TwinPorts
from studio.robot.description import Robot
from studio.sim.drive_law import DriveLaw

DT_S = 5e-5  # physics at 20 kHz, as the table of 6.3
IDEAL_HZ = 1e9  # a torque source without lag
_NO_LIMIT_NM = 1e6


@dataclass(frozen=True, kw_only=True)
class JointPairs:
    """N pairs; every array is [N], leader's and follower's inertia apart.

    Hand and wall are springs and dampers to a place: the hand on the leader, the wall on the follower; 0 is none.
    """

    leader_inertia_kg_m2: FloatArray
    follower_inertia_kg_m2: FloatArray
    viscous_nm_s_rad: FloatArray
    damping_nm_s_rad: FloatArray
    on_drive: np.ndarray
    hand_nm_rad: FloatArray
    hand_nm_s_rad: FloatArray
    wall_nm_rad: FloatArray
    wall_nm_s_rad: FloatArray

    def __len__(self) -> int:
        return len(self.damping_nm_s_rad)

    def take(self, index: np.ndarray) -> JointPairs:
        """Some of the pairs."""
        return JointPairs(**{name: getattr(self, name)[index] for name in self.__dataclass_fields__})

    def free(self) -> JointPairs:
        """The same joints with nobody holding the leader (nor his mass on it) and no wall."""
        none, inertia = np.zeros(len(self)), self.follower_inertia_kg_m2
        return replace(
            self,
            leader_inertia_kg_m2=inertia,
            hand_nm_rad=none,
            hand_nm_s_rad=none,
            wall_nm_rad=none,
            wall_nm_s_rad=none,
        )


def formula_nm_rad(pairs: JointPairs, period_s: float) -> FloatArray:
    """Small-delay limit of the stiffness (6.3): (B + b/2) / tau on the host, (2 B + b) / tau on the drive."""
    host = (pairs.damping_nm_s_rad + 0.5 * pairs.viscous_nm_s_rad) / (1.5 * period_s)
    return np.where(pairs.on_drive, 2.0 * host, host)


def spectral_radius(
    pairs: JointPairs, stiffness_nm_rad: FloatArray, period_s: float, bandwidth_hz: float
) -> FloatArray:
    """Of the sampled closed loop of every pair [N], without the rigid-body eigenvalue at 1 of free pairs (6.7, 3)."""
    step, count, k, b = _Step(period_s, bandwidth_hz), len(pairs), stiffness_nm_rad, pairs.damping_nm_s_rad
    own = pairs.on_drive
    loop = np.zeros((count, 10, 10))
    ends = (
        (0, pairs.leader_inertia_kg_m2, pairs.hand_nm_rad, pairs.hand_nm_s_rad),
        (1, pairs.follower_inertia_kg_m2, pairs.wall_nm_rad, pairs.wall_nm_s_rad),
    )
    for side, inertia, spring, damper in ends:
        power = step.of_period(
            inertia, np.where(own, k, 0.0), np.where(own, b, 0.0), spring, damper + pairs.viscous_nm_s_rad
        )
        rows, partner, mine = slice(3 * side, 3 * side + 3), 6 + 2 * (1 - side), 6 + 2 * side
        loop[:, rows, rows] = power[:, :3, :3]
        held = power[:, :3, 3]
        for column, gain in ((0, k), (1, b)):
            loop[:, rows, partner + column] = held * gain[:, None]
            loop[:, rows, mine + column] = -held * np.where(own, 0.0, gain)[:, None]
        loop[:, 6 + 2 * side, 3 * side] = loop[:, 7 + 2 * side, 3 * side + 1] = 1.0  # the next sample
    values = np.linalg.eigvals(loop)
    free = (pairs.hand_nm_rad == 0.0) & (pairs.wall_nm_rad == 0.0)
    rigid = np.argmin(np.abs(values - 1.0), axis=1)
    values[np.flatnonzero(free), rigid[free]] = 0.0
    return np.abs(values).max(axis=1)


class _Step:
    """One physics step as the twins take it, and its power over a control period."""

    def __init__(self, period_s: float, bandwidth_hz: float) -> None:
        self._steps = round(period_s / DT_S)
        self._lag = 1.0 - exp(-2 * pi * bandwidth_hz * DT_S)

    def of_period(
        self, inertia: FloatArray, kp: FloatArray, kd: FloatArray, spring: FloatArray, damper: FloatArray
    ) -> FloatArray:
        """[N, 4, 4] on (angle, speed, winding's torque, torque asked for at angle and speed 0)."""
        matrix, lag, gain = np.zeros((len(inertia), 4, 4)), self._lag, DT_S / inertia
        matrix[:, 2] = np.stack([-lag * kp, -lag * kd, np.full_like(kp, 1.0 - lag), np.full_like(kp, lag)], axis=1)
        outside = np.stack([-spring, -damper, np.zeros_like(kp), np.zeros_like(kp)], axis=1)
        matrix[:, 1] = gain[:, None] * (matrix[:, 2] + outside)
        matrix[:, 1, 1] += 1.0
        matrix[:, 0] = DT_S * matrix[:, 1]
        matrix[:, 0, 0] += 1.0
        matrix[:, 3, 3] = 1.0
        return np.linalg.matrix_power(matrix, self._steps)


def largest_stiffness_nm_rad(
    pairs: JointPairs, period_s: float, bandwidth_hz: float, most_nm_rad: float = 5000.0
) -> FloatArray:
    """Largest K of every pair [N] below which all are stable; 0: none is, `most_nm_rad`: all are."""
    grid = np.geomspace(1.0, most_nm_rad, 36)
    low, high = np.zeros(len(pairs)), np.full(len(pairs), np.inf)
    for k in grid:
        open_ended = np.isinf(high)
        stable = spectral_radius(pairs, np.full(len(pairs), k), period_s, bandwidth_hz) < 1.0
        low[open_ended & stable] = k
        high[open_ended & ~stable] = k
    bounded = np.isfinite(high)
    for _ in range(12):
        middle = np.where(bounded, 0.5 * (low + np.where(bounded, high, 0.0)), low + 1.0)
        stable = spectral_radius(pairs, middle, period_s, bandwidth_hz) < 1.0
        low, high = np.where(bounded & stable, middle, low), np.where(bounded & ~stable, middle, high)
    return low


@dataclass(frozen=True)
class Trace:
    """Angle and speed [ticks + 1, 2 sides, N] at the arrival of each command, and the observer's W [ticks, N]."""

    position_rad: FloatArray
    velocity_rad_s: FloatArray
    energy_j: FloatArray  # W of 6.7 with E0 = 0


class PairTwins:
    """The same pairs as twins: the studio's drive law, integrated as the studio's arms are."""

    def __init__(
        self, robot: Robot, pairs: JointPairs, period_s: float, bandwidth_hz: float, *, friction: bool = False
    ) -> None:
        count = len(pairs)
        motor = replace(
            robot.motor,
            torque_bandwidth_hz=bandwidth_hz,
            viscous_friction_nm_s_rad=0.0,
            coulomb_friction_nm=robot.motor.coulomb_friction_nm if friction else 0.0,
        )
        self._pairs, self._period_s, self._steps = pairs, period_s, round(period_s / DT_S)
        self.state = np.zeros((2, 2 * count))
        self._law = DriveLaw(replace(robot, motor=motor, torque_limit_nm=_NO_LIMIT_NM), self.state, DT_S)
        self._ports = TwinPorts(np.zeros((5, 2 * count)).T, np.zeros((5, 2 * count)).T, np.ones(2 * count))
        self._rate = DT_S / np.concatenate([pairs.leader_inertia_kg_m2, pairs.follower_inertia_kg_m2])
        springs = np.concatenate([pairs.hand_nm_rad, pairs.wall_nm_rad])
        dampers = np.concatenate([pairs.hand_nm_s_rad, pairs.wall_nm_s_rad])
        self._law.set_outside(slice(0, 2 * count), springs, dampers + np.tile(pairs.viscous_nm_s_rad, 2))

    def run(
        self, stiffness_nm_rad: FloatArray, ticks: int, hand_rad: Callable[[float], FloatArray] | None = None
    ) -> Trace:
        """Go on for some control periods; `hand_rad(t)` is where the hands pull the leaders, [N]."""
        count = len(self._pairs)
        samples = np.empty((ticks + 1, 2, 2, count))  # [tick, position and velocity, side, pair]
        energy = np.empty((ticks, count))
        samples[0] = read = self.state.reshape(2, 2, count).copy()
        observer = _Observer(self._pairs, stiffness_nm_rad, self._period_s, read)
        for tick in range(ticks):
            self._command(read, stiffness_nm_rad)
            read = samples[tick]
            if hand_rad is not None:
                self._law.outside_constant[:count] = self._pairs.hand_nm_rad * hand_rad(tick * self._period_s)
            self._advance()
            samples[tick + 1] = self.state.reshape(2, 2, count)
            energy[tick] = observer.update(
                self._ports.command.T.reshape(5, 2, count), samples[tick, 0], samples[tick + 1, 0]
            )
        return Trace(samples[:, 0], samples[:, 1], energy)

    def _command(self, read: FloatArray, stiffness: FloatArray) -> None:
        """Set-points and gains for the drives, or torque from the host, from states one period old."""
        pairs, command = self._pairs, self._ports.command.T.reshape(5, 2, len(self._pairs))
        own, other = read, read[:, ::-1]
        damping = pairs.damping_nm_s_rad
        command[POSITION : VELOCITY + 1] = other
        command[KP], command[KD] = np.where(pairs.on_drive, stiffness, 0.0), np.where(pairs.on_drive, damping, 0.0)
        torque = stiffness * (other[0] - own[0]) + damping * (other[1] - own[1])
        command[TORQUE] = np.where(pairs.on_drive, 0.0, torque)

    def _advance(self) -> None:
        position, velocity = self.state
        self._law.load(self._ports)
        for _ in range(self._steps):
            velocity += self._law.update() * self._rate
            position += velocity * DT_S


class _Observer:
    """Passivity observer of 6.7 for all pairs at once, with E0 = 0 and E started at S; for host and drive alike."""

    def __init__(self, pairs: JointPairs, stiffness: FloatArray, period_s: float, start: FloatArray) -> None:
        self._stiffness, self._period_s = stiffness, period_s
        self._absorbed = 0.5 * stiffness * (start[0, 0] - start[0, 1]) ** 2

    def update(self, command: FloatArray, before: FloatArray, now: FloatArray) -> FloatArray:
        """W [N] after an interval that `command` [5, 2, N] ruled, from angles [2, N] before and now."""
        delta, mean = now - before, 0.5 * (now + before)
        torque = command[KP] * (command[POSITION] - mean) + command[TORQUE]
        torque += command[KD] * (command[VELOCITY] - delta / self._period_s)
        self._absorbed = self._absorbed - (torque * delta).sum(axis=0)
        return self._absorbed - 0.5 * self._stiffness * (now[0] - now[1]) ** 2
