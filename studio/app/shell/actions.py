"""The window's own commands: keys of the table "Global" in the design, one command to open each screen, the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from studio.app.commands import Command
from studio.app.manifest import ROLE_TITLES, ROLES
from studio.app.shell.scripted import add_scripted_hand
from studio.app.theme import theme

if TYPE_CHECKING:
    from studio.app.window import StudioWindow

_ROLE_ICONS = {"teleoperate": "teleop", "review": "review", "train": "train", "plan": "plan", "devices": "devices"}


def fixed_keys() -> list[Command]:
    """Keys that are no commands of the palette but belong on the list of keys."""
    return [Command(id="fixed.stop", title="Stop the robot, close what is open", key="Esc")]


def add_actions(window: StudioWindow) -> None:
    """Register and bind everything that belongs to the window itself."""
    for identity, title, key, group, icon, run in _actions(window):
        window.studio.commands.add(Command(id=identity, title=title, key=key, group=group, place="Studio", icon=icon))
        window.studio.commands.bind(identity, run)
    _add_history(window)
    _add_screens(window)
    _add_workers(window)
    add_scripted_hand(window)


def _actions(window: StudioWindow) -> list[tuple[str, str, str, str, str, Callable[[], object]]]:
    def sheet(name: str) -> Callable[[], None]:
        return lambda: window.toggle_sheet(name)

    return [
        ("studio.find", "Find or do anything", "Ctrl+K", "Open", "palette", window.toggle_palette),
        ("studio.jobs", "Jobs", "Ctrl+J", "Open", "jobs", sheet("jobs")),
        ("studio.notices", "Notices", "Ctrl+N", "Open", "bell", sheet("notices")),
        ("studio.settings", "Settings", "Ctrl+,", "Open", "settings", sheet("settings")),
        ("studio.keys", "Keys", "?", "Open", "keyboard", sheet("keys")),
        ("studio.help", "Help", "F1", "Open", "help", sheet("keys")),
        ("studio.full", "Full screen", "F11", "Set", "fullscreen", lambda: _toggle_full(window)),
        ("studio.panels", "Fold side panels", "Ctrl+B", "Set", "eye", lambda: _to_panel(window, "toggle_panels")),
        ("studio.next_tab", "Next tab", "Ctrl+Tab", "Open", "expand", lambda: _step_tab(window, 1)),
        ("studio.previous_tab", "Previous tab", "Ctrl+Shift+Tab", "Open", "expand", lambda: _step_tab(window, -1)),
        ("studio.light", "Light or dark", "", "Set", "eye", lambda: _other_theme(window)),
        ("studio.stop", "Stop the robot", "", "Do", "stop", window.studio.input.press_stop),
        ("studio.zero", "Confirm the zero: arms stand as shown", "", "Do", "eye", window.studio.arms.confirm_zero),
        ("studio.quit", "Quit", "Ctrl+Q", "Do", "close", window.close),
        *[(f"studio.view{n}", f"View {name}", f"Alt+{n}", "Set", "gizmo", _view(window, n - 1))
          for n, name in enumerate(theme().tokens.value("scene3d.views"), start=1)],
    ]  # fmt: skip


def _view(window: StudioWindow, index: int) -> Callable[[], object]:
    return lambda: window.panels and getattr(_panel(window), "set_view", lambda _index: None)(index)


def _panel(window: StudioWindow) -> object:
    return window.panels.get(window.studio.state.screen)


def _to_panel(window: StudioWindow, method: str) -> None:
    function = getattr(_panel(window), method, None)
    if callable(function):
        function()


def _add_history(window: StudioWindow) -> None:
    """Undo and redo go to the model of the screen on top."""
    for name, key in (("undo", "Ctrl+Z"), ("redo", "Ctrl+Shift+Z")):
        identity = f"studio.{name}"
        window.studio.commands.add(Command(id=identity, title=name.capitalize(), key=key, place="Studio", icon=name))

        def run(name: str = name) -> None:
            function = _history(window, name)
            if function:
                function()

        def blocked(name: str = name) -> str:
            return "" if _history(window, name) else "nothing here to take back"

        window.studio.commands.bind(identity, run, blocked=blocked)


def _history(window: StudioWindow, name: str) -> Callable[[], object] | None:
    plugin = window.host.plugins.get(window.studio.state.screen)
    function = getattr(plugin.model, name, None) if plugin else None
    return function if callable(function) else None


def _add_screens(window: StudioWindow) -> None:
    """`Ctrl+1…5` opens a role, and every screen can be opened by name."""
    for number, role in enumerate(ROLES, start=1):
        plugins = window.host.in_role(role)
        if not plugins:
            continue
        identity = f"open.role.{role}"
        window.studio.commands.add(
            Command(id=identity, title=ROLE_TITLES[role], key=f"Ctrl+{number}", group="Open", place="Studio",
                    icon=_ROLE_ICONS[role])
        )  # fmt: skip
        window.studio.commands.bind(identity, lambda role=role: window.open_role(role))
        for plugin in plugins:
            manifest = plugin.manifest
            if manifest.title == ROLE_TITLES[role]:
                continue
            window.studio.commands.add(
                Command(id=f"open.{manifest.id}", title=manifest.title, group="Open", place=ROLE_TITLES[role],
                        icon=_ROLE_ICONS[role])
            )  # fmt: skip
            window.studio.commands.bind(f"open.{manifest.id}", lambda screen=manifest.id: window.navigate(screen))


def _add_workers(window: StudioWindow) -> None:
    """Start again what has ended."""
    for place in window.session.places.values():
        identity, name = f"worker.start.{place.name}", place.name
        title = place.title[0].lower() + place.title[1:]
        window.studio.commands.add(Command(id=identity, title=f"Start {title} again", place="Studio", icon="retry"))

        def blocked(name: str = name) -> str:
            return "it is running" if window.session.alive(name) else window.session.blocked_start(name)

        window.studio.commands.bind(identity, lambda name=name: window.session.start_worker(name), blocked=blocked)


def _step_tab(window: StudioWindow, step: int) -> None:
    tabs = window.top.tab_identities()
    if window.studio.state.screen in tabs:
        window.navigate(tabs[(tabs.index(window.studio.state.screen) + step) % len(tabs)])


def _toggle_full(window: StudioWindow) -> None:
    if window.isFullScreen():
        window.showNormal()
    else:
        window.showFullScreen()


def _other_theme(window: StudioWindow) -> None:
    window.switch_theme("light" if theme().dark else "dark")
