"""`can encode | decode | servo | models`: motor frames as bytes, without a motor."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, radians
from typing import Annotated, Any, Literal

import tyro

from hw_drivers.motors.codec_mit import Reply, command_id, decode_command, decode_reply, encode_command, error_name
from hw_drivers.motors.codec_servo import POSITION_SCALE, STATUS_PACKET, decode_status, encode_servo, status_reply
from hw_drivers.motors.models import MotorModel, MotorRange, Sourced, find_range, load_models, load_sources
from studio.cli.output import parse_arguments, write_result
from studio.core.errors import ConfigError

Firmware = Literal["legacy", "v3"]
STANDARD_ID_MAX = 0x7FF


def parse_hex(text: str, option: str) -> bytes:
    """Bytes of a hexadecimal text; spaces, commas, colons, dashes and 0x are allowed.

    Raises:
        ConfigError: it is none.
    """
    plain = text.lower().replace("0x", "").translate(str.maketrans(",:-", "   "))
    try:
        return bytes.fromhex(plain)
    except ValueError:
        raise ConfigError(
            f"{option} {text!r} is not hexadecimal. Write two digits a byte, such as 8a3d800000000800."
        ) from None


def parse_overrides(assignments: tuple[str, ...]) -> dict[str, float]:
    """`key=value` words as numbers of one motor's row."""
    values: dict[str, float] = {}
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        try:
            values[key.strip()] = float(text)
        except ValueError:
            raise ConfigError(f"--set {assignment!r}: write key=number, such as velocity_rad_s=50.") from None
    return values


def parse_id(text: str, option: str, most: int) -> int:
    """A decimal or 0x number from 0 to `most`."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise ConfigError(f"{option} is {text}; allowed 0 to {most} ({most:#x}). Change the number.")
    return number


@dataclass(frozen=True, kw_only=True)
class Encode:
    """One MIT command as bytes; values outside the range saturate."""

    model: str
    """Motor model, such as AK60-6 (`can models` lists them)."""
    firmware: Firmware
    """Dialect: legacy (V1, V2) or v3."""
    p: float = 0.0
    """Position in rad."""
    v: float = 0.0
    """Velocity in rad/s."""
    kp: float = 0.0
    """Stiffness in N*m/rad."""
    kd: float = 0.0
    """Damping in N*m*s/rad."""
    t: float = 0.0
    """Torque in N*m."""
    id: str = "1"
    """Drive id."""
    set: tuple[str, ...] = ()
    """Numbers of this motor's row instead of the table's, as key=value."""
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        motor = find_range(self.model, self.firmware, parse_overrides(self.set))
        for option in ("p", "v", "kp", "kd", "t"):
            if not isfinite(value := getattr(self, option)):
                raise ConfigError(f"--{option} is {value}; a finite number is needed.")
        data = encode_command(motor, self.p, self.v, self.kp, self.kd, self.t)
        arbitration_id, extended = command_id(motor, parse_id(self.id, "--id", 255))
        names = ("position_rad", "velocity_rad_s", "kp_nm_rad", "kd_nm_s_rad", "torque_nm")
        result = {
            "id_offset": arbitration_id & ~0xFF,
            "id": arbitration_id,
            "extended": extended,
            "data": data.hex(),
            "drive_reads": dict(zip(names, decode_command(motor, data), strict=True)),
            **_row_json(motor),
        }
        kind = "extended" if extended else "standard"
        write_result(result, self.json, text=f"{kind} id {arbitration_id:#x}: {data.hex(' ')}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Decode:
    """A MIT reply (6 or 8 bytes) or a status frame (V3, 8 bytes) in SI units.

    V3: 8 bytes are a status frame, 6 bytes a MIT reply of a drive in query-reply mode; --arbitration-id decides where
    it is given (0x29.. are status frames, standard ids replies).
    """

    model: str
    """Motor model, such as AK60-6 (`can models` lists them)."""
    firmware: Firmware
    """Dialect: legacy (V1, V2) or v3."""
    data: str
    """The frame's bytes in hexadecimal."""
    arbitration_id: str | None = None
    """The frame's id; a status frame has its drive id there and nowhere else."""
    set: tuple[str, ...] = ()
    """Numbers of this motor's row instead of the table's, as key=value; temperature_offset_c=0 for plain bytes."""
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        motor = find_range(self.model, self.firmware, parse_overrides(self.set))
        data = parse_hex(self.data, "--data")
        number = None if self.arbitration_id is None else parse_id(self.arbitration_id, "--arbitration-id", 0x1FFF_FFFF)
        if self.firmware == "v3" and (len(data) != 6 if number is None else number > STANDARD_ID_MAX):
            result = _status_json(motor, STATUS_PACKET << 8 if number is None else number, data)
            result |= {} if number is not None else {"id": None}
        else:
            result = reply_json(decode_reply(motor, data))
        write_result({**result, **_row_json(motor)}, self.json, text=_reply_text(result))
        return 0


