"""Blocks of records to and from MCAP message records, by bulk copy.

All messages of a stream have one constant layout (see `protobuf_schema`), MCAP's own message header included. So a
block of N records becomes N message records by filling a template and copying each field once for all N; reading
does the reverse where the constant bytes match the template, and asks the Protobuf parser otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from studio.core.errors import DataError
from studio.core.records import RecordType
from studio.data.protobuf_schema import WireField, make_descriptor_set, message_class, schema_name, wire_fields

MESSAGE = 0x05
HEADER_BYTES = 31  # opcode, record length, channel, sequence, log time, publish time
_RECORD_HEAD = struct.Struct("<BQ")
_MESSAGE_HEAD = struct.Struct("<BQHIQQ")


class BlockCodec:
    """Encodes and decodes one stream.

    Args:
        record_type: the stream.
        channel_id: MCAP channel, part of every message record.
    """

    def __init__(self, record_type: RecordType, channel_id: int) -> None:
        self.record_type = record_type
        self.channel_id = channel_id
        self.descriptors = make_descriptor_set(record_type)
        self.schema_name = schema_name(record_type)
        self._fields = wire_fields(record_type)
        self._layout, self._template = _make_layout(self._fields, channel_id)
        self._constant = _constant_bytes(self._layout)
        self._block = np.empty(0, dtype=self._layout)

    @property
    def message_bytes(self) -> int:
        """Bytes of one message record, header included."""
        return self._layout.itemsize

    def encode(self, records: np.ndarray, first_sequence: int) -> np.ndarray:
        """Message records of a block, shape [N * message_bytes] uint8; a view that the next call overwrites."""
        count = len(records)
        block = self._blank(count)
        times = records["t_ns"]
        block["sequence"] = np.arange(first_sequence, first_sequence + count)
        block["log_time"] = block["publish_time"] = times
        for field in self._fields:
            source = records[field.name]
            block[field.name] = source.reshape(count, -1) if source.ndim > 2 else source
        return block.view(np.uint8)

    def _blank(self, count: int) -> np.ndarray:
        if len(self._block) < count:
            self._block = np.tile(self._template, count).view(self._layout)
        return self._block[:count]

    def decode(self, messages: memoryview | bytes, names: Sequence[str] | None = None) -> np.ndarray:
        """Records of this stream's message records; `names` (without `t_ns`) selects fields.

        Raises:
            DataError: bytes that are neither this layout nor a Protobuf message of this stream.
        """
        raw = np.frombuffer(messages, dtype=np.uint8)
        if len(raw) % self.message_bytes == 0 and self._matches(raw):
            return self._copy_out(raw.view(self._layout), names)
        return self._decode_each(memoryview(messages), names)

    def _matches(self, raw: np.ndarray) -> bool:
        rows = raw.reshape(-1, self.message_bytes)
        return bool((rows[:, self._constant] == self._template[self._constant]).all())

    def output_dtype(self, names: Sequence[str] | None = None) -> np.dtype[Any]:
        """The record's dtype, or `t_ns` and the named fields of it."""
        if names is None:
            return self.record_type.dtype
        wanted = [self.record_type.field(name) for name in names]
        return np.dtype([("t_ns", "<i8")] + [(f.name, f.dtype, f.shape) for f in wanted])

    def _copy_out(self, block: np.ndarray, names: Sequence[str] | None) -> np.ndarray:
        out = np.empty(len(block), dtype=self.output_dtype(names))
        for name in out.dtype.names or ():
            out[name] = block[name].reshape(out[name].shape)
        return out

    def _decode_each(self, messages: memoryview, names: Sequence[str] | None) -> np.ndarray:
        kind = message_class(self.descriptors, self.schema_name)
        payloads = list(split_messages(messages, self.channel_id))
        out = np.zeros(len(payloads), dtype=self.output_dtype(names))
        for row, payload in zip(out, payloads, strict=True):
            self._fill(row, kind, payload)
        return out

    def _fill(self, row: np.void, kind: type[Any], payload: memoryview) -> None:
        from google.protobuf.message import DecodeError

        try:
            message = kind.FromString(bytes(payload))
        except DecodeError as error:
            raise DataError(
                f"Stream {self.record_type.name}: a message of {len(payload)} bytes is not readable "
                f"({error}). Run `dataset repair`."
            ) from error
        for name in row.dtype.names or ():
            row[name] = _from_message(getattr(message, name), row.dtype[name], self.record_type.name, name)


def _from_message(value: Any, dtype: np.dtype[Any], stream: str, name: str) -> Any:
    if not dtype.shape:
        return value
    array = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.asarray(value)
    if array.size != int(np.prod(dtype.shape)):
        raise DataError(
            f"Stream {stream}, field {name}: {array.size} entries, {list(dtype.shape)} are declared. "
            "The file was written by something else; import it instead."
        )
    return array.reshape(dtype.shape)


def split_messages(records: memoryview, channel_id: int) -> list[memoryview]:
    """Payloads of the messages of one channel among the records of a chunk."""
    return [payload for channel, _, _, _, payload in walk_messages(records) if channel == channel_id]


def walk_messages(records: memoryview) -> list[tuple[int, int, int, int, memoryview]]:
    """(channel, sequence, log time, publish time, payload) of each message record; other records are passed over."""
    found: list[tuple[int, int, int, int, memoryview]] = []
    offset = 0
    while offset < len(records):
        if offset + _RECORD_HEAD.size > len(records):
            raise DataError("A chunk ends inside a record. Run `dataset repair`.")
        opcode, length = _RECORD_HEAD.unpack_from(records, offset)
        end = offset + _RECORD_HEAD.size + length
        if end > len(records) or (opcode == MESSAGE and length < HEADER_BYTES - _RECORD_HEAD.size):
            raise DataError("A chunk ends inside a message. Run `dataset repair`.")
        if opcode == MESSAGE:
            _, _, channel, sequence, log_time, publish_time = _MESSAGE_HEAD.unpack_from(records, offset)
            found.append((channel, sequence, log_time, publish_time, records[offset + HEADER_BYTES : end]))
        offset = end
    return found


def message_record(channel_id: int, sequence: int, log_time: int, publish_time: int, payload: bytes) -> bytes:
    """One MCAP message record (specification, op 0x05)."""
    length = HEADER_BYTES - _RECORD_HEAD.size + len(payload)
    return _MESSAGE_HEAD.pack(MESSAGE, length, channel_id, sequence & 0xFFFFFFFF, log_time, publish_time) + payload


def _make_layout(fields: Sequence[WireField], channel_id: int) -> tuple[np.dtype[Any], np.ndarray]:
    names, formats, offsets = ["sequence", "log_time", "publish_time"], ["<u4", "<u8", "<u8"], [11, 15, 23]
    body = bytearray()
    for field in fields:
        body += field.prefix()
        names.append(field.name)
        formats.append(f"({field.count},){field.wire_dtype}" if field.count else field.wire_dtype)
        offsets.append(HEADER_BYTES + len(body))
        body += bytes(field.payload_bytes)
    template = _MESSAGE_HEAD.pack(MESSAGE, HEADER_BYTES - 9 + len(body), channel_id, 0, 0, 0) + bytes(body)
    layout = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": len(template)})
    return layout, np.frombuffer(template, dtype=np.uint8)


def _constant_bytes(layout: np.dtype[Any]) -> np.ndarray:
    """Positions that are the same in every message."""
    constant = np.ones(layout.itemsize, dtype=bool)
    for dtype, offset in (entry[:2] for entry in (layout.fields or {}).values()):
        constant[offset : offset + dtype.itemsize] = False
    return np.flatnonzero(constant)
