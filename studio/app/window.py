"""The window: bars, plugin panels in the centre, palette and sheets above them, STOP above everything; one timer."""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import QEvent, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from studio.app.api import StudioApi
from studio.app.commands import Command
from studio.app.garbage import Collector
from studio.app.host import PluginHost
from studio.app.pace import Pace, ViewRate
from studio.app.session import Session
from studio.app.shell.actions import add_actions, fixed_keys
from studio.app.shell.activity import ActivityBar
from studio.app.shell.card import ErrorCard
from studio.app.shell.keys import Keys, rest_buttons
from studio.app.shell.layouts import restore_layout, save_layout
from studio.app.shell.palette import Palette
from studio.app.shell.projects import open_beside, remember_project, show_projects
from studio.app.shell.sheet import JobsSheet, KeysSheet, NoticesSheet, SettingsSheet, Sheet
from studio.app.shell.status import StatusBar
from studio.app.shell.stop import StopButton
from studio.app.shell.topbar import TopBar
from studio.app.theme import theme
from studio.app.watchdog import Watchdog

_MOVING_ROLES = ("teleoperate", "plan", "devices")
_NO_PILL_ROLES = ("teleoperate",)  # the band says the state there


class StudioWindow(QMainWindow):
    """One window on one session.

    Args:
        studio: the api handed to plugins.
        session: the session behind it; the window beats its heart.
        host: plugins.
        watched: measure the event loop (`watchdog`).
    """

    closing = Signal()

    def __init__(self, studio: StudioApi, session: Session, host: PluginHost, *, watched: bool = False) -> None:
        super().__init__()
        self.studio, self.session, self.host = studio, session, host
        self.panels: dict[str, QWidget] = {}
        self.watchdog = Watchdog() if watched else None
        self._last_of_role: dict[str, str] = dict(studio.settings.get("screens", {}))
        self._view = ViewRate(theme().number("motion.view_hz"))
        self._status_pace, self._losses_pace = Pace(theme().number("motion.status_hz")), Pace(1.0)
        self._last_tick_s = time.monotonic()
        self._collector = Collector()
        self._closed = False
        remember_project(studio.settings, studio.project.path)
        self._build()
        self._connect()
        self._open_first()
        self._start()

    # Building

    def _build(self) -> None:
        self.setWindowTitle(f"{self.studio.project.name} – Haptic Play Studio")
        width, height = theme().tokens.value("shell.min_window")
        self.setMinimumSize(int(width), int(height))
        self.resize(1440, 900)
        self.top = TopBar(self.studio.project.name)
        self.activity = ActivityBar(self.host.roles())
        self.stack = QStackedWidget()
        self.stack.setProperty("ground", "0")
        self.status = StatusBar()
        centre, column, row = QWidget(), QVBoxLayout(), QHBoxLayout()
        for layout in (column, row):
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(0)
        row.addWidget(self.activity)
        row.addWidget(self.stack, 1)
        column.addWidget(self.top)
        column.addLayout(row, 1)
        column.addWidget(self.status)
        centre.setLayout(column)
        self.setCentralWidget(centre)
        self._build_layers()

    def _build_layers(self) -> None:
        commands = self.studio.commands
        add_actions(self)
        self.host.add_commands()
        self.palette_layer = Palette(commands, self)
        self.sheets: dict[str, Sheet] = {
            "notices": NoticesSheet(self.studio, self),
            "jobs": JobsSheet(self.studio, self),
            "settings": SettingsSheet(self.studio, self, self._turn_on),
            "keys": KeysSheet(self.studio, self, fixed_keys()),
        }
        self.stop = StopButton(self)
        self.keys = Keys(self)

    def _connect(self) -> None:
        self.stop.pressed.connect(self.studio.input.press_stop)
        self.top.tab_chosen.connect(self.navigate)
        self.top.project.clicked.connect(self.open_projects)
        self.top.find_wanted.connect(self.open_palette)
        self.top.jobs_wanted.connect(lambda: self.toggle_sheet("jobs"))
        self.top.notices_wanted.connect(lambda: self.toggle_sheet("notices"))
        self.activity.role_chosen.connect(self.open_role)
        self.activity.help_wanted.connect(lambda: self.toggle_sheet("keys"))
        self.activity.settings_wanted.connect(lambda: self.toggle_sheet("settings"))
        self.palette_layer.chosen.connect(self.run_anywhere)
        self.studio.navigator = self.navigate
        self.studio.notices.changed.connect(self._show_bell)
        self.studio.state.runs.changed.connect(self._show_runs)
        link = self.studio.state.link
        for name in ("worst", "driver", "connected"):
            getattr(link.events, name).connect(self._state_changed)
        self.studio.state.recording.events.on.connect(self._state_changed)

    def _start(self) -> None:
        self.winId()  # makes the native window, whose keys are filtered
        self.keys.attach(self.windowHandle())
        QGuiApplication.instance().focusWindowChanged.connect(self.keys.attach)  # type: ignore[union-attr]
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._collector.start()
        self._timer.start(round(1000 / theme().number("motion.view_hz")))
        if self.watchdog:
            self.watchdog.start()

    # Screens

    def _open_first(self) -> None:
        roles = self.host.roles()
        if not roles:
            self._show_empty()
            return
        wanted = self.studio.settings.get("role", roles[0])
        self.open_role(wanted if wanted in roles else roles[0])

    def _show_empty(self) -> None:
        empty = QLabel("No plugin is there. Put one into the plugins folder and start again.")
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack.addWidget(empty)

    def open_role(self, role: str) -> None:
        """The screen of a role that was open last, or its first."""
        screens = [plugin.manifest.id for plugin in self.host.in_role(role)]
        if screens:
            last = self._last_of_role.get(role, "")
            self.navigate(last if last in screens else screens[0])

    def navigate(self, screen: str, **arguments: Any) -> None:
        """Bring a plugin's screen to the top; an unknown one is said."""
        plugin = self.host.plugins.get(screen)
        if plugin is None or plugin.off:
            self.studio.notices.warn(f"There is no screen {screen!r} here. Its plugin is missing or turned off.")
            return
        before = self.studio.state.screen
        panel = self._panel(screen)
        if before != screen:
            self._leave(before, screen)
        self.studio.state.screen, self.studio.state.role = screen, plugin.manifest.role
        self.stack.setCurrentWidget(panel)
        self._show_place(screen)
        if before != screen:
            self._call(screen, "shown")
        if arguments:
            self._call(screen, "open", **arguments)

    def _leave(self, before: str, after: str) -> None:
        """Leaving a screen that moves the robot counts as letting go, unless the next one moves it too."""
        if not before:
            return
        self._call(before, "hidden")
        if before in self.panels:
            save_layout(self.studio.settings, before, self.panels[before])
        if self.moves_robot(before) and not (after and self.moves_robot(after)):
            self.session.release()

    def _show_place(self, screen: str) -> None:
        role = self.host.plugins[screen].manifest.role
        tabs = [(plugin.manifest.id, plugin.manifest.title) for plugin in self.host.in_role(role)]
        self.top.show_tabs(tabs, screen)
        self.top.pill.setVisible(role not in _NO_PILL_ROLES)
        self.activity.choose(role)
        self._last_of_role[role] = screen
        self.studio.settings.set("screens", dict(self._last_of_role))
        self.studio.settings.set("role", role)

    def _panel(self, screen: str) -> QWidget:
        if screen not in self.panels:
            panel = self.host.make_panel(screen)
            self.panels[screen] = panel if isinstance(panel, QWidget) else self._card(screen)
            self.stack.addWidget(self.panels[screen])
            rest_buttons(self.panels[screen])
            restore_layout(self.studio.settings, screen, self.panels[screen])
        return self.panels[screen]

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
        card.off.connect(lambda: self._turn_off(screen))
        return card

    def retry(self, screen: str) -> None:
        """Load a broken plugin's files again."""
        self.host.retry(screen)
        self._drop_panel(screen)
        self.studio.state.screen = ""
        self.navigate(screen)

    def _drop_panel(self, screen: str) -> None:
        panel = self.panels.pop(screen, None)
        if panel:
            self.stack.removeWidget(panel)
            panel.deleteLater()

    def _turn_off(self, screen: str) -> None:
        role = self.host.plugins[screen].manifest.role
        self.host.turn_off(screen)
        self._drop_panel(screen)
        self.studio.state.screen = ""
        roles = self.host.roles()
        self._rebuild_activity()
        if roles:
            self.open_role(role if role in roles else roles[0])

    def _turn_on(self, screen: str) -> None:
        self.host.turn_on(screen)
        self._rebuild_activity()
        self.navigate(screen)

    def _rebuild_activity(self) -> None:
        for role, button in self.activity.buttons.items():
            button.setVisible(bool(self.host.in_role(role)))

    def _call(self, screen: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Call an optional method of a panel; what it raises becomes its card."""
        function = getattr(self.panels.get(screen), method, None)
        if not callable(function):
            return None
        try:
            return function(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - plugin code: the studio runs on
            self._fail_panel(screen, error)
            return None

    def _fail_panel(self, screen: str, error: Exception) -> None:
        self.host.fail(screen, error)
        self._drop_panel(screen)
        self.panels[screen] = self._card(screen)
        self.stack.addWidget(self.panels[screen])
        if self.studio.state.screen == screen:
            self.stack.setCurrentWidget(self.panels[screen])

    # What keys ask (shell/keys.py)

    def press_escape(self) -> None:
        """Esc: the robot stops, always; then what is open closes."""
        self.studio.input.press_stop()
        self.palette_layer.close_palette()
        for sheet in self.sheets.values():
            sheet.close_sheet()

    def command_at(self, key: str) -> Command | None:
        scope = "" if self.palette_layer.isVisible() else self.studio.state.screen
        return self.studio.commands.at_key(scope, key)

    def run_command(self, identity: str) -> None:
        self.studio.commands.run(identity)

    def release_command(self, identity: str) -> None:
        self.studio.commands.release(identity)

    def space_is_dead_man(self) -> bool:
        return self.moves_robot(self.studio.state.screen) and not self.palette_layer.isVisible()

    def space(self, down: bool) -> None:
        if down or not self.studio.robot.dead_man_latched:
            self.studio.input.set_dead_man(down)

    def moves_robot(self, screen: str) -> bool:
        plugin = self.host.plugins.get(screen)
        if plugin is None or plugin.failure:
            return False
        answer = self._call(screen, "moves_robot")
        return bool(answer) if answer is not None else plugin.manifest.role in _MOVING_ROLES

    def run_anywhere(self, identity: str) -> None:
        """From the palette: a command of another screen brings that screen to the top first; one sees it act."""
        scope = self.studio.commands.get(identity).scope
        if scope in self.host.plugins and scope != self.studio.state.screen:
            self.navigate(scope)
        self.studio.commands.run(identity)

    # Layers

    def open_palette(self, query: str = "") -> None:
        self._close_sheets()
        self.palette_layer.open(self.studio.state.screen, query)
        self.stop.raise_()

    def open_projects(self) -> None:
        """The menu of projects; another one opens in a window of its own."""
        at = self.top.project.mapToGlobal(self.top.project.rect().bottomLeft())
        show_projects(self, self.studio.settings, self.studio.project.path, at, open_beside)

    def toggle_palette(self) -> None:
        if self.palette_layer.isVisible():
            self.palette_layer.close_palette()
        else:
            self.open_palette()

    def toggle_sheet(self, name: str) -> None:
        sheet = self.sheets[name]
        if sheet.isVisible():
            sheet.close_sheet()
            return
        self.palette_layer.close_palette()
        self._close_sheets()
        sheet.open()
        if name == "notices":
            self.studio.notices.mark_read()
        self.stop.raise_()

    def _close_sheets(self) -> None:
        for sheet in self.sheets.values():
            sheet.close_sheet()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        top, status = self.top.height(), self.status.height()
        self.palette_layer.place(QRect(0, top, self.width(), self.height() - top - status))
        for sheet in self.sheets.values():
            left = self.activity.width()
            sheet.place(QRect(left, top, self.width() - left, self.height() - top - status))
        self.stop.place(self.width())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        lost = event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow()
        if lost and not self.studio.robot.dead_man_latched and self.session.dead_man:
            self.session.release()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that reached a widget without passing the native window (tests, tools of the desktop)."""
        if not self.keys.handle(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if not self.keys.handle(event):
            super().keyReleaseEvent(event)

    # The one timer

    def _tick(self) -> None:
        now_s = time.monotonic()
        self._view.note_late(now_s - self._last_tick_s - 1 / theme().number("motion.view_hz"))
        self._last_tick_s = now_s
        self.session.beat()
        self.session.poll()
        if self._view.due(now_s) and not self.isMinimized():
            self._call(self.studio.state.screen, "tick", now_s)
        if self._status_pace.due(now_s):
            self._tick_status(now_s)
        if self._losses_pace.due(now_s):
            self.studio.jobs.refresh()
        self._collector.tick(now_s)

    def _tick_status(self, now_s: float) -> None:
        self.session.update_numbers()
        self._state_changed()
        for plugin in self.host.plugins.values():
            poll = getattr(plugin.model, "poll", None)
            if callable(poll):
                try:
                    poll(now_s)
                except Exception as error:  # noqa: BLE001 - plugin code
                    self._fail_panel(plugin.manifest.id, error)
                    plugin.model = None

    def _state_changed(self, *_values: object) -> None:
        self.status.show_state(self.studio.state.link, self.studio.state.recording, self._view.hz)
        self.top.pill.show_link(self.studio.state.link)

    def _show_bell(self) -> None:
        self.top.bell.show_unread(self.studio.notices.unread)

    def _show_runs(self) -> None:
        self.top.jobs.show_runs(self.studio.state.runs)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Arms off, take closed, workers ended, then the window goes."""
        if self._closed:
            return
        self._closed = True
        self._timer.stop()
        if self.watchdog:
            self.watchdog.stop()
        QGuiApplication.instance().focusWindowChanged.disconnect(self.keys.attach)  # type: ignore[union-attr]
        self.keys.detach()
        self._leave(self.studio.state.screen, "")
        self.hide()
        self.host.close()
        self.studio.close()
        self.session.close()
        self._collector.stop()
        self.closing.emit()
        super().closeEvent(event)
