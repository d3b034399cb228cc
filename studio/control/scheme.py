"""Which bilateral law couples the arms, as data, and how one changes into another without a step in torque.

Laws and their sources are in `scheme_coupling`. A change of scheme, motion scale or clutch is a ramp of a few numbers;
the laws are linear in the weights, so the torque that the drives compute has no step either.
"""

from __future__ import annotations

from enum import IntEnum

from studio.control.settings import ControlSettings
from studio.core.errors import ConfigError

_SCALE_RANGE = (0.25, 4.0)


class Scheme(IntEnum):
    """Laws of spec/hardware.md 6.2. Slot and inputs say 0 for: as the settings name it."""

    POSITION_POSITION = 1
    POSITION_FORCE = 2
    FOUR_CHANNEL = 3


def parse_scheme(name: str) -> Scheme:
    """The scheme of a setting's name.

    Raises:
        ConfigError: there is no scheme of that name.
    """
    try:
        return Scheme[name.upper()]
    except KeyError:
        known = ", ".join(scheme.name.lower() for scheme in Scheme)
        raise ConfigError(f"control.scheme is {name!r}; allowed {known}. Change the setting.") from None


class SchemeRamp:
    """The wanted scheme, motion scale and clutch, and what of them is in force now.

    Args:
        settings: names the scheme and the scale that are used while nobody asks for others.

    `weights` [3] in the order of `Scheme` sum to 1; `scale` is s_p; `clutch` is 1 closed, 0 open.
    """

    def __init__(self, settings: ControlSettings, period_s: float) -> None:
        self._own_scheme, self._own_scale = parse_scheme(settings.scheme), settings.motion_scale
        self._step, self._clutch_step = period_s / settings.settings_ramp_s, period_s / settings.clutch_ramp_s
        self._asked: tuple[int, float, bool] = (0, 0.0, False)
        self.scheme, self._wanted_scale, self._wanted_clutch = self._own_scheme, self._own_scale, 1.0
        self.weights = [float(scheme is self.scheme) for scheme in Scheme]
        self.scale, self.clutch = self._own_scale, 1.0
        self.settled = True
        self.plain = self._is_plain()

    @property
    def observable(self) -> bool:
        """The passivity observer's sums mean something: nothing is ramped, the clutch is closed, and the law is one
        whose spring pulls at both ends. Position-force has none on the leader; its energy tank stands in."""
        return self.settled and self.clutch >= 1.0 and self.weights[1] == 0.0

    def update(self, scheme: int, motion_scale: float, clutch_open: bool) -> bool:
        """One tick towards what is asked; True when position-position without scaling is all there is."""
        asked = (scheme, motion_scale, clutch_open)
        if asked != self._asked:
            self._ask(asked)
        if not self.settled:
            self._move()
        return self.plain

    def _ask(self, asked: tuple[int, float, bool]) -> None:
        self._asked = asked
        scheme, scale, clutch_open = asked
        self.scheme = Scheme(scheme) if scheme in Scheme.__members__.values() else self._own_scheme
        given = scale > 0.0  # 0, a negative value and a NaN keep the settings' scale
        self._wanted_scale = min(max(scale, _SCALE_RANGE[0]), _SCALE_RANGE[1]) if given else self._own_scale
        self._wanted_clutch = 0.0 if clutch_open else 1.0
        self.settled = False

    def _move(self) -> None:
        wanted = [float(scheme is self.scheme) for scheme in Scheme]
        apart = [w - now for w, now in zip(wanted, self.weights, strict=True)]
        most = max(abs(a) for a in apart)
        share = min(1.0, self._step / most) if most > 0.0 else 1.0
        self.weights = wanted if share >= 1.0 else [w + share * a for w, a in zip(self.weights, apart, strict=True)]
        self.scale = _towards(self.scale, self._wanted_scale, self._step)
        self.clutch = _towards(self.clutch, self._wanted_clutch, self._clutch_step)
        arrived = self.scale == self._wanted_scale and self.clutch == self._wanted_clutch
        self.settled = arrived and self.weights == wanted
        self.plain = self._is_plain()

    def _is_plain(self) -> bool:
        return self.settled and self.weights[0] == 1.0 and self.scale == 1.0 and self.clutch == 1.0


def _towards(now: float, wanted: float, step: float) -> float:
    return now + min(max(wanted - now, -step), step)
