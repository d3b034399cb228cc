"""Twins of the drives of one side behind a pseudo-terminal that speaks slcan: what a driver finds at a USB adapter.

    python -m studio.workers.arm_twin --side leader --drive-ids 1,2,3,4,5,6,7,8 --link /tmp/leader

opens a pseudo-terminal, links it at the path given, and says where it is as one JSON line. Arm physics only; nothing to
touch. It is no worker of a session but stands for hardware: it lives until its standard input closes.

Control lines on standard input, one JSON object each: {"fault": NAME, "drive": ID or 0, "value": X}, {"clear": true},
{"place": [rad ...]}, {"hand": [rad ...], "active": [0 or 1 per pair]}, {"forget": true}, {"ask": true}. The last is
answered with position, torque, power, the commands now in force, and since `forget` the peaks and how many commands of
pure damping came. A line that is wrong is answered with {"error": ...}.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import sys
import time
import tty
from pathlib import Path
from typing import Any

import numpy as np

from hw_drivers.bus.slcan import SlcanAdapter, format_frame
from hw_drivers.bus.twin_drives import TwinDrives
from hw_drivers.bus.wire_fault import FaultKind, Frame, WireFaults, make_fault
from hw_drivers.motors.models import find_range
from hw_drivers.motors.twin import TwinMotors
from studio.core.errors import ConfigError, StudioError
from studio.core.protocols import KD, KP, STATE_TORQUE, TwinPorts
from studio.robot.description import Robot, load_robot
from studio.sim.arm_twin import ArmTwin

_STEP_S = 0.001  # physics catches up at least this often
_MOST_STEP_S = 0.05  # a twin that was starved does not catch up all of it at once
_READ_BYTES = 65536


class SerialPort:
    """The adapter's side of a pseudo-terminal. `unplug` closes it, as a pulled USB plug does."""

    def __init__(self, link: Path | None) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        self._link = link
        if link is not None:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)

    def read(self) -> bytes:
        try:
            return os.read(self.master, _READ_BYTES)
        except OSError:  # nothing there
            return b""

    def write(self, data: bytes) -> None:
        """What the host does not read in time is lost, as in an adapter whose buffer is full."""
        try:
            os.write(self.master, data)
        except BlockingIOError:
            return

    def unplug(self) -> None:
        for file in (self.master, self._slave):
            if file >= 0:
                os.close(file)
        self.master = self._slave = -1
        if self._link is not None:
            self._link.unlink(missing_ok=True)


