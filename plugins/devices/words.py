"""What the wizard says: a sentence and a button for every question, what is measured against what. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import degrees, isfinite
from typing import Any

# question key -> headline, words of the button that answers it
QUESTIONS = {
    "free": ("Let the arm rest", "Nothing can fall"),
    "first_pin": ("Against the first pin", "It is at 0°"),
    "second_pin": ("Against the second pin", "It is there"),
    "move": ("Move it by hand", "I am moving it"),
    "weight": ("Hang the weight", "It hangs, hands off"),
    "clamp": ("Clamp the joint", "It is clamped"),
    "rest": ("Let the joint rest", "It rests"),
    "positive": ("Turn it positive", "It is turned"),
    "fixture": ("Into the fixture pose", "It is in the pose"),
    "pose": ("Is this the pose?", "Yes, it is"),
}
# step -> headline and sentence while it runs
RUNNING = {
    "reply": ("Listening", "The motor is asked for its state. It gives no torque."),
    "position": ("Reading the angle", "Hold the joint still against the pin."),
    "velocity": ("Keep moving", "To and fro by hand, at least 60° each way. The motor gives no torque."),
    "torque": ("Torque ramps", "It rises until the weight lifts, then falls until it sinks. Between them it balances."),
    "gain": ("A small stiffness pulls", "The joint is clamped; stiffness and damping are compared with plain torque."),
    "sign": ("Reading the angle", "Hold the joint still."),
    "current": ("Torque both ways", "The clamped joint is pushed one way, then the other."),
    "silence": ("Commands stop", "First for a moment, then longer, up to 3 s. The clamp holds the joint."),
    "zero": ("Writing the zero", "The drive takes this angle as zero, and is read again."),
}
_SILENCE = {"lets_go": "lets go", "holds": "holds its torque", "unknown": "not known"}


def result_words(step: str, numbers: Mapping[str, Any]) -> str:
    """What a step that passed has measured, in a few words."""

    def number(name: str) -> float:
        return float(numbers.get(name, float("nan")))

    if step == "reply":
        warm = number("temperature_c")
        return f"{number('reply_bytes'):.0f} bytes" + (f", {warm:.0f} °C" if isfinite(warm) else "")
    if step == "position":
        true, seen = degrees(number("true_rad")), degrees(abs(number("reported_rad")))
        return f"{seen:.1f}° for {true:.0f}°: {100 * abs(number('ratio') - 1):.1f} % off"
    if step == "gain":
        return f"stiffness × {number('kp_factor'):.2f}, damping × {number('kd_factor'):.2f}"
    if step == "silence":
        return _SILENCE.get(str(numbers.get("behaviour")), "not known")
    plain = {
        "velocity": f"ratio {number('ratio'):.3f}",
        "torque": f"{number('nm_per_unit'):.3f} N·m per unit",
        "sign": "counts up" if number("direction") > 0 else "counts down",
        "current": str(numbers.get("sign", "")),
        "zero": "set",
    }
    return plain.get(step, "passed")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is measured now beside what is expected; shares are of the bar's length.

    Args:
        name, value: above the bar.
        share: how far the bar is filled.
        tick: where the expected value is, None when there is none.
        expected: its words; `limit` those at the bar's end.
        good: whether it is as expected now, None while nothing can be said.
    """

    name: str
    value: str
    share: float
    tick: float | None = None
    expected: str = ""
    limit: str = ""
    good: bool | None = None


def measure(step: str, state: Mapping[str, Any], settings: Mapping[str, float], start_rad: float) -> Measure:
    """Of a `state` message of the bench.

    Args:
        settings: of the bench.
        start_rad: the angle when the last question of this step was answered first.
    """
    sample = state["sample"]
    make = {"position": _angle, "sign": _angle, "zero": _zero, "velocity": _speed, "torque": _torque}.get(step)
    if make is not None:
        return make(step, state, settings, start_rad)
    if step == "reply":
        age_ms = min(1000 * float(sample["age_s"]), 9999.0)
        heard = age_ms < 9999
        return Measure(name="Age of its newest answer", value=f"{age_ms:.0f} ms" if heard else "none yet",
                       share=min(age_ms / 100, 1.0) if heard else 0.0, tick=0.5, expected="expected below 50 ms",
                       good=age_ms < 50 if heard else None)  # fmt: skip
    return _clamped(step, state, settings)


