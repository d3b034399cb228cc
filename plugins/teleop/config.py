"""Settings of the teleoperation screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TeleopConfig:
    """Numbers of the screen.

    Args:
        touch_n: contact force from which a hand counts as touching.
        session_s: planned length of a session of play (architecture: sessions of 30 minutes).
        blocks: parts of a session.
        energy_full_j: energy that fills the stability bar: the passivity observer's allowance (spec/hardware.md 6.7).
        energy_warn_j: below this it is said.
        soft_limit_nm: tick on the torque bars; AK60-class joints bear 3 N*m for long (spec/feasibility.md A).
        stiffness_range_nm_rad, damping_range_nm_s_rad: ranges of the sliders, first joint.
        apart_good_m: leader and follower closer than this need no aligning worth mentioning.
    """

    touch_n: float = 0.8
    session_s: float = 1800.0
    blocks: int = 4
    energy_full_j: float = 0.05
    energy_warn_j: float = 0.013
    soft_limit_nm: float = 3.0
    stiffness_range_nm_rad: tuple[float, float] = (10.0, 120.0)
    damping_range_nm_s_rad: tuple[float, float] = (0.2, 3.0)
    apart_good_m: float = 0.02


LABELS = ("Push", "Lift", "Pivot", "Flip", "Squeeze", "Drag", "Regrasp", "Slip")  # screens.md, keys 1 to 8
