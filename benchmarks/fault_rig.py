"""What the fault campaign runs on: the real control loop over four buses, one arm each.

The twins are in this process, on a stepped clock, or in processes of their own behind serial lines, in real time.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.starvation import Starvation
from hw_drivers.bus.motor_buses import BusMotors, MotorBuses
from hw_drivers.bus.plant import BusPlant
from hw_drivers.bus.python_can import PythonCanTransport, open_python_can
from hw_drivers.bus.twin_drives import TwinDrives, TwinTransport
from hw_drivers.bus.wire_fault import WireFaults, make_fault
from hw_drivers.motors.models import MotorRange, find_range
from hw_drivers.motors.twin import TwinMotors
from studio.control.inputs import Inputs, make_inputs
from studio.control.lateness import Absence
from studio.control.loop import ControlLoop
from studio.core.clock import NS_PER_S, SteppedClock, WallClock
from studio.core.errors import DeviceError
from studio.core.geometry import FloatArray
from studio.core.paths import repository_root
from studio.core.protocols import KD, KP, STATE_TORQUE, TORQUE, Clock, TwinPorts
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics
from studio.sim.arm_twin import ArmTwin
from studio.workers.priority import leave_priority, obtain_priority

SIDES = ("leader", "follower")
_ANSWER_S = 20.0
_PRIORITY = 50  # of the loop, as in the control worker


class MemorySink:
    """Keeps every control record."""

    def __init__(self) -> None:
        self.records: list[np.ndarray] = []

    def write(self, stream: str, record: np.ndarray) -> None:
        if stream == "control":
            self.records.append(record.copy())


class FaultRig(Protocol):
    """One loop over four buses; bus 0 is the left leader, 1 the right leader, 2 and 3 the followers."""

    robot: Robot
    loop: ControlLoop
    inputs: Inputs
    sink: MemorySink
    plant: BusPlant

    def tick(self) -> None: ...
    def stall(self, duration_s: float) -> None:
        """The control process does nothing for a time."""
        ...

    def inject(self, bus: int, kind: str, drive_id: int, value: float | None) -> None: ...
    def clear(self) -> None: ...
    def place(self, side: int, position_rad: FloatArray) -> None: ...
    def pull(self, target_rad: FloatArray, *, held: bool) -> None:
        """Hands pull the leaders towards joint angles [joints]."""
        ...

    def machine_trouble(self) -> str:
        """What the machine did to the run since `forget_trouble`; empty where it left it alone."""
        ...

    def forget_trouble(self) -> None: ...
    def forget_peaks(self) -> None: ...
    def peaks(self) -> tuple[float, float]:
        """Largest torque (N*m) and speed (rad/s) of any joint since `forget_peaks`."""
        ...

    def drive_torque_nm(self) -> FloatArray:
        """Torque of all windings now, [motors]."""
        ...

    def close(self) -> None: ...


def _make_loop(robot: Robot, plant: BusPlant, clock: Clock) -> tuple[ControlLoop, Inputs, MemorySink]:
    limit_s = robot.motor.command_timeout_s  # as for a robot on buses: its drives live on while the loop does not
    robot = replace(robot, timeouts=replace(robot.timeouts, simulated_stall_s=limit_s))
    sink, inputs = MemorySink(), make_inputs(robot.pairs, robot.leader_share)
    inputs.dead_man = True
    return ControlLoop(robot, Kinematics(robot), plant, None, clock, sink), inputs, sink


class _TwinBus:
    """The drives of one arm: registers of their own, a part of a side's arms behind them."""

    def __init__(self, arm: ArmTwin, joints: slice, motor: MotorRange) -> None:
        count = joints.stop - joints.start
        self.arm, self.joints = arm, joints
        self.ports = TwinPorts(np.zeros((5, count)).T, np.zeros((5, count)).T, np.zeros(count))
        ranges, ids = [motor] * count, list(range(1, count + 1))
        self.faults = WireFaults(motor.position_rad)
        self.drives = TwinDrives(TwinMotors(self.ports, ranges, ids), ranges, ids, self.faults)
        self.heard_ns = 0
        self.copy_out()

    def copy_out(self) -> None:
        self.ports.state[:, :4] = self.arm.ports.state[self.joints, :4]

    def copy_in(self, now_ns: int, timeout_s: float) -> None:
        """Registers to the arms; silence longer than the drive's time-out lets go."""
        if self.ports.idle_s == 0.0:
            self.heard_ns, self.ports.idle_s = now_ns, 1e-9
        silent_s = self.faults.idle_s((now_ns - self.heard_ns) * 1e-9, now_ns)
        ports = self.arm.ports
        ports.command[self.joints], ports.powered[self.joints] = self.ports.command, self.ports.powered
        if silent_s > timeout_s:
            ports.command[self.joints, KP : KD + 1] = 0.0
            ports.command[self.joints, TORQUE] = 0.0


