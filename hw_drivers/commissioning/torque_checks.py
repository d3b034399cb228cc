"""Checks in which the motor gives torque: torque scale, gain scale, sign of the current, behaviour on silence.

All are slow ramps below a limit; the machine that runs them lets go when the joint runs away, heats up or is not heard.
"""

from __future__ import annotations

from collections.abc import Generator

from hw_drivers.commissioning.link import Command, Sample
from hw_drivers.commissioning.work import (
    Answer,
    Context,
    Numbers,
    RefusedError,
    Request,
    Steps,
    ask,
    look,
    switch,
    watch,
)

_LIFT_RAD = 0.02
_HOLD_S = 0.4
_SILENCES_S = (0.01, 0.1, 1.0, 3.0)
_PULL_KP, _PULL_KD, _DAMPING = 10.0, 1.0, 0.1


def _torque(units: float) -> Command:
    return (0.0, 0.0, 0.0, 0.0, units)


def check_torque(context: Context) -> Steps:
    """Torque scale: feed-forward rises until a known weight lifts, and falls until it sinks; between is balance."""
    settings = context.settings
    yield from ask(
        "weight",
        f"Mount the level lever so that {settings.mass_kg:g} kg at {settings.lever_m:g} m rest on a stop and positive "
        "torque lifts them. Hands off, then confirm.",
    )
    yield from switch("enter")
    start = yield from _fresh(context, _torque(0.0))
    rest = start.reply.position_rad
    rate = settings.weight_nm / 4.0 * context.period_s  # the expected torque in 4 s
    up, sample = yield from _ramp_until_lifted(context, rest, rate)
    down = yield from _ramp_until_sinking(context, up, rate, sample.reply.position_rad)
    yield from watch(context, 0.3, _torque(0.0))
    yield from switch("release")
    balance = (up + down) / 2
    scale = settings.weight_nm / balance
    if not settings.scale_low <= scale <= settings.scale_high:
        raise RefusedError(
            f"{settings.weight_nm:.2f} N*m balance at {balance:.2f} commanded, {scale:.2f} N*m per unit; allowed "
            f"{settings.scale_low:g} to {settings.scale_high:g}. Check weight, lever and the motor's row."
        )
    return {"nm_per_unit": scale, "friction_at_most_nm": (up - down) / 2 * scale, "lifts_at": up, "sinks_at": down}


def _ramp_until_lifted(context: Context, rest: float, rate: float) -> Generator[Request, Answer, tuple[float, Sample]]:
    units = 0.0
    most = min(context.settings.torque_limit, context.settings.weight_nm / context.settings.scale_low)
    while units < most:
        units = min(units + rate, most)
        sample = yield from look(_torque(units))
        moved = sample.reply.position_rad - rest
        if moved > _LIFT_RAD:
            return units, sample
        if moved < -_LIFT_RAD:
            raise RefusedError(
                "The angle fell while positive torque was asked for. With gains this joint would run away: do not use "
                "it, and check the drive's direction settings."
            )
    raise RefusedError(
        f"Nothing moved up to {units:.2f} commanded for {context.settings.weight_nm:.2f} N*m. Check that the lever "
        "lifts in the positive direction, the weight, and that the joint is free."
    )


def _ramp_until_sinking(context: Context, units: float, rate: float, top: float) -> Generator[Request, Answer, float]:
    """Lower the torque; the highest angle is followed until the joint has sunk from it."""
    while units > 0.0:
        units -= rate
        sample = yield from look(_torque(units))
        top = max(top, sample.reply.position_rad)
        if sample.reply.position_rad < top - _LIFT_RAD:
            return units
    raise RefusedError("The weight did not sink when the torque was taken away. Friction is too high for this check.")


def _reported(
    context: Context, command: Command, duration_s: float = _HOLD_S
) -> Generator[Request, Answer, tuple[float, Command, float]]:
    """Mean reported torque under a command with the joint clamped, what the wire carried, and the mean angle."""
    yield from watch(context, 0.2, command)
    samples = yield from watch(context, duration_s, command)
    if not samples:
        raise RefusedError(f"No state came for {duration_s:g} s under torque. Check the wiring.")
    angles = [sample.reply.position_rad for sample in samples]
    if max(angles) - min(angles) > 0.02:
        raise RefusedError(f"The joint moved by {max(angles) - min(angles):.3f} rad. Clamp it and run the step again.")
    torque = sum(sample.reply.torque_nm for sample in samples) / len(samples)
    return torque, samples[-1].carried, sum(angles) / len(angles)


def _enter_clamped(context: Context) -> Generator[Request, Answer, float]:
    """Ask for the clamp; returns the joint's angle."""
    yield from ask("clamp", "Clamp the joint so that it cannot turn either way. Hands off, then confirm.")
    yield from switch("enter")
    _, _, angle = yield from _reported(context, _torque(0.0))
    return angle


