"""The shell with real mouse and key events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from studio.app.pace import ViewRate
from studio.app.shell.card import ErrorCard
from studio.app.theme import apply_theme, theme
from studio.app.window import StudioWindow
from tests.app.test_host import write_plugin
from tests.app.windows import wait_until
from tests.patience import PATIENCE_MS

KEY, CTRL, SHIFT = Qt.Key, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
OpenWindow = Callable[..., StudioWindow]

# Screens in a folder of their own: one moves the robot, and each has a text field and counts what it is asked.
PROBE = """
id = "{name}"
title = "{title}"
version = "1.0"
api = 1
role = "{role}"
order = {order}
author = "Lena Ortiz"
[[commands]]
id = "hit"
title = "Hit the gong"
key = "G"
[[commands]]
id = "space"
title = "Play"
key = "Space"
[[commands]]
id = "held"
title = "Speak"
key = "V"
[[commands]]
id = "find"
title = "Map goals"
key = "Ctrl+K"
"""
MODEL = """
class Model:
    def __init__(self, studio, name):
        self.calls = []
        for what in ("hit", "space"):
            studio.commands.bind(f"{name}.{what}", lambda what=what: self.calls.append(what))
        studio.commands.bind(f"{name}.held", lambda: self.calls.append("down"), release=lambda: self.calls.append("up"))
    def undo(self):
        self.calls.append("undo")
def make_model(studio):
    return Model(studio, "NAME")
"""
PANEL = """
from PySide6.QtWidgets import QWidget, QVBoxLayout, QLineEdit, QPushButton, QLabel
class Panel(QWidget):
    def __init__(self):
        super().__init__()
        column = QVBoxLayout(self)
        self.field, self.button = QLineEdit(), QPushButton("Press me")
        self.pressed, self.ticks, self.opened = 0, 0, []
        self.button.clicked.connect(self.count)
        column.addWidget(self.field)
        column.addWidget(self.button)
    def count(self):
        self.pressed += 1
    def tick(self, now_s):
        self.ticks += 1
        if self.field.text() == "explode":
            raise ValueError("the map is upside down")
    def open(self, **arguments):
        self.opened.append(arguments)
def make_panel(studio, model):
    return Panel()
"""


@pytest.fixture
def probes(tmp_path: Path, open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> StudioWindow:
    """A window with three plugins of its own and none of the studio's."""
    empty = tmp_path / "none"
    empty.mkdir()
    monkeypatch.setattr("studio.app.start.plugins_dir", lambda: empty)
    for number, (name, title, role) in enumerate(
        (("gong", "Gong", "review"), ("chime", "Chime", "review"), ("drive", "Drive", "teleoperate"))
    ):
        text = PROBE.format(name=name, title=title, role=role, order=number)
        write_plugin(tmp_path / "plugs" / name, text, model=MODEL.replace("NAME", name), panel=PANEL)
    broken = PROBE.format(name="skill_map", title="Skill map", role="train", order=9)
    write_plugin(tmp_path / "plugs" / "skill_map", broken,
                 model="def make_model(studio):\n    return object()\n", panel="import umap\n")  # fmt: skip
    window = open_window(plugin_folders=(tmp_path / "plugs",))
    window.open_role("review")
    return window


def panel(window: StudioWindow) -> QWidget:
    return window.panel(window.studio.state.screen)


def calls(window: StudioWindow) -> list[str]:
    panel(window)  # built to the end
    return window.host.plugins[window.studio.state.screen].model.calls


