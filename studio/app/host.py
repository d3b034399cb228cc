"""The plugin host: manifests first, code on first use; a broken plugin is a `Failure` to show, never a crash. No Qt.

Plugins come from the plugins folder (and the project's `plugins` folder), and from installed packages that name a
folder with a `plugin.toml` under the entry-point group `haptic_play_studio.plugins`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from studio.app.commands import Command
from studio.core.config import load_toml
from studio.core.errors import PluginError, StudioError

ENTRY_POINT_GROUP = "haptic_play_studio.plugins"
API_VERSION = 1
ROLES = ("teleoperate", "review", "train", "plan", "devices")
ROLE_TITLES = {role: role.capitalize() for role in ROLES}
_REQUIRED = ("id", "title", "version", "api", "role")
_KNOWN = (*_REQUIRED, "order", "icon", "author", "model", "panel", "config", "commands", "jobs", "format_version")
_PACKAGES = {"umap": "umap-learn", "cv2": "opencv-python-headless", "sklearn": "scikit-learn", "yaml": "pyyaml"}


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


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a plugin did not open, in words: what, where, next; `command` is something to type, detail is folded."""

    title: str
    what: str
    where: str
    next: str
    command: str = ""
    detail: str = ""
    time_s: float = field(default_factory=time.time)

    def report(self) -> str:
        parts = [f"{self.title} could not open", f"What: {self.what}", f"Where: {self.where}", f"Next: {self.next}"]
        return "\n".join([*parts, self.command, "", self.detail]).strip() + "\n"


@dataclass
class Plugin:
    """One plugin: its manifest, and once opened its model, or the failure."""

    manifest: Manifest
    model: Any = None
    failure: Failure | None = None
    off: bool = False


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


