"""The wheel changes no choice and no slider of a page."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QComboBox, QSlider, QSpinBox, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from studio.app.widgets.scroll import PageScroll
from tests.app.windows import wait_until


def wheel(at: QWidget, notches: int) -> None:
    place = QPointF(at.rect().center())
    event = QWheelEvent(
        place, at.mapToGlobal(place), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(at, event)


def test_the_wheel_over_a_choice_changes_nothing(qtbot: QtBot) -> None:
    page, choice, slider, number = QWidget(), QComboBox(), QSlider(Qt.Orientation.Horizontal), QSpinBox()
    number.setValue(7)
    choice.addItems(["mlp", "bigru"])
    slider.setValue(50)
    column = QVBoxLayout(page)
    column.addWidget(choice)
    column.addWidget(slider)
    column.addWidget(number)
    column.addSpacing(2000)
    area = PageScroll(page)
    qtbot.addWidget(area)
    area.resize(200, 200)
    area.show()
    wait_until(qtbot, lambda: area.verticalScrollBar().maximum() > 1000, what="the page is measured")
    for widget in (choice, slider, number):
        widget.setFocus()
        wheel(widget, -1)
        assert choice.currentText() == "mlp" and slider.value() == 50 and number.value() == 7
    wheel(area.viewport(), -1)
    wait_until(qtbot, lambda: area.verticalScrollBar().value() > 0, what="the page scrolls")
