"""`methods`: every method with its source, status and presets."""

from __future__ import annotations

from dataclasses import dataclass

from studio.cli.output import parse_arguments, write_result
from studio.methods.table import METHODS


@dataclass(frozen=True, kw_only=True)
class MethodsArguments:
    """List every method."""

    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


def run(arguments: list[str]) -> int:
    options = parse_arguments(MethodsArguments, arguments, "main.py methods")
    listed = [
        {
            "name": entry.name,
            "title": entry.title,
            "source": entry.source,
            "kind": entry.kind,
            "status": entry.status,
            "presets": list(entry.presets()),
        }
        for entry in METHODS.values()
    ]
    text = "\n".join(
        f"{m['name']:<14} {m['title']} ({m['kind']}, {m['status']}); presets {', '.join(m['presets'])}\n"
        f"{'':<14} {m['source']}"
        for m in listed
    )
    write_result({"methods": listed}, options.json, text=text)
    return 0
