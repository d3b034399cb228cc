"""Disturbance and reaction-torque observers of single joints."""

from __future__ import annotations

from math import exp

import numpy as np

from studio.core.geometry import FloatArray


class TorqueObserver:
    """Torque that joints exert on what is not in their model, low-passed with the cut-off gamma in rad/s.

        q[k] = a q[k-1] + (1 - a) (tau_m[k-1] + gamma J w[k] - model),  a = exp(-gamma T),  tau[k] = q[k] - gamma J w[k]

    (spec/hardware.md 6.2), where the gamma before J is (1 - a) / (a T): the same for small gamma T, and exact while a
    joint accelerates evenly; gamma itself leaves 15 % of the inertial torque at 20 Hz and 400 ticks per second. With
    gravity alone in the model it is a disturbance observer, with gravity and friction a reaction-torque observer.

    Args:
        inertia_kg_m2: nominal inertia J, of the shape of everything else.
        cutoff_rad_s: gamma.
    """

    def __init__(self, inertia_kg_m2: FloatArray, cutoff_rad_s: float, period_s: float) -> None:
        self._keep = exp(-cutoff_rad_s * period_s)
        self._momentum = (1.0 - self._keep) / (self._keep * period_s) * inertia_kg_m2
        self._state = np.zeros_like(inertia_kg_m2)
        self._fresh = True
        self.torque_nm = np.zeros_like(inertia_kg_m2)

    def restart(self) -> None:
        """Forget the past; the next update starts with the torque that is left over at that moment."""
        self._fresh = True

    def update(self, torque_nm: FloatArray, velocity_rad_s: FloatArray, model_nm: FloatArray) -> FloatArray:
        """One tick: motor torque in force, joint speed, modelled torque. Returns `torque_nm`."""
        momentum = self._momentum * velocity_rad_s
        wanted = torque_nm + momentum - model_nm
        if self._fresh:
            self._fresh = False
            np.copyto(self._state, wanted)
        self._state += (1.0 - self._keep) * (wanted - self._state)
        return np.subtract(self._state, momentum, out=self.torque_nm)
