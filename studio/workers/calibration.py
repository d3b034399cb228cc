"""Where commissioning meets the loop and the recorder: rows, directions and scales per motor, and what is recorded."""

from __future__ import annotations

from typing import Any

from hw_drivers.motors.models import MotorRange, find_range
from studio.control.drives import DriveKnowledge
from studio.core.calibration import CalibrationSet, MotorCalibration, calibration_dir, load_calibrations
from studio.core.camera_calibration import find_camera
from studio.core.errors import ConfigError, StudioError
from studio.robot.description import Robot, load_robot
from studio.robot.wiring import SIDES


def motor_names(robot: Robot) -> list[str]:
    """Motors in the loop's order: `leader.L1` … `follower.R4`."""
    return [f"{side}.{joint}" for side in SIDES for joint in robot.joint_names]


def motor_rows(robot: Robot, calibrations: CalibrationSet) -> list[MotorRange]:
    """The range row of every motor: what was commissioned, else the robot's model.

    Raises:
        ConfigError: a motor was commissioned as another drive than the robot's file names.
    """
    usual = find_range(robot.motor_model, robot.firmware)
    found = [calibrations.motors.get(name) for name in motor_names(robot)]
    _check_places(robot, found)
    return [usual if m is None else find_range(m.model, m.firmware, m.overrides) for m in found]


def _check_places(robot: Robot, found: list[MotorCalibration | None]) -> None:
    for bus in robot.buses:
        motors = bus.motors(robot.pair_names, robot.joints_per_arm)
        for row, drive_id in zip(motors, bus.ids(robot.joints_per_arm), strict=True):
            motor = found[row]
            if motor is not None and (motor.bus, motor.drive_id) != (bus.name, drive_id):
                raise ConfigError(
                    f"Joint {motor.joint} was commissioned as drive {motor.drive_id} on {motor.bus}; the robot's file "
                    f"says drive {drive_id} on {bus.name}. Commission it again, or mend the file."
                )


def load_robot_calibrations(robot: Robot) -> CalibrationSet:
    """What is kept of this robot's motors; twins in the simulated world have nothing to calibrate."""
    return load_calibrations(calibration_dir(robot.name)) if robot.buses else CalibrationSet()


def real_motors(robot: Robot) -> list[int]:
    """Rows of the motors that are on buses and no twins."""
    rows = (bus.motors(robot.pair_names, robot.joints_per_arm) for bus in robot.buses if not bus.twin)
    return sorted(row for bus_rows in rows for row in bus_rows)


def drive_knowledge(robot: Robot, calibrations: CalibrationSet) -> DriveKnowledge:
    """What commissioning has left unknown."""
    names, real = motor_names(robot), real_motors(robot)
    unsafe = set(calibrations.unsafe_on_silence(names))
    zeroed = {name for name, motor in calibrations.motors.items() if "zero" in motor.steps}
    return DriveKnowledge(
        real=tuple(real),
        unsafe_on_silence=tuple(row for row in real if names[row] in unsafe),
        never_zeroed=tuple(row for row in real if names[row] not in zeroed),
    )


def silence_warning(robot: Robot, calibrations: CalibrationSet) -> str:
    """Why gains above the demo preset are not safe on these motors (spec/hardware.md 8.1); empty when they are."""
    names = motor_names(robot)
    joints = calibrations.unsafe_on_silence([names[row] for row in real_motors(robot)])
    if not joints:
        return ""
    named = ", ".join(joints[:4]) + (f" and {len(joints) - 4} more" if len(joints) > 4 else "")
    return (
        f"What {named} do when commands stop is unknown, or they hold their torque. Run `main.py commission --check "
        "silence`; until then use the demo gains (stiffness up to 15 N*m/rad, damping up to 0.5)."
    )


def describe_calibration(robot_name: str) -> dict[str, Any]:
    """For `episode.json`: identity, every motor's checks with dates, and the range row of motors without any.

    A file that cannot be read is said in the result; a recording must not fail for it.
    """
    try:
        robot = load_robot(robot_name)
        row = find_range(robot.motor_model, robot.firmware)
        calibrations = load_robot_calibrations(robot)
        eye = None if robot.camera is None else find_camera(robot.name, robot.camera.name)
        camera = None if eye is None else eye.to_json()
    except StudioError as error:
        return {"identity": "unreadable", "problem": str(error)}
    full = {"position_rad": row.position_rad, "velocity_rad_s": row.velocity_rad_s, "torque_nm": row.torque_nm}
    usual = {"model": row.model, "firmware": row.firmware, "source": row.source, "full_scale": full}
    return {**calibrations.to_json(), "usual_row": usual, "camera": camera}
