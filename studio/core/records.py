"""Record types: declared once, used unchanged by loop, ring, recorder, reader, windows, trainer, planner and screens.

A record is one row of a NumPy structured dtype. Its first field is always `t_ns` (monotonic, taken by the producer).
Readers select fields by role, so metrics and labels can never reach a policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from studio.core.errors import ConfigError


class Role(StrEnum):
    OBSERVATION = "observation"
    ACTION = "action"
    METRIC = "metric"
    LABEL = "label"


class PairState(IntEnum):
    """State of one pair of arms (leader and follower)."""

    DISABLED = 0
    ALIGNING = 1
    ENGAGED = 2
    HOLDING = 3
    STOPPED = 4
    FAULT = 5


class Driver(IntEnum):
    """Who moves the arms."""

    NOBODY = 0
    OPERATOR = 1
    PLANNER = 2
    SKILL = 3
    HOLD = 4


@dataclass(frozen=True, kw_only=True)
class Field:
    name: str
    shape: tuple[int, ...] = ()
    dtype: str = "<f8"
    unit: str = "1"
    role: Role = Role.OBSERVATION


@dataclass(frozen=True)
class RecordType:
    """Name, declared rate and fields of one stream.

    Args:
        name: stream name, such as `control` or `object_pose.world`.
        rate_hz: declared rate; late (2 periods) and dead (5 periods) are computed from it.
        fields: the fields after `t_ns`.
    """

    name: str
    rate_hz: float
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if len(set(names)) != len(names) or "t_ns" in names:
            raise ConfigError(f"Record type {self.name}: field names must be unique and not t_ns, got {names}.")

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype([("t_ns", "<i8")] + [(f.name, f.dtype, f.shape) for f in self.fields])

    def empty(self, count: int = 1) -> np.ndarray:
        """Zeroed records, shape [count]."""
        return np.zeros(count, dtype=self.dtype)

    def names(self, roles: Iterable[Role]) -> tuple[str, ...]:
        wanted = set(roles)
        return tuple(f.name for f in self.fields if f.role in wanted)

    def field(self, name: str) -> Field:
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise ConfigError(f"Stream {self.name} has no field {name}. It has {[f.name for f in self.fields]}.")

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "rate_hz": self.rate_hz,
            "fields": [
                {"name": f.name, "shape": list(f.shape), "dtype": f.dtype, "unit": f.unit, "role": str(f.role)}
                for f in self.fields
            ],
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> RecordType:
        fields = tuple(
            Field(name=f["name"], shape=tuple(f["shape"]), dtype=f["dtype"], unit=f["unit"], role=Role(f["role"]))
            for f in data["fields"]
        )
        return RecordType(data["name"], float(data["rate_hz"]), fields)


def _motor_fields(side: str, joints: int) -> list[Field]:
    measured, action, metric = Role.OBSERVATION, Role.ACTION, Role.METRIC
    fields = [
        Field(name=f"{side}_position_rad", shape=(joints,), unit="rad", role=measured),
        Field(name=f"{side}_velocity_rad_s", shape=(joints,), unit="rad/s", role=measured),
        Field(name=f"{side}_torque_nm", shape=(joints,), unit="N*m", role=measured),
        Field(name=f"{side}_temperature_c", shape=(joints,), dtype="<f4", unit="degC", role=metric),
        Field(name=f"{side}_error_code", shape=(joints,), dtype="<u1", role=metric),
        Field(name=f"{side}_reply_age_s", shape=(joints,), dtype="<f4", unit="s", role=metric),
    ]
    for stage, role in (("requested", metric), ("sent", action)):
        fields += [
            Field(name=f"{side}_{stage}_position_rad", shape=(joints,), unit="rad", role=role),
            Field(name=f"{side}_{stage}_velocity_rad_s", shape=(joints,), unit="rad/s", role=role),
            Field(name=f"{side}_{stage}_kp_nm_rad", shape=(joints,), dtype="<f4", unit="N*m/rad", role=role),
            Field(name=f"{side}_{stage}_kd_nm_s_rad", shape=(joints,), dtype="<f4", unit="N*m*s/rad", role=role),
            Field(name=f"{side}_{stage}_torque_nm", shape=(joints,), unit="N*m", role=role),
        ]
    return fields


def make_control_record(*, joints: int, pairs: int, rate_hz: float) -> RecordType:
    """The control stream: one record per tick with fixed arrays.

    Args:
        joints: joints per side over all pairs (8 for two 4-DoF arms), ordered pair by pair.
        pairs: pairs of arms; one hand each.
        rate_hz: loop rate.
    """
    fields = [Field(name="tick", dtype="<i8", role=Role.LABEL)]
    fields += _motor_fields("leader", joints) + _motor_fields("follower", joints)
    fields += [
        Field(name="contact_force_n", shape=(pairs, 3), unit="N", role=Role.OBSERVATION),  # estimate from torque
        Field(name="pair_state", shape=(pairs,), dtype="<u1", role=Role.LABEL),
        Field(name="driver", dtype="<u1", role=Role.LABEL),
        Field(name="goal_id", dtype="<i8", role=Role.LABEL),
        Field(name="plan_id", dtype="<i8", role=Role.LABEL),
        Field(name="reset_count", dtype="<i8", role=Role.LABEL),  # rises when the box is put back
        Field(name="hand_target_m", shape=(pairs, 3), unit="m", role=Role.METRIC),
        Field(name="hand_active", shape=(pairs,), dtype="<u1", role=Role.METRIC),
        Field(name="dead_man", dtype="<u1", role=Role.METRIC),
        Field(name="stop_pressed", dtype="<u1", role=Role.METRIC),
        Field(name="energy_left_j", shape=(pairs,), dtype="<f4", unit="J", role=Role.METRIC),
        Field(name="lateness_s", dtype="<f4", unit="s", role=Role.METRIC),
        Field(name="missed_ticks", dtype="<i8", role=Role.METRIC),
        Field(name="fault_code", shape=(pairs,), dtype="<u2", role=Role.METRIC),
        Field(name="fault_joint", shape=(pairs,), dtype="<i2", role=Role.METRIC),
        # Recordings from before 2026-11-21 end here; readers take a stream's own fields.
        Field(name="coupling_scheme", dtype="<u1", role=Role.METRIC),  # 1 position-position, 2 -force, 3 4-channel
        Field(name="tank_energy_j", shape=(pairs,), dtype="<f4", unit="J", role=Role.METRIC),
        Field(name="vibration_rad_s", shape=(pairs,), dtype="<f4", unit="rad/s", role=Role.METRIC),
        Field(name="hold_reason", shape=(pairs,), dtype="<u1", role=Role.METRIC),  # studio.control.states.HoldReason
        Field(name="motion_scale", dtype="<f4", role=Role.METRIC),  # in force, as the clutch and the cut-offs
        Field(name="clutch", dtype="<f4", role=Role.METRIC),  # 1 closed, 0 open
        Field(name="coupling_share", dtype="<f4", role=Role.METRIC),  # the leader's share beta
        Field(name="force_cutoff_hz", dtype="<f4", unit="Hz", role=Role.METRIC),
        Field(name="disturbance_cutoff_hz", dtype="<f4", unit="Hz", role=Role.METRIC),
        Field(name="bus_load", dtype="<f4", role=Role.METRIC),  # worst case of the fullest bus; 0 without buses
    ]
    return RecordType("control", rate_hz, tuple(fields))


def make_object_pose_record(source: str, rate_hz: float) -> RecordType:
    """Pose of the manipulated object: `object_pose.world` (simulator) or `object_pose.tags` (camera)."""
    return RecordType(
        f"object_pose.{source}",
        rate_hz,
        (
            Field(name="position_m", shape=(3,), unit="m"),
            Field(name="orientation_xyzw", shape=(4,)),
            Field(name="age_s", dtype="<f4", unit="s", role=Role.METRIC),
            Field(name="reset_count", dtype="<i8", role=Role.LABEL),
        ),
    )


def make_truth_record(pairs: int, rate_hz: float) -> RecordType:
    """What only a simulator knows; every field is a metric, so no policy can read it."""
    metric = Role.METRIC
    return RecordType(
        "truth",
        rate_hz,
        (
            Field(name="contact_force_n", shape=(pairs, 3), unit="N", role=metric),
            Field(name="linear_velocity_m_s", shape=(3,), unit="m/s", role=metric),
            Field(name="angular_velocity_rad_s", shape=(3,), unit="rad/s", role=metric),
        ),
    )


def make_plan_record(*, skill_size: int, stages: int, fan: int, rate_hz: float = 10.0) -> RecordType:
    """What the planner publishes with each plan, for screens and reports."""
    metric = Role.METRIC
    return RecordType(
        "plan",
        rate_hz,
        (
            Field(name="plan_id", dtype="<i8", role=Role.LABEL),
            Field(name="goal_id", dtype="<i8", role=Role.LABEL),
            Field(name="state_t_ns", dtype="<i8", role=Role.LABEL),
            Field(name="latency_s", dtype="<f4", unit="s", role=metric),
            Field(name="effective_samples", dtype="<f4", role=metric),
            Field(name="samples", dtype="<i4", role=metric),
            Field(name="controls", shape=(stages, skill_size), dtype="<f4", role=metric),
            Field(name="plan_path_m", shape=(stages + 1, 3), dtype="<f4", unit="m", role=metric),
            Field(name="plan_orientation_xyzw", shape=(stages + 1, 4), dtype="<f4", role=metric),
            Field(name="fan_count", dtype="<i4", role=metric),
            Field(name="fan_path_m", shape=(fan, stages + 1, 3), dtype="<f4", unit="m", role=metric),
            Field(name="fan_return", shape=(fan,), dtype="<f4", role=metric),
            Field(name="predicted_error_m", dtype="<f4", unit="m", role=metric),
            Field(name="goal_position_error_m", dtype="<f4", unit="m", role=metric),
            Field(name="goal_orientation_error_rad", dtype="<f4", unit="rad", role=metric),
        ),
    )
