"""The start-up gate: what must be true before motors are switched on (spec/hardware.md 8.3), in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One line of the list beside *Engage*. `text` says what is the case, or what to do."""

    name: str
    ok: bool
    text: str


def first_failure(rows: list[GateRow]) -> GateRow | None:
    return next((row for row in rows if not row.ok), None)
