"""The guard: owns nothing until the control loop is silent with motors on; then damping and exit frames to every bus.

250 Hz, on another core than control, without Qt. It judges by the ring `control`: its newest time, and whether motors
were on in it. In simulation there are no buses; it detects and says so all the same. Of a robot's buses it opens those
that several processes can have open (docs/buses.md), and names the others.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hw_drivers.bus.dialect import Special, special_frame
from hw_drivers.motors.calibrated_plant import make_joint_map
from hw_drivers.motors.codec_mit import command_id, encode_command
from hw_drivers.motors.models import MotorRange, find_range
from studio.control.states import ACTIVE
from studio.core.clock import WallClock
from studio.core.config import check_range, make_config
from studio.core.errors import ConfigError, DeviceError, StudioError
from studio.core.protocols import Bus, CanFrame
from studio.core.records import PairState
from studio.ipc.channels import make_guard_slot
from studio.ipc.messages import Message
from studio.ipc.slot import SlotWriter
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.robot.description import Robot, load_robot
from studio.workers.calibration import load_robot_calibrations, motor_names, motor_rows
from studio.workers.heartbeat import Heartbeat, make_heartbeat
from studio.workers.priority import lock_memory, obtain_priority, pin_to
from studio.workers.tap import Tap

_PRIORITY = 45
GUARD_PERIOD_S = 0.004  # with 20 ms of silence borne, it acts within 24 ms
_SHOW_AGAIN_NS = 100_000_000
_SHARED = ("socketcan", "udp_multicast", "virtual")  # interfaces that several processes, or parts, can have open
_BEYOND = (
    "The guard cannot reach {buses}: such an adapter serves one process only. Should the control loop end, only an "
    "independent watchdog in the motor supply helps."
)
_LET_DOWN_S = 0.5  # the loop keeps motors on this long after a stop


@dataclass(frozen=True, kw_only=True)
class BusConfig:
    """One bus and the drives on it.

    Args:
        interface: of python-can, such as socketcan or slcan.
        channel: such as can0.
        drive_ids: ids of the drives.
    """

    interface: str
    channel: str
    drive_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """Configuration of the worker.

    Args:
        damping_nm_s_rad: of the damping frames.
        damping_s: how long they are sent before the exit frames (spec/hardware.md 8.3, stop profile).
        buses: instead of the robot's.
        realtime: ask for priority; False only for tests.
    """

    robot: str = "dual_arm_ak60"
    task: str = "move_box"
    seed: int = 0
    damping_nm_s_rad: float = 1.5
    damping_s: float = 0.3
    buses: tuple[BusConfig, ...] = field(default_factory=tuple)
    realtime: bool = True

    def __post_init__(self) -> None:
        check_range("guard", "damping_nm_s_rad", self.damping_nm_s_rad, 0.1, 5.0, " N*m*s/rad")
        check_range("guard", "damping_s", self.damping_s, 0.0, 2.0, " s")


@dataclass(frozen=True, kw_only=True)
class EmergencyDrive:
    """One drive and what stops it.

    Args:
        motor: its range row; decides the dialect.
        damping_nm_s_rad: sent as Kd with everything else zero.
    """

    drive_id: int
    motor: MotorRange
    damping_nm_s_rad: float

    def damping(self) -> CanFrame:
        return self._frame(encode_command(self.motor, 0.0, 0.0, 0.0, self.damping_nm_s_rad, 0.0))

    def exit(self) -> CanFrame:
        return self._frame(special_frame(self.motor, Special.EXIT))

    def _frame(self, data: bytes) -> CanFrame:
        number, extended = command_id(self.motor, self.drive_id)
        return CanFrame(number, data, extended)


class EmergencyFrames:
    """Damping and exit frames for all drives of some buses.

    Args:
        buses: open buses with the drives on each.
    """

    def __init__(self, buses: Sequence[tuple[Bus, Sequence[EmergencyDrive]]]) -> None:
        self._buses = [bus for bus, _ in buses]
        self._damping = [[drive.damping() for drive in drives] for _, drives in buses]
        self._exit = [[drive.exit() for drive in drives] for _, drives in buses]

    def send_damping(self) -> list[str]:
        """To every drive; what a bus refuses is returned as sentences, the others still get theirs."""
        return self._send(self._damping)

    def send_exit(self) -> list[str]:
        return self._send(self._exit)

    def _send(self, frames_of_buses: list[list[CanFrame]]) -> list[str]:
        refusals: list[str] = []
        for bus, frames in zip(self._buses, frames_of_buses, strict=True):
            try:
                for frame in frames:
                    bus.send(frame)
            except DeviceError as error:
                refusals.append(str(error))
        return refusals

    def close(self) -> None:
        for bus in self._buses:
            bus.close()


class SilenceWatch:
    """Whether control is silent with motors on, from the newest control record.

    Args:
        silence_s: how long silence is borne.
    """

    def __init__(self, silence_s: float) -> None:
        self._silence_ns = silence_s * 1e9
        self._last_active_ns = -1
        self.silent = False

    def update(self, record: np.ndarray | None, now_ns: int) -> bool:
        """True when silence begins or ends in this call; `silent` says which."""
        if record is None:
            return False
        t_ns = int(record["t_ns"])
        if any(PairState(int(state)) in ACTIVE for state in record["pair_state"]):
            self._last_active_ns = t_ns
        motors_on = self._last_active_ns >= 0 and t_ns - self._last_active_ns < _LET_DOWN_S * 1e9
        silent = motors_on and now_ns - t_ns > self._silence_ns
        changed = silent is not self.silent
        self.silent = silent
        return changed


class GuardWorker:
    """Watches at 250 Hz and acts while control is silent."""

    def __init__(
        self,
        link: WorkerLink,
        config: GuardConfig,
        frames: EmergencyFrames | None,
        silence_s: float,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._link, self._config, self._frames, self._heartbeat = link, config, frames, heartbeat
        self._watch = SilenceWatch(silence_s)
        self._control = Tap(link.session.ring_path("control"))
        self._slot = SlotWriter(link.session.slot_path("guard"), make_guard_slot())
        self._record = make_guard_slot().empty()[0:1]
        self._acting_until_s = 0.0
        self._exited = True
        self._publish()

    def run(self) -> None:
        due_s = time.monotonic()
        while not self._link.ending:
            due_s = max(due_s + GUARD_PERIOD_S, time.monotonic())
            self._link.wait(max(0.0, due_s - time.monotonic()))
            self.look()

    def look(self) -> None:
        """One look at control, and what follows from it."""
        record = self._control.read()
        if self._watch.update(record, time.monotonic_ns()):
            if self._watch.silent:
                self._begin(record)
            else:
                self._end()
        if self._watch.silent:
            self._act()
        if self._heartbeat is not None:
            self._show_watchdog(int(self._heartbeat.look(record)))

    def _show_watchdog(self, proof: int) -> None:
        """Often, because control takes old news for none."""
        late = time.monotonic_ns() - int(self._record["t_ns"][0]) > _SHOW_AGAIN_NS
        if late or proof != int(self._record["watchdog"][0]):
            self._record["watchdog"] = proof
            self._publish()

    def _begin(self, record: np.ndarray | None) -> None:
        assert record is not None
        age_ms = (time.monotonic_ns() - int(record["t_ns"])) * 1e-6
        self._record["silence_count"] += 1
        if self._frames is not None:
            self._record["acted_count"] += 1
            self._acting_until_s, self._exited = time.monotonic() + self._config.damping_s, False
        self._publish()
        done = "The guard damps the motors." if self._frames else "It has no bus to act on."
        self._link.send(Message(name="state", values={"silent": True, "age_ms": age_ms}))
        level = "error" if self._frames else "warning"
        self._link.say(level, f"The control loop has been silent for {age_ms:.0f} ms. {done}")

    def _end(self) -> None:
        """Control is back. What was sent stays sent: where motors were stopped, control finds so and faults."""
        self._link.send(Message(name="state", values={"silent": False}))
        self._link.say("info", "The control loop is back.")

    def _act(self) -> None:
        """Damping frames, then one round of exit frames."""
        if self._frames is None or self._exited:
            return
        if time.monotonic() < self._acting_until_s:
            refusals = self._frames.send_damping()
        else:
            refusals, self._exited = self._frames.send_exit(), True
        if refusals:
            self._link.say("error", "The guard cannot reach a bus: " + " ".join(sorted(set(refusals))))

    def _publish(self) -> None:
        self._record["t_ns"] = time.monotonic_ns()
        self._slot.write(self._record[0])

    def close(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.close()
        self._control.close()
        self._slot.close()
        if self._frames is not None:
            self._frames.close()


Wiring = tuple[BusConfig, tuple[EmergencyDrive, ...]]


def wire_robot(robot: Robot, damping_nm_s_rad: float) -> tuple[list[Wiring], list[str]]:
    """The robot's buses that the guard can open beside control, and the names of the others.

    Damping is in N*m*s/rad of the joint: commissioned scales count as they do in the loop.
    """
    calibrations = load_robot_calibrations(robot)
    rows, scales = motor_rows(robot, calibrations), make_joint_map(motor_names(robot), calibrations)
    reached: list[Wiring] = []
    for bus in robot.buses:
        if bus.interface not in _SHARED:
            continue
        pairs = zip(bus.motors(robot.pair_names, robot.joints_per_arm), bus.ids(robot.joints_per_arm), strict=True)
        drives = tuple(
            EmergencyDrive(
                drive_id=drive_id,
                motor=rows[row],
                damping_nm_s_rad=damping_nm_s_rad / float(scales.torque_scale[row] * scales.kd_factor[row]),
            )
            for row, drive_id in pairs
        )
        ids = tuple(drive.drive_id for drive in drives)
        reached.append((BusConfig(interface=bus.interface, channel=bus.channel, drive_ids=ids), drives))
    return reached, [bus.name for bus in robot.buses if bus.interface not in _SHARED]


def wire_config(config: GuardConfig, motor: MotorRange) -> list[Wiring]:
    """Buses that the configuration names, all drives of one kind."""
    for bus in config.buses:
        if not bus.drive_ids:
            raise ConfigError(f"guard: bus {bus.interface}:{bus.channel} has no drive ids. Give the id of every drive.")
    damping = config.damping_nm_s_rad
    return [
        (bus, tuple(EmergencyDrive(drive_id=i, motor=motor, damping_nm_s_rad=damping) for i in bus.drive_ids))
        for bus in config.buses
    ]


def make_frames(wiring: Sequence[Wiring]) -> EmergencyFrames | None:
    """Open the buses; None when there are none.

    Raises:
        DeviceError: one that cannot be opened; those before it are closed again.
        ConfigError: an interface that does not exist; the same.
    """
    if not wiring:
        return None
    from hw_drivers.bus.can_bus import PythonCanBus

    opened: list[tuple[Bus, Sequence[EmergencyDrive]]] = []
    try:
        for bus, drives in wiring:
            opened.append((PythonCanBus(bus.interface, bus.channel, WallClock()), drives))
    except StudioError:
        for bus, _ in opened:
            bus.close()
        raise
    return EmergencyFrames(opened)


def run(link: WorkerLink) -> None:
    config = make_config(GuardConfig, link.config, where="guard")
    robot = load_robot(config.robot)
    wiring, beyond = wire_config(config, find_range(robot.motor_model, robot.firmware)), list[str]()
    if not wiring:
        wiring, beyond = wire_robot(robot, config.damping_nm_s_rad)
    frames = make_frames(wiring)
    worker = GuardWorker(link, config, frames, robot.timeouts.guard_silence_s, make_heartbeat(link, robot))
    if config.realtime:
        pin_to(0)
        lock_memory()
        refused = obtain_priority(_PRIORITY)
        if refused:
            link.say("warning", f"The guard runs without real-time priority and may be late. {refused}")
    if beyond:
        link.say("warning", _BEYOND.format(buses=", ".join(beyond)))
    link.send(Message(name="ready", values={"buses": len(wiring)}))
    gc.freeze()
    try:
        worker.run()
    finally:
        worker.close()


if __name__ == "__main__":
    run_worker(run)
