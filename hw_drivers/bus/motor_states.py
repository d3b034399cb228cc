"""What a cycle tells about motors and buses; errors are data here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import FloatArray


class ReplyError(IntEnum):
    """Why a motor's state is not of this cycle."""

    NONE = 0
    LOST = 1  # nothing came
    LATE = 2  # what came had been asked for in an earlier cycle
    BUS = 3  # the whole bus is in trouble; see `bus_error`


@dataclass(slots=True)
class MotorStates:
    """What is known of all motors, refilled by every cycle; never to be kept.

    Args:
        values: [motors, 5] position rad, velocity rad/s, torque N*m, temperature degC, drive error code.
        t_ns: [motors] monotonic time at which the newest reply came; 0: never.
        age_ns: [motors] of that reply when the cycle ended.
        sequence: [motors] replies so far.
        valid: [motors] a well-formed reply to this cycle's command has come.
        error: [motors] `ReplyError`.
        bus_error: [buses] `BusError`.
    """

    values: FloatArray
    t_ns: NDArray[np.int64]
    age_ns: NDArray[np.int64]
    sequence: NDArray[np.int64]
    valid: NDArray[np.bool_]
    error: NDArray[np.uint8]
    bus_error: NDArray[np.uint8]


@dataclass(slots=True)
class BusCounts:
    """What else was seen on one bus since it was opened."""

    foreign: int = 0  # frames of nobody we know, and replies that are none
    echoed: int = 0  # our own commands, come back
    duplicates: int = 0
    late: int = 0
    short: int = 0  # replies of six bytes
    error_frames: int = 0
    refused: int = 0  # our frames that were not taken


def make_states(motors: int, buses: int) -> MotorStates:
    """Nothing heard yet."""
    t_ns, age_ns, sequence = (np.zeros(motors, dtype=np.int64) for _ in range(3))
    values = np.zeros((5, motors)).T  # by columns, as codec and loop want it
    valid, error = np.zeros(motors, dtype=bool), np.zeros(motors, dtype=np.uint8)
    return MotorStates(values, t_ns, age_ns, sequence, valid, error, np.zeros(buses, dtype=np.uint8))
