"""What the loop publishes: its record types, and one preallocated record that every tick refills through views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from studio.control.frame import Frame
from studio.core.errors import ConfigError
from studio.core.kernel import Kernel, make_kernel
from studio.core.protocols import KD, KP, POSITION, STATE_ERROR, STATE_TEMPERATURE, TORQUE, VELOCITY
from studio.core.records import RecordType, make_control_record, make_object_pose_record, make_truth_record
from studio.robot.description import Robot

_KINDS = {("<f8", "<f8"): 0, ("<f4", "<f8"): 1, ("|u1", "<f8"): 2, ("<f4", "<i8"): 3}  # of `fill_record`; ages last
TRUTH_EVERY = 4  # ticks; asking the simulator for its contacts costs as much as the rest of the record


def make_streams(robot: Robot, *, world: bool = True) -> tuple[RecordType, ...]:
    """Record types of all streams that a control loop writes, `control` first; with a world also its pose and truth."""
    control = make_control_record(joints=robot.joints, pairs=robot.pairs, rate_hz=robot.loop_rate_hz)
    if not world:
        return (control,)
    truth = make_truth_record(robot.pairs, robot.loop_rate_hz / TRUTH_EVERY)
    return control, make_object_pose_record("world", robot.loop_rate_hz), truth


def _view(record: np.ndarray, names: list[str]) -> np.ndarray:
    """Equal and equally spaced fields of a packed record as one array [names, leader|follower, joints]."""
    fields: Any = record.dtype.fields
    first = [fields[f"leader_{name}"] for name in names]
    inner, offsets = first[0][0], [f[1] for f in first]
    step = offsets[1] - offsets[0] if len(offsets) > 1 else inner.itemsize
    side = fields[f"follower_{names[0]}"][1] - offsets[0]
    if offsets != [offsets[0] + i * step for i in range(len(names))] or any(f[0] != inner for f in first):
        raise ConfigError(f"Fields {names} of the control record are not equally spaced. This is a defect.")
    base, shape = inner.base, (len(names), 2, inner.shape[0])
    strides = (step, side, base.itemsize)
    return np.ndarray(shape, dtype=base, buffer=record.data, offset=offsets[0], strides=strides)


def _rows(array: np.ndarray) -> list[np.ndarray]:
    """Views of all rows [n] of an array."""
    return [array[place] for place in np.ndindex(array.shape[:-1])]


def _row(record: np.ndarray, target: np.ndarray, source: np.ndarray) -> tuple[int, int, int, int]:
    """What the kernel `fill_record` needs for a row of the record; see resources/native/tick/control.h."""
    kind = _KINDS.get((target.dtype.str, source.dtype.str))
    plain = target.shape == source.shape and source.flags.c_contiguous and target.flags.c_contiguous
    offset = target.ctypes.data - record.ctypes.data
    if kind is None or not plain or not 0 <= offset <= record.nbytes - target.nbytes:
        raise ConfigError(f"The control record cannot take {source.dtype} as {target.dtype}. This is a defect.")
    return offset, source.ctypes.data, target.size, kind


class ControlRecord:
    """The control record of this tick, `array` of shape [1], filled in place.

    Args:
        record_type: of the control stream.
        frame: what `fill_motors` copies from.
        columns: arrays that it copies as well, by the names of their fields.
    """

    def __init__(self, record_type: RecordType, frame: Frame, columns: Mapping[str, np.ndarray] | None = None) -> None:
        self.array = record_type.empty()
        self._frame = frame
        array = self.array
        self._age = _view(array, ["reply_age_s"])[0].reshape(2, frame.joints)
        self._age_ns, self._ages_before = np.zeros(frame.motors, dtype=np.int64), b""
        self._slow_before: tuple[float, ...] = ()
        self._copies = [
            (_view(array, ["position_rad", "velocity_rad_s", "torque_nm"]), frame.measured[:3]),
            (_view(array, ["temperature_c"])[0], frame.measured[STATE_TEMPERATURE]),
            (_view(array, ["error_code"])[0], frame.measured[STATE_ERROR]),
            *self._stage_copies("requested", frame.requested),
            *self._stage_copies("sent", frame.sent),
            *((array[name][0], column) for name, column in (columns or {}).items()),
        ]
        self._fill_record = self._make_kernel()
        for name in array.dtype.names or ():
            if not name.startswith(("leader_", "follower_")):
                setattr(self, name, array[name])
        self._energy, self._vibration = array["energy_left_j"][0], array["vibration_rad_s"][0]
        self.t_ns: np.ndarray
        self.tick: np.ndarray
        self.contact_force_n: np.ndarray
        self.pair_state: np.ndarray
        self.driver: np.ndarray
        self.goal_id: np.ndarray
        self.plan_id: np.ndarray
        self.reset_count: np.ndarray
        self.hand_target_m: np.ndarray
        self.hand_active: np.ndarray
        self.dead_man: np.ndarray
        self.stop_pressed: np.ndarray
        self.energy_left_j: np.ndarray
        self.lateness_s: np.ndarray
        self.missed_ticks: np.ndarray
        self.fault_code: np.ndarray
        self.fault_joint: np.ndarray
        self.coupling_scheme: np.ndarray
        self.tank_energy_j: np.ndarray
        self.vibration_rad_s: np.ndarray
        self.hold_reason: np.ndarray
        self.motion_scale: np.ndarray
        self.clutch: np.ndarray
        self.coupling_share: np.ndarray
        self.force_cutoff_hz: np.ndarray
        self.disturbance_cutoff_hz: np.ndarray
        self.bus_load: np.ndarray

    def _make_kernel(self) -> Kernel | None:
        """All copies and the ages as rows: offset in the record, address of the source, how many, as what."""
        rows = [_row(self.array, *pair) for copy in self._copies for pair in zip(*map(_rows, copy), strict=True)]
        times = self._frame.t_ns.reshape(2, self._frame.joints)
        rows += [_row(self.array, *pair) for pair in zip(self._age, times, strict=True)]
        entries, record = np.array(rows, dtype=np.int64), self.array.view(np.uint8)
        members = {"count": len(rows), "size": record.size, "entries": entries, "record": record}
        return make_kernel("Copies", "fill_record", members, arguments=1)

    def _stage_copies(self, stage: str, columns: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        names = [f"{stage}_position_rad", f"{stage}_velocity_rad_s"]
        gains = [f"{stage}_kp_nm_rad", f"{stage}_kd_nm_s_rad"]
        return [
            (_view(self.array, names), columns[POSITION : VELOCITY + 1]),
            (_view(self.array, gains), columns[KP : KD + 1]),
            (_view(self.array, [f"{stage}_torque_nm"])[0], columns[TORQUE]),
        ]

    def fill_slow(self, values: tuple[float, ...]) -> None:
        """Driver, goal, plan, resets, dead-man, stop, lateness, missed ticks: written only when one has changed."""
        if values == self._slow_before:
            return
        self._slow_before = values
        self.driver[0], self.goal_id[0], self.plan_id[0], self.reset_count[0] = values[:4]
        self.dead_man[0], self.stop_pressed[0], self.lateness_s[0], self.missed_ticks[0] = values[4:]

    def fill_pairs(self, energy_left_j: Sequence[float], vibration_rad_s: Sequence[float]) -> None:
        """One by one: NumPy takes ten times as long to make an array of a list."""
        for column, values in ((self._energy, energy_left_j), (self._vibration, vibration_rad_s)):
            for pair, value in enumerate(values):
                column[pair] = value

    def fill_motors(self, now_ns: int) -> None:
        """Measured values, requested and actually sent commands, and the age of every reply."""
        if self._fill_record is not None:
            self._fill_record.run(now_ns)
            return
        for target, source in self._copies:
            target[...] = source
        np.subtract(now_ns, self._frame.t_ns, self._age_ns)
        ages = self._age_ns.tobytes()
        if ages != self._ages_before:  # on the stepped clock they hardly ever change
            self._ages_before = ages
            np.multiply(self._age_ns.reshape(2, self._frame.joints), 1e-9, out=self._age, casting="same_kind")
