"""The Qt style sheet, generated from the tokens. Text only; no Qt import."""

from __future__ import annotations

from string import Template

from studio.app.tokens import Tokens, mix
from studio.core.paths import resources_dir

# $bg1, $text2 … are colours of the theme; sizes are logical pixels from [type], [space] and [radius].
_SHEET = """
QWidget { color: $text1; selection-background-color: $accentsoft; selection-color: $text1; outline: 0; }
QMainWindow, QDialog { background: $bg0; }
QLabel { background: transparent; }
QToolTip { background: $bg3; color: $text1; border: 1px solid $line2; padding: 4px 8px; }

*[ground="0"] { background: $bg0; } *[ground="1"] { background: $bg1; } *[ground="2"] { background: $bg2; }
*[ground="3"] { background: $bg3; } *[ground="4"] { background: $bg4; } *[ground="none"] { background: transparent; }
QFrame[frame="card"] { background: $bg2; border: 1px solid $line1; border-radius: ${card}px; }
QFrame[frame="panel"] { background: $bg1; border: 0; border-left: 1px solid $line1; }
QFrame[frame="panel-left"] { background: $bg1; border: 0; border-right: 1px solid $line1; }
QFrame[frame="bar"] { background: $bg1; border: 0; border-bottom: 1px solid $line1; }
QFrame[frame="line"] { background: $line1; border: 0; max-height: 1px; min-height: 1px; }
QFrame[frame="segments"] { background: $bg0; border: 1px solid $line2; border-radius: ${control}px; }

QPushButton { background: $bg3; color: $text1; border: 1px solid $line2; border-radius: ${control}px;
  padding: 0 12px; min-height: 30px; max-height: 30px; font-size: 13px; font-weight: 500; }
QPushButton:hover { background: $bg4; }
QPushButton:pressed { background: $bg4; border-color: $line3; }
QPushButton:checked { background: $accentsoft; border-color: $accentline; }
QPushButton:disabled { background: $bg2; color: $text3; border-color: $line1; }
QPushButton:focus { border: 2px solid $accentline; padding: 0 11px; min-height: 28px; max-height: 28px; }
QPushButton[kind="main"] { min-height: 42px; max-height: 42px; font-size: 15px; font-weight: 600; }
QPushButton[kind="main"]:focus { min-height: 40px; max-height: 40px; }
QPushButton[kind="primary"] { background: $accentsolid; color: $accenton; border: 1px solid $accentsolid;
  min-height: 42px; max-height: 42px; font-size: 15px; font-weight: 600; }
QPushButton[kind="primary"]:hover { background: $primaryhover; }
QPushButton[kind="primary"]:disabled { background: $bg2; color: $text3; border-color: $line1; }
QPushButton[kind="primary"]:focus { border: 2px solid $accentline; min-height: 40px; max-height: 40px; }
QPushButton[kind="primary"][scale="normal"] { min-height: 30px; max-height: 30px; font-size: 13px; }
QPushButton[kind="primary"][scale="engage"] { min-height: 50px; max-height: 50px; font-size: 17px; }
QPushButton[kind="primary"][scale="engage"]:focus { min-height: 48px; max-height: 48px; }
QPushButton[kind="quiet"] { background: transparent; border: 1px solid transparent; }
QPushButton[kind="quiet"]:hover { background: $bg3; }
QPushButton[kind="quiet"]:focus { border: 2px solid $accentline; }
QPushButton[kind="link"] { background: transparent; border: 1px solid transparent; color: $accenttext; padding: 0 2px; }
QPushButton[kind="link"]:hover { text-decoration: underline; }
QPushButton[kind="link"]:focus { border: 2px solid $accentline; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: ${control}px; color: $text1;
  font-size: 13px; font-weight: 500; }
QToolButton:hover { background: $bg3; }
QToolButton:checked { background: $bg3; }
QToolButton:focus { border: 2px solid $accentline; }
QToolButton:disabled { color: $text3; }
QToolButton[kind="icon"] { background: $bg1; border: 1px solid $line2; min-width: 24px; min-height: 24px; }
QToolButton[kind="icon"]:hover { background: $bg3; }
QToolButton[kind="icon"]:checked { background: $bg4; }
QToolButton[kind="icon"]:focus { border: 2px solid $accentline; }
QToolButton[kind="segment"] { color: $text2; border: 0; border-radius: ${key}px; padding: 0 7px; min-height: 24px;
  font-size: 12px; }
QToolButton[kind="segment"]:hover { background: $bg3; }
QToolButton[kind="segment"]:checked { background: $bg4; color: $text1; font-weight: 600; }
QToolButton[kind="segment"]:focus { border: 2px solid $accentline; padding: 0 5px; }
QToolButton::menu-indicator { image: none; }

QLineEdit, QSpinBox, QDoubleSpinBox, QPlainTextEdit, QTextEdit { background: $bg0; color: $text1;
  border: 1px solid $line2; border-radius: ${control}px; padding: 0 8px; font-size: 14px; font-weight: 500; }
QLineEdit, QSpinBox, QDoubleSpinBox { min-height: 26px; max-height: 26px; }
QPlainTextEdit, QTextEdit { padding: 6px 8px; font-size: 13px; font-weight: 400; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QPlainTextEdit:focus, QTextEdit:focus {
  border: 2px solid $accentline; padding: 0 7px; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled { color: $text3; border-color: $line1; }
QLineEdit[wrong="true"], QSpinBox[wrong="true"], QDoubleSpinBox[wrong="true"] { border: 2px solid $statefault; }
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {
  width: 0; border: 0; }
QComboBox { background: $bg3; color: $text1; border: 1px solid $line2; border-radius: ${control}px;
  padding: 0 10px; min-height: 26px; max-height: 26px; font-weight: 500; }
QComboBox:hover { background: $bg4; }
QComboBox:focus { border: 2px solid $accentline; padding: 0 9px; }
QComboBox:disabled { color: $text3; border-color: $line1; }
QComboBox::drop-down { border: 0; width: 24px; }
QComboBox::down-arrow { image: url($arrow); width: 14px; height: 14px; }
QComboBox QAbstractItemView { background: $bg2; border: 1px solid $line2; padding: 4px; }

QCheckBox, QRadioButton { spacing: 10px; min-height: 24px; background: transparent; }
QCheckBox::indicator { width: 14px; height: 14px; border: 1px solid $line3; border-radius: 4px; background: $bg0; }
QCheckBox::indicator:checked { background: $accentline; border-color: $accentline; image: url($check); }
QCheckBox::indicator:focus { border: 2px solid $accentline; }
QRadioButton::indicator { width: 12px; height: 12px; border: 1px solid $line3; border-radius: 7px; background: $bg0; }
QRadioButton::indicator:checked { border: 4px solid $accentline; width: 6px; height: 6px; }

QSlider { min-height: 20px; background: transparent; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: $bg4; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: $text2; }
QSlider::handle:horizontal { width: 12px; height: 12px; margin: -4px 0; border-radius: 6px; background: $text1; }
QSlider::handle:horizontal:focus { background: $accentline; }
QProgressBar { background: $bg3; border: 0; border-radius: 4px; min-height: 8px; max-height: 8px; color: transparent; }
QProgressBar::chunk { background: $accentline; border-radius: 4px; }

QScrollArea { background: transparent; border: 0; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: $line2; border-radius: 3px; margin: 2px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $line3; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QAbstractItemView { background: $bg0; alternate-background-color: $bg1; border: 0; gridline-color: $line1; }
QAbstractItemView::item:selected { background: $accentsoft; color: $text1; }
QHeaderView { background: $bg2; }
QHeaderView::section { background: $bg2; color: $text2; border: 0; border-bottom: 1px solid $line1; padding: 0 8px;
  min-height: 28px; font-size: 12px; font-weight: 500; }
QMenu { background: $bg2; border: 1px solid $line2; border-radius: ${control}px; padding: 4px; }
QMenu::item { padding: 6px 20px 6px 12px; border-radius: ${key}px; }
QMenu::item:selected { background: $accentsoft; }
QMenu::item:disabled { color: $text3; }
QMenu::separator { height: 1px; background: $line1; margin: 4px 8px; }
QSplitter::handle { background: $line1; }
QSplitter::handle:horizontal { width: 1px; } QSplitter::handle:vertical { height: 1px; }
QDockWidget { color: $text1; font-weight: 600; }
QGroupBox { border: 0; margin-top: 20px; font-weight: 600; }
"""


