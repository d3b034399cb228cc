"""What the straight line is made of, as protocols: Clock, Bus, Plant, World, Camera, Operator, Sink, Rig.

Implementations meet their users only in `studio/workers/rig.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.records import RecordType
from studio.core.task import Goal

# Columns of a motor command [motors, 5] and of a motor state [motors, 5]
POSITION, VELOCITY, KP, KD, TORQUE = range(5)
STATE_POSITION, STATE_VELOCITY, STATE_TORQUE, STATE_TEMPERATURE, STATE_ERROR = range(5)
ERROR_JUMPED = 255.0  # in STATE_ERROR, from the plant itself: the angle changed faster than the motor can turn


class Clock(Protocol):
    def now_ns(self) -> int: ...
    def sleep_until_ns(self, deadline_ns: int) -> None: ...


@dataclass(frozen=True, slots=True)
class CanFrame:
    """One classic CAN frame. `t_ns` is the receive time on the monotonic clock, 0 when sending."""

    arbitration_id: int
    data: bytes
    extended: bool = False
    t_ns: int = 0


class Bus(Protocol):
    """One CAN bus. Errors: DeviceError."""

    def send(self, frame: CanFrame) -> None: ...
    def receive(self, timeout_s: float) -> CanFrame | None: ...
    def close(self) -> None: ...


class Plant(Protocol):
    """All motors behind the codec, ordered leader joints first, then follower joints.

    `read` and `send` touch the device (or the twin) and allocate nothing that stays.
    """

    motors: int

    def open(self) -> None: ...
    def enable(self, motors: np.ndarray) -> None:
        """Send the enter frame to the motors of a boolean mask [motors]."""
        ...

    def disable(self, motors: np.ndarray) -> None:
        """Send the exit frame to the motors of a boolean mask [motors]."""
        ...

    def read(self, states: FloatArray, t_ns: np.ndarray) -> None:
        """Newest decoded replies into `states` [motors, 5] (rad, rad/s, N*m, degC, error code) and their times."""
        ...

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        """Encode and send `commands` [motors, 5] (rad, rad/s, N*m/rad, N*m*s/rad, N*m); what the wire carries,
        decoded again, goes to `sent`."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class TwinPorts:
    """What motor twins and the world behind them share: the drive's registers, one row per motor.

    Twins (bytes) write `command`, `powered` and the error column of `state`; the world's drive law reads them at
    physics rate and writes the rest of `state`.
    """

    state: FloatArray  # [motors, 5] position, velocity, torque, temperature, error code
    command: FloatArray  # [motors, 5] position, velocity, Kp, Kd, torque, as decoded from the wire
    powered: FloatArray  # [motors] 1.0 in motor mode, else 0.0
    idle_s: float = 0.0  # since the last command; the law lets go when it grows too large


class World(Protocol):
    """A simulated world in step with the plant's twins. Absent on real hardware."""

    def step(self, duration_s: float) -> None:
        """Advance physics (world and motor twins) by one control period."""
        ...

    def object_pose(self) -> tuple[FloatArray, FloatArray]:
        """Position [3] in m and quaternion xyzw [4]."""
        ...

    def place_object(self, position_m: FloatArray, orientation_xyzw: FloatArray) -> None: ...
    def put_object_back(self) -> None: ...
    def object_lost(self) -> bool: ...
    def fill_truth(self, record: np.ndarray) -> None:
        """Fill a `truth` record (studio.core.records.make_truth_record)."""
        ...

    def hold_leader(self, joint_target_rad: FloatArray, active: np.ndarray) -> None:
        """The hand on the leader arms: a spring-damper to joint targets [joints] for pairs whose `active` is set;
        a released hand leaves the leader to its motors."""
        ...

    def close(self) -> None: ...


class Camera(Protocol):
    name: str
    rate_hz: float

    def grab(self) -> tuple[int, np.ndarray]:
        """Capture time in ns and an image [height, width, 3] uint8, RGB."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class OperatorView:
    """What an operator sees each tick; the arrays are views, never to be kept."""

    t_ns: int
    leader_position_rad: FloatArray
    follower_position_rad: FloatArray
    tip_position_m: FloatArray  # [pairs, 3], follower
    contact_force_n: FloatArray  # [pairs, 3]
    object_position_m: FloatArray
    object_orientation_xyzw: FloatArray
    pair_state: np.ndarray


@dataclass(slots=True)
class OperatorIntent:
    """What an operator asks for; filled in place each tick."""

    hand_target_m: FloatArray  # [pairs, 3]
    hand_active: np.ndarray  # [pairs] bool
    dead_man: bool = False
    stop: bool = False
    put_object_back: bool = False


class Operator(Protocol):
    def update(self, view: OperatorView, intent: OperatorIntent) -> None: ...


class Sink(Protocol):
    """Where records go: rings in real time, a lossless writer on the stepped clock."""

    def write(self, stream: str, record: np.ndarray) -> None: ...


class Rig(Protocol):
    """A robot (or its simulation) that evaluation and on-policy rounds can drive on the stepped clock."""

    control_record: RecordType

    def reset(self, object_position_m: FloatArray, object_orientation_xyzw: FloatArray, seed: int) -> None:
        """Arms to the home pose, the object placed and settled, the pair engaged."""
        ...

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        """Newest control record and object pose record (shape [])."""
        ...

    def run(self, position_rad: FloatArray, velocity_rad_s: FloatArray, ticks: int) -> None:
        """Drive the followers along a ramp `position + velocity * t` for a number of control ticks."""
        ...

    def object_lost(self) -> bool: ...
    def close(self) -> None: ...


MakeRig = Callable[..., Rig]


class PlannerLike(Protocol):
    """Anything that turns a state and a goal into the next skill; see `studio.planning`."""

    def plan(self, state: np.ndarray, goal: Goal) -> Any: ...
