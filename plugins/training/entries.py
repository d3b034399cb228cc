"""What is entered in the form: method, size and every setting as text, checked as one goes along. No Qt."""

from __future__ import annotations

import dataclasses
from typing import Any

from psygnal import Signal

from plugins.training.form import FormField, check, make_fields, make_settings, problems
from studio.methods.table import METHODS, MethodEntry

CUSTOM = "custom"


class Entries:
    """Signal `changed`: anything that the form shows.

    Attributes:
        preset: the size that is chosen, `custom` when anything was changed by hand; `base` is the size it came from.
        texts: what stands in each field, by path.
        problems: what is wrong with a field, by path.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.method: MethodEntry = next(iter(METHODS.values()))
        self.preset, self.base = "", ""
        self.texts: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self.choose_preset(next(iter(self.method.presets())))

    def choose_method(self, name: str) -> None:
        self.method = METHODS[name]
        self.choose_preset(next(iter(self.method.presets())))

    def choose_preset(self, preset: str) -> None:
        """A preset fills every field; `custom` keeps what is there."""
        if preset != CUSTOM:
            self.base = preset
            self._config = self.method.make_config(preset)
            self.texts = {field.path: field.text for field in make_fields(self._config)}
            self.problems = {}
        self.preset = preset
        self.changed.emit()

    @property
    def fields(self) -> list[FormField]:
        """Every setting with what is entered now."""
        return [dataclasses.replace(field, text=self.texts[field.path]) for field in make_fields(self._config)]

    @property
    def config(self) -> Any:
        """The configuration as entered; fields that are wrong keep the preset's value."""
        good = {path: text for path, text in self.texts.items() if path not in self.problems}
        return check(self._config, make_settings(self._config, good))[0]

    @property
    def settings(self) -> list[str]:
        """`key=value` for what differs from the preset."""
        return make_settings(self._config, self.texts)

    def enter(self, path: str, text: str) -> None:
        """A field was changed; from then on the size is Custom."""
        if self.texts[path] == text:
            return
        self.texts[path] = text
        self.problems = problems(self._config, self.texts)
        if not self.problems:  # fields can be right one by one and wrong together
            together = check(self._config, self.settings)[1]
            self.problems = {path: together} if together else {}
        self.preset = CUSTOM if self.settings else self.base
        self.changed.emit()
