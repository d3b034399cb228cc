"""Motor models as data: `resources/motors/*.toml`, one file per model, every number with its source.

Full-scale ranges differ between the sources and cannot be read from a drive, and the wrong row scales every torque. So
a row can be overridden per motor, is checked at commissioning, and a recording names the row that was used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, cast

from studio.core.config import load_toml
from studio.core.errors import ConfigError
from studio.core.paths import resources_dir

FIRMWARES = ("legacy", "v3")
_RANGE_KEYS = ("position_rad", "velocity_rad_s", "torque_nm", "kp_nm_rad", "kd_nm_s_rad", "temperature_offset_c")
_DRIVE_KEYS = ("gear_ratio", "pole_pairs", "torque_per_current_nm_a")
OVERRIDABLE = (*_RANGE_KEYS, *_DRIVE_KEYS, "status_feedback")


class UnresolvedModelError(ConfigError):
    """A name that stands for no data set; `choices` are the models it may be."""

    def __init__(self, message: str, choices: tuple[str, ...]) -> None:
        super().__init__(message)
        self.choices = choices


@dataclass(frozen=True, kw_only=True)
class Sourced:
    """A number, where it comes from, and what other sources say."""

    value: float
    source: str
    others: tuple[tuple[float, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class MotorRange:
    """Symmetric full scale of position, velocity and torque; Kp from 0 to `kp_nm_rad`, Kd from 0 to `kd_nm_s_rad`.

    `gear_ratio` and `pole_pairs` turn a status frame's electrical speed into the output's; `torque_per_current_nm_a`
    turns its current into torque at the output. None = no source gives it.
    """

    model: str
    firmware: str
    position_rad: float
    velocity_rad_s: float
    torque_nm: float
    source: str
    kp_nm_rad: float = 500.0
    kd_nm_s_rad: float = 5.0
    temperature_offset_c: float = -40.0  # degC = byte + offset; some units send the plain value (offset 0)
    status_feedback: bool = False  # answers with servo status frames instead of MIT replies
    gear_ratio: float | None = None
    pole_pairs: int | None = None
    torque_per_current_nm_a: float | None = None

    @property
    def erpm_per_rad_s(self) -> float | None:
        """Electrical rpm of one rad/s at the output."""
        if self.gear_ratio is None or self.pole_pairs is None:
            return None
        return self.pole_pairs * self.gear_ratio * 9.549296585513721  # 60 / (2 pi)


@dataclass(frozen=True, kw_only=True)
class MotorModel:
    """One file of `resources/motors`: catalogue numbers, and full-scale rows per firmware.

    A model with `choices` is a name without data; `reason` says what to do.
    """

    name: str
    encoder: str = ""
    numbers: Mapping[str, Sourced] = field(default_factory=dict[str, Sourced])
    ranges: Mapping[str, Mapping[str, Sourced]] = field(default_factory=dict[str, Mapping[str, Sourced]])
    choices: tuple[str, ...] = ()
    reason: str = ""

    def alternatives(self, firmware: str, key: str) -> tuple[float, ...]:
        """Every value some source gives for a full-scale number, the row's own first."""
        row = self.ranges[firmware][key]
        return tuple(dict.fromkeys((row.value, *(value for value, _ in row.others))))


def _sourced(value: Any, where: str) -> Sourced:
    if not isinstance(value, dict) or "value" not in value or "source" not in value:
        raise ConfigError(f"{where} needs a value and its source, got {value!r}. Write {{ value = …, source = … }}.")
    row = cast("dict[str, Any]", value)
    others = tuple((float(other["value"]), str(other["source"])) for other in row.get("others", []))
    return Sourced(value=float(row["value"]), source=str(row["source"]), others=others, note=str(row.get("note", "")))


def _load_model(path: Path) -> MotorModel:
    data = load_toml(path)
    if data.get("format_version") != 1:
        raise ConfigError(f"{path}: format_version is {data.get('format_version')}; this studio reads 1.")
    ranges: dict[str, dict[str, Sourced]] = {}
    for row in data.get("ranges", []):
        where = f"{path}: ranges.{row.get('firmware')}"
        if row.get("firmware") not in FIRMWARES or set(row) != {"firmware", *_RANGE_KEYS}:
            raise ConfigError(f"{where}: needs firmware (legacy or v3) and exactly {', '.join(_RANGE_KEYS)}.")
        ranges[row["firmware"]] = {key: _sourced(row[key], f"{where}.{key}") for key in _RANGE_KEYS}
    return MotorModel(
        name=str(data["model"]),
        encoder=str(data.get("encoder", "")),
        numbers={key: _sourced(value, f"{path}: numbers.{key}") for key, value in data.get("numbers", {}).items()},
        ranges=ranges,
        choices=tuple(data.get("choose", ())),
        reason=str(data.get("reason", "")),
    )


