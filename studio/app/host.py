"""The plugin host: manifests first, code later; a broken plugin is a `Failure` to show, never a crash. No Qt.

A panel is made in steps (`panel_steps`): its code is imported in a thread, then its model and its parts are made one
after the other, and between two steps the window takes a turn (docs/decisions/0006).

Plugins come from the plugins folder (and the project's `plugins` folder), and from installed packages that name a
folder with a `plugin.toml` under the entry-point group `haptic_play_studio.plugins`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import GeneratorType, ModuleType
from typing import Any

from studio.app.failure import Failure, make_failure, sentence
from studio.app.loader import Loader
from studio.app.manifest import ROLES, Manifest, read_manifest
from studio.core.errors import PluginError, StudioError

# A step gives the seconds after which the next one makes sense; 0 is the next turn of the event loop.
Steps = Generator[float, None, Any]
_LOOK_AGAIN_S = 0.005

ENTRY_POINT_GROUP = "haptic_play_studio.plugins"


@dataclass
class Plugin:
    """One plugin: its manifest, and once opened its model, or the failure."""

    manifest: Manifest
    model: Any = None
    failure: Failure | None = None
    off: bool = False


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
        self._code: Loader | None = None  # the thread that imports plugin code; made when it is first needed
        self._asked: set[str] = set()
        self._imported: dict[str, Exception | None] = {}
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

    def import_ahead(self) -> None:
        """Import the code of every plugin in a thread, one after the other; what fails is said when it is opened."""
        for plugin in self.plugins.values():
            if not plugin.off:
                self._ask_code(plugin)

    def panel_steps(self, identity: str) -> Steps:
        """Make the plugin's widget step by step; the generator returns it, or None when the plugin is broken."""
        plugin = self.plugins[identity]
        self._ask_code(plugin)
        while identity not in self._imported:
            yield _LOOK_AGAIN_S
            self._take_imported()
        error = self._imported[identity]
        if error is not None:
            self.fail(identity, error)
            return None
        self.load(identity)
        yield 0.0
        return (yield from self._parts(plugin))

    def make_panel(self, identity: str) -> Any:
        """The plugin's widget at once, or None when it is broken."""
        self.load(identity)
        return finish(self._parts(self.plugins[identity]))

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
        self._asked.discard(identity)
        self._imported.pop(identity, None)
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
        if self._code is not None:
            self._code.close()

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

    def _parts(self, plugin: Plugin) -> Steps:
        """What `make_panel` of the plugin does, part by part when it is a generator."""
        if plugin.failure is not None:
            return None
        try:
            module = _load_module(plugin.manifest, plugin.manifest.panel)
            made = _function(module, "make_panel", plugin.manifest)(self.studio, plugin.model)
            if not isinstance(made, GeneratorType):
                return made
            while True:
                try:
                    next(made)
                except StopIteration as end:
                    return end.value
                try:
                    yield 0.0
                except GeneratorExit:
                    _abandon(made)
                    raise
        except Exception as error:  # noqa: BLE001 - whatever a plugin does, the studio runs on
            self.fail(plugin.manifest.id, error)
            return None

    def _ask_code(self, plugin: Plugin) -> None:
        identity = plugin.manifest.id
        if identity not in self._asked:
            self._asked.add(identity)
            self._code = self._code or Loader("plugin-code")
            self._code.ask(identity, _import_code, plugin.manifest)

    def _take_imported(self) -> None:
        if self._code is not None:
            self._imported.update(self._code.poll())

    def _guarded(self, plugin: Plugin, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever a plugin does, the studio runs on
            plugin.failure = make_failure(plugin.manifest, error)
            return None

    def _command_failed(self, title: str, error: BaseException) -> None:
        detail = "".join(traceback.format_exception(error)).strip()
        text = str(error) if isinstance(error, StudioError) else f"{title} did not work: {sentence(error)}"
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


def _import_code(manifest: Manifest) -> Exception | None:
    """In the thread: the modules of a plugin that the window will ask for; an error is kept for the card."""
    try:
        for name in filter(None, (manifest.model, manifest.panel)):
            _load_module(manifest, name)
    except Exception as error:  # noqa: BLE001 - whatever a plugin does, the studio runs on
        return error
    return None


def _abandon(made: GeneratorType[Any, Any, Any]) -> None:
    """Nobody waits for this panel any more. Qt's connections keep what is half built, so it is deleted by hand."""
    frame = made.gi_frame
    held = list(frame.f_locals.values()) if frame is not None else []
    made.close()
    for one in held:
        if callable(delete := getattr(one, "deleteLater", None)):
            delete()


def finish(steps: Steps) -> Any:
    """Take every step at once; what the generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _function(module: ModuleType, name: str, manifest: Manifest) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise PluginError(f"{manifest.title}: {Path(module.__file__ or '').name} has no function {name}. Add it.")
    return function