class SteppedRig:
    """Twins in this process, on a stepped clock."""

    def __init__(self, robot: Robot) -> None:
        self.robot, self._clock = robot, SteppedClock(NS_PER_S)
        motor, per_arm = find_range(robot.motor_model, robot.firmware), robot.joints_per_arm
        self.arms = [ArmTwin(robot) for _ in SIDES]
        spans = [slice(p * per_arm, (p + 1) * per_arm) for p in range(robot.pairs)]
        self.buses = [_TwinBus(arm, span, motor) for arm in self.arms for span in spans]
        wired = [
            BusMotors(
                transport=TwinTransport(bus.drives, f"twin:{number}", self._clock.now_ns),
                motors=range(number * per_arm, (number + 1) * per_arm),
                drive_ids=bus.drives.drive_ids,
            )
            for number, bus in enumerate(self.buses)
        ]
        self.plant = BusPlant(MotorBuses(wired, [motor] * (2 * robot.joints), self._clock.now_ns), self._clock)
        self.loop, self.inputs, self.sink = _make_loop(robot, self.plant, self._clock)
        self._period_ns = round(NS_PER_S * self.loop.period_s)
        self._ticked_ns = self._clock.now_ns()
        self.plant.open()

    def tick(self) -> None:
        now_ns = self._clock.now_ns()
        self.inputs.away_s, self._ticked_ns = (now_ns - self._ticked_ns) * 1e-9, now_ns  # as the control worker does
        self.loop.tick(self.inputs)
        self.stall(self.loop.period_s)

    def machine_trouble(self) -> str:
        return ""  # a stepped clock waits for every machine

    def forget_trouble(self) -> None: ...

    def stall(self, duration_s: float) -> None:
        for _ in range(round(duration_s / self.loop.period_s)):
            now_ns = self._clock.now_ns()
            for bus in self.buses:
                bus.copy_in(now_ns, self.robot.motor.command_timeout_s)
            for arm in self.arms:
                arm.ports.idle_s = 0.0  # silence is each bus's own affair
                arm.step(self.loop.period_s)
            for bus in self.buses:
                bus.copy_out()
            self._clock.advance_ns(self._period_ns)

    def inject(self, bus: int, kind: str, drive_id: int, value: float | None) -> None:
        self.buses[bus].faults.inject(make_fault(kind, drive_id, value), self._clock.now_ns())

    def clear(self) -> None:
        for bus in self.buses:
            bus.faults.clear()

    def place(self, side: int, position_rad: FloatArray) -> None:
        self.arms[side].place(position_rad)
        for bus in self.buses:
            bus.copy_out()

    def pull(self, target_rad: FloatArray, *, held: bool) -> None:
        self.arms[0].hold(target_rad, np.full(self.robot.pairs, held, dtype=np.uint8))

    def forget_peaks(self) -> None:
        for arm in self.arms:
            arm.forget_peaks()

    def peaks(self) -> tuple[float, float]:
        torque = max(float(arm.peak_torque_nm.max()) for arm in self.arms)
        return torque, max(float(arm.peak_speed_rad_s.max()) for arm in self.arms)

    def drive_torque_nm(self) -> FloatArray:
        return np.concatenate([arm.ports.state[:, STATE_TORQUE] for arm in self.arms])

    def close(self) -> None:
        self.plant.close()


