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
        stiffness_share, damping_share: ranges of the sliders as shares of the robot's gains; control takes no more.
        tank_full_j, tank_warn_j: energy tank of the schemes that inject force (E_max, E_low of `ControlSettings`).
        vibration_warn_rad_s: standard deviation of a joint's speed that is called vibration.
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
    stiffness_share: tuple[float, float] = (0.15, 1.5)
    damping_share: tuple[float, float] = (0.2, 1.5)
    tank_full_j: float = 2.0
    tank_warn_j: float = 0.2
    vibration_warn_rad_s: float = 0.7
    apart_good_m: float = 0.02


LABELS = ("Push", "Lift", "Pivot", "Flip", "Squeeze", "Drag", "Regrasp", "Slip")  # screens.md, keys 1 to 8
