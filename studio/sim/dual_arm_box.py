"""The default world: follower arms, a table and a box in PyBullet, leader twins, the drive law at physics rate."""

from __future__ import annotations

from operator import itemgetter
from struct import Struct
from typing import Any

import numpy as np

from studio.core.config import check_range
from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray
from studio.core.kernel import make_kernel
from studio.core.protocols import STATE_POSITION, STATE_TEMPERATURE, STATE_TORQUE, STATE_VELOCITY, TwinPorts
from studio.core.task import Task
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics
from studio.sim.bullet import connect, pybullet
from studio.sim.drive_law import DriveLaw
from studio.sim.leader import LeaderTwins
from studio.sim.scene import Scene, load_scene
from studio.sim.twin_steps import make_steps

set_motors, step_simulation = pybullet.setJointMotorControlArray, pybullet.stepSimulation
get_joint_states, TORQUE_CONTROL = pybullet.getJointStates, pybullet.TORQUE_CONTROL
# Called directly, with the connection's number: the client object looks every name up anew, which costs as much again.
get_pose, get_velocity, get_contacts = (
    pybullet.getBasePositionAndOrientation,
    pybullet.getBaseVelocity,
    pybullet.getContactPoints,
)
_first, _second = itemgetter(0), itemgetter(1)  # position and velocity of a joint state

_ROOM_TEMPERATURE_C = 25.0
_HEAT_C_PER_NM2_S = 0.02  # at 3 N*m for long about 40 degC above the room
_COOL_PER_S = 0.0045
_LOST_HEIGHT_M = 0.6
_CLEARANCE_M = 0.13  # between the object's centre and a tip when it is put back
_OVERHEAD_M = 0.18  # tips above this height are not in the way


