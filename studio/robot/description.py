"""The robot as data: one TOML file and one URDF per robot, read into a frozen description."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from studio.core.config import check_range, load_toml, make_config
from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray
from studio.core.paths import resources_dir
from studio.robot.geometry import inverse_arm
from studio.robot.wiring import BusWiring, CameraWiring, PedalWiring, WatchdogWiring

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long silence is borne; see docs/architecture.md."""

    motor_late_ticks: int = 2
    motor_dead_ticks: int = 5
    heartbeat_hold_s: float = 0.15
    heartbeat_stop_s: float = 1.0
    policy_target_ticks: int = 3
    plan_windows: int = 3
    guard_silence_s: float = 0.02
    simulated_stall_s: float = 1.0  # twins in the simulated world stand still while the loop does


@dataclass(frozen=True, kw_only=True)
class Motor:
    """One joint's drive as the twin plays it."""

    model: str
    firmware: str
    rotor_inertia_kg_m2: float
    coulomb_friction_nm: float
    friction_speed_rad_s: float
    viscous_friction_nm_s_rad: float
    torque_bandwidth_hz: float
    command_timeout_s: float
    parking_brake_nm: float = 0.0  # holds a joint whose motor is off; 0 = no brake


@dataclass(frozen=True, kw_only=True)
class Mass:
    """Masses and sizes that the URDF is generated from."""

    shoulder_kg: float
    upper_tube_kg: float
    wrist_motor_kg: float
    forearm_kg: float
    hand_kg: float
    ball_radius_m: float
    rod_radius_m: float


@dataclass(frozen=True, kw_only=True)
class Robot:
    """Two (or more) pairs of arms; arrays are read-only, joints ordered pair by pair.

    A pair is a leader and a follower arm of the same build; `joints` counts the joints of one side over all pairs.
    """

    name: str
    title: str
    joint_names: tuple[str, ...]
    pair_names: tuple[str, ...]
    pairs: int
    joints_per_arm: int
    joints: int
    loop_rate_hz: float
    arm_bases_m: FloatArray  # [pairs, 3], the shoulders
    link_lengths_m: tuple[float, float, float]
    home_rad: FloatArray  # [joints]
    position_lower_rad: FloatArray
    position_upper_rad: FloatArray
    stiffness_nm_rad: FloatArray
    damping_nm_s_rad: FloatArray
    torque_limit_nm: float
    no_load_speed_rad_s: float
    velocity_limit_rad_s: float
    leader_share: float
    leader_inertia_kg_m2: FloatArray
    hand_stiffness_nm_rad: FloatArray
    hand_damping_ratio: float
    hand_follow_s: float
    motor: Motor
    mass: Mass
    rms_torque_limit_nm: float | None
    dead_man_latched: bool
    requires_realtime_priority: bool
    timeouts: Timeouts
    urdf_path: Path
    first_run_share: float = 0.3  # of speed and torque that a bundle gets the first time it runs on this robot
    buses: tuple[BusWiring, ...] = ()  # none: motor twins in the simulated world
    pedal: PedalWiring | None = None  # none: the dead-man is the window's
    camera: CameraWiring | None = None  # none: the simulated one; arms on buses then have no eyes
    watchdog: WatchdogWiring | None = None  # none: nothing outside the computer cuts the supply
    control: dict[str, Any] = field(default_factory=dict[str, Any])  # of `studio.control.settings.ControlSettings`
    reference: str = ""  # what `load_robot` takes to find this robot again, in any process

    @property
    def motor_model(self) -> str:
        return self.motor.model

    @property
    def firmware(self) -> str:
        return self.motor.firmware

    @property
    def stall_limit_s(self) -> float:
        """A loop that was away for longer in real time faults: drives on buses have let go by then."""
        return self.motor.command_timeout_s if self.buses else self.timeouts.simulated_stall_s


@lru_cache(maxsize=8)
def load_robot(name: str = "dual_arm_ak60") -> Robot:
    """Read `resources/robots/<name>/robot.toml`; a name with a slash is a folder of your own."""
    folder = Path(name).expanduser().absolute() if "/" in name else resources_dir() / "robots" / name
    if not (folder / "robot.toml").is_file():
        known = sorted(p.parent.name for p in (resources_dir() / "robots").glob("*/robot.toml"))
        raise ConfigError(f"There is no robot {name!r}. Known robots: {', '.join(known)}. Choose one of them.")
    robot = make_robot(load_toml(folder / "robot.toml"), folder)
    return robot if "/" in name else replace(robot, reference=name)


def make_robot(data: dict[str, Any], folder: Path) -> Robot:
    """A description from the values of a robot file; ranges are checked here."""
    where = str(folder / "robot.toml")
    if data.get("format_version") != 1:
        raise ConfigError(f"{where}: format_version is {data.get('format_version')}; this studio reads 1.")
    try:
        return _make_robot(data, folder)
    except KeyError as error:
        raise ConfigError(f"{where}: key {error.args[0]!r} is missing. Add it; the shipped robot shows how.") from None


