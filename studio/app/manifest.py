"""`plugin.toml`: what a plugin says of itself; read without importing anything of it. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.app.commands import Command
from studio.core.config import load_toml
from studio.core.errors import PluginError, StudioError

API_VERSION = 1
ROLES = ("teleoperate", "review", "train", "plan", "devices")
ROLE_TITLES = {role: role.capitalize() for role in ROLES}
_REQUIRED = ("id", "title", "version", "api", "role")
_KNOWN = (*_REQUIRED, "order", "icon", "author", "model", "panel", "config", "commands", "jobs", "format_version")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`plugin.toml`, parsed; nothing of the plugin was imported for it."""

    id: str
    title: str
    version: str
    role: str
    folder: Path
    order: float = 100.0
    icon: str = "plugin"
    author: str = ""
    origin: str = "the plugins folder"
    model: str = "model"
    panel: str = "panel"
    config: str = ""
    commands: tuple[Command, ...] = ()
    jobs: tuple[dict[str, Any], ...] = ()


def read_manifest(path: Path, origin: str = "the plugins folder") -> Manifest:
    """Parse a `plugin.toml`.

    Raises:
        PluginError: a key is missing, unknown or wrong; the message names file, key and what is allowed.
    """
    try:
        data = load_toml(path)
    except StudioError as error:
        raise PluginError(str(error)) from error
    missing = [key for key in _REQUIRED if key not in data]
    unknown = sorted(set(data) - set(_KNOWN))
    if missing or unknown:
        problem = f"key {missing[0]!r} is missing" if missing else f"key {unknown[0]!r} is unknown"
        raise PluginError(f"{path}: {problem}. A manifest has {', '.join(_KNOWN)}.")
    if data["api"] != API_VERSION:
        raise PluginError(f"{path}: written for api {data['api']!r}; this studio has {API_VERSION}. Update the plugin.")
    if data["role"] not in ROLES:
        raise PluginError(f"{path}: role {data['role']!r} does not exist. Allowed: {', '.join(ROLES)}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(data["id"])):
        raise PluginError(
            f"{path}: id {data['id']!r}; allowed are small letters, digits and _, starting with a letter."
        )
    return _manifest(data, path, origin)


def _manifest(data: dict[str, Any], path: Path, origin: str) -> Manifest:
    plain = {key: str(data[key]) for key in ("id", "title", "version", "role")}
    plain |= {key: str(data[key]) for key in ("icon", "author", "model", "panel", "config") if key in data}
    commands = tuple(_command(entry, data, path) for entry in data.get("commands", []))
    return Manifest(
        **plain, folder=path.parent, order=float(data.get("order", 100)), origin=origin, commands=commands,
        jobs=tuple(data.get("jobs", [])),
    )  # fmt: skip


def _command(entry: dict[str, Any], data: dict[str, Any], path: Path) -> Command:
    allowed = ("id", "title", "key", "group", "place", "icon", "repeat")
    wrong = sorted(set(entry) - set(allowed)) or [key for key in ("id", "title") if key not in entry]
    if wrong:
        raise PluginError(
            f"{path}: command {entry.get('id', '?')!r}: key {wrong[0]!r} is unknown or missing. "
            f"A command has {', '.join(allowed)}."
        )
    identity = str(entry["id"])
    identity = identity if "." in identity else f"{data['id']}.{identity}"
    place = str(entry.get("place", data["title"]))
    return Command(
        id=identity, title=str(entry["title"]), key=str(entry.get("key", "")), scope=str(data["id"]),
        group=str(entry.get("group", "Do")), place=place, icon=str(entry.get("icon", "")),
        repeat=bool(entry.get("repeat", False)),
    )  # fmt: skip