def check_gain(context: Context) -> Steps:
    """Gain scale: a known offset with a small Kp, a known speed with a small Kd, compared with plain torque."""
    angle = yield from _enter_clamped(context)
    asked = context.settings.clamp_torque
    torque, carried, after = yield from _reported(context, _torque(asked))
    if abs(after - angle) > 0.03:
        raise RefusedError(
            f"The joint turned by {abs(after - angle):.3f} rad under torque. Clamp it and run the step again."
        )
    per_unit = torque / carried[4]  # with the sign that this drive reports
    if abs(per_unit) < 0.05:
        raise RefusedError(
            f"The drive reports {torque:.3f} for {carried[4]:.3f} commanded: no torque came. It may be off, or "
            "in servo mode. Check its mode."
        )
    pull = (angle + asked / _PULL_KP, 0.0, _PULL_KP, _DAMPING, 0.0)
    torque, (p, _, kp, _, t), angle = yield from _reported(context, pull)
    kp_factor = (torque / per_unit - t) / (kp * (p - angle))
    torque, (_, v, _, kd, t), _ = yield from _reported(context, (angle, asked / _PULL_KD, 0.0, _PULL_KD, 0.0))
    kd_factor = (torque / per_unit - t) / (kd * v)
    yield from switch("release")
    for name, factor in (("Kp", kp_factor), ("Kd", kd_factor)):
        if not context.settings.scale_low <= factor <= context.settings.scale_high:
            raise RefusedError(
                f"Effective {name} is {factor:.2f} times the commanded one; allowed {context.settings.scale_low:g} to "
                f"{context.settings.scale_high:g}. Check the dialect and the motor's row before any gain is used."
            )
    return {"kp_factor": kp_factor, "kd_factor": kd_factor, "reported_per_commanded": per_unit}


def check_current(context: Context) -> Steps:
    """Sign of the reported current: right, inverted, or not to be used for the direction of a force."""
    yield from _enter_clamped(context)
    asked = context.settings.clamp_torque
    positive, _, _ = yield from _reported(context, _torque(asked))
    negative, _, _ = yield from _reported(context, _torque(-asked))
    yield from switch("release")
    least = 0.1 * asked
    if max(abs(positive), abs(negative)) < least:
        raise RefusedError(
            f"Torque of {asked:g} either way is reported as {positive:.3f} and {negative:.3f}. Check the drive."
        )
    if positive > least and negative < -least:
        return {"sign": "right"}
    return {"sign": "inverted" if positive < -least and negative > least else "unreliable"}


def check_silence(context: Context) -> Steps:
    """What the drive does when commands stop: how long its torque lasts with the joint clamped.

    A reply reports the current that flowed when it was made, so the first one after a silence tells of the silence.
    That this drive does so is tried first with no silence at all; status frames are watched during the silence itself.
    """
    yield from _enter_clamped(context)
    asked = context.settings.clamp_torque
    before, _, _ = yield from _reported(context, _torque(asked))
    probe = yield from _fresh(context, _torque(0.0))
    if not context.motor.status_feedback and abs(probe.reply.torque_nm) < 0.5 * abs(before):
        yield from switch("release")
        return {"behaviour": "unknown", "reason": "replies tell the new command, not the current that flowed"}
    lasted = 0.0
    for silence_s in _SILENCES_S[2 if context.motor.status_feedback else 0 :]:  # status frames may come at 10 Hz
        yield from _reported(context, _torque(asked))
        share = yield from _share_after(context, silence_s, abs(before))
        if share < 0.5:
            yield from switch("release")
            return {"behaviour": "lets_go", "within_s": silence_s, "after_s": lasted}
        lasted = silence_s
    yield from switch("release")
    return {"behaviour": "holds", "tried_s": lasted}


def _share_after(context: Context, silence_s: float, before: float) -> Generator[Request, Answer, float]:
    """Torque that was left at the end of a silence, as a share."""
    last: Sample | None = None
    for _ in range(max(1, round(silence_s / context.period_s))):
        sample = yield from look(silent=True)
        last = sample if sample.fresh else last
    if not context.motor.status_feedback:
        last = yield from _fresh(context, _torque(0.0))
    if last is None:
        raise RefusedError(f"No status frame came within {silence_s:g} s. Set their rate to 10 Hz or more.")
    return abs(last.reply.torque_nm) / max(before, 1e-6)


def _fresh(context: Context, command: Command) -> Generator[Request, Answer, Sample]:
    """The first fresh state after a command."""
    for _ in range(round(1.0 / context.period_s)):
        sample = yield from look(command)
        if sample.fresh:
            return sample
    raise RefusedError("No state came for 1 s. Check the wiring.")


def numbers_of(steps: Numbers) -> Numbers:
    """Rounded for the file: six digits are more than any of these checks can know."""
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in steps.items()}
