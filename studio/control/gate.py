"""The start-up gate: what must be true before motors are switched on (spec/hardware.md 8.3), in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One line of the list beside *Engage*. `text` says what is the case, or what to do."""

    name: str
    ok: bool
    text: str


def make_gate(
    *,
    priority: str,
    silent_motors: int,
    trouble: str,
    silence: str,
    zero: str,
    heartbeat_late: bool,
    dead_man_ready: bool,
    apart_rad: float,
    aligned: bool,
) -> list[GateRow]:
    """All rows; texts are empty where nothing is wrong. Arms that are apart never close the gate."""
    apart = f"Arms are {apart_rad:.2f} rad apart: the follower will move slowly."
    silent = f"{silent_motors} motors do not answer. Check power and cables."
    return [
        _row("priority", bool(priority), priority, "The loop runs on time."),
        _row("motors", silent_motors > 0, silent, "All motors answer."),
        _row("trouble", bool(trouble), trouble, "Motors report no trouble."),
        _row("silence", bool(silence), silence, "Motors let go when commands stop, or gains are low."),
        _row("zero", bool(zero), zero, "Angles are right since power-up."),
        _row("heartbeat", heartbeat_late, "The window does not answer.", "The window is alive."),
        _row("dead_man", not dead_man_ready, "Press and hold the dead-man.", "Dead-man is ready."),
        GateRow(name="aligned", ok=True, text="Arms are aligned." if aligned else apart),
    ]


def watchdog_row(path: str, proven: bool) -> GateRow:
    """Layer 4 of spec/hardware.md 8.2: said to be there only while its answers prove it.

    Args:
        path: where the robot's file says it is; empty: it names none, which closes nothing but is said.
        proven: right and fresh answers come.
    """
    if not path:
        return GateRow(name="watchdog", ok=True, text="No independent watchdog: only this computer stops the motors.")
    missing = f"No independent watchdog: nothing at {path} proves that it is there. Check its cable, supply and button."
    return _row("watchdog", not proven, missing, "The independent watchdog answers.")


def _row(name: str, wrong: bool, bad: str, good: str) -> GateRow:
    return GateRow(name=name, ok=not wrong, text=bad if wrong else good)


def first_failure(rows: list[GateRow]) -> GateRow | None:
    return next((row for row in rows if not row.ok), None)
