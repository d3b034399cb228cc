"""`bench transparency`: what an operator feels through each bilateral scheme, the table of spec/hardware.md 6.8.

The whole loop runs over the wire's bytes with friction, torque bandwidth and reply delay as shipped. A hand (the
scripted hand's spring and damper) holds the leaders; the followers are free, or touch a stop that pulls as it pushes.
Position-position is measured once more with friction compensation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks.arm_rig import ArmRig
from studio.cli.output import ProgressBar, parse_arguments, write_result
from studio.control.scheme import Scheme
from studio.control.settings import ControlSettings
from studio.core.geometry import FloatArray
from studio.core.protocols import STATE_TORQUE
from studio.robot.description import Robot, load_robot
from studio.robot.kinematics import Kinematics

_PHYSICS_HZ = 4000.0
_SWING_RAD, _SWING_HZ = np.radians(20.0), 0.7  # free motion of 6.8
_STOP_NM_RAD = 5000.0
_PUSHES_RAD = (0.02, 0.04, 0.06, 0.08, 0.1)
_WALLS_NM_RAD = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
_QUIET_RAD_S = 0.05
_SLOW_HZ = 0.1  # of the hysteresis loop
_COMPENSATED = 0.6  # share of the friction in the rows with compensation
_VARIANTS = [(scheme, 0.0) for scheme in Scheme] + [(Scheme.POSITION_POSITION, _COMPENSATED)]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Transparency of the bilateral schemes.

    Args:
        json_path: write the result as JSON; `-` prints it.
    """

    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)


