"""Life-cycle messages between a supervisor and its workers: one JSON object a line, over stdin and stdout."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from studio.core.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Message:
    """`name` says what; `values` are plain JSON values.

    To control: `engage`, `hold`, `disable`, `clear_fault`, `put_box_back`, `driver` {driver},
    `policy_limits` {torque_share, speed_share}, `cut_wire` {motor, cut}, `mark`, `end`.
    To the recorder: `start` {folder, config}, `stop`, `mark` {label}, `end`.
    To planner and policy: `deploy` {bundle, hold}, `hold`, `end`.
    To the planner: `sample_skills` {count, stages, seed, request}, answered by `skills`; to the policy: `do_skill`
    {controls, request}, ended by `skill_done`.
    From any worker: `ready` {…}, `state` {…}, `said` {level, text, detail}, `episode` {…}, `ended` {…}.
    """

    name: str
    values: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())

    def to_line(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode() + b"\n"


def parse_message(line: bytes) -> Message:
    try:
        data = json.loads(line)
        return Message(name=str(data["name"]), values=dict(data.get("values", {})))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"A worker sent a line that is not a message: {line[:120]!r}. This is a defect.") from error
