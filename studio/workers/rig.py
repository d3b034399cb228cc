"""Where interfaces and implementations meet: world, motor twins, plant and control loop put together.

The same loop runs in real time (worker `control`) and here on the stepped clock, as fast as the machine allows.
"""

from __future__ import annotations

import numpy as np

from hw_drivers.bus.claim import BusClaim
from hw_drivers.bus.load import LEGACY, V3, check_load
from hw_drivers.bus.motor_buses import BusMotors, MotorBuses
from hw_drivers.bus.plant import BusPlant
from hw_drivers.bus.python_can import PythonCanTransport, open_python_can
from hw_drivers.bus.raw_can import open_socketcan
from hw_drivers.bus.transport import FrameTransport
from hw_drivers.motors.calibrated_plant import CalibratedPlant, make_joint_map
from hw_drivers.motors.models import find_range
from hw_drivers.motors.plant import TwinPlant
from hw_drivers.motors.twin import TwinMotors
from studio.control.inputs import Inputs, make_inputs
from studio.control.loop import ControlLoop
from studio.control.settings import ControlSettings, control_settings
from studio.core.clock import NS_PER_S, SteppedClock
from studio.core.errors import ConfigError, SafetyError, StudioError
from studio.core.geometry import FloatArray
from studio.core.protocols import Clock, Sink
from studio.core.records import Driver, PairState, RecordType
from studio.core.task import Task
from studio.ipc.channels import make_target_slot
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics
from studio.robot.wiring import BusWiring
from studio.sim.dual_arm_box import DualArmBoxWorld
from studio.workers.calibration import (
    drive_knowledge,
    load_robot_calibrations,
    motor_names,
    motor_rows,
    silence_warning,
)

_RAMP_TICKS = 12  # a target is written again this often, well within its time-out
_SETTLE_TICKS = 120
_LET_DOWN_TICKS = 2000  # arms whose motors were cut off are let down meanwhile
_CATCH_UP_TICKS = 10


class Simulation:
    """World, twins and loop on one clock. `inputs` is refilled by whoever drives, then `tick` does one period."""

    def __init__(self, world: DualArmBoxWorld, plant: TwinPlant, loop: ControlLoop, clock: Clock) -> None:
        self.world, self.plant, self.loop, self.clock = world, plant, loop, clock
        self.inputs: Inputs = make_inputs(loop.robot.pairs, loop.robot.leader_share)
        self.period_ns = round(NS_PER_S * loop.period_s)
        self._deadline_ns = clock.now_ns()

    def tick(self) -> None:
        """One control period with the present `inputs`, then wait for the next (at once on the stepped clock)."""
        self.loop.tick(self.inputs)
        # after a pause (a reset, a busy machine) the world does not run faster than real time to make up for it
        oldest_ns = self.clock.now_ns() - _CATCH_UP_TICKS * self.period_ns
        self._deadline_ns = max(self._deadline_ns + self.period_ns, oldest_ns)
        self.clock.sleep_until_ns(self._deadline_ns)

    def engage(self) -> None:
        """Couple all pairs.

        Raises:
            SafetyError: the gate said no; the message is the gate's.
        """
        self.inputs.dead_man = True
        for _ in range(2):
            self.tick()
        self.loop.engage()
        self.tick()
        if any(state not in (PairState.ENGAGED, PairState.ALIGNING, PairState.HOLDING) for state in self.loop.states):
            notices = "; ".join(text for _, text in self.loop.take_notices())
            raise SafetyError(f"The simulated arms could not be engaged: {notices or 'no reason given'}")

    def cut_wire(self, motor: int, cut: bool) -> None:
        """Rehearsal of a fault: the replies of one motor twin are lost on its wire, or come again."""
        if not 0 <= motor < self.plant.motors:
            raise ConfigError(f"There is no motor {motor!r} to cut off; allowed 0 to {self.plant.motors - 1}.")
        self.plant.twins.silent[motor] = cut

    def take_troubles(self) -> list[str]:
        """Nothing is wrong with buses that do not exist."""
        return []

    def close(self) -> None:
        self.plant.close()
        self.world.close()


class WiredArms:
    """A loop whose motors are on buses: hardware, or twins behind a serial line. The world is the real one."""

    def __init__(self, plant: BusPlant, loop: ControlLoop, warning: str = "") -> None:
        self.plant, self.loop = plant, loop
        self._warning = warning  # about the motors, said once
        self.period_ns = round(NS_PER_S * loop.period_s)

    def cut_wire(self, motor: int, cut: bool) -> None:
        raise ConfigError("Only a simulated wire can be cut from here. Pull out the plug of the motor instead.")

    def take_troubles(self) -> list[str]:
        """Sentences about buses that have gone wrong since the last call; at first about motors, if any."""
        warnings, self._warning = [self._warning] if self._warning else [], ""
        return warnings + self.plant.take_troubles()

    def close(self) -> None:
        self.plant.close()


def make_wired(robot: Robot, sink: Sink, clock: Clock, *, settings: ControlSettings | None = None) -> WiredArms:
    """Open the robot's buses, hear every drive once, and put a control loop on top; motors off.

    Raises:
        ConfigError: wrong wiring, motors that were commissioned elsewhere, or a bus that would be too full.
        DeviceError: a bus that cannot be opened, or drives that do not answer.
    """
    calibrations = load_robot_calibrations(robot)
    rows, joints = motor_rows(robot, calibrations), make_joint_map(motor_names(robot), calibrations)
    traffic = V3 if robot.firmware == "v3" else LEGACY
    loads = [
        check_load(bus.name, len(bus.motors(robot.pair_names, robot.joints_per_arm)), robot.loop_rate_hz, traffic)
        for bus in robot.buses
    ]
    opened: list[BusMotors] = []
    try:
        for bus in robot.buses:
            motors = bus.motors(robot.pair_names, robot.joints_per_arm)
            ids = bus.ids(robot.joints_per_arm)
            opened.append(BusMotors(transport=_open_bus(bus), motors=motors, drive_ids=ids))
        plant = BusPlant(MotorBuses(opened, rows, clock.now_ns), clock)
        plant.open()
    except StudioError:
        for bus in opened:
            bus.transport.close()
        raise
    driven = plant if joints.changes_nothing else CalibratedPlant(plant, joints)
    known = drive_knowledge(robot, calibrations)
    loop = ControlLoop(robot, Kinematics(robot), driven, None, clock, sink, settings, known)
    loop.bus_load = max(loads, default=0.0)
    return WiredArms(plant, loop, silence_warning(robot, calibrations))