class HeldArms:
    """A rig with a scheme in force, hands on the leaders, and a stop at the followers where one is asked for."""

    def __init__(self, robot: Robot, scheme: Scheme, stop_nm_rad: float = 0.0, friction_share: float = 0.0) -> None:
        self.robot, self._kinematics = robot, Kinematics(robot)
        self.least_energy_j = np.inf  # W - E0 of the first pair while `path` ran
        stop = replace(robot, hand_stiffness_nm_rad=np.full(robot.joints, stop_nm_rad)) if stop_nm_rad else None
        settings = ControlSettings(scheme=scheme.name.lower(), friction_share=friction_share)
        self._allowance_j = settings.energy_allowance_j
        self.rig = ArmRig(robot, settings, followers=stop, physics_rate_hz=_PHYSICS_HZ)
        everyone = np.ones(robot.pairs, dtype=np.uint8)
        if stop_nm_rad:
            self.rig.arms[1].hold(robot.home_rad, everyone)
        self._everyone = everyone
        self.pull(np.zeros(1))
        self.rig.engage()
        self.seconds(0.6)

    def pull(self, offset_rad: FloatArray) -> None:
        """Hands pull every leader joint to its home plus an angle."""
        self.rig.arms[0].hold(self.robot.home_rad + offset_rad, self._everyone)

    def seconds(self, duration_s: float) -> None:
        self.rig.ticks(round(duration_s * self.robot.loop_rate_hz))

    def path(self, offsets_rad: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lead along [ticks] angles. Angles and coupling torques [ticks, 2 sides, joints], gravity taken off."""
        position = np.empty((len(offsets_rad), 2, self.robot.joints))
        torque = np.empty_like(position)
        for tick, offset in enumerate(offsets_rad):
            self.pull(np.full(1, offset))
            self.rig.ticks(1)
            position[tick], torque[tick] = self.rig.position_rad, self.torque_nm()
            energy_j = float(self.rig.loop.record["energy_left_j"][0, 0]) - self._allowance_j
            self.least_energy_j = min(self.least_energy_j, energy_j)
        return position, torque

    def torque_nm(self) -> FloatArray:
        """What the drives give beside gravity, [2 sides, joints]."""
        arms = self.rig.arms
        return np.stack(
            [a.ports.state[:, STATE_TORQUE] - self._kinematics.gravity_nm(a.position_rad.copy()) for a in arms]
        )


def measure_free(robot: Robot, scheme: Scheme, friction_share: float = 0.0) -> dict[str, FloatArray]:
    """Without contact, each [joints of one arm]; `least_energy_j` [1] is NaN where the law is not observed.

    `free_torque_nm` is what the drive of the leader gives beside gravity at 1 rad/s, `hand_torque_nm` what the hand has
    to give: the drive's torque and the leader's own friction.
    """
    arms, rate_hz, joints = (
        HeldArms(robot, scheme, friction_share=friction_share),
        robot.loop_rate_hz,
        robot.joints_per_arm,
    )
    time_s = np.arange(round(3.0 / _SWING_HZ * rate_hz)) / rate_hz
    position, _ = arms.path(_SWING_RAD * np.sin(2 * np.pi * _SWING_HZ * time_s))
    position = position[round(rate_hz / _SWING_HZ) :, :, :joints]  # without the first swing
    error = position[:, 0] - position[:, 1]
    delay = np.array([_delay_ticks(position[:, 0, j], position[:, 1, j]) for j in range(joints)]) / rate_hz
    drive_nm, hand_nm = _torque_in_the_air(arms)
    hysteresis_nm = _hysteresis_nm(arms)
    observed = scheme is not Scheme.POSITION_FORCE
    arms.rig.close()
    return {
        "position_error_rad": np.sqrt(np.mean(error**2, axis=0)),
        "delay_s": delay,
        "free_torque_nm": drive_nm,
        "hand_torque_nm": hand_nm,
        "hysteresis_nm": hysteresis_nm,
        "least_energy_j": np.array([arms.least_energy_j if observed else np.nan]),
    }


def _torque_in_the_air(arms: HeldArms) -> tuple[FloatArray, FloatArray]:
    """RMS of the leader's drive and of the hand at 1 rad/s, [joints of one arm]."""
    robot, joints = arms.robot, arms.robot.joints_per_arm
    there = np.arange(0.0, 0.35, 1.0 / robot.loop_rate_hz)
    path = np.concatenate([there, there[::-1], -there, -there[::-1], there, there[::-1]])
    position, torque = arms.path(path)
    speed = np.gradient(position[:, 0, :joints], axis=0) * robot.loop_rate_hz
    even = np.arange(len(torque)) % len(there) > len(there) // 2  # not while the hand turns round
    drive, moving = torque[even, 0, :joints], speed[even]
    motor = robot.motor
    friction = motor.coulomb_friction_nm * np.tanh(moving / motor.friction_speed_rad_s)
    hand = friction + motor.viscous_friction_nm_s_rad * moving - drive
    return np.sqrt(np.mean(drive**2, axis=0)), np.sqrt(np.mean(hand**2, axis=0))


def _hysteresis_nm(arms: HeldArms) -> FloatArray:
    """Width of the leader's torque over its angle around the middle of a slow swing, [joints of one arm]."""
    rate_hz, joints = arms.robot.loop_rate_hz, arms.robot.joints_per_arm
    phase = 2 * np.pi * _SLOW_HZ * np.arange(round(1.25 / _SLOW_HZ * rate_hz)) / rate_hz
    _, torque = arms.path(_SWING_RAD * np.sin(phase))
    middle = (np.abs(np.sin(phase)) < 0.1) & (phase > 0.5 * np.pi)
    up, down = middle & (np.cos(phase) > 0.0), middle & (np.cos(phase) < 0.0)
    width: FloatArray = np.abs(torque[up, 0, :joints].mean(axis=0) - torque[down, 0, :joints].mean(axis=0))
    return width


def _delay_ticks(leader: FloatArray, follower: FloatArray) -> float:
    """Lag of the least squared difference, between ticks by a parabola."""
    lags = np.arange(-8, 41)
    inner = slice(50, len(leader) - 50)
    cost = np.array([np.mean((np.roll(follower, -lag)[inner] - leader[inner]) ** 2) for lag in lags])
    best = int(np.clip(cost.argmin(), 1, len(lags) - 2))
    before, here, after = cost[best - 1 : best + 2]
    bend = before - 2.0 * here + after
    return float(lags[best] + (0.5 * (before - after) / bend if bend > 0.0 else 0.0))


def measure_contact(robot: Robot, scheme: Scheme, friction_share: float = 0.0) -> dict[str, FloatArray]:
    """Force error and transmitted stiffness in static contact with a rigid stop, [joints of one arm]."""
    arms, joints = HeldArms(robot, scheme, _STOP_NM_RAD, friction_share), robot.joints_per_arm
    angle, torque = [], []
    for push in _PUSHES_RAD:
        arms.pull(np.full(1, push))
        arms.seconds(0.5)
        angle.append(arms.rig.position_rad[0, :joints].copy())
        torque.append(arms.torque_nm()[:, :joints])
    arms.rig.close()
    angles, torques = np.array(angle), np.array(torque)
    error = np.sqrt(np.mean((torques[:, 0] + torques[:, 1]) ** 2, axis=0))
    run = angles - angles.mean(axis=0)
    slope = -(run * torques[:, 0]).sum(axis=0) / (run * run).sum(axis=0)
    return {
        "force_error_nm": error,
        "force_error_share": error / np.abs(torques[:, 1]).mean(axis=0),
        "transmitted_nm_rad": slope,
    }


def measure_wall(robot: Robot, scheme: Scheme, friction_share: float = 0.0) -> FloatArray:
    """Stiffest wall of the list below which every one is quiet after a push, [joints of one arm]; 0 = none."""
    joints = robot.joints_per_arm
    stiffest, good = np.zeros(joints), np.ones(joints, dtype=bool)
    for wall_nm_rad in _WALLS_NM_RAD:
        arms = HeldArms(robot, scheme, wall_nm_rad, friction_share)
        arms.pull(np.full(1, 0.08))
        arms.seconds(0.6)
        position, _ = arms.path(np.full(120, 0.08))
        speed = np.diff(position[:, :, :joints], axis=0) * robot.loop_rate_hz
        good &= (np.sqrt(np.mean(speed**2, axis=0)).max(axis=0) < _QUIET_RAD_S) & arms.rig.engaged
        stiffest[good] = wall_nm_rad
        arms.rig.close()
    return stiffest


def make_rows(robot: Robot, scheme: Scheme, friction_share: float = 0.0) -> list[dict[str, Any]]:
    """One row per joint of an arm."""
    free, contact = measure_free(robot, scheme, friction_share), measure_contact(robot, scheme, friction_share)
    wall = measure_wall(robot, scheme, friction_share)
    energy_j = float(free["least_energy_j"][0])
    rows: list[dict[str, Any]] = []
    for j in range(robot.joints_per_arm):
        impedance = float(free["free_torque_nm"][j])  # at 1 rad/s
        rows.append(
            {
                "scheme": scheme.name.lower(),
                "friction_share": friction_share,
                "joint": robot.joint_names[j],
                "position_error_deg": round(float(np.degrees(free["position_error_rad"][j])), 3),
                "delay_ms": round(1e3 * float(free["delay_s"][j]), 2),
                "force_error_nm": round(float(contact["force_error_nm"][j]), 3),
                "force_error_percent": round(100.0 * float(contact["force_error_share"][j]), 1),
                "free_torque_nm": round(impedance, 3),
                "hand_torque_nm": round(float(free["hand_torque_nm"][j]), 3),
                "hysteresis_nm": round(float(free["hysteresis_nm"][j]), 3),
                "transmitted_nm_rad": round(float(contact["transmitted_nm_rad"][j]), 1),
                "coupling_nm_rad": float(robot.stiffness_nm_rad[j]),
                "largest_quiet_wall_nm_rad": float(wall[j]),
                "wall_capped": bool(wall[j] == _WALLS_NM_RAD[-1]),
                "z_width_per_s": round(float(wall[j]) / max(impedance, 1e-9), 1),
                "least_energy_j": None if np.isnan(energy_j) else round(energy_j, 6),
            }
        )
    return [{**row, "beyond": find_beyond(row, robot)} for row in rows]


def find_beyond(row: dict[str, Any], robot: Robot) -> list[str]:
    """Columns that miss what spec/hardware.md 6.8 suggests for hardware."""
    most = {
        "position_error_deg": 1.5,
        "delay_ms": 2e3 / robot.loop_rate_hz + 5.0,
        "force_error_percent": 15.0,
        "free_torque_nm": 0.5 if row["friction_share"] else 1.0,
        "hysteresis_nm": 2.0 * robot.motor.coulomb_friction_nm * 1.2,
    }
    least = {"transmitted_nm_rad": 0.7 * robot.leader_share * row["coupling_nm_rad"], "least_energy_j": -0.05}
    low = [name for name, bound in least.items() if row[name] is not None and row[name] < bound]
    return [name for name, bound in most.items() if row[name] > bound] + low


def make_table(rows: list[dict[str, Any]]) -> str:
    """One line a scheme and joint; what misses the suggestion of 6.8 has a star."""
    columns = {
        "position_error_deg": "position error, deg", "delay_ms": "delay, ms", "force_error_percent": "force error, %",
        "free_torque_nm": "leader in the air, N·m", "hand_torque_nm": "hand in the air, N·m",
        "hysteresis_nm": "hysteresis, N·m", "transmitted_nm_rad": "transmitted, N·m/rad",
        "coupling_nm_rad": "of", "largest_quiet_wall_nm_rad": "quiet wall, N·m/rad", "z_width_per_s": "Z-width, 1/s",
        "least_energy_j": "min (W - E0), J",
    }  # fmt: skip
    lines = ["| scheme | joint | " + " | ".join(columns.values()) + " |", "|" + (len(columns) + 2) * "---|"]
    for row in rows:
        share = f", {100 * row['friction_share']:.0f} % of friction compensated" if row["friction_share"] else ""
        cells = [f"{_cell(row[name])}{' *' if name in row['beyond'] else ''}" for name in columns]
        lines.append(f"| {row['scheme'].replace('_', '-')}{share} | {row['joint']} | " + " | ".join(cells) + " |")
    lines.append(
        "\n* misses what spec/hardware.md 6.8 suggests for hardware. The stiffest wall tried is 10000 N·m/rad."
    )
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "not observed" if value is None else f"{value:.4g}"


def run(arguments: list[str]) -> int:
    """Measure every scheme on every joint of one arm."""
    options = parse_arguments(Options, arguments, "main.py bench transparency")
    robot, rows = load_robot(), list[dict[str, Any]]()
    bar = ProgressBar("transparency", len(_VARIANTS))
    for done, (scheme, friction_share) in enumerate(_VARIANTS):
        rows += make_rows(robot, scheme, friction_share)
        bar.update(done + 1)
    bar.close()
    result = {"rows": rows, "robot": robot.name, "stop_nm_rad": _STOP_NM_RAD}
    write_result(result, options.json_path, text=make_table(rows))
    return 0
