"""The guard: owns nothing until the control loop is silent with motors on; then damping and exit frames to every bus.

250 Hz, on another core than control, without Qt. It judges by the ring `control`: its newest time, and whether motors
were on in it. In simulation there are no buses; it detects and says so all the same.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field

import numpy as np

from hw_drivers.motors.codec_mit import EXIT, encode_command
from hw_drivers.motors.models import MotorRange, find_range
from studio.control.states import ACTIVE
from studio.core.clock import WallClock
from studio.core.config import check_range, make_config
from studio.core.errors import ConfigError, DeviceError
from studio.core.protocols import Bus, CanFrame
from studio.core.records import PairState
from studio.ipc.channels import make_guard_slot
from studio.ipc.messages import Message
from studio.ipc.slot import SlotWriter
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.robot.description import load_robot
from studio.workers.heartbeat import Heartbeat, make_heartbeat
from studio.workers.priority import lock_memory, obtain_priority, pin_to
from studio.workers.tap import Tap

_PRIORITY = 45
GUARD_PERIOD_S = 0.004  # with 20 ms of silence borne, it acts within 24 ms
_SHOW_AGAIN_NS = 100_000_000
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
        buses: none in simulation.
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


class EmergencyFrames:
    """Damping and exit frames for all drives of some buses.

    Args:
        buses: open buses with the ids of the drives on each.
        motor: range row of the drives.
        damping_nm_s_rad: sent as Kd with everything else zero.
    """

    def __init__(self, buses: list[tuple[Bus, tuple[int, ...]]], motor: MotorRange, damping_nm_s_rad: float) -> None:
        self._buses = buses
        self._damping = encode_command(motor, 0.0, 0.0, 0.0, damping_nm_s_rad, 0.0)

    def send_damping(self) -> list[str]:
        """To every drive; what a bus refuses is returned as sentences, the others still get theirs."""
        return self._send(self._damping)

    def send_exit(self) -> list[str]:
        return self._send(EXIT)

    def _send(self, data: bytes) -> list[str]:
        refusals: list[str] = []
        for bus, drive_ids in self._buses:
            try:
                for drive_id in drive_ids:
                    bus.send(CanFrame(drive_id, data))
            except DeviceError as error:
                refusals.append(str(error))
        return refusals

    def close(self) -> None:
        for bus, _ in self._buses:
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
        done = "The guard damps the motors." if self._frames else "There is no bus to act on in simulation."
        self._link.send(
            Message(name="state", values={"silent": True, "age_ms": age_ms, "buses": len(self._config.buses)})
        )
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


def make_frames(config: GuardConfig, motor: MotorRange) -> EmergencyFrames | None:
    """Open the configured buses; None when there are none."""
    if not config.buses:
        return None
    from hw_drivers.bus.can_bus import PythonCanBus

    for bus in config.buses:
        if not bus.drive_ids:
            raise ConfigError(f"guard: bus {bus.interface}:{bus.channel} has no drive ids. Give the id of every drive.")
    opened: list[tuple[Bus, tuple[int, ...]]] = [
        (PythonCanBus(bus.interface, bus.channel, WallClock()), bus.drive_ids) for bus in config.buses
    ]
    return EmergencyFrames(opened, motor, config.damping_nm_s_rad)


def run(link: WorkerLink) -> None:
    config = make_config(GuardConfig, link.config, where="guard")
    robot = load_robot(config.robot)
    frames = make_frames(config, find_range(robot.motor_model, robot.firmware))
    worker = GuardWorker(link, config, frames, robot.timeouts.guard_silence_s, make_heartbeat(link, robot))
    if config.realtime:
        pin_to(0)
        lock_memory()
        refused = obtain_priority(_PRIORITY)
        if refused:
            link.say("warning", f"The guard runs without real-time priority and may be late. {refused}")
    link.send(Message(name="ready", values={"buses": len(config.buses)}))
    gc.freeze()
    try:
        worker.run()
    finally:
        worker.close()


if __name__ == "__main__":
    run_worker(run)
