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
        self._inertia, self._period_s = inertia_kg_m2, period_s
        self._keep, self._momentum = self._find_gains(cutoff_rad_s)
        self._velocity = np.zeros_like(inertia_kg_m2)  # of the last update
        self._state = np.zeros_like(inertia_kg_m2)
        self._fresh = True
        self.torque_nm = np.zeros_like(inertia_kg_m2)

    def restart(self) -> None:
        """Forget the past; the next update starts with the torque that is left over at that moment."""
        self._fresh = True

    def set_cutoff(self, cutoff_rad_s: float) -> None:
        """Another gamma from the next update on. The state goes along with its momentum, so `torque_nm` has no step."""
        momentum = self._momentum
        self._keep, self._momentum = self._find_gains(cutoff_rad_s)
        self._state += (self._momentum - momentum) * self._velocity

    def _find_gains(self, cutoff_rad_s: float) -> tuple[float, FloatArray]:
        keep = exp(-cutoff_rad_s * self._period_s)
        return keep, (1.0 - keep) / (keep * self._period_s) * self._inertia

    def update(self, torque_nm: FloatArray, velocity_rad_s: FloatArray, model_nm: FloatArray) -> FloatArray:
        """One tick: motor torque in force, joint speed, modelled torque. Returns `torque_nm`."""
        momentum = self._momentum * velocity_rad_s
        np.copyto(self._velocity, velocity_rad_s)
        wanted = torque_nm + momentum - model_nm
        if self._fresh:
            self._fresh = False
            np.copyto(self._state, wanted)
        self._state += (1.0 - self._keep) * (wanted - self._state)
        return np.subtract(self._state, momentum, out=self.torque_nm)
