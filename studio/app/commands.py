"""Commands: every action of the studio with its title, place, key and the reason why it cannot run now. No Qt.

A plugin's manifest declares its commands, so that the palette lists them before any code is loaded; the plugin's model
binds them to functions. Keys are texts such as `Ctrl+K`, `Shift+C`, `E`, `Space`, `[`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from psygnal import Signal

from studio.core.errors import PluginError

GLOBAL = "global"
FIXED_KEYS = ("Esc", "Ctrl+K")  # never rebound
_MODIFIERS = ("Ctrl", "Alt", "Shift")
_ALIASES = {
    "escape": "Esc", "esc": "Esc", "return": "Enter", "enter": "Enter", "delete": "Del", "del": "Del",
    "pageup": "PgUp", "pgup": "PgUp", "pagedown": "PgDown", "pgdn": "PgDown", "pgdown": "PgDown",
    "←": "Left", "→": "Right", "↑": "Up", "↓": "Down",
}  # fmt: skip


def normal_key(text: str) -> str:
    """One spelling for a key: `shift+ctrl+z` becomes `Ctrl+Shift+Z`; the plus sign itself is `Plus`."""
    parts = [part.strip() for part in text.split("+") if part.strip()]
    if not parts:
        return ""
    modifiers = [m for m in _MODIFIERS if any(part.lower() == m.lower() for part in parts[:-1])]
    last = parts[-1]
    name = _ALIASES.get(last.lower(), last.upper() if len(last) == 1 else last[0].upper() + last[1:])
    return "+".join([*modifiers, name])


@dataclass(frozen=True, kw_only=True)
class Command:
    """One action.

    Args:
        id: `<plugin>.<action>`, such as `teleop.engage`.
        scope: identity of the plugin whose screen must be on top for the key to work, or `global`.
        group: Do, Open or Set; the palette's headings.
        place: where it lives, shown beside the title.
        repeat: whether a held key repeats it.
    """

    id: str
    title: str
    key: str = ""
    scope: str = GLOBAL
    group: str = "Do"
    place: str = ""
    icon: str = ""
    repeat: bool = False


@dataclass
class _Binding:
    run: Callable[..., Any]
    blocked: Callable[[], str] | None
    release: Callable[[], Any] | None


class Commands:
    """The registry. `blocked(id)` is an empty text when the command can run now, else the reason in a few words."""

    changed = Signal()
    ran = Signal(str)

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}
        self._bindings: dict[str, _Binding] = {}
        self._keys: dict[tuple[str, str], str] = {}  # (scope, key) -> command
        self.refused: list[str] = []
        self.load: Callable[[str], None] | None = None  # loads the plugin of a scope; set by the host
        self.failed: Callable[[str, BaseException], None] | None = None

    def add(self, command: Command) -> str:
        """Add a command. Returns an empty text, or why its key was refused; the command itself always counts.

        Raises:
            PluginError: the identity is taken.
        """
        if command.id in self._commands:
            raise PluginError(f"Command {command.id!r} exists twice. Give one of them another id.")
        key = normal_key(command.key)
        clash = self.clash(command.scope, key) if key else ""
        command = replace(command, key="" if clash else key)
        self._commands[command.id] = command
        if command.key:
            self._keys[(command.scope, command.key)] = command.id
        reason = f"{command.title} cannot have the key {key}: {clash} has it." if clash else ""
        if reason:
            self.refused.append(reason)
        self.changed.emit()
        return reason

    def clash(self, scope: str, key: str, besides: str = "") -> str:
        """Title of the command that would answer the same key, or an empty text."""
        for (other_scope, other_key), identity in self._keys.items():
            meets = other_scope == scope or GLOBAL in (scope, other_scope)
            if other_key == key and meets and identity != besides:
                return self._commands[identity].title
        return ""

    def rebind(self, identity: str, key: str) -> str:
        """Give a command another key. Returns an empty text, or why it was refused; then nothing changed."""
        command, key = self.get(identity), normal_key(key)
        if command.key in FIXED_KEYS or key in FIXED_KEYS:
            return f"{command.key if command.key in FIXED_KEYS else key} is fixed."
        clash = self.clash(command.scope, key, besides=identity) if key else ""
        if clash:
            return f"{key} belongs to {clash}."
        self._keys = {k: v for k, v in self._keys.items() if v != identity}
        self._commands[identity] = replace(command, key=key)
        if key:
            self._keys[(command.scope, key)] = identity
        self.changed.emit()
        return ""

    def bind(
        self,
        identity: str,
        run: Callable[..., Any],
        *,
        blocked: Callable[[], str] | None = None,
        release: Callable[[], Any] | None = None,
    ) -> None:
        """Say what a declared command does.

        Args:
            identity: the command's id.
            run: called with the keyword arguments of `run`.
            blocked: returns an empty text when the command can run, else why not ("hold the arms first").
            release: for keys that act while held; called when the key goes up.
        """
        self.get(identity)
        self._bindings[identity] = _Binding(run, blocked, release)

    def unbind(self, scope: str) -> None:
        """Forget the functions of one plugin's commands; the commands stay listed."""
        self._bindings = {k: b for k, b in self._bindings.items() if self._commands[k].scope != scope}

    def remove(self, scope: str) -> None:
        """Forget a plugin's commands altogether."""
        gone = [identity for identity, command in self._commands.items() if command.scope == scope]
        for identity in gone:
            del self._commands[identity]
            self._bindings.pop(identity, None)
        self._keys = {k: v for k, v in self._keys.items() if v not in gone}
        self.changed.emit()

    def get(self, identity: str) -> Command:
        try:
            return self._commands[identity]
        except KeyError:
            raise PluginError(f"There is no command {identity!r}. Declare it in the plugin's plugin.toml.") from None

    def all(self) -> list[Command]:
        return list(self._commands.values())

    def at_key(self, scope: str, key: str) -> Command | None:
        """The command that answers a key on a screen: the screen's own, else the global one."""
        key = normal_key(key)
        identity = self._keys.get((scope, key)) or self._keys.get((GLOBAL, key))
        return self._commands[identity] if identity else None

    def blocked(self, identity: str) -> str:
        """Why the command cannot run now; empty when it can. A command not loaded yet can be tried."""
        binding = self._bindings.get(identity)
        return binding.blocked() if binding and binding.blocked else ""

    def run(self, identity: str, **arguments: Any) -> Any:
        """Run a command; its plugin is loaded first when needed. A blocked command does nothing and returns None."""
        command = self.get(identity)
        if identity not in self._bindings and self.load and command.scope != GLOBAL:
            self.load(command.scope)
        binding = self._bindings.get(identity)
        if binding is None or self.blocked(identity):
            return None
        try:
            result = binding.run(**arguments)
        except Exception as error:  # a plugin's code: said, never fatal
            if self.failed is None:
                raise
            self.failed(command.title, error)
            return None
        self.ran.emit(identity)
        return result

    def release(self, identity: str) -> None:
        """The key of a held command went up."""
        binding = self._bindings.get(identity)
        if binding and binding.release:
            binding.release()
