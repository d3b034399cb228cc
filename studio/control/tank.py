"""Energy tank (spec/hardware.md 6.7): terms that are not passive may inject only what was dissipated before."""

from __future__ import annotations

from studio.control.settings import ControlSettings


class EnergyTank:
    """E' = sum of dissipated - sum of injected, 0 <= E <= E_max, of one pair of arms.

    The terms are scaled by gamma = 1 above E_low, else E / E_low, and never inject more than the tank holds. A term
    that absorbs at the moment fills the tank. gamma falls at once and rises over the settings' ramp, so that a change
    of sign of the power is no step in torque; rising late only ever injects less.
    """

    def __init__(self, settings: ControlSettings, period_s: float) -> None:
        self._most_j, self._low_j = settings.tank_j, settings.tank_low_j
        self._start_j = settings.tank_start_j
        self._rise = period_s / settings.settings_ramp_s
        self.energy_j = self._start_j
        self.share = 1.0

    def restart(self) -> None:
        """As at the beginning: the allowance, everything let through."""
        self.energy_j, self.share = self._start_j, 1.0

    def fill(self, dissipated_j: float) -> None:
        """Energy that passive terms have dissipated, >= 0."""
        self.energy_j = min(self._most_j, self.energy_j + max(dissipated_j, 0.0))

    def draw(self, injected_j: float) -> float:
        """Share gamma of the terms that may act; `injected_j` is what they would inject unscaled (< 0: absorb)."""
        wanted = min(1.0, self.energy_j / self._low_j) if injected_j > 0.0 else 1.0
        share = min(wanted, self.share + self._rise)
        if injected_j > 0.0:
            share = min(share, self.energy_j / injected_j)
        self.share = share
        self.energy_j = min(self._most_j, max(0.0, self.energy_j - share * injected_j))
        return share
