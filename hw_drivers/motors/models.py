"""Full-scale ranges of the MIT fields per motor model and firmware, with the source of each row.

Legacy rows: CubeMars driver manual V1.0.8/V1.0.18 page 63. V3 rows: manual V3 page 38, except AK80-9 whose printed
30 rad/s was measured to be 65 rad/s. The wrong row scales every torque, so a recording names the row that was used.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class MotorRange:
    """Symmetric full scale of position, velocity and torque; Kp from 0 to `kp_nm_rad`, Kd from 0 to `kd_nm_s_rad`."""

    model: str
    firmware: str
    position_rad: float
    velocity_rad_s: float
    torque_nm: float
    source: str
    kp_nm_rad: float = 500.0
    kd_nm_s_rad: float = 5.0
    temperature_offset_c: float = -40.0  # degC = byte + offset; some units send the plain value (offset 0)


def _legacy(model: str, velocity_rad_s: float, torque_nm: float) -> MotorRange:
    return MotorRange(
        model=model,
        firmware="legacy",
        position_rad=12.5,
        velocity_rad_s=velocity_rad_s,
        torque_nm=torque_nm,
        source="manual V1.0.18 p. 63",
    )


def _v3(model: str, velocity_rad_s: float, torque_nm: float, source: str = "manual V3 p. 38") -> MotorRange:
    return MotorRange(
        model=model,
        firmware="v3",
        position_rad=12.56,
        velocity_rad_s=velocity_rad_s,
        torque_nm=torque_nm,
        source=source,
    )


_ROWS = (
    _legacy("AK10-9", 50.0, 65.0),
    _legacy("AK60-6", 45.0, 15.0),
    _legacy("AK70-10", 50.0, 25.0),
    _legacy("AK80-6", 76.0, 12.0),
    _legacy("AK80-9", 50.0, 18.0),
    _legacy("AK80-8", 37.5, 32.0),
    _legacy("AK80-64", 8.0, 144.0),
    _v3("AK60-6", 60.0, 12.0),
    _v3("AK80-9", 65.0, 18.0, "measured; the manual prints 30 rad/s"),
    _v3("AK10-9", 28.0, 54.0),
)
RANGES: dict[tuple[str, str], MotorRange] = {(row.model, row.firmware): row for row in _ROWS}


def find_range(model: str, firmware: str = "legacy") -> MotorRange:
    """The row of a model; an unknown one is refused, never guessed."""
    if (model, firmware) in RANGES:
        return RANGES[(model, firmware)]
    if model.upper().startswith("AK60-9"):
        raise ConfigError("Motor model AK60-9 is in no catalogue. Check the gear ratio and choose AK60-6 or AK80-9.")
    known = ", ".join(f"{m} {f}" for m, f in sorted(RANGES))
    raise ConfigError(f"Motor model {model!r} with firmware {firmware!r} is unknown. Known: {known}.")
