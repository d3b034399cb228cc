"""`methods`: every method with its source, status and presets."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from studio.cli.output import write_result
from studio.methods.table import METHODS


@dataclass(frozen=True, kw_only=True)
class MethodsArguments:
    """List every method."""

    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


def run(arguments: list[str]) -> int:
    options = tyro.cli(MethodsArguments, args=arguments, prog="main.py methods")
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