def make_style_sheet(tokens: Tokens, theme: str) -> str:
    """The whole style sheet of one theme."""
    values = {key.replace(".", ""): colour for key, colour in tokens.colours(theme).items()}
    values |= {name: str(size) for name, size in tokens.data["radius"].items()}
    values["primaryhover"] = mix(values["accentsolid"], values["accenton"], 0.10)
    icons = resources_dir() / "icons"
    values["arrow"] = (icons / f"chevron-{theme}.svg").as_posix()
    values["check"] = (icons / f"check-{theme}.svg").as_posix()
    return Template(_SHEET).substitute(values) + _type_rules(tokens) + _tone_rules(tokens, theme)


def _type_rules(tokens: Tokens) -> str:
    rows = [(role, *tokens.type(role)) for role in tokens.data["type"] if isinstance(tokens.data["type"][role], list)]
    return "".join(
        f'QLabel[type="{role}"] {{ font-size: {size_px}px; font-weight: {weight}; }}\n'
        for role, size_px, weight in rows
    )


def _tone_rules(tokens: Tokens, theme: str) -> str:
    tones = {str(n): f"text.{n}" for n in (1, 2, 3)} | {"accent": "accent.text"}
    for group in ("state", "side", "verdict"):
        tones |= {name: f"{group}.{name}" for name in tokens.data[theme][group]}
    tones |= {f"cat{n}": f"cat.{n}" for n in range(1, 9)} | {f"axis-{a}": f"axis.{a}" for a in "xyz"}
    rules = [f'*[tone="{tone}"] {{ color: {tokens.hex(theme, key)}; }}\n' for tone, key in tones.items()]
    soft = tokens.data[theme]["soft"]
    rules += [f'*[soft="{name}"] {{ background: {colour}; }}\n' for name, colour in soft.items()]
    return "".join(rules)
