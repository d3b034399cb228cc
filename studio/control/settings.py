"""Every number of the control loop that is not the robot's own: ramps, stop profile, estimator, observer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.core.config import check_range, make_config
from studio.robot.description import Robot


@dataclass(frozen=True, kw_only=True)
class ControlSettings:
    """Numbers from spec/hardware.md 6.5 to 6.7 and 8.3 unless said otherwise.

    Args:
        align_threshold_rad: arms further apart than this are not coupled but aligned first (6.6).
        align_speed_rad_s: peak speed of the follower while it moves to the leader (6.6).
        align_torque_share: share of the torque limit that aligning may use (6.6).
        coupling_ramp_s: time in which the leader's gains and the set-point offset fade after engaging (6.6).
        settings_ramp_s: time for a full change of the operator's gain sliders.
        stop_damping_nm_s_rad: damping of a stop, stiffness being zero (8.3, stop profile: 1 to 2).
        stop_gravity_s: how long gravity stays compensated after a stop (8.3).
        stop_fade_s: time in which it then fades, before the exit frames.
        soft_share: share of the stiffness with which the leader follows while it is not coupled.
        soft_damping_share: share of the damping then.
        estimator_cutoff_hz: low-pass of the external torque (6.6: 20 to 50).
        energy_allowance_j: E0 of the passivity observer (6.7).
        energy_cap_j: more than this is never saved up, so old dissipation cannot pay for later activity (6.7).
        passivity_damping_nm_s_rad: cap of the observer's damping (6.7, alpha_max).
        least_damping_nm_s_rad: stiffness is never sent with less damping (2.5: Kp > 0 with Kd = 0 ran away).
        temperature_derate_c: from here on a drive's spring and damper may use less and less torque (8.3).
        temperature_trip_c: drive temperature that trips (8.3).
        velocity_trip_factor: speed trip as a multiple of the robot's speed limit (8.3: 4 and 8 rad/s).
        position_trip_margin_rad: how far outside its range a joint may be seen before it trips.
        tracking_trip_rad: distance of set-point and joint that trips after `tracking_trip_s`; 0 = no trip.
        rms_torque_window_s: window of the RMS torque trip (8.3).
        hand_speed_rad_s: fastest that a simulated hand pulls the leader.
        put_back_lost: put the object back by itself when it has left the table (marked by `reset_count`).
        scheme: bilateral law while nobody asks for another: `position_position`, `position_force`, `four_channel`.
        motion_scale: s_p, follower's angle per leader's angle (6.6).
        clutch_ramp_s: time in which the clutch opens and closes (6.6: 0.3 to 1).
        force_share: kappa of position-force, below 1 (6.2).
        friction_share: s of the friction compensation of both arms while a person drives; 0 = none, 0.8 at most (6.6).
        leader_damping_nm_s_rad: local damping of the leader in position-force.
        four_channel_stiffness_s2: Kp of the 4-channel law, per kg m2 of nominal inertia (6.2).
        four_channel_damping_s: its Kd.
        four_channel_force: its Kf, about 1 (6.2); less with more delay.
        disturbance_share: share of the observed disturbance that the 4-channel law compensates.
        disturbance_cutoff_hz: cut-off of that observer.
        tank_j: E_max of the energy tank (6.7).
        tank_low_j: below this the terms that are not passive fade.
        tank_start_j: in the tank when the arms are coupled.
        demo_stiffness_nm_rad: most stiffness of any joint while the drives' behaviour on silence is unknown, or on
            real drives without real-time priority (8.1, 7.3).
        demo_damping_nm_s_rad: the same for damping.
        vibration_warn_rad_s: standard deviation of a joint's speed over 10 samples that is reported (8.3).
        vibration_trip_rad_s: the same as a latched trip; 0 = no trip.
    """

    align_threshold_rad: float = 0.1
    align_speed_rad_s: float = 0.3
    align_torque_share: float = 0.3
    coupling_ramp_s: float = 0.3
    settings_ramp_s: float = 0.5
    stop_damping_nm_s_rad: float = 1.5
    stop_gravity_s: float = 0.3
    stop_fade_s: float = 0.2
    soft_share: float = 0.2
    soft_damping_share: float = 0.5
    estimator_cutoff_hz: float = 20.0
    energy_allowance_j: float = 0.05
    energy_cap_j: float = 2.0
    passivity_damping_nm_s_rad: float = 2.0
    least_damping_nm_s_rad: float = 0.05
    temperature_derate_c: float = 60.0
    temperature_trip_c: float = 80.0
    velocity_trip_factor: float = 1.6
    position_trip_margin_rad: float = 0.15
    tracking_trip_rad: float = 0.0
    tracking_trip_s: float = 0.05
    rms_torque_window_s: float = 20.0
    hand_speed_rad_s: float = 8.0
    put_back_lost: bool = True
    scheme: str = "position_position"
    motion_scale: float = 1.0
    clutch_ramp_s: float = 0.5
    force_share: float = 0.5
    friction_share: float = 0.0
    leader_damping_nm_s_rad: float = 0.1
    four_channel_stiffness_s2: float = 900.0
    four_channel_damping_s: float = 30.0
    four_channel_force: float = 0.6
    disturbance_share: float = 0.5
    disturbance_cutoff_hz: float = 5.0
    tank_j: float = 2.0
    tank_low_j: float = 0.2
    tank_start_j: float = 0.5
    demo_stiffness_nm_rad: float = 15.0
    demo_damping_nm_s_rad: float = 0.5
    vibration_warn_rad_s: float = 0.7
    vibration_trip_rad_s: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            check_range("control", name, getattr(self, name), low, high, unit)
        check_range("control", "tank_low_j", self.tank_low_j, 1e-6, self.tank_j, " J")
        check_range("control", "tank_start_j", self.tank_start_j, 0.0, self.tank_j, " J")
        least_c, most_c = 30.0, self.temperature_trip_c - 1.0
        check_range("control", "temperature_derate_c", self.temperature_derate_c, least_c, most_c, " degC")


_RANGES: dict[str, tuple[float, float, str]] = {
    "align_threshold_rad": (0.001, 0.5, " rad"),
    "align_speed_rad_s": (0.01, 2.0, " rad/s"),
    "align_torque_share": (0.05, 1.0, ""),
    "coupling_ramp_s": (0.0, 5.0, " s"),
    "settings_ramp_s": (0.05, 5.0, " s"),
    "stop_damping_nm_s_rad": (0.1, 5.0, " N*m*s/rad"),
    "stop_gravity_s": (0.0, 5.0, " s"),
    "stop_fade_s": (0.0, 5.0, " s"),
    "soft_share": (0.0, 1.0, ""),
    "soft_damping_share": (0.0, 1.0, ""),
    "estimator_cutoff_hz": (1.0, 100.0, " Hz"),
    "energy_allowance_j": (0.0, 1.0, " J"),
    "energy_cap_j": (0.01, 1e12, " J"),
    "passivity_damping_nm_s_rad": (0.0, 5.0, " N*m*s/rad"),
    "least_damping_nm_s_rad": (0.001, 1.0, " N*m*s/rad"),
    "temperature_trip_c": (40.0, 100.0, " degC"),
    "velocity_trip_factor": (1.0, 4.0, ""),
    "position_trip_margin_rad": (0.0, 1.0, " rad"),
    "tracking_trip_rad": (0.0, 3.0, " rad"),
    "tracking_trip_s": (0.0, 5.0, " s"),
    "rms_torque_window_s": (0.1, 600.0, " s"),
    "hand_speed_rad_s": (0.1, 30.0, " rad/s"),
    "motion_scale": (0.25, 4.0, ""),
    "clutch_ramp_s": (0.05, 5.0, " s"),
    "force_share": (0.0, 0.99, ""),
    "friction_share": (0.0, 0.8, ""),
    "leader_damping_nm_s_rad": (0.0, 5.0, " N*m*s/rad"),
    "four_channel_stiffness_s2": (0.0, 1e5, " 1/s2"),
    "four_channel_damping_s": (0.0, 1e3, " 1/s"),
    "four_channel_force": (0.0, 2.0, ""),
    "disturbance_share": (0.0, 1.0, ""),
    "disturbance_cutoff_hz": (0.1, 100.0, " Hz"),
    "tank_j": (0.01, 100.0, " J"),
    "demo_stiffness_nm_rad": (0.1, 500.0, " N*m/rad"),
    "demo_damping_nm_s_rad": (0.05, 5.0, " N*m*s/rad"),
    "vibration_warn_rad_s": (0.01, 100.0, " rad/s"),
    "vibration_trip_rad_s": (0.0, 100.0, " rad/s"),
}


def control_settings(robot: Robot, **changes: Any) -> ControlSettings:
    """Of a robot: what the table `[control]` of its file says, then `changes`; the rest is as above.

    Raises:
        ConfigError: an unknown name, a wrong type, or a value out of range.
    """
    given = {**robot.control, **changes}
    if not robot.buses and "temperature_trip_c" not in given:
        given.setdefault("temperature_derate_c", ControlSettings.temperature_trip_c - 1.0)  # simulated arms do not tire
    return make_config(ControlSettings, given, where=f"{robot.name}: control")
