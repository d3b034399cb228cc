"""What is known of the drives behind the loop, and what may not be done as long as it is not known.

Gains above the demo preset need drives that were seen to let go when commands stop, and a loop with real-time priority
(spec/hardware.md 7.3, 8.1). Any gain needs a zero that was checked since power-up (1.6, 8.3): a single encoder on the
rotor forgets its turns with the supply, and so does a drive that fell silent, for all the loop can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studio.control.scheme import Scheme, parse_scheme
from studio.control.settings import ControlSettings
from studio.robot.description import Robot


@dataclass(frozen=True, kw_only=True)
class DriveKnowledge:
    """Motors by row (leader joints first, then follower joints); twins are in none of the lists.

    Args:
        real: those with a supply and a current.
        unsafe_on_silence: never seen to let go when commands stop.
        never_zeroed: no zero was ever written.
    """

    real: tuple[int, ...] = ()
    unsafe_on_silence: tuple[int, ...] = ()
    never_zeroed: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GainRequest:
    """What the operator asks of the coupling, as in `Inputs`: multiples of the robot's own gains, law and scale."""

    stiffness: float
    damping: float
    scheme: int = 0
    motion_scale: float = 0.0


class DriveChecks:
    """Demo gains and zero check.

    Args:
        robot: its gains are what the scales multiply.
        settings: the demo preset.
        known: about the drives.
        name: of a motor, for people.
    """

    def __init__(
        self, robot: Robot, settings: ControlSettings, known: DriveKnowledge, name: Callable[[int], str]
    ) -> None:
        self._known, self._name = known, name
        self._own_scheme, self._own_scale = int(parse_scheme(settings.scheme)), settings.motion_scale
        self._stiffness = settings.demo_stiffness_nm_rad / float(robot.stiffness_nm_rad.max())
        self._damping = settings.demo_damping_nm_s_rad / float(robot.damping_nm_s_rad.max())
        self._unchecked = np.zeros(2 * robot.joints, dtype=bool)
        self._unchecked[list(known.real)] = True
        self.realtime: bool | None = None  # None where it does not matter
        self.refusal = ""  # why real-time priority was refused, with the command that grants it

    @property
    def demo_only(self) -> bool:
        return bool(self._known.unsafe_on_silence) or self._lacks_priority

    @property
    def _lacks_priority(self) -> bool:
        return bool(self._known.real) and self.realtime is False

    def is_demo(self, asked: GainRequest) -> bool:
        """Whether it lies within the demo preset."""
        return self._limited(asked) == self._resolved(asked)

    def allowed(self, asked: GainRequest) -> GainRequest:
        """What of the asked may be used."""
        return self._limited(asked) if self.demo_only else asked

    def _resolved(self, asked: GainRequest) -> GainRequest:
        return replace(asked, scheme=asked.scheme or self._own_scheme, motion_scale=self._scale_of(asked))

    def _scale_of(self, asked: GainRequest) -> float:
        """0, a negative value and a NaN mean the settings' scale, as in the coupling."""
        return asked.motion_scale if asked.motion_scale > 0.0 else self._own_scale

    def _limited(self, asked: GainRequest) -> GainRequest:
        """Other laws have gains of their own, and a motion scale above 1 multiplies the leader's."""
        return GainRequest(
            stiffness=min(asked.stiffness, self._stiffness),
            damping=min(asked.damping, self._damping),
            scheme=int(Scheme.POSITION_POSITION),
            motion_scale=min(self._scale_of(asked), 1.0),
        )

    def confirm_zero(self, answering: NDArray[np.bool_]) -> None:
        """A person has compared the arms with the angles: good for the motors that answer, as long as they do."""
        self._unchecked &= ~answering

    def forget_zero(self, motors: NDArray[np.bool_]) -> None:
        """These may have lost their supply, and with it their turns."""
        self._unchecked[list(self._known.real)] |= motors[list(self._known.real)]

    # Sentences for the gate, empty when all is well.

    def priority_trouble(self, *, always: bool, demo: bool) -> str:
        """`always`: this robot is not moved without priority at all."""
        if self.realtime is not False or not (always or (self._lacks_priority and not demo)):
            return ""
        way_out = "" if always else f" Or {self._demo_words()}."
        return f"Real-time priority is missing. {self.refusal or 'Run `doctor`.'}{way_out}"

    def silence_trouble(self, *, demo: bool) -> str:
        unsafe = self._known.unsafe_on_silence
        if not unsafe or demo:
            return ""
        return (
            f"What {self._names(unsafe)} do when commands stop is unknown, or they hold their torque. Run "
            f"`main.py commission --check silence`, or {self._demo_words()}."
        )

    def zero_trouble(self) -> str:
        if self._known.never_zeroed:
            names = self._names(self._known.never_zeroed)
            return f"The zero of {names} was never set. Run `main.py commission --check zero`."
        unchecked = [motor for motor in self._known.real if self._unchecked[motor]]
        if not unchecked:
            return ""
        return (
            f"The zero of {self._names(unchecked)} was not checked since power-up. Compare the arms with the picture "
            "and confirm (Ctrl+K, `zero`), or run `main.py commission --check zero`."
        )

    def _demo_words(self) -> str:
        return (
            f"couple position to position with at most {100 * self._stiffness:.0f} % stiffness and "
            f"{100 * self._damping:.0f} % damping"
        )

    def _names(self, motors: Sequence[int]) -> str:
        named = ", ".join(self._name(motor) for motor in motors[:2])
        return named + (f" and {len(motors) - 2} more" if len(motors) > 2 else "")