def _open_bus(bus: BusWiring) -> FrameTransport:
    if bus.interface == "socketcan" and not bus.options:
        return open_socketcan(bus.channel)
    claim = BusClaim(bus.name)
    try:
        return PythonCanTransport(open_python_can(bus.interface, bus.channel, **bus.options), bus.name, claim)
    except StudioError:
        claim.release()
        raise


def make_simulation(
    robot: Robot,
    task: Task,
    seed: int,
    sink: Sink,
    clock: Clock,
    *,
    settings: ControlSettings | None = None,
) -> Simulation:
    """The default world with motor twins behind the real codec, and a control loop; motors off."""
    world = DualArmBoxWorld(robot, task, seed)
    row = find_range(robot.motor_model, robot.firmware)
    motors = 2 * robot.joints
    plant = TwinPlant(TwinMotors(world.twin_ports(), [row] * motors, list(range(1, motors + 1))), clock)
    plant.open()
    loop = ControlLoop(robot, Kinematics(robot), plant, world, clock, sink, settings)
    return Simulation(world, plant, loop, clock)


class _NoSink:
    """Evaluation looks at the newest records only."""

    def write(self, stream: str, record: np.ndarray) -> None:
        del stream, record


class SimulatedRig:
    """The `Rig` protocol on the stepped clock: a planner or a skill drives the followers along ramps."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._loop, self._inputs = simulation.loop, simulation.inputs
        robot = self._loop.robot
        self.streams: tuple[RecordType, ...] = tuple(self._loop.streams)
        self.control_record: RecordType = self.streams[0]
        self._target = make_target_slot(robot.joints).empty()[0]
        self._inputs.target = self._target
        self._loop.set_driver(Driver.PLANNER)

    def reset(self, object_position_m: FloatArray, object_orientation_xyzw: FloatArray, seed: int) -> None:
        """Arms to the home pose, the object placed and settled, all pairs engaged."""
        del seed  # the world has no other chance in it than the put-back, which evaluation does not use
        self.place(self._loop.robot.home_rad, object_position_m, object_orientation_xyzw)
        home = self._loop.robot.home_rad
        self.run(home, np.zeros_like(home), _SETTLE_TICKS)

    def place(self, joints_rad: FloatArray, object_position_m: FloatArray, object_orientation_xyzw: FloatArray) -> None:
        """Arms at joint angles and the object at a pose, both at rest, all pairs engaged; nothing has settled."""
        simulation = self._simulation
        if PairState.FAULT in self._loop.states:
            self._clear_fault()
        simulation.world.place_arms(joints_rad)
        simulation.world.place_object(np.asarray(object_position_m), np.asarray(object_orientation_xyzw))
        simulation.plant.open()
        self._loop.restart()
        self._loop.mark_reset()
        self._write_target(joints_rad, np.zeros_like(joints_rad))
        if any(state is not PairState.ENGAGED for state in self._loop.states):
            simulation.engage()

    def _clear_fault(self) -> None:
        """As a person does between two attempts: what one skill did to the arms must not end those that follow."""
        self._inputs.dead_man = False
        for _ in range(_LET_DOWN_TICKS):
            self._simulation.tick()
        self._loop.clear_fault()
        self._simulation.tick()
        self._loop.take_notices()

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        """Newest control record and object pose record, shape [], as copies."""
        return self._loop.record[0].copy(), self._loop.pose_record[0].copy()

    def run(self, position_rad: FloatArray, velocity_rad_s: FloatArray, ticks: int) -> None:
        """Drive the followers along `position + velocity * t` for a number of control ticks."""
        period_s, done = self._loop.period_s, 0
        while done < ticks:
            count = min(_RAMP_TICKS, ticks - done)
            self._write_target(position_rad + velocity_rad_s * (done * period_s), velocity_rad_s)
            for _ in range(count):
                self._simulation.tick()
            done += count

    def _write_target(self, position_rad: FloatArray, velocity_rad_s: FloatArray) -> None:
        target, now_ns = self._target, self._simulation.clock.now_ns()
        target["t_ns"], target["position_rad"], target["velocity_rad_s"] = now_ns, position_rad, velocity_rad_s
        target["ramp_end_ns"] = now_ns + _RAMP_TICKS * self._simulation.period_ns
        target["plan_t_ns"] = now_ns

    def object_lost(self) -> bool:
        return self._simulation.world.object_lost()

    def close(self) -> None:
        self._simulation.close()


def make_rig(
    robot: Robot, task: Task, seed: int = 0, clock: Clock | None = None, sink: Sink | None = None
) -> SimulatedRig:
    """A rig of its own world; the object is not put back by itself, so that a loss is seen.

    Args:
        sink: gets every record.
    """
    settings = control_settings(robot, put_back_lost=False, coupling_ramp_s=0.0)
    simulation = make_simulation(robot, task, seed, sink or _NoSink(), clock or SteppedClock(), settings=settings)
    return SimulatedRig(simulation)