def press(window: StudioWindow, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(window.windowHandle(), key, modifier)


def test_regions_have_the_sizes_of_the_design(quiet_window: StudioWindow) -> None:
    window = quiet_window
    assert (window.width(), window.height()) == (1440, 900)
    assert (window.minimumWidth(), window.minimumHeight()) == (1280, 800)
    assert window.top.height() == 48 and window.status.height() == 28 and window.activity.width() == 74
    assert window.stop.geometry().getRect() == (1278, 6, 150, 36)
    assert window.top.find_field.size().toTuple() == (280, 30)


@pytest.mark.parametrize("size", [(1280, 800), (1440, 900), (1920, 1080)])
def test_every_screen_fits(quiet_window: StudioWindow, qtbot: QtBot, size: tuple[int, int]) -> None:
    """No panel asks for more room than there is."""
    quiet_window.resize(*size)
    for screen in quiet_window.host.plugins:
        quiet_window.navigate(screen)
        qtbot.wait(30)
        hint = panel(quiet_window).minimumSizeHint()
        room = quiet_window.stack.size()
        assert hint.width() <= room.width() and hint.height() <= room.height(), (screen, hint, room)


def test_stop_lies_above_everything_and_answers_the_press(probes: StudioWindow) -> None:
    probes.open_palette("")
    probes.toggle_sheet("notices")
    probes.open_palette("goal")
    assert probes.childAt(probes.stop.geometry().center()) is probes.stop
    before = probes.session.outlet.stop_count
    probes.studio.input.set_dead_man(True)
    QTest.mousePress(probes, Qt.MouseButton.LeftButton, pos=probes.stop.geometry().center())
    QTest.mousePress(probes.stop, Qt.MouseButton.LeftButton)
    assert probes.session.outlet.stop_count > before
    assert not probes.studio.input.dead_man


def test_escape_stops_even_from_a_text_field_and_closes_what_is_open(probes: StudioWindow) -> None:
    panel(probes).field.setFocus()  # type: ignore[attr-defined]
    before = probes.session.outlet.stop_count
    press(probes, KEY.Key_Escape)
    assert probes.session.outlet.stop_count == before + 1
    probes.open_palette("g")
    press(probes, KEY.Key_Escape)
    assert probes.session.outlet.stop_count == before + 2
    assert not probes.palette_layer.isVisible()
    probes.toggle_sheet("keys")
    press(probes, KEY.Key_Escape, SHIFT)
    assert not probes.sheets["keys"].isVisible()


def test_letters_rest_while_a_text_field_has_the_focus(probes: StudioWindow) -> None:
    field = panel(probes).field  # type: ignore[attr-defined]
    press(probes, KEY.Key_G)
    assert calls(probes) == ["hit"]
    field.setFocus()
    for letter in (KEY.Key_G, KEY.Key_O, KEY.Key_Space, KEY.Key_G):
        press(probes, letter)
    assert field.text() == "go g" and calls(probes) == ["hit"]
    press(probes, KEY.Key_Z, CTRL)
    assert "undo" not in calls(probes)
    press(probes, KEY.Key_K, CTRL)
    assert probes.palette_layer.isVisible()


def test_space_never_presses_a_button_and_enter_does(probes: StudioWindow) -> None:
    button: QPushButton = panel(probes).button  # type: ignore[attr-defined]
    button.setFocus()
    assert QApplication.focusWidget() is button
    press(probes, KEY.Key_Space)
    assert panel(probes).pressed == 0 and calls(probes) == ["space"]  # type: ignore[attr-defined]
    press(probes, KEY.Key_Return)
    assert panel(probes).pressed == 1  # type: ignore[attr-defined]


def test_a_click_leaves_the_keys_to_the_screen(probes: StudioWindow) -> None:
    button: QPushButton = panel(probes).button  # type: ignore[attr-defined]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert panel(probes).pressed == 1 and QApplication.focusWidget() is not button  # type: ignore[attr-defined]


def test_space_is_the_dead_man_where_the_robot_moves(probes: StudioWindow) -> None:
    probes.navigate("drive")
    QTest.keyPress(probes.windowHandle(), KEY.Key_Space)
    assert probes.studio.input.dead_man and calls(probes) == []
    QTest.keyRelease(probes.windowHandle(), KEY.Key_Space)
    assert probes.studio.input.dead_man is probes.studio.robot.dead_man_latched
    probes.navigate("gong")
    assert not probes.studio.input.dead_man, "leaving a screen that moves the robot lets go"


def test_a_held_key_acts_until_it_is_released(probes: StudioWindow) -> None:
    QTest.keyPress(probes.windowHandle(), KEY.Key_V)
    assert calls(probes) == ["down"]
    QTest.keyRelease(probes.windowHandle(), KEY.Key_V)
    assert calls(probes) == ["down", "up"]


def test_undo_goes_to_the_screen_on_top(probes: StudioWindow) -> None:
    press(probes, KEY.Key_Z, CTRL)
    assert calls(probes) == ["undo"]


def test_keys_change_role_and_tab(probes: StudioWindow) -> None:
    assert probes.top.tab_identities() == ["gong", "chime"]
    press(probes, KEY.Key_Tab, CTRL)
    assert probes.studio.state.screen == "chime"
    press(probes, KEY.Key_1, CTRL)
    assert probes.studio.state.screen == "drive"
    press(probes, KEY.Key_2, CTRL)
    assert probes.studio.state.screen == "chime", "the tab that was open last"
    assert probes.studio.settings.get("screens")["review"] == "chime"


def test_a_clash_is_refused_and_named(probes: StudioWindow) -> None:
    texts = [notice.text for notice in probes.studio.notices.items]
    assert "Map goals cannot have the key Ctrl+K: Find or do anything has it." in texts
    press(probes, KEY.Key_K, CTRL)
    assert probes.palette_layer.isVisible()


def test_roles_without_a_plugin_are_not_shown(probes: StudioWindow) -> None:
    assert list(probes.activity.buttons) == ["teleoperate", "review", "train"]


def test_a_broken_plugin_is_a_card_in_its_own_area(probes: StudioWindow) -> None:
    probes.navigate("skill_map")
    card = panel(probes)
    assert isinstance(card, ErrorCard)
    assert card.failure.command == "pip install umap-learn"
    assert not card.detail.isVisible()
    card.unfold()
    assert card.detail.isVisible() and "ModuleNotFoundError" in card.detail.text()
    folder = probes.host.plugins["skill_map"].manifest.folder
    (folder / "panel.py").write_text(PANEL)
    press(probes, KEY.Key_Return)
    assert type(panel(probes)).__name__ == "Panel"


def test_a_panel_that_breaks_while_drawing_becomes_a_card(probes: StudioWindow, qtbot: QtBot) -> None:
    panel(probes).field.setText("explode")  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: isinstance(panel(probes), ErrorCard), timeout=PATIENCE_MS)
    assert "The map is upside down." in panel(probes).failure.what  # type: ignore[attr-defined]
    probes.navigate("chime")
    assert type(panel(probes)).__name__ == "Panel"