class PluginHost:
    """Lists plugins, opens them when asked, and keeps their failures.

    Args:
        folders: where to look: (folder of plugin folders, words for where that is).
        studio: handed to every plugin.
        off: identities that the person turned off.
        entry_points: whether installed packages are asked too.
    """

    def __init__(
        self,
        folders: Iterable[tuple[Path, str]],
        studio: Any,
        *,
        off: Iterable[str] = (),
        entry_points: bool = True,
    ) -> None:
        self.studio = studio
        self.plugins: dict[str, Plugin] = {}
        self.broken: list[Failure] = []  # manifests that could not be read
        self._off = set(off)
        for folder, origin in folders:
            for path in sorted(folder.glob("*/plugin.toml")):
                self._list(path, origin)
        if entry_points:
            self._list_entry_points()
        studio.commands.load = self.load
        studio.commands.failed = self._command_failed

    def add_commands(self) -> None:
        """Declare every listed command. After the window's own, so that a plugin cannot take their keys."""
        for plugin in self.plugins.values():
            if not plugin.off:
                self._add_commands(plugin.manifest)

    def in_role(self, role: str) -> list[Plugin]:
        """Plugins of a role in their order, those turned off left out."""
        found = [p for p in self.plugins.values() if p.manifest.role == role and not p.off]
        return sorted(found, key=lambda p: (p.manifest.order, p.manifest.title))

    def roles(self) -> list[str]:
        """Roles that have a plugin."""
        return [role for role in ROLES if self.in_role(role)]

    def load(self, identity: str) -> Any:
        """The plugin's model, made on first use; None when it is broken (its `failure` says why)."""
        plugin = self.plugins[identity]
        if plugin.model is None and plugin.failure is None and plugin.manifest.model:
            self._guarded(plugin, lambda: self._make_model(plugin))
        return plugin.model

    def make_panel(self, identity: str) -> Any:
        """The plugin's widget, or None when it is broken."""
        plugin = self.plugins[identity]
        self.load(identity)
        if plugin.failure is not None:
            return None
        return self._guarded(plugin, lambda: self._make_panel(plugin))

    def fail(self, identity: str, error: BaseException) -> Failure:
        """A panel failed later (while drawing, say): keep why."""
        plugin = self.plugins[identity]
        plugin.failure = make_failure(plugin.manifest, error)
        return plugin.failure

    def retry(self, identity: str) -> Plugin:
        """Forget the failure and the loaded code, so that the next use starts from the files as they are now."""
        plugin = self.plugins[identity]
        prefix = _module_prefix(plugin.manifest)
        for name in [name for name in sys.modules if name == prefix or name.startswith(prefix + ".")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        self.studio.commands.unbind(identity)
        plugin.model, plugin.failure = None, None
        return plugin

    def turn_off(self, identity: str) -> None:
        """Not shown and not loaded from now on."""
        plugin = self.plugins[identity]
        plugin.off = True
        self._off.add(identity)
        self.studio.commands.remove(identity)
        self.studio.settings.set("plugins.off", sorted(self._off))

    def turn_on(self, identity: str) -> None:
        self._off.discard(identity)
        self.plugins[identity].off = False
        self.studio.settings.set("plugins.off", sorted(self._off))
        self._add_commands(self.plugins[identity].manifest)

    def close(self) -> None:
        """Tell every model that the window closes."""
        for plugin in self.plugins.values():
            close = getattr(plugin.model, "close", None)
            if callable(close):
                self._guarded(plugin, close)

    def _list(self, path: Path, origin: str) -> None:
        try:
            manifest = read_manifest(path, origin)
            if manifest.id in self.plugins:
                raise PluginError(
                    f"{path}: id {manifest.id!r} is taken by {self.plugins[manifest.id].manifest.folder}. "
                    "Rename one of them."
                )
            self.plugins[manifest.id] = Plugin(manifest=manifest, off=manifest.id in self._off)
        except PluginError as error:
            name = path.parent.name
            failure = Failure(title=name, what=str(error), where=f"{name}, from {origin}", next="Mend plugin.toml.")
            self.broken.append(failure)
            self.studio.notices.warn(f"Plugin {name} is not listed: its plugin.toml is broken.", detail=str(error))

    def _list_entry_points(self) -> None:
        for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
            spec = importlib.util.find_spec(entry.value.partition(":")[0])
            if spec and spec.origin:
                self._list(Path(spec.origin).parent / "plugin.toml", f"the package {entry.name}")

    def _add_commands(self, manifest: Manifest) -> None:
        for command in manifest.commands:
            try:
                refused = self.studio.commands.add(command)
            except PluginError as error:
                refused = str(error)
            if refused:
                self.studio.notices.warn(refused, detail=f"{manifest.title} {manifest.version}, from {manifest.origin}")

    def _make_model(self, plugin: Plugin) -> None:
        module = _load_module(plugin.manifest, plugin.manifest.model)
        plugin.model = _function(module, "make_model", plugin.manifest)(self.studio)

    def _make_panel(self, plugin: Plugin) -> Any:
        module = _load_module(plugin.manifest, plugin.manifest.panel)
        return _function(module, "make_panel", plugin.manifest)(self.studio, plugin.model)

    def _guarded(self, plugin: Plugin, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever a plugin does, the studio runs on
            plugin.failure = make_failure(plugin.manifest, error)
            return None

    def _command_failed(self, title: str, error: BaseException) -> None:
        detail = "".join(traceback.format_exception(error)).strip()
        text = str(error) if isinstance(error, StudioError) else f"{title} did not work: {_sentence(error)}"
        self.studio.notices.add("fault", text, detail=detail)


def _module_prefix(manifest: Manifest) -> str:
    """The import name of a plugin's package: `plugins.<id>` for ours, a name of its own for others."""
    package = f"plugins.{manifest.folder.name}"
    spec = importlib.util.find_spec("plugins")
    homes = [Path(path).resolve() for path in (spec.submodule_search_locations or [])] if spec else []
    return package if manifest.folder.resolve().parent in homes else f"studio_plugin_{manifest.id}"


def _load_module(manifest: Manifest, name: str) -> ModuleType:
    prefix = _module_prefix(manifest)
    if prefix.startswith("plugins."):
        return importlib.import_module(f"{prefix}.{name}")
    if prefix not in sys.modules:
        package = ModuleType(prefix)
        package.__path__ = [str(manifest.folder)]
        sys.modules[prefix] = package
    return importlib.import_module(f"{prefix}.{name}")


def _function(module: ModuleType, name: str, manifest: Manifest) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise PluginError(f"{manifest.title}: {Path(module.__file__ or '').name} has no function {name}. Add it.")
    return function


def make_failure(manifest: Manifest, error: BaseException) -> Failure:
    """An exception of a plugin in words a person understands."""
    what, following, command = _words(error)
    author = f" by {manifest.author}" if manifest.author else ""
    return Failure(
        title=manifest.title, what=what, where=f"{manifest.title} {manifest.version}{author}, from {manifest.origin}",
        next=following, command=command, detail=_detail(manifest, error),
    )  # fmt: skip


def _words(error: BaseException) -> tuple[str, str, str]:
    """(what, next, command to type)."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(("studio", "plugins")):
        package = error.name.partition(".")[0]
        return (
            f"It needs the package {package}, which is not installed.",
            f"Install {package}, then press Try again.",
            f"pip install {_PACKAGES.get(package, package)}",
        )
    if isinstance(error, SyntaxError):
        place = f"{Path(error.filename or '').name} line {error.lineno}"
        return f"Its code cannot be read: {place}.", "Mend the file, then press Try again.", ""
    if isinstance(error, StudioError):
        return str(error), "Then press Try again.", ""
    return _sentence(error), "Try again. If it stays, turn it off and send the report to its author.", ""


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _detail(manifest: Manifest, error: BaseException) -> str:
    """Time and title, the plugin's own lines of the traceback, the exception; then the whole traceback."""
    lines = [f"{time.strftime('%H:%M:%S')}  {manifest.title}  open"]
    folder = str(manifest.folder.resolve())
    for frame in traceback.extract_tb(error.__traceback__):
        if str(Path(frame.filename).resolve()).startswith(folder):
            lines.append(f"{Path(frame.filename).name} line {frame.lineno}: {frame.line}")
    return "\n".join([*lines, f"{type(error).__name__}: {error}"])