class ArmTwinProcess:
    """One bus with the drives of one side behind it, in real time.

    Args:
        robot: whose arms.
        joints: of the side, which are on this bus.
        drive_ids: of those joints, in their order.
        port: where the host is.
    """

    def __init__(self, robot: Robot, joints: list[int], drive_ids: list[int], port: SerialPort) -> None:
        self.arm, self.port, self._joints = ArmTwin(robot), port, np.array(joints)
        row = find_range(robot.motor_model, robot.firmware)
        ranges = [row] * len(joints)
        self._ports = TwinPorts(np.zeros((5, len(joints))).T, np.zeros((5, len(joints))).T, np.zeros(len(joints)))
        self.faults = WireFaults(row.position_rad)
        self._drives = TwinDrives(TwinMotors(self._ports, ranges, drive_ids), ranges, drive_ids, self.faults)
        self._adapter = SlcanAdapter()
        self._damping_commands = 0  # powered, no stiffness, damping, on all drives
        self._stepped_ns = self._command_ns = time.monotonic_ns()
        self._copy_out()

    def run(self, control: int) -> None:
        """Serve until the control channel closes."""
        unread = b""
        while True:
            files = [control, self.port.master] if self.port.master >= 0 else [control]
            ready = select.select(files, [], [], _STEP_S)[0]
            self._step()
            if control in ready:
                data = os.read(control, _READ_BYTES)
                if not data:
                    return
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    self._obey(line)
            self.serve()

    def serve(self) -> None:
        """Take what the host has sent, answer, and send what comes unprompted."""
        now_ns = time.monotonic_ns()
        if self.port.master < 0 or self.faults.is_on(FaultKind.NO_BUFFER, now_ns):
            return
        frames, answers = self._adapter.take(self.port.read())
        if answers:
            self.port.write(answers)
        replies = self._answer(frames, now_ns) if frames else []
        replies += self._drives.unprompted(now_ns)
        if replies and self._adapter.open:
            self.port.write(b"".join(format_frame(can_id, data) for can_id, data in replies))

    def _answer(self, frames: list[Frame], now_ns: int) -> list[Frame]:
        replies = self._drives.answer(frames, now_ns)
        self._command_ns = now_ns
        joints, ports, inner = self._joints, self.arm.ports, self._ports
        ports.command[joints], ports.powered[joints] = inner.command, inner.powered
        stiff, damped = inner.command[:, KP] > 0.0, inner.command[:, KD] > 0.0
        self._damping_commands += bool((damped & ~stiff & (inner.powered > 0)).all())
        return replies

    def _step(self) -> None:
        now_ns = time.monotonic_ns()
        duration_s = min((now_ns - self._stepped_ns) * 1e-9, _MOST_STEP_S)
        self._stepped_ns = now_ns
        self.arm.ports.idle_s = self.faults.idle_s((now_ns - self._command_ns) * 1e-9, now_ns)
        self.arm.step(duration_s)
        self._copy_out()

    def _copy_out(self) -> None:
        """What the drives measure; the error code is their own."""
        self._ports.state[:, :4] = self.arm.ports.state[self._joints, :4]

    # The control channel.

    def _obey(self, line: bytes) -> None:
        try:
            self._obey_order(json.loads(line))
        except StudioError as error:
            _say({"error": str(error)})
        except (ValueError, TypeError, KeyError) as error:
            _say({"error": f"The control line {line.decode(errors='replace')!r} is wrong: {error}."})

    def _obey_order(self, order: dict[str, Any]) -> None:
        if "fault" in order:
            fault = make_fault(str(order["fault"]), int(order.get("drive", 0)), order.get("value"))
            self.faults.inject(fault, time.monotonic_ns())
            if fault.kind is FaultKind.UNPLUG:
                self.port.unplug()
        elif "clear" in order:
            self.faults.clear()
        elif "place" in order:
            self.arm.place(self._angles(order["place"]))
        elif "hand" in order:
            self.arm.hold(self._angles(order["hand"]), np.array(order["active"], dtype=np.uint8))
        elif "forget" in order:
            self.arm.forget_peaks()
            self._damping_commands = 0
        elif "ask" in order:
            _say(self._state())
        else:
            raise ConfigError(f"The twin does not know {sorted(order)}. Known: fault, clear, place, hand, forget, ask.")

    def _angles(self, values: Any) -> np.ndarray:
        angles = np.array(values, dtype=np.float64)
        if angles.shape != (self.arm.robot.joints,) or not np.isfinite(angles).all():
            raise ConfigError(f"{len(angles)} joint angles were given; {self.arm.robot.joints} are needed, in rad.")
        return angles

    def _state(self) -> dict[str, Any]:
        arm = self.arm
        return {
            "position_rad": arm.position_rad.tolist(),
            "torque_nm": arm.ports.state[:, STATE_TORQUE].tolist(),
            "powered": (arm.ports.powered > 0).tolist(),
            "kp_nm_rad": arm.ports.command[:, KP].tolist(),
            "kd_nm_s_rad": arm.ports.command[:, KD].tolist(),
            "damping_commands": self._damping_commands,
            "peak_torque_nm": arm.peak_torque_nm.tolist(),
            "peak_speed_rad_s": arm.peak_speed_rad_s.tolist(),
        }


def _say(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m studio.workers.arm_twin", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--robot", default="dual_arm_ak60", help="name of a robot, or its folder")
    parser.add_argument("--side", choices=("leader", "follower"), default="leader")
    parser.add_argument(
        "--joints", default="", help="indices of the side's joints on this bus, such as 0,1,2,3; empty: all"
    )
    parser.add_argument("--drive-ids", default="", help="their ids, such as 1,2,3,4; empty: 1, 2, 3, ...")
    parser.add_argument("--link", type=Path, default=None, help="path that is to lead to the pseudo-terminal")
    return parser.parse_args(arguments)


def _numbers(text: str, usual: list[int]) -> list[int]:
    return [int(part) for part in text.split(",")] if text else usual


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    robot = load_robot(options.robot)
    joints = _numbers(options.joints, list(range(robot.joints)))
    drive_ids = _numbers(options.drive_ids, list(range(1, len(joints) + 1)))
    if len(drive_ids) != len(joints) or not set(joints) <= set(range(robot.joints)):
        raise ConfigError(
            f"{len(drive_ids)} drive ids for joints {joints}: give one per joint, 0 to {robot.joints - 1}."
        )
    port = SerialPort(options.link)
    twin = ArmTwinProcess(robot, joints, drive_ids, port)
    _say({"ready": True, "path": port.path, "side": options.side, "drive_ids": drive_ids})
    try:
        twin.run(sys.stdin.fileno())
    finally:
        port.unplug()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StudioError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
