"""Cut-offs of the estimated forces, changed while the loop runs: a ramp, so that no torque makes a step."""

from __future__ import annotations

from math import pi

from studio.control.estimator import ContactEstimator
from studio.control.scheme_coupling import SchemeTorques
from studio.control.settings import ControlSettings

_FORCE_HZ, _DISTURBANCE_HZ = (1.0, 100.0), (0.1, 100.0)


class CutoffRamp:
    """What is asked and what is in force: low-pass of the contact force, and of the 4-channel law's disturbance.

    Args:
        settings: the cut-offs while nobody asks for others.
        period_s: of the loop.
    """

    def __init__(
        self, settings: ControlSettings, estimator: ContactEstimator, torques: SchemeTorques, period_s: float
    ) -> None:
        self._estimator, self._torques = estimator, torques
        self._own = (settings.estimator_cutoff_hz, settings.disturbance_cutoff_hz)
        self._ticks = max(1, round(settings.settings_ramp_s / period_s))
        self._asked, self._left = (0.0, 0.0), 0
        self._wanted = self.now_hz = self._own

    def update(self, force_hz: float, disturbance_hz: float) -> bool:
        """One tick towards what is asked (0: as in the settings); True when something changed."""
        asked = (force_hz, disturbance_hz)
        if asked != self._asked:
            self._asked, self._left = asked, self._ticks
            self._wanted = (
                _allowed(force_hz, _FORCE_HZ, self._own[0]),
                _allowed(disturbance_hz, _DISTURBANCE_HZ, self._own[1]),
            )
        if not self._left:
            return False
        share = 1.0 / self._left
        self._left -= 1
        force, disturbance = (
            now + share * (wanted - now) for now, wanted in zip(self.now_hz, self._wanted, strict=True)
        )
        self.now_hz = (force, disturbance) if self._left else self._wanted
        self._estimator.set_cutoff(self.now_hz[0])
        self._torques.set_cutoffs(2.0 * pi * self.now_hz[0], 2.0 * pi * self.now_hz[1])
        return True


def _allowed(value_hz: float, limits: tuple[float, float], own_hz: float) -> float:
    """0, a negative value and a NaN keep the settings' own."""
    return min(max(value_hz, limits[0]), limits[1]) if value_hz > 0.0 else own_hz