def reply_json(reply: Reply) -> dict[str, Any]:
    """A reply as the command line's fields; what a six-byte reply does not say is null."""
    code = reply.error_code
    return {
        "id": reply.drive_id,
        "position_rad": reply.position_rad,
        "velocity_rad_s": reply.velocity_rad_s,
        "torque_nm": reply.torque_nm,
        "temperature_c": reply.temperature_c,
        "error": {"code": code, "name": "not sent" if code is None else error_name(code)},
    }


def _status_json(motor: MotorRange, number: int, data: bytes) -> dict[str, Any]:
    """A status frame; speed and torque are null where the model's pole pairs or its torque per ampere are not known."""
    status, note = decode_status(number, data), ""
    try:
        reply = reply_json(status_reply(motor, status))
    except ConfigError as error:
        note = str(error)
        known = Reply(status.drive_id, radians(status.position_deg), 0.0, 0.0, status.temperature_c, status.error_code)
        reply = {**reply_json(known), "velocity_rad_s": None, "torque_nm": None}
    plain = {"position_deg": status.position_deg, "speed_erpm": status.speed_erpm, "current_a": status.current_a}
    return {**reply, **plain, **({"note": note} if note else {})}


def _shown(value: float | None, unit: str) -> str:
    return f"unknown {unit}" if value is None else f"{value:.6f} {unit}"


def _reply_text(result: dict[str, Any]) -> str:
    temperature = "no temperature" if result["temperature_c"] is None else f"{result['temperature_c']:g} degC"
    return (
        f"id {result['id']}: {result['position_rad']:.6f} rad, {_shown(result['velocity_rad_s'], 'rad/s')}, "
        f"{_shown(result['torque_nm'], 'N*m')}, {temperature}, error {result['error']['code']} "
        f"{result['error']['name']}{'. ' + result['note'] if 'note' in result else ''}"
    )


def _row_json(motor: MotorRange) -> dict[str, Any]:
    full = {"position_rad": motor.position_rad, "velocity_rad_s": motor.velocity_rad_s, "torque_nm": motor.torque_nm}
    return {"model": motor.model, "firmware": motor.firmware, "full_scale": full, "source": motor.source}


@dataclass(frozen=True, kw_only=True)
class Servo:
    """One servo-mode command as bytes."""

    packet: str
    """duty, current, current_brake, velocity (ERPM), position (deg), origin, position_velocity."""
    value: tuple[float, ...]
    """Its values: one, or three for position_velocity (deg, ERPM, ERPM/s2)."""
    id: str = "1"
    """Drive id."""
    position_scale: float = POSITION_SCALE
    """Steps per degree; 1000000 for older firmware."""
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        drive_id = parse_id(self.id, "--id", 255)
        if self.position_scale not in (1e4, 1e6):
            raise ConfigError(f"--position-scale is {self.position_scale:g}; allowed 10000 or 1000000.")
        number, data = encode_servo(self.packet, self.value, drive_id, position_scale=self.position_scale)
        result = {"id": number, "extended": True, "data": data.hex()}
        write_result(result, self.json, text=f"extended id {number:#010x}: {data.hex(' ')}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Models:
    """Every motor model of the table with the source of every number."""

    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        models = load_models()
        result = {"models": [_model_json(model) for model in models.values()], "sources": load_sources()}
        write_result(result, self.json, text="\n".join(line for m in models.values() for line in _model_lines(m)))
        return 0


def _sourced_json(row: Sourced) -> dict[str, Any]:
    others = [{"value": value, "source": source} for value, source in row.others]
    return {"value": row.value, "source": row.source, "others": others, "note": row.note}


def _model_json(model: MotorModel) -> dict[str, Any]:
    rows = {f: {key: _sourced_json(row) for key, row in keys.items()} for f, keys in model.ranges.items()}
    numbers = {key: _sourced_json(row) for key, row in model.numbers.items()}
    state = {"resolved": not model.choices, "choices": list(model.choices), "reason": model.reason}
    return {"name": model.name, **state, "encoder": model.encoder, "numbers": numbers, "ranges": rows}


def _model_lines(model: MotorModel) -> list[str]:
    if model.choices:
        return [f"{model.name:<8} unresolved: {model.reason}"]
    return [
        f"{model.name:<8} {firmware:<7} ±{row['position_rad'].value:g} rad, ±{row['velocity_rad_s'].value:g} rad/s, "
        f"±{row['torque_nm'].value:g} N*m ({row['velocity_rad_s'].source})"
        for firmware, row in model.ranges.items()
    ]


_Command = (
    Annotated[Encode, tyro.conf.subcommand("encode")]
    | Annotated[Decode, tyro.conf.subcommand("decode")]
    | Annotated[Servo, tyro.conf.subcommand("servo")]
    | Annotated[Models, tyro.conf.subcommand("models")]
)


def run(arguments: list[str]) -> int:
    """Run `can …`; returns the exit code."""
    command: Any = parse_arguments(_Command, arguments, "main.py can")
    return int(command.run())
