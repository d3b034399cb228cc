"""Checks in which a person moves the joint and the motor gives no torque: reply, position, velocity, sign."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise

from hw_drivers.commissioning.link import Sample
from hw_drivers.commissioning.work import (
    Answer,
    Context,
    Numbers,
    RefusedError,
    Request,
    Steps,
    ask,
    look,
    steady_angle,
    unwrapped,
    watch,
)
from hw_drivers.motors.codec_mit import error_name
from hw_drivers.motors.models import MotorRange, known_ranges, load_models

_MIN_PATH_RAD = 1.0
_MIN_SPAN_S = 0.04  # of a slope; shorter ones drown in quantisation
_DEGREES = 57.29577951308232


def check_reply(context: Context) -> Steps:
    """The motor answers in the dialect of its row, without error, at a temperature that can be."""
    yield from ask(
        "free", "From now on the motor holds nothing. Let the arm rest so that nothing can fall, then confirm."
    )
    samples = yield from watch(context, 1.5)
    if context.facts.get("foreign_shape", 0) and not samples:
        raise RefusedError(
            f"Drive {context.calibration.drive_id} sends {_other_shape(context.motor)}, then begin again."
        )
    if not samples:
        raise RefusedError(
            f"Drive {context.calibration.drive_id} does not answer. Check power, wiring, id and firmware "
            "(`--check discover` finds who is there); a V3 drive says nothing in its first 5 s."
        )
    reply = samples[-1].reply
    if reply.error_code:
        raise RefusedError(
            f"The drive reports error {reply.error_code}, {error_name(reply.error_code)}. Clear its cause."
        )
    if reply.temperature_c is not None and not -5.0 <= reply.temperature_c <= 70.0:
        offset = 0.0 if reply.temperature_c < 0 else -40.0
        raise RefusedError(
            f"The drive reports {reply.temperature_c:g} degC. If it is at room temperature, its firmware sends the "
            f"byte by the other convention: set temperature_offset_c = {offset:g} for this motor."
        )
    numbers: Numbers = {"reply_bytes": 6 if reply.temperature_c is None else 8}
    return numbers if reply.temperature_c is None else {**numbers, "temperature_c": reply.temperature_c}


def _other_shape(motor: MotorRange) -> str:
    """What came instead of what the row expects, and what to set. A drive that answered a V3 command is a V3 one:
    legacy commands would give it gains (spec/hardware.md 2.5)."""
    if motor.status_feedback:
        return "MIT replies to V3 commands: set status_feedback = 0 for this motor"
    return (
        f"status frames: {'set status_feedback = 1 for this motor' if motor.firmware == 'v3' else 'choose firmware v3'}"
    )


def check_position(context: Context) -> Steps:
    """Position scale and gear: a known angle between two pins, at zero gains."""
    true_rad = context.settings.pins_rad
    degrees = true_rad * _DEGREES
    yield from ask("first_pin", "Put the joint against the first pin (0°) and let it rest.")
    first = yield from steady_angle(context, "first pin")
    yield from ask("second_pin", f"Put the joint against the second pin ({degrees:.0f}°) and let it rest.")
    second = yield from steady_angle(context, "second pin")
    moved = unwrapped(context.motor, second - first)
    ratio = abs(moved) / true_rad
    if ratio < 0.05:
        raise RefusedError(
            f"The reported angle did not change between the pins ({moved:.3f} rad). Check the motor's id."
        )
    if abs(ratio - 1.0) > context.settings.position_tolerance:
        raise RefusedError(
            f"Reported {abs(moved) * _DEGREES:.1f}° for {degrees:.1f}°, {ratio:.3f} times the true angle; allowed "
            f"0.98 to 1.02. {_gear_hint(context.motor, ratio)}"
        )
    return {"ratio": ratio, "reported_rad": moved, "true_rad": true_rad}


def _gear_hint(motor: MotorRange, ratio: float) -> str:
    gears = {m.name: m.numbers["gear_ratio"].value for m in load_models().values() if not m.choices}
    own = motor.gear_ratio or gears[motor.model]
    fits = sorted({gear for gear in gears.values() if abs(ratio / (gear / own) - 1.0) < 0.03 and gear != own})
    if not fits:
        return "Check the pins, and that nothing slipped."
    names = ", ".join(name for name, gear in gears.items() if gear in fits)
    return (
        f"This is a {fits[0]:g}:1 gear under a {own:g}:1 setting: read the label, choose the model ({names}) and set "
        "the drive's gear ratio with the vendor's tool."
    )


def check_velocity(context: Context) -> Steps:
    """Velocity scale: reported speed against the slope of the reported angle while a hand moves the joint."""
    yield from ask("move", "Move the joint to and fro by hand, at least 60° each way, and keep moving; then confirm.")
    seconds = 0.0
    samples: list[Sample] = []
    while seconds < 20.0 and (seconds < context.settings.hand_motion_s or _path(context, samples) < _MIN_PATH_RAD):
        samples += yield from watch(context, 1.0)
        seconds += 1.0
    if (path := _path(context, samples)) < _MIN_PATH_RAD:
        raise RefusedError(
            f"The joint moved {path:.2f} rad in {seconds:.0f} s; {_MIN_PATH_RAD:g} is needed. Move it more."
        )
    ratio = velocity_ratio(context.motor, samples)
    if len(context.candidates) > 1:
        return _decide(context, ratio)
    if not context.settings.velocity_low <= ratio <= context.settings.velocity_high:
        raise RefusedError(
            f"Reported speed is {ratio:.3f} times the slope of the angle; allowed {context.settings.velocity_low:g} to "
            f"{context.settings.velocity_high:g}. {_range_hint(context.motor, ratio)}"
        )
    return {"ratio": ratio}


def _path(context: Context, samples: Sequence[Sample]) -> float:
    angles = [sample.reply.position_rad for sample in samples]
    return sum(abs(unwrapped(context.motor, b - a)) for a, b in pairwise(angles))


def velocity_ratio(motor: MotorRange, samples: Sequence[Sample]) -> float:
    """Least-squares factor between integrated reported speed and the change of the reported angle."""
    product = square = 0.0
    start = 0
    for end in range(1, len(samples)):
        if (samples[end].t_ns - samples[start].t_ns) / 1e9 < _MIN_SPAN_S:
            continue
        moved = unwrapped(motor, samples[end].reply.position_rad - samples[start].reply.position_rad)
        product += moved * _integrated(samples[start : end + 1])
        square += moved * moved
        start = end
    return product / square if square else 0.0


def _integrated(samples: Sequence[Sample]) -> float:
    return sum(
        (a.reply.velocity_rad_s + b.reply.velocity_rad_s) / 2 * (b.t_ns - a.t_ns) / 1e9 for a, b in pairwise(samples)
    )


def ratio_for(used: MotorRange, ratio: float, candidate: MotorRange) -> float:
    """The velocity ratio that the same frames would give with another row."""
    if used.status_feedback:
        return ratio * (used.erpm_per_rad_s or 0.0) / (candidate.erpm_per_rad_s or 1.0)
    return ratio * candidate.velocity_rad_s / used.velocity_rad_s


def _decide(context: Context, ratio: float) -> Numbers:
    """Which of several data sets fits: exactly one must."""
    ratios = {row.model: ratio_for(context.motor, ratio, row) for row in context.candidates}
    low, high = context.settings.velocity_low, context.settings.velocity_high
    fits = [model for model, value in ratios.items() if low <= value <= high]
    if len(fits) != 1:
        shown = ", ".join(f"{model} {value:.3f}" for model, value in ratios.items())
        raise RefusedError(
            f"The gear check does not decide: reported over true speed is {shown}. Read the motor's label."
        )
    return {"ratio": ratios[fits[0]], "model": fits[0]}


def _range_hint(motor: MotorRange, ratio: float) -> str:
    if motor.status_feedback:
        fits = [
            row.model
            for row in known_ranges().values()
            if row.status_feedback
            and row.erpm_per_rad_s is not None
            and 0.97 <= ratio_for(motor, ratio, row) <= 1.03
            and row.model != motor.model
        ]
        return f"This fits {', '.join(fits)}: choose that model." if fits else "Check pole pairs and gear ratio."
    wanted = motor.velocity_rad_s / ratio if ratio > 0 else 0.0
    known = load_models()[motor.model].alternatives(motor.firmware, "velocity_rad_s")
    fits = [value for value in known if abs(value / wanted - 1.0) < 0.03] if wanted else []
    if fits:
        return f"A full scale of {fits[0]:g} rad/s fits: set velocity_rad_s = {fits[0]:g} for this motor."
    return f"A full scale near {wanted:.1f} rad/s would fit. Read it in the vendor's tool and set velocity_rad_s."


def check_sign(context: Context) -> Steps:
    """Direction: what the counter does when the joint turns the way the robot calls positive."""
    yield from ask("rest", "Let the joint rest somewhere in its middle.")
    before = yield from steady_angle(context, "start")
    yield from ask("positive", "Turn the joint about 30° in its positive direction and let it rest.")
    after = yield from steady_angle(context, "end")
    moved = unwrapped(context.motor, after - before)
    if abs(moved) < 0.1:
        raise RefusedError(f"The joint turned {abs(moved) * _DEGREES:.1f}°; at least 6° are needed. Turn it more.")
    direction = 1 if moved > 0 else -1
    if direction != context.settings.direction:
        counts = "up" if direction > 0 else "down"
        raise RefusedError(
            f"The angle counts {counts} when the joint turns positive, but direction = {context.settings.direction:+d} "
            f"is set. Set direction = {direction:+d} for this motor, or mount it the other way round."
        )
    return {"direction": direction}


def wait_for_reply(context: Context, limit_s: float) -> Generator[Request, Answer, Sample]:
    """The first fresh state within a time.

    Raises:
        RefusedError: none came.
    """
    for _ in range(round(limit_s / context.period_s)):
        sample = yield from look()
        if sample.fresh:
            return sample
    raise RefusedError(f"No state came within {limit_s:g} s. Check the wiring, and that the drive has power.")
