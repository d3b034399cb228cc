"""The form is the configuration: fields, units, help and errors come from the method's own frozen dataclass. No Qt.

What the person enters becomes `key=value` texts, checked by the same code that the command line and the worker use, so
the form cannot offer what the training ignores, nor accept what it refuses.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

from studio.core.config import apply_settings
from studio.core.errors import ConfigError

FIRST_FIELDS = ("window_ticks", "skill_size")
_UNITS = (("_rad_s", "rad/s"), ("_every_s", "s"), ("seconds", "s"), ("_hz", "Hz"), ("_rad", "rad"), ("_ticks", "ticks"),
          ("_m", "m"), ("_s", "s"))  # fmt: skip
_TITLES = {"window_ticks": "Skill length", "skill_size": "Skill dimensions", "rate_hz": "Policy rate"}
_CHOICE = re.compile(r"allowed ([\w, ]+?)\.")


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One setting.

    Args:
        path: key with dots, as `--set` takes it.
        group: title of the part it belongs to, empty for the method itself.
        kind: bool, int, float, str or list.
        text: the value as it is written in the field.
        choices: allowed words; empty when any value of the type may be tried.
        help: what the method's documentation says of it.
    """

    path: str
    title: str
    group: str
    kind: str
    text: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    help: str = ""


def make_fields(config: Any) -> list[FormField]:
    """Every setting of a frozen dataclass, nested ones too, in the order of declaration."""
    return list(_walk(config, "", ""))


def _walk(config: Any, prefix: str, group: str) -> Iterator[FormField]:
    notes, hints = _arguments(type(config)), get_type_hints(type(config))
    for entry in dataclasses.fields(config):
        value, path = getattr(config, entry.name), prefix + entry.name
        if dataclasses.is_dataclass(value):
            yield from _walk(value, f"{path}.", _title(entry.name))
            continue
        kind = hints[entry.name].__name__ if hints[entry.name] in (bool, int, float, str) else "list"
        choices = _choices(config, entry.name) if kind == "str" else ()
        yield FormField(path=path, title=_title(entry.name), group=group, kind=kind, text=value_text(value),
                        unit=unit_of(entry.name), choices=choices, help=notes.get(entry.name, ""))  # fmt: skip


def unit_of(name: str) -> str:
    """The unit that a name's ending says."""
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "")


def _title(name: str) -> str:
    if name in _TITLES:
        return _TITLES[name]
    words = re.sub(r"_(rad_s|hz|rad)$|(?<=every)_s$", "", name).replace("_", " ")
    return words[:1].upper() + words[1:]


def value_text(value: Any) -> str:
    """A value as TOML, the way `--set` reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _arguments(kind: type) -> dict[str, str]:
    """The `Args:` part of a docstring: name -> sentence."""
    _, _, block = (inspect.getdoc(kind) or "").partition("Args:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in block.splitlines():
        start = re.match(r" {4}([\w, ]+): (.*)", line)
        if start:
            names = [name.strip() for name in start[1].split(",")]
            found |= dict.fromkeys(names, start[2].strip())
        elif line.strip() and names:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        elif not line.strip():
            names = []
    return found


def _choices(config: Any, name: str) -> tuple[str, ...]:
    """The words that a text setting allows: the configuration's own check is asked with a word that it must refuse."""
    try:
        dataclasses.replace(config, **{name: "?"})
    except ConfigError as error:
        match = _CHOICE.search(str(error))
        return tuple(word.strip() for word in match[1].split(",")) if match else ()
    return ()


def make_settings(config: Any, texts: dict[str, str]) -> list[str]:
    """`key=value` for every text that differs from the configuration's own."""
    own = {field.path: field.text for field in make_fields(config)}
    return [f"{path}={text}" for path, text in texts.items() if path in own and text != own[path]]


def check(config: Any, settings: list[str]) -> tuple[Any, str]:
    """The configuration with the settings applied, and an empty text; or the unchanged one and what is wrong."""
    try:
        return apply_settings(config, settings), ""
    except ConfigError as error:
        return config, str(error)
    except (TypeError, ValueError) as error:
        return config, f"{error}."


def problems(config: Any, texts: dict[str, str]) -> dict[str, str]:
    """What is wrong with each field on its own: path -> sentence."""
    found = {}
    for setting in make_settings(config, texts):
        problem = check(config, [setting])[1]
        if problem:
            found[setting.partition("=")[0]] = problem
    return found


def stage_marks(config: Any) -> list[tuple[float, str]]:
    """Where each later stage begins, as a share of the whole, from the stages' own limits; empty when unknown."""
    parts = [(entry.name, getattr(config, entry.name)) for entry in dataclasses.fields(config)]
    phases = [(name, part) for name, part in parts if dataclasses.is_dataclass(part) and hasattr(part, "steps")]
    unit = "seconds" if all(part.seconds or not part.steps for _, part in phases) else "steps"  # type: ignore[attr-defined]
    sizes = [float(getattr(part, unit)) if part.steps else 0.0 for _, part in phases]  # type: ignore[attr-defined]
    whole = sum(sizes)
    ends = [sum(sizes[: i + 1]) / whole for i in range(len(sizes) - 1)] if whole else []
    return [(end, phases[i + 1][0].replace("_", " ")) for i, end in enumerate(ends) if sizes[i + 1]]