def test_hidden_panels_do_not_tick(probes: StudioWindow, qtbot: QtBot) -> None:
    probes.navigate("chime")
    hidden = probes.panel("gong")
    before = hidden.ticks  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: panel(probes).ticks > 5, timeout=PATIENCE_MS)  # type: ignore[attr-defined]
    assert hidden.ticks == before  # type: ignore[attr-defined]


def test_navigation_carries_arguments(probes: StudioWindow) -> None:
    probes.studio.navigate("chime", episode="session_0001/episode_000002")
    assert panel(probes).opened == [{"episode": "session_0001/episode_000002"}]  # type: ignore[attr-defined]
    probes.studio.navigate("nowhere")
    assert "no screen 'nowhere'" in probes.studio.notices.items[0].text


def test_the_palette_finds_runs_and_says_why_not(probes: StudioWindow, qtbot: QtBot) -> None:
    press(probes, KEY.Key_K, CTRL)
    QTest.keyClicks(probes.palette_layer.field, "gong hit the gong")
    rows = [row.command.id for row in probes.palette_layer._model.rows if row.command]
    assert rows[0] == "gong.hit" and {"chime.hit", "drive.hit"} < set(rows)
    press(probes, KEY.Key_Return)
    assert calls(probes) == ["hit"] and not probes.palette_layer.isVisible()
    probes.open_palette("redo")
    reasons = {row.command.id: row.blocked for row in probes.palette_layer._model.rows if row.command}
    assert reasons["studio.redo"] == "nothing here to take back"
    press(probes, KEY.Key_Return)
    assert probes.palette_layer.isVisible(), "a blocked command is not run"


def test_keys_reach_the_screen_after_the_palette_closes(probes: StudioWindow, qtbot: QtBot) -> None:
    """Also where the screen has a text field, which Qt would give them to; it gets them back when it had them."""
    field = QLineEdit(panel(probes))
    field.show()
    probes.setFocus()
    press(probes, KEY.Key_K, CTRL)
    QTest.keyClicks(probes.palette_layer.field, "gong hit the gong")
    press(probes, KEY.Key_Return)
    assert calls(probes) == ["hit"] and not field.hasFocus()
    field.setFocus()
    press(probes, KEY.Key_K, CTRL)
    assert not field.hasFocus()
    press(probes, KEY.Key_K, CTRL)
    assert field.hasFocus()


def test_a_command_of_another_screen_opens_it_first(probes: StudioWindow) -> None:
    probes.run_anywhere("chime.hit")
    assert probes.studio.state.screen == "chime" and calls(probes) == ["hit"]