@lru_cache(maxsize=1)
def load_models() -> dict[str, MotorModel]:
    """Every model by name; those without data have `choices`."""
    paths = sorted(p for p in (resources_dir() / "motors").glob("*.toml") if p.stem != "sources")
    return {model.name: model for model in map(_load_model, paths)}


@lru_cache(maxsize=1)
def load_sources() -> dict[str, str]:
    """What the source keys stand for."""
    return dict(load_toml(resources_dir() / "motors" / "sources.toml")["sources"])


def known_ranges() -> dict[tuple[str, str], MotorRange]:
    """Every row of the table by (model, firmware)."""
    return {(m.name, f): find_range(m.name, f) for m in load_models().values() for f in m.ranges}


def find_range(model: str, firmware: str = "legacy", overrides: Mapping[str, float] | None = None) -> MotorRange:
    """The row of a model, with what is set for this one motor instead; an unknown model is refused, never guessed.

    Args:
        overrides: any of `OVERRIDABLE`, in the row's units.

    Raises:
        UnresolvedModelError: the name stands for no data set.
        ConfigError: unknown model, firmware or key, or a value that cannot be.
    """
    row = _table_row(model, firmware)
    if not overrides:
        return row
    for key, value in overrides.items():
        _check_override(model, key, value)
    values: dict[str, Any] = {
        **overrides,
        "source": f"{row.source}; set for this motor: {', '.join(sorted(overrides))}",
    }
    if "pole_pairs" in values:
        values["pole_pairs"] = int(values["pole_pairs"])
    if "status_feedback" in values:
        values["status_feedback"] = bool(values["status_feedback"])
        if values["status_feedback"] and firmware != "v3":
            raise ConfigError(
                f"{model}: status_feedback is 1; only firmware v3 answers MIT commands with status frames."
            )
    return replace(row, **values)


def _check_override(model: str, key: str, value: float) -> None:
    if key not in OVERRIDABLE:
        raise ConfigError(f"{model}: {key!r} is no number of a motor row. Known: {', '.join(OVERRIDABLE)}.")
    if key == "status_feedback" and value not in (0, 1):
        raise ConfigError(f"{model}.status_feedback is {value:g}; allowed 0 (MIT replies) or 1 (status frames).")
    if not isfinite(value) or (value <= 0 and key not in ("temperature_offset_c", "status_feedback")):
        raise ConfigError(f"{model}.{key} is {value:g}; a finite number above 0 is needed. Change the setting.")


@lru_cache(maxsize=64)
def _table_row(model: str, firmware: str) -> MotorRange:
    found = _find_model(model)
    if firmware not in found.ranges:
        known = ", ".join(found.ranges)
        raise ConfigError(f"Motor model {model} has no range row for firmware {firmware!r}. Known: {known}.")
    rows, numbers = found.ranges[firmware], found.numbers
    sources = dict.fromkeys(rows[key].source for key in _RANGE_KEYS[:3])
    poles = numbers.get("pole_pairs")
    return MotorRange(
        model=found.name,
        firmware=firmware,
        source="; ".join(_citation(source) for source in sources),
        **{key: rows[key].value for key in _RANGE_KEYS},
        status_feedback=firmware == "v3",
        gear_ratio=numbers["gear_ratio"].value,
        pole_pairs=None if poles is None else int(poles.value),
        torque_per_current_nm_a=numbers["torque_per_current_nm_a"].value,
    )


def _citation(source: str) -> str:
    """`key p. 63` with the key written out."""
    key, _, place = source.partition(" ")
    return f"{load_sources()[key]}{place and ', '}{place}"


def _find_model(model: str) -> MotorModel:
    models = load_models()
    found = next((m for name, m in models.items() if name.upper() == model.upper()), None)
    if found is None:
        known = ", ".join(f"{m.name} ({', '.join(m.ranges)})" for m in models.values() if m.ranges)
        raise ConfigError(f"Motor model {model!r} is unknown. Known: {known}.")
    if found.choices:
        text = f"Motor model {found.name} is in no catalogue. {found.reason} Run `main.py commission --check gear`."
        raise UnresolvedModelError(text, found.choices)
    return found
