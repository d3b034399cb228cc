"""Zero and power-up: one encoder on the rotor leaves the angle known modulo a sector (spec/hardware.md 1.6)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import pi

from hw_drivers.commissioning.hand_checks import wait_for_reply
from hw_drivers.commissioning.work import (
    Answer,
    Context,
    RefusedError,
    Request,
    Steps,
    ask,
    steady_angle,
    switch,
    watch,
)

_DEGREES = 57.29577951308232
_SURE_SHARE = 0.35  # of a sector; beyond it the neighbouring candidate is nearly as good
_WAIT_S = 6.0  # V3 drives say nothing in their first seconds


@dataclass(frozen=True, slots=True)
class Candidate:
    """How many sectors a reading is away from the stored one, what is left over, and whether that is beyond doubt."""

    sectors: int
    rest_rad: float
    sure: bool


def choose_sector(reading_rad: float, stored_rad: float, sector_rad: float) -> Candidate:
    """The candidate within half a sector of the stored reading."""
    if sector_rad <= 0:
        return Candidate(0, reading_rad - stored_rad, True)
    sectors = round((reading_rad - stored_rad) / sector_rad)
    rest = reading_rad - stored_rad - sectors * sector_rad
    return Candidate(sectors, rest, abs(rest) <= _SURE_SHARE * sector_rad)


def sector_of(context: Context) -> float:
    """The measured sector, else 360 degrees over the gear ratio."""
    if context.settings.sector_rad > 0:
        return context.settings.sector_rad
    return 2 * pi / context.motor.gear_ratio if context.motor.gear_ratio else 2 * pi


def set_zero(context: Context) -> Steps:
    """Fixture pose, plausible reading, zero written, read again."""
    yield from wait_for_reply(context, _WAIT_S)
    yield from ask("fixture", "Put the arm into the fixture pose and let it rest.")
    reading = yield from steady_angle(context, "fixture pose")
    stored = context.calibration.number("zero", "fixture_reading_rad")
    kept = reading if stored is None else float(stored)
    candidate = yield from _settled(context, reading, kept)
    yield from _write_zero(context)
    return {
        "fixture_reading_rad": kept,
        "fixture_pose_rad": context.settings.fixture_pose_rad,
        "sector_rad": sector_of(context),
        "sectors": candidate.sectors,
        "rest_rad": candidate.rest_rad,
    }


def _settled(context: Context, reading: float, stored: float) -> Generator[Request, Answer, Candidate]:
    """The candidate beyond doubt, or confirmed by the person at the arm."""
    candidate = choose_sector(reading, stored, sector_of(context))
    if not candidate.sure or abs(candidate.rest_rad) > context.settings.pose_tolerance_rad:
        answer = yield from ask("pose", _doubt(candidate, sector_of(context)), ("yes", "no"))
        if answer != "yes":
            raise RefusedError("The arm is not in the fixture pose. Put it there and run the step again.")
    return candidate


def _write_zero(context: Context) -> Generator[Request, Answer, None]:
    """Write the zero and believe it only when it reads so."""
    yield from switch("release")
    yield from switch("zero")
    yield from watch(context, 0.05)  # what was on its way when the zero was written
    yield from wait_for_reply(context, _WAIT_S)
    yield from watch(context, 0.2)
    angle = yield from steady_angle(context, "fixture pose after zeroing")
    if abs(angle) > context.settings.zero_tolerance_rad:
        allowed = f"±{context.settings.zero_tolerance_rad:g}"
        raise RefusedError(
            f"After zeroing the joint reads {angle:.4f} rad; allowed {allowed}. It stays off: the drive took no zero."
        )


def _doubt(candidate: Candidate, sector_rad: float) -> str:
    text = f"The angle lies {abs(candidate.rest_rad) * _DEGREES:.1f}° from the stored pose"
    if not candidate.sure:
        text += f", between two sectors of {sector_rad * _DEGREES:.0f}°"
    return f"{text}. Is the arm really in the fixture pose?"
