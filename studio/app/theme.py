"""The theme: design tokens as Qt colours, fonts, icons, palette and style sheet. Nothing else names a colour.

Widgets ask `theme()` while painting and listen to `theme().changed`. Style-sheet properties that panels may set:

- QLabel `type` (not `text`, which is the label's own words): tiny hint small body strong field title value number
  state headline force, and `tone`: 1 2 3 (text colours), engaged fault … (state colours),
  good fair poor, accent, leader, follower.
- QPushButton `kind`: primary (one a screen), main (44 high), quiet (no frame), link; the default is a normal 32 button.
- QFrame/QWidget `ground`: 0 1 2 3 4 (fills); `frame`: card, panel, bar, top, line.
- QToolButton `kind`: icon (square, framed), bare (no frame), segment (checkable, inside a frame `segments`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any

import qtawesome
from PySide6.QtCore import QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QIconEngine, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from studio.app.restyle import restyle_steps
from studio.app.style import make_style_sheet
from studio.app.tokens import Tokens, load_tokens, ramp
from studio.core.errors import ConfigError
from studio.core.paths import resources_dir


class Theme(QObject):
    """Colours, fonts and icons of the theme that is on; `changed` says that it was switched."""

    changed = Signal()

    def __init__(self, tokens: Tokens, name: str) -> None:
        super().__init__()
        self.tokens = tokens
        self._name = name
        self._hex: dict[tuple[str, str], str] = {}
        self._fonts: dict[tuple[str, bool], QFont] = {}
        self._pixmaps: dict[tuple[str, int, str, float], QPixmap] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def dark(self) -> bool:
        return self._name == "dark"

    def hex(self, key: str) -> str:
        """`#RRGGBB` of a key such as `bg.1`, `state.fault`, `cat.3`."""
        found = self._hex.get((self._name, key))
        if found is None:
            found = self._hex[(self._name, key)] = self.tokens.hex(self._name, key)
        return found

    def colour(self, key: str, opacity: float = 1.0) -> QColor:
        colour = QColor(self.hex(key))
        colour.setAlphaF(opacity)
        return colour

    def rgba(self, key: str, opacity: float = 1.0) -> tuple[float, float, float, float]:
        """The colour as four numbers 0 to 1, as vispy wants it."""
        return self.colour(key, opacity).getRgbF()  # type: ignore[return-value]

    def ramp(self, share: float) -> QColor:
        """Colour of a rollout: 0 far from the goal, 1 near."""
        return QColor(ramp(self.tokens, self._name, share))

    def joint(self, index: int) -> QColor:
        """The hue of joint 0..7 (L1–L4, R1–R4); labels and skills take the same eight."""
        return self.colour(f"cat.{index % 8 + 1}")

    def hand(self, pair: int) -> QColor:
        """The hue of a hand: left 1, right 5."""
        return self.colour("cat.1" if pair == 0 else "cat.5")

    def number(self, key: str) -> float:
        return self.tokens.number(key)

    def pixels(self, key: str) -> int:
        """A size in logical pixels, such as `space.row`."""
        return round(self.tokens.number(key))

    def font(self, role: str = "body", *, mono: bool = False) -> QFont:
        """A font of a type role with tabular digits."""
        if (role, mono) not in self._fonts:
            size_px, weight = self.tokens.type(role)
            self._fonts[(role, mono)] = make_font(self.tokens, size_px, weight, mono=mono)
        return QFont(self._fonts[(role, mono)])  # a copy: callers may change it

    def icon(self, name: str, colour: str = "text.1", *, disabled: str = "text.3") -> QIcon:
        """An icon of the token file in a token colour, sharp at any size."""
        return QIcon(_KeptIcon(self, name, self.hex(colour), self.colour(disabled, 0.6).name()))

    def pixmap(self, name: str, size_px: int, colour: str = "text.1", ratio: float = 1.0) -> QPixmap:
        """An icon as a picture; kept, because painting asks for the same ones over and over."""
        return self.drawn(name, size_px, self.hex(colour), ratio)

    def drawn(self, name: str, size_px: int, ink: str, ratio: float) -> QPixmap:
        """As `pixmap`, in any colour `#RRGGBB`."""
        key = (name, size_px, ink, ratio)
        if key not in self._pixmaps:
            icon = qtawesome.icon(self.tokens.icon(name), color=ink)
            pixmap = icon.pixmap(round(size_px * ratio), round(size_px * ratio))
            pixmap.setDevicePixelRatio(ratio)
            self._pixmaps[key] = pixmap
        return self._pixmaps[key]

    def switch(self, name: str) -> None:
        """Change to another theme at once, in every window.

        Raises:
            ConfigError: no such theme.
        """
        self._check(name)
        self._name = name
        app = QApplication.instance()
        if isinstance(app, QApplication):
            self.apply(app)
        self.changed.emit()

    def switch_steps(self, app: QApplication, name: str) -> Generator[float, None, None]:
        """Change to another theme widget by widget, so that the event loop can turn meanwhile (`Assembly`).

        Raises:
            ConfigError: no such theme.
        """
        self._check(name)

        def enter() -> str:
            self._name = name
            app.setPalette(make_palette(self))
            return make_style_sheet(self.tokens, name)

        yield from restyle_steps(app, enter, self.changed.emit)

    def _check(self, name: str) -> None:
        if name not in self.tokens.themes:
            raise ConfigError(f"Theme {name!r} does not exist. Choose one of {', '.join(self.tokens.themes)}.")

    def follow(self, owner: QObject, call: Callable[[], object]) -> None:
        """Call at every switch for as long as `owner` lives; for anything that is not a method of a QObject."""

        def on_changed() -> None:
            call()

        def on_gone() -> None:
            if isValid(self):  # at the end of the program the theme may go first
                self.changed.disconnect(on_changed)

        self.changed.connect(on_changed)
        owner.destroyed.connect(on_gone)

    def apply(self, app: QApplication) -> None:
        """Palette, style sheet and default font onto the application."""
        app.setPalette(make_palette(self))
        app.setFont(self.font("body"))
        app.setStyleSheet(make_style_sheet(self.tokens, self._name))


class _KeptIcon(QIconEngine):
    """An icon of a button: qtawesome draws its glyph anew at every paint, this one once."""

    def __init__(self, theme: Theme, name: str, ink: str, disabled_ink: str) -> None:
        super().__init__()
        self._theme, self._name, self._ink, self._disabled_ink = theme, name, ink, disabled_ink

    def clone(self) -> QIconEngine:
        return _KeptIcon(self._theme, self._name, self._ink, self._disabled_ink)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, _state: QIcon.State) -> None:
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        side = min(rect.width(), rect.height())
        corner = QPoint(rect.x() + (rect.width() - side) // 2, rect.y() + (rect.height() - side) // 2)
        painter.drawPixmap(corner, self._theme.drawn(self._name, side, self._colour(mode), ratio))

    def pixmap(self, size: QSize, mode: QIcon.Mode, _state: QIcon.State) -> QPixmap:
        return self._theme.drawn(self._name, size.height(), self._colour(mode), 1.0)

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, _state: QIcon.State, scale: float) -> QPixmap:
        return self._theme.drawn(self._name, round(size.height() / scale), self._colour(mode), scale)

    def _colour(self, mode: QIcon.Mode) -> str:
        return self._disabled_ink if mode == QIcon.Mode.Disabled else self._ink


def make_font(tokens: Tokens, size_px: int, weight: int, *, mono: bool = False) -> QFont:
    font = QFont(list(tokens.value("font.mono" if mono else "font.ui")))
    font.setPixelSize(size_px)
    font.setWeight(QFont.Weight(weight))
    font.setFeature(QFont.Tag("tnum"), 1)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


def make_palette(theme: Theme) -> QPalette:
    """The palette for what the style sheet does not reach (item views, delegates, foreign widgets)."""
    roles = QPalette.ColorRole
    palette = QPalette()
    for role, key in (
        (roles.Window, "bg.1"),
        (roles.Base, "bg.0"),
        (roles.AlternateBase, "bg.1"),
        (roles.Button, "bg.3"),
        (roles.WindowText, "text.1"),
        (roles.Text, "text.1"),
        (roles.ButtonText, "text.1"),
        (roles.BrightText, "text.1"),
        (roles.PlaceholderText, "text.3"),
        (roles.ToolTipBase, "bg.3"),
        (roles.ToolTipText, "text.1"),
        (roles.Highlight, "accent.soft"),
        (roles.HighlightedText, "text.1"),
        (roles.Link, "accent.text"),
        (roles.LinkVisited, "accent.text"),
        (roles.Light, "line.2"),
        (roles.Midlight, "line.1"),
        (roles.Mid, "line.2"),
        (roles.Dark, "line.1"),
        (roles.Shadow, "bg.0"),
    ):
        palette.setColor(role, theme.colour(key))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, theme.colour("text.3"))
    return palette


@lru_cache(maxsize=1)
def load_fonts() -> tuple[str, ...]:
    """Register the shipped fonts with Qt once; returns the families. Needs a running QGuiApplication."""
    families: list[str] = []
    for path in sorted((resources_dir() / "fonts").glob("*.[ot]tf")):
        identity = QFontDatabase.addApplicationFont(str(path))
        families += QFontDatabase.applicationFontFamilies(identity) if identity >= 0 else []
    return tuple(sorted(set(families)))


_theme: Theme | None = None


def theme() -> Theme:
    """The one theme of this application."""
    global _theme
    if _theme is None:
        tokens = load_tokens()
        _theme = Theme(tokens, tokens.default_theme)
    return _theme


def apply_theme(app: QApplication, name: str | None = None) -> Theme:
    """Fonts, palette and style sheet for an application; call once after creating it."""
    load_fonts()
    app.setStyle("Fusion")
    active = theme()
    if name and name != active.name:
        active.switch(name)
    else:
        active.apply(app)
    return active


def set_property(widget: QWidget, name: str, value: Any) -> None:
    """Set a style-sheet property and let the style follow at once."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    if not widget.testAttribute(Qt.WidgetAttribute.WA_WState_Polished):
        return  # it is styled before it is shown
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)