class TwinProcess:
    """The drives of one arm in a process of their own, behind a serial line."""

    def __init__(self, side: str, joints: Sequence[int], link: Path) -> None:
        command = [sys.executable, "-m", "studio.workers.arm_twin", "--side", side, "--link", str(link)]
        command += ["--joints", ",".join(map(str, joints))]
        # In a session of its own, so that Ctrl+C reaches only who ends it in order.
        self._process = subprocess.Popen(
            command, cwd=repository_root(), start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self._process.pid
        self.joints, self.link, self._unread = list(joints), link, b""

    def tell(self, **order: Any) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(json.dumps(order).encode() + b"\n")
            stream.flush()
        except BrokenPipeError:
            raise DeviceError(f"The arm twin at {self.link} has ended. Run it alone to see why.") from None

    def hear(self) -> dict[str, Any]:
        """Its next line.

        Raises:
            DeviceError: it says nothing.
        """
        stream, end_s = self._process.stdout, time.monotonic() + _ANSWER_S
        assert stream is not None
        while b"\n" not in self._unread:
            if not select.select([stream], [], [], max(0.0, end_s - time.monotonic()))[0]:
                raise DeviceError(
                    f"The arm twin at {self.link} said nothing for {_ANSWER_S:g} s. Close other programs."
                )
            data = os.read(stream.fileno(), 65536)
            if not data:
                raise DeviceError(f"The arm twin at {self.link} has ended. Run it alone to see why.")
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return json.loads(line)

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # it has ended before it heard all
                    stream.close()
        self._process.wait()


class SerialRig:
    """Twins in four processes behind pseudo-terminals, in real time: python-can and our slcan line are in the path."""

    def __init__(self, robot: Robot) -> None:
        self.robot, self._clock = robot, WallClock()
        self._folder = tempfile.TemporaryDirectory()
        per_arm, motor = robot.joints_per_arm, find_range(robot.motor_model, robot.firmware)
        spans = [range(p * per_arm, (p + 1) * per_arm) for p in range(robot.pairs)]
        places = [(side, span) for side in SIDES for span in spans]
        self._twins = [
            TwinProcess(side, span, Path(self._folder.name) / str(number)) for number, (side, span) in enumerate(places)
        ]
        for twin in self._twins:
            twin.hear()
        wired = [
            BusMotors(
                transport=PythonCanTransport(
                    open_python_can("slcan", str(twin.link), sleep_after_open=0.0), f"slcan:{number}"
                ),
                motors=range(number * per_arm, (number + 1) * per_arm),
                drive_ids=range(1, per_arm + 1),
            )
            for number, twin in enumerate(self._twins)
        ]
        self.plant = BusPlant(MotorBuses(wired, [motor] * (2 * robot.joints)), self._clock)
        self.loop, self.inputs, self.sink = _make_loop(robot, self.plant, self._clock)
        self._period_ns = round(NS_PER_S * self.loop.period_s)
        self._deadline_ns = self._clock.now_ns()
        self._absence = Absence()
        pids = {f"twin {number}": twin.pid for number, twin in enumerate(self._twins)}
        self._starvation = Starvation({"the loop": os.getpid(), **pids}, self.loop.period_s)
        self._take_precedence(list(pids.values()))
        self.plant.open()

    def _take_precedence(self, pids: list[int]) -> None:
        """The loop as in its worker; the twins before it, since no other program delays a real drive."""
        if obtain_priority(_PRIORITY):
            return  # refused: the campaign says what the machine did to each run
        for pid in pids:
            os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY + 1))

    def tick(self) -> None:
        self.inputs.away_s = self._absence.measure_s()
        self.loop.tick(self.inputs)
        self._deadline_ns = max(self._deadline_ns + self._period_ns, self._clock.now_ns())
        self._clock.sleep_until_ns(self._deadline_ns)
        self._starvation.note_wake((self._clock.now_ns() - self._deadline_ns) * 1e-9)
        self._starvation.look()

    def machine_trouble(self) -> str:
        return self._starvation.words

    def forget_trouble(self) -> None:
        self._starvation.forget()

    def stall(self, duration_s: float) -> None:
        time.sleep(duration_s)

    def inject(self, bus: int, kind: str, drive_id: int, value: float | None) -> None:
        self._twins[bus].tell(fault=kind, drive=drive_id, value=value)

    def clear(self) -> None:
        for twin in self._twins:
            twin.tell(clear=True)

    def place(self, side: int, position_rad: FloatArray) -> None:
        for twin in self._of(side):
            twin.tell(place=position_rad.tolist())

    def pull(self, target_rad: FloatArray, *, held: bool) -> None:
        for twin in self._of(0):
            twin.tell(hand=target_rad.tolist(), active=[int(held)] * self.robot.pairs)

    def _of(self, side: int) -> list[TwinProcess]:
        return self._twins[side * self.robot.pairs : (side + 1) * self.robot.pairs]

    def forget_peaks(self) -> None:
        for twin in self._twins:
            twin.tell(forget=True)

    def _ask(self, name: str) -> list[float]:
        """A value of every joint that is really on the bus of its process."""
        values: list[float] = []
        for twin in self._twins:
            twin.tell(ask=True)
            answer = twin.hear()
            values += [answer[name][joint] for joint in twin.joints]
        return values

    def peaks(self) -> tuple[float, float]:
        return max(self._ask("peak_torque_nm")), max(self._ask("peak_speed_rad_s"))

    def drive_torque_nm(self) -> FloatArray:
        return np.array(self._ask("torque_nm"))

    def close(self) -> None:
        leave_priority()
        self._starvation.close()
        self.plant.close()
        for twin in self._twins:
            twin.close()
        self._folder.cleanup()
