"""The peer of `bench control`: the same 16-motor cycle written plainly, as people write it with python-can.

One `can.Message` per frame, one motor after the other in plain Python, python-can's own SocketCAN class. It does all
that our loop does: decode, watch, gravity, contact estimate, passivity observer, coupling, limits, encode, publish.
"""

from __future__ import annotations

import socket
import time
from math import exp, floor, pi, tanh
from typing import Any

import can
import numpy as np
from can.interfaces.socketcan import constants
from can.interfaces.socketcan.socketcan import SocketcanBus

from hw_drivers.motors.models import MotorRange
from studio.control.settings import ControlSettings
from studio.core.records import PairState, RecordType
from studio.ipc.ring import RingWriter
from studio.robot.description import Robot
from studio.robot.geometry import force_of_arm
from studio.robot.kinematics import Kinematics


class PairBus(SocketcanBus):
    """python-can's SocketCAN bus on one end of a socket pair: its own sending, receiving, timestamps and parsing."""

    def __init__(self, socket_: socket.socket) -> None:
        self.socket = socket_
        socket_.setsockopt(socket.SOL_SOCKET, constants.SO_TIMESTAMPNS, 1)
        self.channel, self.channel_info = "pair", "socket pair"
        self._bcm_sockets: dict[str, socket.socket] = {}
        self._task_id = 0
        can.BusABC.__init__(self, channel="pair")

    def _apply_filters(self, filters: Any) -> None:
        self._is_filtered = True  # as with a kernel that filters

    def fileno(self) -> int:
        return self.socket.fileno()


def to_code(value: float, low: float, high: float, bits: int) -> int:
    most = (1 << bits) - 1
    return min(max(floor((value - low) / (high - low) * most + 0.5), 0), most)


def to_value(code: int, low: float, high: float, bits: int) -> float:
    return code * (high - low) / ((1 << bits) - 1) + low


class PlainMotor:
    """One motor: its id, what it last said, what it is told."""

    def __init__(self, drive_id: int, bus: PairBus, motor: MotorRange) -> None:
        self.drive_id, self.bus, self.motor = drive_id, bus, motor
        self.position = self.velocity = self.torque = self.temperature = 0.0
        self.error, self.time = 0, 0.0
        self.missed = 0
        self.requested = self.sent = (0.0, 0.0, 0.0, 0.0, 0.0)

    def decode(self, message: can.Message) -> None:
        data, m = message.data, self.motor
        self.position = to_value(data[1] << 8 | data[2], -m.position_rad, m.position_rad, 16)
        self.velocity = to_value(data[3] << 4 | data[4] >> 4, -m.velocity_rad_s, m.velocity_rad_s, 12)
        self.torque = to_value((data[4] & 0xF) << 8 | data[5], -m.torque_nm, m.torque_nm, 12)
        self.temperature, self.error = data[6] + m.temperature_offset_c, data[7]
        self.time = message.timestamp

    def encode(self, p: float, v: float, kp: float, kd: float, t: float) -> can.Message:
        m = self.motor
        p_code = to_code(p, -m.position_rad, m.position_rad, 16)
        v_code = to_code(v, -m.velocity_rad_s, m.velocity_rad_s, 12)
        kp_code = min(to_code(kp, 0.0, m.kp_nm_rad, 12), 0xFFE)
        kd_code = to_code(kd, 0.0, m.kd_nm_s_rad, 12)
        t_code = to_code(t, -m.torque_nm, m.torque_nm, 12)
        self.sent = (
            to_value(p_code, -m.position_rad, m.position_rad, 16),
            to_value(v_code, -m.velocity_rad_s, m.velocity_rad_s, 12),
            to_value(kp_code, 0.0, m.kp_nm_rad, 12),
            to_value(kd_code, 0.0, m.kd_nm_s_rad, 12),
            to_value(t_code, -m.torque_nm, m.torque_nm, 12),
        )
        data = bytes(
            [
                p_code >> 8,
                p_code & 0xFF,
                v_code >> 4,
                (v_code & 0xF) << 4 | kp_code >> 8,
                kp_code & 0xFF,
                kd_code >> 4,
                (kd_code & 0xF) << 4 | t_code >> 8,
                t_code & 0xFF,
            ]
        )
        return can.Message(arbitration_id=self.drive_id, data=data, is_extended_id=False)


