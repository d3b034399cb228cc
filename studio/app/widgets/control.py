"""Controls used by every panel: buttons with key hints, icon buttons, segmented choice, sliders with a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.app.theme import set_property, theme

_ICON_PX = 23  # an icon and the gap behind it
_INLINE_PX = (88, 92)  # name and value beside a slider


class KeyButton(QPushButton):
    """A button with icon, words and the key that does the same.

    Args:
        text: what it does.
        key: the key as written on the cap, such as `E` or `Shift C`.
        kind: `primary`, `main` or empty (see studio.app.theme).
        icon: an icon name of the token file.
    """

    def __init__(
        self, text: str, key: str = "", *, kind: str = "", icon: str = "", size: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._words, self._key, self._icon_name = text, key, icon
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        if kind:
            self.setProperty("kind", kind)
        if size:
            self.setProperty("scale", size)

    def text(self) -> str:
        """The words on it; Qt itself paints none, because icon, words and key are painted together."""
        return self._words

    def set_words(self, text: str, icon: str = "", key: str | None = None) -> None:
        self._words = text
        self._icon_name = icon or self._icon_name
        self._key = self._key if key is None else key
        self.setAccessibleName(text)
        self.update()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        hint.setWidth(round(self._content_width()) + 28)
        return hint

    def minimumSizeHint(self) -> QSize:
        return QSize(min(self.sizeHint().width(), 64), super().minimumSizeHint().height())

    def _fonts(self) -> tuple[QFont, QFont]:
        self.ensurePolished()
        words = QFont(self.font())
        key = theme().font("hint")
        key.setWeight(QFont.Weight.DemiBold)
        return words, key

    def _content_width(self) -> float:
        words, key = self._fonts()
        width = QFontMetricsF(words).horizontalAdvance(self._words)
        width += _ICON_PX if self._icon_name else 0
        return width + (QFontMetricsF(key).horizontalAdvance(self._key) + 20 if self._key else 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        words, key = self._fonts()
        primary = self.property("kind") == "primary" and self.isEnabled()
        ink = "accent.on" if primary else ("text.1" if self.isEnabled() else "text.3")
        x = max((self.width() - self._content_width()) / 2, 8.0)
        middle = self.height() / 2
        if self._icon_name:
            size = 18 if self.height() > 40 else 15
            pixmap = theme().pixmap(self._icon_name, size, ink, self.devicePixelRatioF())
            painter.drawPixmap(int(x), round(middle - size / 2), pixmap)
            x += _ICON_PX
        painter.setFont(words)
        painter.setPen(theme().colour(ink))
        width = QFontMetricsF(words).horizontalAdvance(self._words)
        painter.drawText(QRectF(x, 0, width + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, self._words)
        if self._key:
            _draw_key(painter, key, self._key, x + width + 8, middle, ink)
        painter.end()


def _draw_key(painter: QPainter, font: QFont, key: str, x: float, middle: float, ink: str) -> None:
    width = QFontMetricsF(font).horizontalAdvance(key) + 11
    cap = QRectF(x, middle - 9, width, 18)
    painter.setPen(QPen(theme().colour(ink, 0.55), 1.0))
    painter.drawRoundedRect(cap, theme().number("radius.key"), theme().number("radius.key"))
    painter.setFont(font)
    painter.setPen(theme().colour(ink, 0.9))
    painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, key)


class IconButton(QToolButton):
    """A square framed button with an icon; the words are its tool tip and its accessible name."""

    def __init__(self, icon: str, tip: str, parent: QWidget | None = None, *, checkable: bool = False) -> None:
        super().__init__(parent)
        self._icon_name = icon
        self.setProperty("kind", "icon")
        self.setCheckable(checkable)
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        theme().changed.connect(self._recolour)
        self._recolour()

    def _recolour(self) -> None:
        self.setIcon(theme().icon(self._icon_name, "text.2"))
        self.setIconSize(QSize(15, 15))


class SegmentedControl(QFrame):
    """One of a few words."""

    chosen = Signal(str)

    def __init__(self, words: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("frame", "segments")
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QToolButton] = {}
        for word in words:
            button = QToolButton(self)
            button.setText(word)
            button.setCheckable(True)
            button.setProperty("kind", "segment")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(self._emit(word))
            self._group.addButton(button)
            row.addWidget(button)
            self.buttons[word] = button
        if words:
            self.buttons[words[0]].setChecked(True)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def _emit(self, word: str) -> Callable[[], None]:
        return lambda: self.chosen.emit(word)

    def choose(self, word: str) -> None:
        """Mark a word without telling anybody."""
        self.buttons[word].setChecked(True)

    def current(self) -> str:
        return next((word for word, button in self.buttons.items() if button.isChecked()), "")


class ValueRow(QWidget):
    """A name on the left, a value on the right."""

    def __init__(self, name: str, value: str = "", *, strong: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.name_label, self.value_label = QLabel(name), QLabel(value)
        set_property(self.name_label, "tone", "2")
        set_property(self.value_label, "type", "strong" if strong else "small")
        self.value_label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.name_label)
        row.addStretch(1)
        row.addWidget(self.value_label)

    def take_in(self, widget: QWidget) -> None:
        """Put a widget between name and value, which keep their columns then."""
        row = self.layout()
        assert isinstance(row, QHBoxLayout)
        row.insertWidget(1, widget, 1)
        row.setStretch(2, 0)
        self.name_label.setFixedWidth(_INLINE_PX[0])
        self.value_label.setFixedWidth(_INLINE_PX[1])

    def set_value(self, text: str, tone: str = "1") -> None:
        if self.value_label.text() != text:
            self.value_label.setText(text)
        set_property(self.value_label, "tone", tone)


class ValueSlider(QWidget):
    """A named slider with its value and unit above, or `inline` beside it; `changed` carries the value in that unit."""

    changed = Signal(float)

    def __init__(
        self,
        name: str,
        low: float,
        high: float,
        step: float,
        *,
        unit: str = "",
        decimals: int = 0,
        inline: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._low, self._step, self._unit, self._decimals = low, step, unit, decimals
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.row = ValueRow(name)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, round((high - low) / step))
        self.slider.setAccessibleName(name)
        self.slider.valueChanged.connect(self._moved)
        column.addWidget(self.row)
        if inline:
            self.row.take_in(self.slider)
            self.setFixedHeight(26)
        else:
            column.addWidget(self.slider)
        self._show()

    def value(self) -> float:
        return self._low + self.slider.value() * self._step

    def set_value(self, value: float) -> None:
        """Show a value without telling anybody."""
        self.slider.blockSignals(True)
        self.slider.setValue(round((value - self._low) / self._step))
        self.slider.blockSignals(False)
        self._show()

    def nudge(self, steps: int) -> None:
        self.slider.setValue(self.slider.value() + steps)

    def _moved(self) -> None:
        self._show()
        self.changed.emit(self.value())

    def _show(self) -> None:
        self.row.set_value(f"{self.value():.{self._decimals}f} {self._unit}".strip())


def make_heading(title: str, note: str = "", *, role: str = "strong") -> tuple[QWidget, QLabel]:
    """A panel heading with a small note at the right; returns the row and the note."""
    widget = QWidget()
    row = QHBoxLayout(widget)
    row.setContentsMargins(0, 0, 0, 0)
    label, hint = QLabel(title), QLabel(note)
    set_property(label, "type", role)
    set_property(hint, "type", "small")
    set_property(hint, "tone", "2")
    row.addWidget(label)
    row.addStretch(1)
    row.addWidget(hint)
    return widget, hint


def make_line() -> QFrame:
    """A hairline between regions."""
    line = QFrame()
    line.setProperty("frame", "line")
    return line
