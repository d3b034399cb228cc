"""Configuration as frozen dataclasses: TOML in, unknown keys refused, ranges checked."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from studio.core.errors import ConfigError

T = TypeVar("T")


def check_range(owner: str, name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(f"{owner}.{name} is {value:g}{unit}; allowed {low:g} to {high:g}{unit}. Change the setting.")


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; missing or broken files give a ConfigError that names file and place."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist. Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Mend or replace the file.") from error


def make_config(kind: type[T], data: dict[str, Any], *, where: str = "settings") -> T:
    """Build a frozen dataclass from plain values; unknown keys are errors, nested dataclasses are built too."""
    hints = get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}. Known keys: {', '.join(sorted(known))}.")
    values = {key: _convert(value, hints[key], f"{where}.{key}") for key, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}.") from error


def apply_settings(config: T, assignments: list[str]) -> T:
    """`key=value` strings (nested keys with dots) onto a frozen dataclass, types taken from its fields."""
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set {assignment!r}: write key=value.")
        config = _replace(config, key.split("."), text, key)
    return config


def _replace(config: T, path: list[str], text: str, full_key: str) -> T:
    fields = {f.name for f in dataclasses.fields(config)}  # type: ignore[arg-type]
    if path[0] not in fields:
        raise ConfigError(f"--set {full_key}: unknown key {path[0]!r}. Known keys: {', '.join(sorted(fields))}.")
    if len(path) > 1:
        value: Any = _replace(getattr(config, path[0]), path[1:], text, full_key)
    else:
        value = _parse(text, get_type_hints(type(config))[path[0]], full_key)
    return dataclasses.replace(config, **{path[0]: value})  # type: ignore[type-var]


def _parse(text: str, hint: Any, where: str) -> Any:
    if hint is str:
        return text
    try:
        return _convert(tomllib.loads(f"value = {text}")["value"], hint, where)
    except tomllib.TOMLDecodeError:
        return _convert(text, hint, where)


def _convert(value: Any, hint: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return make_config(hint, value, where=where)  # type: ignore[arg-type]
    if get_origin(hint) is tuple and isinstance(value, (list, tuple)):
        return _convert_tuple(cast("list[Any] | tuple[Any, ...]", value), get_args(hint), where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ConfigError(f"{where} is {value!r}; a value of type {hint.__name__} is needed.")
    if hint is Path:
        return Path(str(value))
    return value


def _convert_tuple(values: list[Any] | tuple[Any, ...], inner: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    hints = [inner[0]] * len(values) if len(inner) == 2 and inner[1] is Ellipsis else list(inner)
    if len(hints) != len(values):
        raise ConfigError(f"{where} has {len(values)} entries; {len(hints)} are needed.")
    return tuple(_convert(value, hint, where) for value, hint in zip(values, hints, strict=True))
