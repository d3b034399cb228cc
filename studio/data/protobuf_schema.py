"""Protobuf schemas made at run time from a record type, so that Foxglove, PlotJuggler and Rerun open our files.

Every field is given a wire type of constant size (double, float, fixed32/64, packed repeated of those, bytes), so
all messages of one stream have the same layout; see `mcap_codec`. Fields are numbered in the order of the record,
`t_ns` is 1.
Arrays are flattened row by row; shape, unit and role stand in the channel's metadata (`record_type`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from studio.core.errors import ConfigError
from studio.core.records import RecordType

_BYTES_ABOVE = 16  # longer arrays of bytes are `bytes`; shorter ones stay numbers, which viewers can plot
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

_WIRE = {
    "f8": (FieldDescriptorProto.TYPE_DOUBLE, "<f8"),
    "f4": (FieldDescriptorProto.TYPE_FLOAT, "<f4"),
    "i8": (FieldDescriptorProto.TYPE_SFIXED64, "<i8"),
    "u8": (FieldDescriptorProto.TYPE_FIXED64, "<u8"),
    "i4": (FieldDescriptorProto.TYPE_SFIXED32, "<i4"),
    "u4": (FieldDescriptorProto.TYPE_FIXED32, "<u4"),
    "i2": (FieldDescriptorProto.TYPE_SFIXED32, "<i4"),
    "u2": (FieldDescriptorProto.TYPE_FIXED32, "<u4"),
    "i1": (FieldDescriptorProto.TYPE_SFIXED32, "<i4"),
    "u1": (FieldDescriptorProto.TYPE_FIXED32, "<u4"),
    "b1": (FieldDescriptorProto.TYPE_FIXED32, "<u4"),
}


@dataclass(frozen=True, kw_only=True)
class WireField:
    """How one field of a record lies in a message.

    Args:
        number: protobuf field number.
        protobuf_type: `FieldDescriptorProto.TYPE_*`.
        wire_dtype: NumPy type on the wire (16-bit and 8-bit integers are widened to 32 bits).
        count: entries; 0 for a scalar.
    """

    name: str
    number: int
    protobuf_type: int
    wire_dtype: str
    count: int

    @property
    def is_bytes(self) -> bool:
        return self.protobuf_type == FieldDescriptorProto.TYPE_BYTES

    @property
    def payload_bytes(self) -> int:
        return np.dtype(self.wire_dtype).itemsize * max(1, self.count)

    def prefix(self) -> bytes:
        """Tag, and length for packed fields: the constant bytes before the payload."""
        if self.count:
            return encode_varint(self.number << 3 | LENGTH) + encode_varint(self.payload_bytes)
        wire = FIXED64 if np.dtype(self.wire_dtype).itemsize == 8 else FIXED32
        return encode_varint(self.number << 3 | wire)


def encode_varint(value: int) -> bytes:
    """A non-negative integer as a protobuf varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def wire_fields(record_type: RecordType) -> tuple[WireField, ...]:
    """The wire layout of a record type, `t_ns` first; ConfigError for a dtype that Protobuf has no number for."""
    specs: list[tuple[str, str, tuple[int, ...]]] = [("t_ns", "<i8", ())]
    specs += [(f.name, f.dtype, f.shape) for f in record_type.fields]
    return tuple(_wire_field(record_type.name, index + 1, *spec) for index, spec in enumerate(specs))


def _wire_field(stream: str, number: int, name: str, dtype: str, shape: tuple[int, ...]) -> WireField:
    kind = np.dtype(dtype)
    key = f"{kind.kind}{kind.itemsize}"
    if key not in _WIRE or (shape and 0 in shape):
        raise ConfigError(
            f"Stream {stream}, field {name}: dtype {dtype} with shape {list(shape)} cannot be recorded. "
            f"Allowed: {', '.join(sorted(_WIRE))} with at least one entry."
        )
    count = int(np.prod(shape)) if shape else 0
    if key == "u1" and count > _BYTES_ABOVE:
        return WireField(
            name=name, number=number, protobuf_type=FieldDescriptorProto.TYPE_BYTES, wire_dtype="u1", count=count
        )
    protobuf_type, wire = _WIRE[key]
    return WireField(name=name, number=number, protobuf_type=protobuf_type, wire_dtype=wire, count=count)


def schema_name(record_type: RecordType) -> str:
    """Message name: `object_pose.world` becomes `studio.ObjectPoseWorld`."""
    words = record_type.name.replace(".", "_").replace("-", "_").split("_")
    return "studio." + "".join(word[:1].upper() + word[1:] for word in words if word)


def make_descriptor_set(record_type: RecordType) -> FileDescriptorSet:
    """A self-contained schema, as MCAP's `protobuf` encoding wants it."""
    name = schema_name(record_type)
    file = FileDescriptorProto(name=f"{name.replace('.', '/')}.proto", package="studio", syntax="proto3")
    message = file.message_type.add(name=name.split(".", 1)[1])
    for field in wire_fields(record_type):
        repeated = field.count and not field.is_bytes
        label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        message.field.add(name=field.name, number=field.number, type=field.protobuf_type, label=label)  # type: ignore[arg-type]
    return FileDescriptorSet(file=[file])


def message_class(descriptors: FileDescriptorSet, name: str) -> type[Any]:
    """The generated class of message `name`, from its own pool (two files may disagree about a schema)."""
    return _message_class(descriptors.SerializeToString(deterministic=True), name)


@lru_cache(maxsize=64)
def _message_class(serialized: bytes, name: str) -> type[Any]:
    pool = descriptor_pool.DescriptorPool()
    for file in _in_order(FileDescriptorSet.FromString(serialized).file):
        pool.Add(file)  # type: ignore[no-untyped-call]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _in_order(files: Sequence[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Dependencies first."""
    by_name = {file.name: file for file in files}
    ordered: list[FileDescriptorProto] = []

    def visit(file: FileDescriptorProto) -> None:
        for dependency in file.dependency:
            if dependency in by_name:
                visit(by_name[dependency])
        if file not in ordered:
            ordered.append(file)

    for file in files:
        visit(file)
    return ordered