def test_light_and_dark_switch_and_stay(probes: StudioWindow, qtbot: QtBot) -> None:
    """Widget by widget over several turns, and in the end as if it had been done at once."""
    panel(probes)
    before, slices = theme().name, probes.screens.assembly.slices
    for other in ({"dark": "light", "light": "dark"}[before], before):
        probes.run_command("studio.light")
        probes.run_command("studio.light")  # a second press meanwhile changes nothing
        wait_until(qtbot, lambda: not probes.screens.assembly.names, what="the change of theme")
        assert theme().name == other == probes.studio.settings.get("theme")
        assert slices["change of theme"] > 1
        assert probes.updatesEnabled()
        piecewise = probes.top.grab().toImage(), panel(probes).grab().toImage()
        apply_theme(QApplication.instance(), other)  # type: ignore[arg-type]
        assert (probes.top.grab().toImage(), panel(probes).grab().toImage()) == piecewise


def test_notices_count_and_open(probes: StudioWindow) -> None:
    probes.studio.notices.mark_read()
    probes.studio.notices.warn("Disk full in 4 min. Recording ends by itself.", detail="/dev/sda1")
    assert probes.top.bell.unread == 1
    QTest.mouseClick(probes.top.bell, Qt.MouseButton.LeftButton)
    assert probes.sheets["notices"].isVisible() and probes.top.bell.unread == 0


def test_no_plugin_at_all_is_said(open_window: OpenWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.app.start.plugins_dir", lambda: tmp_path / "nowhere")
    window = open_window()
    assert window.stack.count() == 1 and not window.activity.buttons


def test_view_rate_falls_when_the_loop_is_late_and_recovers() -> None:
    rate = ViewRate(60.0)
    assert rate.period_s == pytest.approx(1 / 60)
    for _ in range(50):
        rate.note_late(0.2)
    assert rate.period_s == pytest.approx(1 / 15)
    for _ in range(200):
        rate.note_late(0.0)
    assert rate.period_s == pytest.approx(1 / 60, rel=0.01)


def test_clicking_beside_the_palette_closes_it(probes: StudioWindow) -> None:
    probes.open_palette("")
    QTest.mouseClick(probes.palette_layer, Qt.MouseButton.LeftButton, pos=QPoint(20, 400))
    assert not probes.palette_layer.isVisible()


def test_the_layout_of_a_screen_is_kept(quiet_window: StudioWindow, open_window: OpenWindow, qtbot: QtBot) -> None:
    from PySide6.QtWidgets import QSplitter

    def splitter(window: StudioWindow) -> QSplitter:
        window.navigate("replay")
        qtbot.wait(50)
        return window.panel("replay").findChildren(QSplitter)[0]

    first = splitter(quiet_window)
    sizes = first.sizes()
    first.setSizes([sizes[0] - 60, *[size + 60 for size in sizes[1:2]], *sizes[2:]])
    moved = first.sizes()
    assert moved != sizes
    quiet_window.close()
    assert splitter(open_window()).sizes() == moved


def test_what_nobody_caught_becomes_a_sentence_with_its_detail(probes: StudioWindow) -> None:
    import sys

    from studio.app.start import install_hook
    from studio.core.errors import DataError

    undo = install_hook(probes)
    try:
        for error in (DataError("Episode 3 is empty. Choose another."), KeyError("bundle")):
            sys.excepthook(type(error), error, None)
    finally:
        undo()
    unexpected, expected = probes.studio.notices.items[:2]
    assert expected.text == "Episode 3 is empty. Choose another."
    assert unexpected.text.startswith("Something in the studio did not work.") and "KeyError" in unexpected.detail


def test_the_project_menu_lists_what_was_opened_before(probes: StudioWindow, tmp_path: Path) -> None:
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QMenu

    from studio.app.project import open_project
    from studio.app.shell.projects import remember_project, show_projects

    other = open_project(tmp_path / "other").path
    remember_project(probes.studio.settings, other)
    chosen: list[Path] = []
    menu: QMenu = show_projects(
        probes, probes.studio.settings, probes.studio.project.path, QPoint(86, 48), chosen.append
    )
    texts = [action.text() for action in menu.actions()]
    assert str(probes.studio.project.path) in texts and "other" in texts
    next(action for action in menu.actions() if action.text() == "other").trigger()
    menu.close()
    assert chosen == [other]
