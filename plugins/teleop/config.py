"""Settings of the teleoperation screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TeleopConfig:
    """Numbers of the screen.

    Args:
        touch_n: contact force from which a hand counts as touching.
        block_s: recorded time of one block of a session; blocks: how many there are (architecture: 4 x 30 min).
        split_s: a take is split into episodes of this length.
        count_down_s: before a take, when it is switched on.
        energy_full_j: energy that fills the stability bar: the passivity observer's allowance (spec/hardware.md 6.7).
        energy_warn_j: below this it is said.
        soft_limit_nm: tick on the torque bars; AK60-class joints bear 3 N*m for long (spec/feasibility.md A).
        stiffness_range_nm_rad, damping_range_nm_s_rad: ranges of the sliders, first joint.
        apart_good_m: leader and follower closer than this need no aligning worth mentioning.
    """

    touch_n: float = 0.8
    block_s: float = 1800.0
    blocks: int = 4
    split_s: float = 60.0
    count_down_s: float = 3.0
    energy_full_j: float = 0.05
    energy_warn_j: float = 0.013
    soft_limit_nm: float = 3.0
    stiffness_range_nm_rad: tuple[float, float] = (10.0, 120.0)
    damping_range_nm_s_rad: tuple[float, float] = (0.2, 3.0)
    apart_good_m: float = 0.02


LABELS = ("Push", "Lift", "Pivot", "Flip", "Squeeze", "Drag", "Regrasp", "Slip")  # screens.md, keys 1 to 8