def _make_robot(data: dict[str, Any], folder: Path) -> Robot:
    names = tuple(str(n) for n in data["pairs"])
    lengths = tuple(float(x) for x in data["link_lengths_m"])
    coupling, leader, pairs = data["coupling"], data["leader"], len(names)
    lower, upper = _per_joint(data["position_lower_rad"], pairs), _per_joint(data["position_upper_rad"], pairs)
    bases = _frozen(data["arm_bases_m"])
    _check(data, names, lengths, bases, lower, upper)
    length3 = (lengths[0], lengths[1], lengths[2])
    places = zip(bases.tolist(), data["home_tips_m"], strict=True)
    home = np.concatenate([inverse_arm(base, length3, tip) for base, tip in places])
    return Robot(
        name=str(data["name"]),
        title=str(data["title"]),
        joint_names=tuple(f"{n}{i + 1}" for n in names for i in range(4)),
        pair_names=names,
        pairs=pairs,
        joints_per_arm=4,
        joints=4 * pairs,
        loop_rate_hz=float(data["loop_rate_hz"]),
        arm_bases_m=bases,
        link_lengths_m=length3,
        home_rad=_frozen(home),
        position_lower_rad=lower,
        position_upper_rad=upper,
        stiffness_nm_rad=_per_joint(coupling["stiffness_nm_rad"], pairs),
        damping_nm_s_rad=_per_joint(coupling["damping_nm_s_rad"], pairs),
        torque_limit_nm=float(data["torque_limit_nm"]),
        no_load_speed_rad_s=float(data["no_load_speed_rad_s"]),
        velocity_limit_rad_s=float(data["velocity_limit_rad_s"]),
        leader_share=float(coupling["leader_share"]),
        leader_inertia_kg_m2=_per_joint(leader["inertia_kg_m2"], pairs),
        hand_stiffness_nm_rad=_per_joint(leader["hand_stiffness_nm_rad"], pairs),
        hand_damping_ratio=float(leader["hand_damping_ratio"]),
        hand_follow_s=float(leader["hand_follow_s"]),
        motor=make_config(Motor, data["motor"], where="motor"),
        mass=make_config(Mass, data["mass"], where="mass"),
        rms_torque_limit_nm=data.get("rms_torque_limit_nm"),
        dead_man_latched=bool(data["dead_man_latched"]),
        first_run_share=float(data.get("first_run_share", 0.3)),
        requires_realtime_priority=bool(data["requires_realtime_priority"]),
        timeouts=make_config(Timeouts, data["timeouts"], where="timeouts"),
        urdf_path=folder / str(data["urdf"]),
        buses=tuple(make_config(BusWiring, bus, where=f"{folder.name}: buses") for bus in data.get("buses", [])),
        pedal=_table(PedalWiring, data, "pedal", folder),
        watchdog=_table(WatchdogWiring, data, "watchdog", folder),
        camera=_table(CameraWiring, data, "camera", folder),
        control=_control(data, folder),
        reference=str(folder),
    )


def _control(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Numbers of the loop; they are checked where the loop is made."""
    found = data.get("control", {})
    if not isinstance(found, dict):
        raise ConfigError(f"{folder.name}: control is {found!r}, not a table. Write [control] and its names below.")
    return cast(dict[str, Any], found)


def _table(kind: type[T], data: dict[str, Any], name: str, folder: Path) -> T | None:
    """An optional table of the robot's file; None where it is not there."""
    return make_config(kind, data[name], where=f"{folder.name}: {name}") if name in data else None


def _frozen(values: Any) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _per_joint(values: list[float], pairs: int) -> FloatArray:
    if len(values) != 4:
        raise ConfigError(f"Robot file: a per-joint list has {len(values)} values; an arm has 4 joints. Give 4.")
    return _frozen(np.tile(np.asarray(values, dtype=np.float64), pairs))


def _check(
    data: dict[str, Any],
    names: tuple[str, ...],
    lengths: tuple[float, ...],
    bases: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> None:
    if bases.shape != (len(names), 3) or len(lengths) != 3:
        raise ConfigError(f"Robot file: {len(names)} pairs need as many arm_bases_m of 3 numbers, and 3 link lengths.")
    if not (lower < upper).all():
        raise ConfigError("Robot file: every position_lower_rad must lie below its position_upper_rad.")
    check_range("robot", "loop_rate_hz", float(data["loop_rate_hz"]), 50, 2000, " Hz")
    check_range("robot", "torque_limit_nm", float(data["torque_limit_nm"]), 0.1, 200, " N*m")
    check_range("robot", "velocity_limit_rad_s", float(data["velocity_limit_rad_s"]), 0.1, 100, " rad/s")
    check_range("robot", "first_run_share", float(data.get("first_run_share", 0.3)), 0.1, 1)
    check_range("robot", "leader_share", float(data["coupling"]["leader_share"]), 0, 1)
