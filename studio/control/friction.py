"""Friction compensation: feed-forward of a share of the friction that a joint is known to have.

    tau_fr = s (Fv w + Fc tanh(w / w0))

(spec/hardware.md 6.6; Fo is 0 on these drives). With s of at most 0.8 a part of the friction is always left, so the
joint with its compensation still dissipates; with more of it the compensator becomes active, a limit cycle (OpenArm).
"""

from __future__ import annotations

import numpy as np

from studio.control.frame import Frame
from studio.control.settings import ControlSettings
from studio.core.protocols import STATE_VELOCITY, TORQUE
from studio.robot.description import Robot


class FrictionCompensation:
    """Adds to the request of pairs that are coupled; `on` is False where the settings ask for none."""

    def __init__(self, robot: Robot, settings: ControlSettings, frame: Frame) -> None:
        share = settings.friction_share
        self.on = share > 0.0
        self._coulomb_nm, self._viscous = (
            share * robot.motor.coulomb_friction_nm,
            share * robot.motor.viscous_friction_nm_s_rad,
        )
        self._rate = 1.0 / robot.motor.friction_speed_rad_s
        self._speeds = [frame.measured[STATE_VELOCITY, :, span] for span in frame.spans]
        self._requests = [frame.requested[TORQUE, :, span] for span in frame.spans]

    def add(self, pair: int, blend: float) -> None:
        """To both arms of a pair; `blend` is 0 right after coupling and 1 when the ramp is over."""
        speed = self._speeds[pair]
        torque_nm = self._coulomb_nm * np.tanh(self._rate * speed) + self._viscous * speed
        np.add(self._requests[pair], blend * torque_nm, out=self._requests[pair])