class PlainCycle:
    """All motors, one bus per arm; `tick` is one period in the order of our loop: read, compute, send, publish."""

    def __init__(
        self, robot: Robot, motor: MotorRange, sockets: list[socket.socket], ring: RingWriter, record: RecordType
    ) -> None:
        self.robot, self.kinematics, self.settings = robot, Kinematics(robot), ControlSettings()
        self.buses = [PairBus(s) for s in sockets]
        self.period_s = 1.0 / robot.loop_rate_hz
        per_arm = robot.joints_per_arm
        self.motors = [PlainMotor(i % per_arm + 1, self.buses[i // per_arm], motor) for i in range(2 * robot.joints)]
        self.by_bus = [self.motors[i * per_arm : (i + 1) * per_arm] for i in range(len(self.buses))]
        self.leaders, self.followers = self.motors[: robot.joints], self.motors[robot.joints :]
        self.ring, self.record = ring, record.empty()[0]
        self.wanted = [0.0] * len(self.motors)  # set-points so far
        self.before = [0.0] * len(self.motors)
        self.observer = [0.0] * robot.joints
        self.energy = [self.settings.energy_allowance_j] * robot.pairs
        self.absorbed: list[float | None] = [None] * robot.pairs
        self.forces = [(0.0, 0.0, 0.0)] * robot.pairs
        self.ticks = 0

    def tick(self) -> None:
        now_ns = time.monotonic_ns()
        self.receive()
        if self.trouble():
            raise RuntimeError("the replies of the benchmark are within all limits")
        leader_gravity = self.kinematics.gravity_nm(np.array([m.position for m in self.leaders])).tolist()
        follower_gravity = self.kinematics.gravity_nm(np.array([m.position for m in self.followers])).tolist()
        self.estimate(follower_gravity)
        self.observe()
        self.couple(leader_gravity, follower_gravity)
        for number, motor in enumerate(self.motors):
            motor.bus.send(motor.encode(*self.limit(number, motor)))
        self.publish(now_ns)
        self.ticks += 1

    def exchange(self) -> None:
        """Only the wire: receive and decode, encode and send."""
        self.receive()
        for motor in self.motors:
            motor.bus.send(motor.encode(*motor.requested))

    def close(self) -> None:
        for bus in self.buses:
            bus.shutdown()

    def receive(self) -> None:
        for motor in self.motors:
            motor.missed += 1
        for bus, motors in zip(self.buses, self.by_bus, strict=True):
            by_id = {motor.drive_id: motor for motor in motors}
            for _ in motors:
                message = bus.recv(0.001)
                if message is None:
                    break
                if message.is_error_frame or len(message.data) not in (6, 8):
                    continue
                motor = by_id.get(message.data[0])
                if motor is not None:
                    motor.decode(message)
                    motor.missed = 0

    def trouble(self) -> bool:
        robot, settings = self.robot, self.settings
        for number, motor in enumerate(self.motors):
            joint = number % robot.joints
            margin = settings.position_trip_margin_rad
            if (
                motor.missed >= robot.timeouts.motor_late_ticks
                or motor.error
                or motor.temperature > settings.temperature_trip_c
                or abs(motor.velocity) > robot.velocity_limit_rad_s * settings.velocity_trip_factor
                or not robot.position_lower_rad[joint] - margin
                <= motor.position
                <= robot.position_upper_rad[joint] + margin
            ):
                return True
        return False

    def estimate(self, gravity: list[float]) -> None:
        """Reaction torque of the followers, and the force at each hand."""
        robot, torques = self.robot, []
        gamma = 2.0 * pi * self.settings.estimator_cutoff_hz
        weight = 1.0 - exp(-gamma * self.period_s)
        for joint, motor in enumerate(self.followers):
            friction = robot.motor.coulomb_friction_nm * tanh(motor.velocity / robot.motor.friction_speed_rad_s)
            friction += robot.motor.viscous_friction_nm_s_rad * motor.velocity
            momentum = gamma * robot.leader_inertia_kg_m2[joint] * motor.velocity
            value = motor.torque - gravity[joint] - friction + momentum
            self.observer[joint] += weight * (value - self.observer[joint])
            torques.append(self.observer[joint] - momentum)
        for pair in range(robot.pairs):
            first = pair * robot.joints_per_arm
            q = [motor.position for motor in self.followers[first : first + robot.joints_per_arm]]
            force = force_of_arm(robot.link_lengths_m, q, torques[first : first + robot.joints_per_arm])
            self.forces[pair] = (-force[0], -force[1], -force[2])

    def observe(self) -> None:
        """Energy of the coupling per pair (spec/hardware.md 6.7)."""
        robot = self.robot
        for pair in range(robot.pairs):
            work = stored = 0.0
            for joint in range(pair * robot.joints_per_arm, (pair + 1) * robot.joints_per_arm):
                for number in (joint, joint + robot.joints):
                    motor = self.motors[number]
                    delta = motor.position - self.before[number]
                    mean, speed = motor.position - 0.5 * delta, delta / self.period_s
                    p, v, kp, kd, _ = motor.sent
                    work += (kp * (p - mean) + kd * (v - speed)) * delta
                    self.before[number] = motor.position
                apart = self.leaders[joint].position - self.followers[joint].position
                stored += 0.5 * self.followers[joint].sent[2] * apart * apart
            absorbed = self.absorbed[pair]
            absorbed = stored if absorbed is None else absorbed - work
            left = absorbed - stored + self.settings.energy_allowance_j
            if left > self.settings.energy_cap_j:
                absorbed -= left - self.settings.energy_cap_j
                left = self.settings.energy_cap_j
            self.absorbed[pair], self.energy[pair] = absorbed, left

    def couple(self, leader_gravity: list[float], follower_gravity: list[float]) -> None:
        robot = self.robot
        for joint, (leader, follower) in enumerate(zip(self.leaders, self.followers, strict=True)):
            kp, kd = float(robot.stiffness_nm_rad[joint]), float(robot.damping_nm_s_rad[joint])
            share = robot.leader_share
            leader.requested = (follower.position, follower.velocity, share * kp, share * kd, leader_gravity[joint])
            follower.requested = (leader.position, leader.velocity, kp, kd, follower_gravity[joint])

    def limit(self, number: int, motor: PlainMotor) -> tuple[float, float, float, float, float]:
        robot, joint = self.robot, number % self.robot.joints
        p, v, kp, kd, t = motor.requested
        step = robot.velocity_limit_rad_s * self.period_s
        if self.ticks == 0:
            self.wanted[number] = motor.position
        p = self.wanted[number] + min(max(p - self.wanted[number], -step), step)
        self.wanted[number] = p
        p = min(max(p, float(robot.position_lower_rad[joint])), float(robot.position_upper_rad[joint]))
        v = min(max(v, -robot.velocity_limit_rad_s), robot.velocity_limit_rad_s)
        kp, kd = min(max(kp, 0.0), 500.0), min(max(kd, self.settings.least_damping_nm_s_rad), 5.0)
        t = min(max(t, -robot.torque_limit_nm), robot.torque_limit_nm)
        coupling = kp * (p - motor.position) + kd * (v - motor.velocity)
        room = robot.torque_limit_nm * (1.0 - abs(motor.velocity) / robot.no_load_speed_rad_s)
        if abs(coupling + t) > room and coupling:
            scale = max(0.0, (room - abs(t)) / abs(coupling))
            kp, kd = kp * min(1.0, scale), kd * min(1.0, scale)
        return p, v, kp, kd, t

    def publish(self, now_ns: int) -> None:
        """The same record, field by field."""
        record, wall_s = self.record, time.time()
        record["t_ns"], record["tick"] = now_ns, self.ticks
        for side, motors in (("leader", self.leaders), ("follower", self.followers)):
            record[f"{side}_position_rad"] = [m.position for m in motors]
            record[f"{side}_velocity_rad_s"] = [m.velocity for m in motors]
            record[f"{side}_torque_nm"] = [m.torque for m in motors]
            record[f"{side}_temperature_c"] = [m.temperature for m in motors]
            record[f"{side}_error_code"] = [m.error for m in motors]
            record[f"{side}_reply_age_s"] = [wall_s - m.time for m in motors]
            for stage in ("requested", "sent"):
                values = list(zip(*(getattr(m, stage) for m in motors), strict=True))
                record[f"{side}_{stage}_position_rad"] = values[0]
                record[f"{side}_{stage}_velocity_rad_s"] = values[1]
                record[f"{side}_{stage}_kp_nm_rad"] = values[2]
                record[f"{side}_{stage}_kd_nm_s_rad"] = values[3]
                record[f"{side}_{stage}_torque_nm"] = values[4]
        record["contact_force_n"], record["energy_left_j"] = self.forces, self.energy
        record["pair_state"], record["driver"], record["dead_man"] = PairState.ENGAGED, 1, 1
        self.ring.write(record)
