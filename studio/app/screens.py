"""The screens of the window: which one is on top, how it comes there, and what stands there until it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QLabel, QStackedWidget, QWidget

from studio.app.assembly import Assembly
from studio.app.host import Steps
from studio.app.shell.card import ErrorCard
from studio.app.shell.keys import rest_buttons
from studio.app.shell.layouts import restore_layout, save_layout
from studio.app.theme import set_property
from studio.app.widgets.scroll import PageScroll
from studio.app.widgets.turns import paint_later

if TYPE_CHECKING:
    from studio.app.api import StudioApi
    from studio.app.host import PluginHost

_MOVING_ROLES = ("teleoperate", "plan", "devices")


class Skeleton(QLabel):
    """Stands where a screen will be, for the few turns in which it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(self, "ground", "1")
        set_property(self, "tone", "3")


class Screens(QObject):
    """The panels of the plugins in one stack.

    A panel that is not there yet is built in slices while the skeleton shows; `shown` and `open` of the panel are
    called when it stands there.
    """

    placed = Signal(str)  # this screen is on top now, built or not
    left = Signal(str, str)  # screen before, screen after ("" at the end)
    broke = Signal(str)  # this plugin has failed and stands there as a card

    def __init__(self, studio: StudioApi, host: PluginHost) -> None:
        super().__init__()
        self.studio, self.host = studio, host
        self.stack = QStackedWidget()
        self.stack.setProperty("ground", "0")
        self.panels: dict[str, QWidget] = {}
        self.own: dict[str, tuple[str, Callable[[], Steps]]] = {}  # the shell's own screens: title, and how it is made
        self.assembly = Assembly(self)
        self._skeleton = Skeleton()
        self.stack.addWidget(self._skeleton)
        self._last_of_role: dict[str, str] = dict(studio.settings.get("screens", {}))
        self._waiting: dict[str, list[dict[str, Any]]] = {}  # arguments for `open`, until the panel stands there

    @property
    def top(self) -> str:
        return self.studio.state.screen

    # Coming and going

    def show_empty(self) -> None:
        self._skeleton.setText("No plugin is there. Put one into the plugins folder and start again.")

    def open_first(self) -> None:
        """The screen that was open last, or the first one."""
        roles = self.host.roles()
        if not roles:
            self.show_empty()
            return
        wanted = self.studio.settings.get("role", roles[0])
        self.open_role(wanted if wanted in roles else roles[0])

    def open_role(self, role: str) -> None:
        """The screen of a role that was open last, or its first."""
        screens = [plugin.manifest.id for plugin in self.host.in_role(role)]
        if screens:
            last = self._last_of_role.get(role, "")
            self.navigate(last if last in screens else screens[0])

    def navigate(self, screen: str, **arguments: Any) -> None:
        """Bring a plugin's screen to the top; an unknown one is said."""
        plugin = self.host.plugins.get(screen)
        if screen not in self.own and (plugin is None or plugin.off):
            self.studio.notices.warn(f"There is no screen {screen!r} here. Its plugin is missing or turned off.")
            return
        before = self.top
        if before != screen:
            self.leave(screen)
        self.studio.state.screen, self.studio.state.role = screen, plugin.manifest.role if plugin else ""
        if plugin:
            self._remember(screen, plugin.manifest.role)
        if screen in self.panels:
            self.stack.setCurrentWidget(self.panels[screen])
            self.placed.emit(screen)
            if before != screen:
                self.call(screen, "shown")
            if arguments:
                self.call(screen, "open", **arguments)
            return
        self._waiting[screen] = [*self._waiting.get(screen, []), *([arguments] if arguments else [])]
        self._skeleton.setText(f"Opening {plugin.manifest.title if plugin else self.own[screen][0]}")
        self.stack.setCurrentWidget(self._skeleton)
        self.placed.emit(screen)
        self._build(screen)

    def leave(self, after: str) -> None:
        """The screen on top goes, for `after` or because the window closes ("")."""
        before = self.top
        if not before:
            return
        self.call(before, "hidden")
        if before in self.panels:
            save_layout(self.studio.settings, before, self.panels[before])
        self.left.emit(before, after)

    def _remember(self, screen: str, role: str) -> None:
        self._last_of_role[role] = screen
        self.studio.settings.set("screens", dict(self._last_of_role))
        self.studio.settings.set("role", role)

    def close(self) -> None:
        """The window closes: nothing is built any more, and the panels go."""
        self.assembly.close()
        for screen in list(self.panels):
            self._drop(screen)

    # Building

    def panel(self, screen: str) -> QWidget:
        """The screen's widget, the rest of its building done at once; for tests and where nobody can wait."""
        if screen not in self.panels:
            self._build(screen)
            self.assembly.finish(screen)
        return self.panels[screen]

    def _build(self, screen: str) -> None:
        if screen in self.assembly.names:
            self.assembly.hurry(screen)
        else:
            self.assembly.begin(screen, self._steps(screen), lambda panel: self._arrive(screen, panel))

    def _steps(self, screen: str) -> Steps:
        """From the plugin's code to a panel that only has to be painted; returns it."""
        panel = yield from (self.own[screen][1]() if screen in self.own else self.host.panel_steps(screen))
        if not isinstance(panel, QWidget):
            return self._card(screen)
        panel.hide()
        self.stack.addWidget(panel)
        panel.resize(self.stack.size())
        yield 0.0
        rest_buttons(panel)
        restore_layout(self.studio.settings, screen, panel)
        yield 0.0
        yield from polish(panel)
        for page in panel.findChildren(PageScroll):
            page.measure()
            yield 0.0
        return panel

    def _arrive(self, screen: str, panel: QWidget) -> None:
        self.panels[screen] = panel
        self.stack.addWidget(panel)
        waiting = self._waiting.pop(screen, [])
        if self.top == screen:
            paint_later(panel)
            self.stack.setCurrentWidget(panel)
            self.call(screen, "shown")
        for arguments in waiting:
            self.call(screen, "open", **arguments)

    # When a plugin fails

    def call(self, screen: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Call an optional method of a panel; what it raises becomes its card."""
        function = getattr(self.panels.get(screen), method, None)
        if not callable(function):
            return None
        try:
            return function(*arguments, **named)
        except Exception as error:
            if screen in self.own:
                raise
            self.fail(screen, error)
            return None

    def fail(self, screen: str, error: Exception) -> None:
        """A plugin raised: its card stands where its panel was."""
        self.host.fail(screen, error)
        self._drop(screen)
        self.panels[screen] = self._card(screen)
        self.stack.addWidget(self.panels[screen])
        if self.top == screen:
            self.stack.setCurrentWidget(self.panels[screen])

    def retry(self, screen: str) -> None:
        """Load a broken plugin's files again."""
        self.host.retry(screen)
        self._drop(screen)
        self.studio.state.screen = ""
        self.navigate(screen)

    def turn_off(self, screen: str) -> None:
        """Not shown any more; another screen of the role comes to the top."""
        role = self.host.plugins[screen].manifest.role
        self.host.turn_off(screen)
        self._drop(screen)
        self.studio.state.screen = ""
        roles = self.host.roles()
        self.broke.emit(screen)
        if roles:
            self.open_role(role if role in roles else roles[0])

    def moves_robot(self, screen: str) -> bool:
        """Whether leaving this screen must release the dead-man."""
        plugin = self.host.plugins.get(screen)
        if plugin is None or plugin.failure:
            return False
        answer = self.call(screen, "moves_robot")
        return bool(answer) if answer is not None else plugin.manifest.role in _MOVING_ROLES

    def _drop(self, screen: str) -> None:
        self.assembly.drop(screen)
        panel = self.panels.pop(screen, None)
        if panel:
            self.stack.removeWidget(panel)
            panel.deleteLater()

    def _card(self, screen: str) -> ErrorCard:
        plugin = self.host.plugins[screen]
        failure = plugin.failure or self.host.fail(screen, TypeError("make_panel returned no widget."))
        title = plugin.manifest.title
        if not any(n.text.startswith(f"{title} could not open") for n in self.studio.notices.items[:3]):
            self.studio.notices.add("warn", f"{title} could not open. {failure.what}", detail=failure.detail)
        author = plugin.manifest.author
        working = [p for p in self.host.plugins.values() if p.model and not p.failure and p is not plugin]
        same = [p for p in working if author and p.manifest.author == author]
        others = f"{len(same)} other plugin{'s' if len(same) > 1 else ''} from this author work." if same else ""
        note = "Training was not touched." if self.studio.state.runs.active else "The arms were not touched."
        card = ErrorCard(failure, note=note, others=others)
        card.retry.connect(lambda: self.retry(screen))
        card.off.connect(lambda: self.turn_off(screen))
        return card


def polish(panel: QWidget) -> Iterator[float]:
    """Style and lay out a panel, widget by widget; else all of it falls into the turn that shows it."""
    for widget in (panel, *panel.findChildren(QWidget)):
        widget.ensurePolished()
        yield 0.0
    layout = panel.layout()
    if layout is not None:
        layout.activate()