def _angle(step: str, state: Mapping[str, Any], settings: Mapping[str, float], start_rad: float) -> Measure:
    wanted = degrees(settings["pins_rad"]) if step == "position" else 30.0
    turned = degrees(state["sample"]["position_rad"] - start_rad)
    signed = turned if step == "sign" else abs(turned)
    return Measure(name="Turned", value=f"{signed:.1f}°".replace("-", "−"),
                   share=abs(turned) / (1.5 * wanted), tick=1 / 1.5,
                   expected=f"expected {wanted:.0f}°", limit=f"{1.5 * wanted:.0f}°",
                   good=abs(abs(turned) / wanted - 1) < 0.02 if step == "position" else None)  # fmt: skip


def _zero(step: str, state: Mapping[str, Any], settings: Mapping[str, float], start_rad: float) -> Measure:
    angle, allowed = degrees(state["sample"]["position_rad"]), degrees(settings["zero_tolerance_rad"])
    return Measure(name="Reported angle", value=f"{angle:.2f}°".replace("-", "−"), share=0.5 + angle / 60, tick=0.5,
                   expected=f"expected 0 ± {allowed:.1f}° afterwards", limit="30°",
                   good=abs(angle) <= allowed)  # fmt: skip


def _speed(step: str, state: Mapping[str, Any], settings: Mapping[str, float], start_rad: float) -> Measure:
    speed = abs(state["sample"]["velocity_rad_s"])
    return Measure(name="Reported speed", value=f"{speed:.2f} rad/s", share=speed / 4.0, limit="4 rad/s",
                   expected=f"its ratio to the angle's slope: {settings['velocity_low']:g} to "
                            f"{settings['velocity_high']:g}")  # fmt: skip


def _torque(step: str, state: Mapping[str, Any], settings: Mapping[str, float], start_rad: float) -> Measure:
    wanted = settings["mass_kg"] * 9.81 * settings["lever_m"] + settings["lever_nm"]
    most = min(settings["torque_limit"], wanted / settings["scale_low"])
    asked = state["command"][4]
    return Measure(name="Torque ramps until the arm balances", value=f"{max(asked, 0.0):.2f} N·m", share=asked / most,
                   tick=wanted / most, expected=f"expected {wanted:.2f}", limit=f"stops at {most:.1f}")  # fmt: skip


def _clamped(step: str, state: Mapping[str, Any], settings: Mapping[str, float]) -> Measure:
    asked, seen = settings["clamp_torque"], state["sample"]["torque_nm"]
    return Measure(name="Reported torque", value=f"{seen:.2f} N·m".replace("-", "−"),
                   share=abs(seen) / (1.5 * asked), tick=1 / 1.5,
                   expected=f"asked {asked:.2f}", limit=f"{1.5 * asked:.2f}")  # fmt: skip


def headline(state: Mapping[str, Any]) -> tuple[str, str]:
    """The step's own sentence: a headline, and what to do or what happens."""
    if not state:
        return "Opening the bench", ""
    question, step = state["question"], str(state["step"])
    if state["phase"] == "refused":
        return "This did not pass", str(state["refusals"][-1]["reason"])
    if question is not None:
        known = QUESTIONS.get(question["key"], (str(state["title"]), ""))
        return known[0], str(question["text"])
    return RUNNING.get(step, (str(state["title"]), ""))


def answer_words(question: Mapping[str, Any]) -> str:
    """On the button that gives the first answer."""
    known = QUESTIONS.get(str(question["key"]))
    return known[1] if known else str(question["choices"][0]).capitalize()


def load_words(load: Mapping[str, Any]) -> str:
    """The table of what would fit, when a bus is refused."""
    fits = [row for row in load["fits"] if row["motors"] in (2, 4, 6, 8)]
    rows = ", ".join(f"{row['motors']} motors {row['rate_hz']} Hz" for row in fits)
    return (
        f"{load['motors']} motors at {load['rate_hz']:g} Hz load it {100 * load['share']:.0f} %; allowed "
        f"{100 * load['allowed']:.0f} %. What fits: {rows}. Put an arm on another bus, or lower the rate."
    )
