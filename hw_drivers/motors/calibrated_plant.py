"""Between the loop's joints and the drives' counters: direction, zero and the measured scales of every motor.

joint angle = direction * (drive angle) + fixture pose, because the zero is written in the fixture pose. In the drive,
torque in N*m = scale * (kp_factor * Kp * (p_des - p) + kd_factor * Kd * (v_des - v) + t_ff), so gains and feed-forward
are divided by what commissioning measured (spec/hardware.md 1.5, checks 3 to 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.core.calibration import CalibrationSet, MotorCalibration
from studio.core.geometry import FloatArray
from studio.core.protocols import (
    KD,
    KP,
    POSITION,
    STATE_POSITION,
    STATE_TORQUE,
    STATE_VELOCITY,
    TORQUE,
    VELOCITY,
    Plant,
)


@dataclass(frozen=True, kw_only=True)
class JointMap:
    """Arrays over motors; the identity where nothing was measured.

    Args:
        direction: +1 or -1.
        offset_rad: joint angle where the drive reads zero.
        torque_scale: N*m per commanded unit.
        kp_factor, kd_factor: effective over commanded gain.
        reported: reported over commanded torque, with its sign.
        unsigned: True where the reported sign is not to be used.
    """

    direction: FloatArray
    offset_rad: FloatArray
    torque_scale: FloatArray
    kp_factor: FloatArray
    kd_factor: FloatArray
    reported: FloatArray
    unsigned: NDArray[np.bool_]

    @property
    def changes_nothing(self) -> bool:
        ones = (self.direction, self.torque_scale, self.kp_factor, self.kd_factor, self.reported)
        return all((x == 1.0).all() for x in ones) and not self.offset_rad.any() and not self.unsigned.any()


def make_joint_map(joints: Sequence[str], calibrations: CalibrationSet) -> JointMap:
    """Of motors in the loop's order, named such as `leader.L1`."""
    motors: Mapping[str, MotorCalibration] = calibrations.motors

    def column(step: str, name: str, default: float) -> FloatArray:
        found = [motors[joint].number(step, name) if joint in motors else None for joint in joints]
        return np.array([default if value is None else float(value) for value in found])

    signs = [motors[joint].number("current", "sign") if joint in motors else None for joint in joints]
    return JointMap(
        direction=column("sign", "direction", 1.0),
        offset_rad=column("zero", "fixture_pose_rad", 0.0),
        torque_scale=column("torque", "nm_per_unit", 1.0),
        kp_factor=column("gain", "kp_factor", 1.0),
        kd_factor=column("gain", "kd_factor", 1.0),
        reported=column("gain", "reported_per_commanded", 1.0),
        unsigned=np.array([sign == "unreliable" for sign in signs]),
    )


class CalibratedPlant:
    """A `Plant` in joint terms in front of one in drive terms; buffers are made once.

    Args:
        plant: the drives.
        joint_map: one row per motor.
    """

    def __init__(self, plant: Plant, joint_map: JointMap) -> None:
        self.motors, self._plant, self._map = plant.motors, plant, joint_map
        m = joint_map
        self._to_drive, self._from_drive = np.empty((5, self.motors)).T, np.empty((5, self.motors)).T
        self._to_drive[:, POSITION], self._to_drive[:, VELOCITY] = m.direction, m.direction
        self._to_drive[:, KP] = 1.0 / (m.torque_scale * m.kp_factor)
        self._to_drive[:, KD] = 1.0 / (m.torque_scale * m.kd_factor)
        self._to_drive[:, TORQUE] = m.direction / m.torque_scale
        self._from_drive[:] = 1.0 / self._to_drive
        self._torque = m.direction * m.torque_scale / m.reported
        self._any_unsigned = bool(m.unsigned.any())
        self._commands, self._last = np.zeros((5, self.motors)).T, np.zeros((5, self.motors)).T

    def open(self) -> None:
        self._plant.open()

    def enable(self, motors: NDArray[np.bool_]) -> None:
        self._plant.enable(motors)

    def disable(self, motors: NDArray[np.bool_]) -> None:
        self._plant.disable(motors)

    def read(self, states: FloatArray, t_ns: NDArray[np.int64]) -> None:
        self._plant.read(states, t_ns)
        if self._any_unsigned:
            self._sign_torque(states)
        states[:, STATE_POSITION] *= self._map.direction
        states[:, STATE_POSITION] += self._map.offset_rad
        states[:, STATE_VELOCITY] *= self._map.direction
        states[:, STATE_TORQUE] *= self._torque

    def _sign_torque(self, states: FloatArray) -> None:
        """Where the reported sign cannot be trusted: its size, with the sign of what the drive was told to give."""
        last = self._last
        told = last[:, KP] * (last[:, POSITION] - states[:, STATE_POSITION]) + last[:, TORQUE]
        told += last[:, KD] * (last[:, VELOCITY] - states[:, STATE_VELOCITY])
        size = np.abs(states[:, STATE_TORQUE]) * np.sign(self._map.reported)
        np.copyto(states[:, STATE_TORQUE], np.copysign(1.0, told) * size, where=self._map.unsigned)

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        inner = self._commands
        np.copyto(inner, commands)
        inner[:, POSITION] -= self._map.offset_rad
        np.multiply(inner, self._to_drive, inner)
        self._plant.send(inner, sent)
        np.copyto(self._last, sent)
        np.multiply(sent, self._from_drive, sent)
        sent[:, POSITION] += self._map.offset_rad

    def close(self) -> None:
        self._plant.close()
