"""The window: bars, plugin panels in the centre, palette and sheets above them, STOP above everything; one timer."""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import QEvent, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from studio.app.api import StudioApi
from studio.app.commands import Command
from studio.app.garbage import Collector
from studio.app.host import PluginHost
from studio.app.pace import Pace, ViewRate
from studio.app.screens import Screens
from studio.app.session import Session
from studio.app.shell.actions import add_actions, fixed_keys
from studio.app.shell.activity import ActivityBar
from studio.app.shell.first_run import SCREEN, add_first_run, first_run_steps
from studio.app.shell.keys import Keys
from studio.app.shell.palette import Palette
from studio.app.shell.projects import open_beside, remember_project, show_projects
from studio.app.shell.sheet import JobsSheet, KeysSheet, NoticesSheet, SettingsSheet, Sheet
from studio.app.shell.status import StatusBar
from studio.app.shell.stop import StopButton
from studio.app.shell.topbar import TopBar
from studio.app.theme import theme
from studio.app.watchdog import Watchdog

_HEARTBEAT_MS = 20
_THEME = "change of theme"
_NO_PILL_ROLES = ("teleoperate",)  # the band says the state there


class StudioWindow(QMainWindow):
    """One window on one session.

    Args:
        studio: the api handed to plugins.
        session: the session behind it; the window beats its heart.
        host: plugins.
        watched: measure the event loop (`watchdog`).
        screen: the screen to open first; empty is the one that was open last.
    """

    closing = Signal()

    def __init__(
        self, studio: StudioApi, session: Session, host: PluginHost, *, watched: bool = False, screen: str = ""
    ) -> None:
        super().__init__()
        self.studio, self.session, self.host = studio, session, host
        self.screens = Screens(studio, host)
        self.screens.own[SCREEN] = ("First steps", lambda: first_run_steps(self))
        self.watchdog = Watchdog() if watched else None
        self._view = ViewRate(theme().number("motion.view_hz"))
        self._status_pace, self._losses_pace = Pace(theme().number("motion.status_hz")), Pace(1.0)
        self._last_tick_s = time.monotonic()
        self._collector = Collector()
        self._closed = False
        remember_project(studio.settings, studio.project.path)
        self._build()
        self._connect()
        if screen:
            self.screens.navigate(screen)
        if not self.screens.top:
            self.screens.open_first()
        self._start()

    # Building

    def _build(self) -> None:
        self.setWindowTitle(f"{self.studio.project.name} – Haptic Play Studio")
        width, height = theme().tokens.value("shell.min_window")
        self.setMinimumSize(int(width), int(height))
        self.resize(1440, 900)
        self.top = TopBar(self.studio.project.name)
        self.activity = ActivityBar(self.host.roles())
        self.stack = self.screens.stack
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
        add_first_run(self)
        self.host.add_commands()
        self.palette_layer = Palette(commands, self)
        self.sheets: dict[str, Sheet] = {
            "notices": NoticesSheet(self.studio, self),
            "jobs": JobsSheet(self.studio, self),
            "settings": SettingsSheet(self.studio, self, self._turn_on, self.switch_theme),
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
        self.screens.placed.connect(self._show_place)
        self.screens.left.connect(self._left)
        self.screens.broke.connect(self._rebuild_activity)
        self.palette_layer.chosen.connect(self.run_anywhere)
        self.studio.navigator = self.navigate
        self.studio.notices.changed.connect(self._show_bell)
        self.studio.state.runs.changed.connect(self._show_runs)
        link = self.studio.state.link
        for name in ("worst", "driver", "connected", "lost"):
            getattr(link.events, name).connect(self._state_changed)
        self.studio.state.recording.events.on.connect(self._state_changed)

    def _start(self) -> None:
        self.winId()  # makes the native window, whose keys are filtered
        self.keys.attach(self.windowHandle())
        QGuiApplication.instance().focusWindowChanged.connect(self.keys.attach)  # type: ignore[union-attr]
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._heart = QTimer(self)  # of its own: it beats between a tick and the painting that follows it, too
        self._heart.setTimerType(Qt.TimerType.PreciseTimer)
        self._heart.timeout.connect(self.session.beat)
        self._heart.start(_HEARTBEAT_MS)
        self._collector.start()
        self.host.import_ahead()
        self._timer.start(round(1000 / theme().number("motion.view_hz")))
        if self.watchdog:
            self.watchdog.start()

    # Screens

    @property
    def panels(self) -> dict[str, QWidget]:
        """The panels that are built, by screen."""
        return self.screens.panels

    def panel(self, screen: str) -> QWidget:
        """A screen's widget, built to the end now when it is not there yet."""
        return self.screens.panel(screen)

    def open_role(self, role: str) -> None:
        """The screen of a role that was open last, or its first."""
        self.screens.open_role(role)

    def navigate(self, screen: str, **arguments: Any) -> None:
        """Bring a plugin's screen to the top; an unknown one is said. One that is not built yet comes in some turns."""
        self.screens.navigate(screen, **arguments)

    def moves_robot(self, screen: str) -> bool:
        return self.screens.moves_robot(screen)

    def _left(self, before: str, after: str) -> None:
        """Leaving a screen that moves the robot counts as letting go, unless the next one moves it too."""
        if self.moves_robot(before) and not (after and self.moves_robot(after)):
            self.session.release()

    def _show_place(self, screen: str) -> None:
        plugin = self.host.plugins.get(screen)
        role = plugin.manifest.role if plugin else _NO_PILL_ROLES[0]
        tabs = [(each.manifest.id, each.manifest.title) for each in self.host.in_role(role)] if plugin else []
        self.top.show_tabs(tabs, screen)
        self.top.pill.setVisible(role not in _NO_PILL_ROLES)
        self.activity.choose(role)

    def _turn_on(self, screen: str) -> None:
        self.host.turn_on(screen)
        self._rebuild_activity()
        self.navigate(screen)

    def _rebuild_activity(self, *_: object) -> None:
        for role, button in self.activity.buttons.items():
            button.setVisible(bool(self.host.in_role(role)))

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
        if down or not self._latches():
            self.studio.input.set_dead_man(down)

    def _latches(self) -> bool:
        """Whether Space stays pressed after it was let go: where the robot allows it, and the screen does."""
        must_hold = self.screens.call(self.studio.state.screen, "space_must_be_held")
        return self.studio.robot.dead_man_latched and not must_hold

    def run_anywhere(self, identity: str) -> None:
        """From the palette: a command of another screen brings that screen to the top first; one sees it act."""
        scope = self.studio.commands.get(identity).scope
        if scope in self.host.plugins and scope != self.studio.state.screen:
            self.navigate(scope)
        self.studio.commands.run(identity)

    def switch_theme(self, name: str) -> None:
        """Light or dark, from now on; widget by widget, the visible ones together."""
        if _THEME in self.screens.assembly.names:
            return
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        self.studio.settings.set("theme", name)
        self.screens.assembly.begin(_THEME, theme().switch_steps(app, name), lambda _: None)

    # Layers

    def open_palette(self, query: str = "") -> None:
        self._close_sheets()
        if not self._latches():
            self.studio.input.set_dead_man(False)  # letting go of Space is not heard while a text is typed
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
        if lost and self.session.dead_man and not self._latches():
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
        self.session.poll()
        worked = self._tick_slow(now_s)
        if worked and self._view.late:
            return  # on a busy machine the panel has its turn next time
        if self._view.due(now_s) and not self.isMinimized():
            self.screens.call(self.studio.state.screen, "tick", now_s)

    def _tick_slow(self, now_s: float) -> bool:
        """At most one of the things that are done once in a while; whether there was one."""
        if self._status_pace.due(now_s):
            self._tick_status(now_s)
        elif self._losses_pace.due(now_s):
            self.studio.jobs.refresh()
        else:
            return self._collector.tick(now_s, settled=not self.screens.assembly.names)
        return True

    def _tick_status(self, now_s: float) -> None:
        self.session.update_numbers()
        self._state_changed()
        for plugin in self.host.plugins.values():
            poll = getattr(plugin.model, "poll", None)
            if callable(poll):
                try:
                    poll(now_s)
                except Exception as error:  # noqa: BLE001 - plugin code
                    self.screens.fail(plugin.manifest.id, error)
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
        self._heart.stop()
        if self.watchdog:
            self.watchdog.stop()
        QGuiApplication.instance().focusWindowChanged.disconnect(self.keys.attach)  # type: ignore[union-attr]
        self.keys.detach()
        self.screens.leave("")
        self.hide()
        self.host.close()
        self.screens.close()
        self.studio.close()
        self.session.close()
        self._collector.stop()
        self.closing.emit()
        super().closeEvent(event)