class DualArmBoxWorld:
    """A `World`. Motors are ordered leader joints first, then follower joints.

    Args:
        robot: description of the arms.
        task: says where the object may lie and when it is lost.
        seed: of where the object is put when its place is taken.
        physics_rate_hz: a multiple of the control rate, 2000 or more.
        scene: surroundings; the default scene when None.
    """

    def __init__(
        self, robot: Robot, task: Task, seed: int, physics_rate_hz: float = 2000.0, scene: Scene | None = None
    ) -> None:
        check_range("world", "physics_rate_hz", physics_rate_hz, 2000, 20000, " Hz")
        self.robot, self.task = robot, task
        self.kinematics = Kinematics(robot)
        self.scene = scene or load_scene()
        self.dt_s = 1.0 / physics_rate_hz
        self._random = np.random.default_rng(seed)
        motors = 2 * robot.joints
        n = robot.joints
        self._state = np.zeros((2, motors))  # position and velocity of leader, then follower
        self._position, self._velocity = self._state
        self._follower = self._state[:, n:]
        self._state_bytes = self._state.view(np.uint8).reshape(-1).data  # packing floats is quicker than assigning them
        self._pack_joints = Struct(f"{n}d").pack_into
        self._follower_offsets = 8 * n, 8 * (motors + n)
        self._scratch, self._duration_s = np.empty(motors), -1.0
        self._heating, self._keep, self._room = np.zeros(motors), np.zeros(motors), np.zeros(motors)
        # Transposed, so that columns are contiguous: everything here works on columns.
        self._ports = TwinPorts(np.zeros((5, motors)).T, np.zeros((5, motors)).T, np.zeros(motors))
        self._columns = self._ports.state.T
        self._columns[STATE_TEMPERATURE] = _ROOM_TEMPERATURE_C
        self._law = DriveLaw(robot, self._state, self.dt_s)
        self._follower_net = self._law.net_nm[n:]
        self._leader = LeaderTwins(robot, self.kinematics, self._law, self._state[:, :n], self.dt_s)
        self._step_drives, self._move_joints = make_steps(self._law, self._leader, self._state, self.dt_s)
        members = {"motors": motors, "state": self._state, "torque": self._law.torque_nm, "columns": self._columns}
        members |= {"heating": self._heating, "keep": self._keep, "room": self._room}
        self._report = make_kernel("Report", "report", members)
        self._client: Any = connect()
        self._connection: int = self._client._client
        self._build()
        self.place_arms(robot.home_rad)
        self.put_object_back()

    def _build(self) -> None:
        client, scene = self._client, self.scene
        client.setTimeStep(self.dt_s)
        client.setGravity(0, 0, -9.81)
        client.setPhysicsEngineParameter(deterministicOverlappingPairs=1)
        top = client.createCollisionShape(pybullet.GEOM_BOX, halfExtents=[0.5, 0.5, 0.05])
        # The table as a plain rigid body: as one of the articulated kind, without a joint, every step takes 1 us more.
        # Not so the object, whose friction would be solved in another way: two hands would turn what they push.
        table = {"basePosition": [0.05, 0, -0.05], "useMaximalCoordinates": 1}
        self._table: int = client.createMultiBody(0, top, **table)
        half = scene.object_edge_m / 2
        cube = client.createCollisionShape(pybullet.GEOM_BOX, halfExtents=[half, half, half])
        self._object: int = client.createMultiBody(scene.object_mass_kg, cube, basePosition=[0, 0, half])
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_USE_SELF_COLLISION
        self._arms: int = client.loadURDF(str(self.robot.urdf_path), useFixedBase=True, flags=flags)
        joints = client.getNumJoints(self._arms)
        if joints != self.robot.joints:
            path, wanted = self.robot.urdf_path, self.robot.joints
            raise ConfigError(f"{path} has {joints} joints, robot.toml {wanted}. Generate it again.")
        self._joints, self._unused = list(range(joints)), [0.0] * joints
        # Bullet multiplies the two frictions; the object's is 1, so the scene's numbers are those of the pairs.
        client.changeDynamics(self._table, -1, lateralFriction=scene.friction_table_object)
        client.changeDynamics(self._object, -1, lateralFriction=1.0, linearDamping=0, angularDamping=0)
        for joint in self._joints:
            client.changeDynamics(
                self._arms,
                joint,
                lateralFriction=scene.friction_tip_object,
                linearDamping=0,
                angularDamping=0,
                jointDamping=0,
            )
        softness = {"contactStiffness": scene.tip_stiffness_n_m, "contactDamping": scene.tip_damping_n_s_m}
        for hand in self._joints[self.robot.joints_per_arm - 1 :: self.robot.joints_per_arm]:
            client.changeDynamics(self._arms, hand, **softness)
        client.setJointMotorControlArray(self._arms, self._joints, pybullet.VELOCITY_CONTROL, forces=[0.0] * joints)
        self._set_collisions()

    def _set_collisions(self) -> None:
        """Within one arm nothing collides; between arms only hands and forearms do."""
        per_arm, client = self.robot.joints_per_arm, self._client
        for a in self._joints:
            for b in self._joints[:a]:
                other_arm = a // per_arm != b // per_arm
                distal = a % per_arm >= 2 and b % per_arm >= 2
                client.setCollisionFilterPair(self._arms, self._arms, a, b, int(other_arm and distal))

    def twin_ports(self) -> TwinPorts:
        """The registers that motor twins write and read; valid as long as the world."""
        return self._ports

    def step(self, duration_s: float) -> None:
        """Advance physics, drives and hands by a whole number of physics steps.

        Bullet's step is semi-implicit Euler, position += velocity * dt: so only velocities are read at physics rate,
        and the positions of both sides follow in one sum. Bullet's own positions replace it at the end.
        """
        client, arms, joints = self._connection, self._arms, self._joints
        net, pack, memory = self._follower_net, self._pack_joints, self._state_bytes
        step_drives, move_joints = self._step_drives, self._move_joints
        position_offset, velocity_offset = self._follower_offsets
        unused, states = self._unused, ()  # targets and gains of the other modes: by position is quicker than by name
        self._law.load(self._ports)
        self._leader.load(duration_s)
        for _ in range(round(duration_s / self.dt_s)):
            step_drives()
            set_motors(arms, joints, TORQUE_CONTROL, unused, unused, net.tolist(), unused, unused, client)
            step_simulation(client)
            states = get_joint_states(arms, joints, client)
            pack(memory, velocity_offset, *map(_second, states))
            move_joints()
        if states:
            pack(memory, position_offset, *map(_first, states))
        self._ports.idle_s += duration_s
        self._publish(duration_s)

    def _publish(self, duration_s: float) -> None:
        if duration_s != self._duration_s:
            self._set_duration(duration_s)
        if self._report is not None:
            self._report.run()
            return
        columns, torque, x = self._columns, self._law.torque_nm, self._scratch
        columns[STATE_POSITION : STATE_VELOCITY + 1] = self._state
        columns[STATE_TORQUE] = torque
        heat = columns[STATE_TEMPERATURE]
        np.multiply(torque, torque, x)
        np.multiply(x, self._heating, x)
        np.multiply(heat, self._keep, heat)
        np.add(heat, x, heat)
        np.add(heat, self._room, heat)

    def _set_duration(self, duration_s: float) -> None:
        """Numbers that depend on the control period, as arrays: NumPy takes twice as long with plain ones."""
        self._duration_s = duration_s
        self._heating[:], self._keep[:] = _HEAT_C_PER_NM2_S * duration_s, 1.0 - _COOL_PER_S * duration_s
        self._room[:] = _COOL_PER_S * duration_s * _ROOM_TEMPERATURE_C

    def object_pose(self) -> tuple[FloatArray, FloatArray]:
        position, orientation = get_pose(self._object, self._connection)
        return np.array(position), np.array(orientation)

    def place_object(self, position_m: FloatArray, orientation_xyzw: FloatArray) -> None:
        """Put the object at rest at a pose."""
        self._client.resetBasePositionAndOrientation(self._object, list(position_m), list(orientation_xyzw))
        self._client.resetBaseVelocity(self._object, [0, 0, 0], [0, 0, 0])

    def put_object_back(self) -> None:
        """To the middle of the area, or near it when an arm is in the way; face +z up."""
        spot = self._free_spot_m()
        place = np.array([spot[0], spot[1], self.task.object_rest_height_m])
        self.place_object(place, np.array([0.0, 0.0, 0.0, 1.0]))

    def _free_spot_m(self) -> FloatArray:
        """The middle of the area when it is free, else the random place of it that is furthest from all arms."""
        tips = self.kinematics.tip_positions(self._follower[0])
        low = np.array([self.task.area_x_m[0], self.task.area_y_m[0]])
        high = np.array([self.task.area_x_m[1], self.task.area_y_m[1]])
        spots = np.vstack([(low + high) / 2, self._random.uniform(low, high, (50, 2))])
        distance_m = np.linalg.norm(spots[:, None] - tips[:, :2], axis=2)
        distance_m[:, tips[:, 2] > _OVERHEAD_M] = np.inf
        nearest_m = distance_m.min(axis=1)
        return spots[0] if nearest_m[0] > _CLEARANCE_M else spots[int(nearest_m.argmax())]

    def object_lost(self) -> bool:
        """Outside the task's table, fallen or thrown."""
        x, y, z = get_pose(self._object, self._connection)[0]
        task = self.task
        inside = task.table_x_m[0] <= x <= task.table_x_m[1] and task.table_y_m[0] <= y <= task.table_y_m[1]
        return not (inside and 0.0 < z < _LOST_HEIGHT_M)

    def place_arms(self, position_rad: FloatArray) -> None:
        """Put leader and follower arms at joint angles [joints] at rest, drives' windings empty."""
        for joint, angle in enumerate(position_rad.tolist()):
            self._client.resetJointState(self._arms, joint, angle, 0.0)
        self._follower[0] = position_rad
        self._leader.place(position_rad)
        self._velocity[:] = 0.0
        self._law.reset()
        self._publish(0.0)

    def contact_forces_n(self) -> FloatArray:
        """Force [pairs, 3] in N on each arm by everything that touches it, as the simulator knows it."""
        forces = [[0.0, 0.0, 0.0] for _ in range(self.robot.pairs)]
        per_arm = self.robot.joints_per_arm
        for contact in get_contacts(bodyA=self._arms, physicsClientId=self._connection):
            normal, size = contact[7], contact[9]
            side1, along1, side2, along2 = contact[10], contact[11], contact[12], contact[13]
            on_first = forces[contact[3] // per_arm]
            on_second = forces[contact[4] // per_arm] if contact[2] == self._arms else None
            for i in range(3):
                force = normal[i] * size + side1 * along1[i] + side2 * along2[i]
                on_first[i] += force
                if on_second is not None:
                    on_second[i] -= force
        return np.array(forces)

    def fill_truth(self, record: np.ndarray) -> None:
        linear, angular = get_velocity(self._object, self._connection)
        record["contact_force_n"] = self.contact_forces_n()
        record["linear_velocity_m_s"] = linear
        record["angular_velocity_rad_s"] = angular

    def hold_leader(self, joint_target_rad: FloatArray, active: np.ndarray) -> None:
        """Hands on the leaders of the pairs in `active` [pairs]: spring-dampers to joint targets [joints] in rad."""
        self._leader.hold(joint_target_rad, active)

    def close(self) -> None:
        self._client.disconnect()
