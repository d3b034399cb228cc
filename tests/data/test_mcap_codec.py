"""Block encoding against Google's Protobuf and the MCAP library, and back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from studio.core.errors import ConfigError, DataError
from studio.core.records import Field, RecordType
from studio.data.mcap_codec import BlockCodec, message_record, walk_messages
from studio.data.mcap_file import McapWriter
from studio.data.protobuf_schema import encode_varint, message_class
from tests.data.recordings import CONTROL, EVERY_KIND, random_records


def _as_array(value: object) -> np.ndarray:
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.asarray(value)


@pytest.mark.parametrize("record_type", [EVERY_KIND, CONTROL], ids=lambda r: r.name)
def test_block_encoding_is_what_google_protobuf_reads(record_type: RecordType) -> None:
    records = random_records(record_type, 7)
    codec = BlockCodec(record_type, 3)
    kind = message_class(codec.descriptors, codec.schema_name)
    found = walk_messages(memoryview(codec.encode(records, 40).tobytes()))
    assert [(channel, sequence) for channel, sequence, *_ in found] == [(3, 40 + i) for i in range(7)]
    for record, (_, _, log_time, publish_time, payload) in zip(records, found, strict=True):
        message = kind.FromString(bytes(payload))
        assert log_time == publish_time == record["t_ns"] == message.t_ns
        for field in record_type.fields:
            value = _as_array(getattr(message, field.name))
            assert np.array_equal(value.reshape(field.shape), record[field.name]), field.name


@pytest.mark.parametrize("record_type", [EVERY_KIND, CONTROL], ids=lambda r: r.name)
def test_decoding_gives_every_bit_back_fast_and_slow(record_type: RecordType) -> None:
    records = random_records(record_type, 9)
    codec = BlockCodec(record_type, 1)
    data = codec.encode(records, 0).tobytes()
    assert codec.decode(data).tobytes() == records.tobytes()

    # Google's own serialisation leaves zeros out, so the layout differs and the parser has to be asked.
    kind = message_class(codec.descriptors, codec.schema_name)
    records[record_type.fields[0].name] = 0
    again = b"".join(
        message_record(1, i, 0, 0, kind.FromString(bytes(payload)).SerializeToString())
        for i, (*_, payload) in enumerate(walk_messages(memoryview(codec.encode(records, 0).tobytes())))
    )
    assert len(again) != len(data)
    assert codec.decode(again).tobytes() == records.tobytes()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=True, width=64), min_size=3, max_size=3), st.integers(-(2**63), 2**63 - 1))
def test_extreme_numbers_survive(values: list[float], number: int) -> None:
    record_type = RecordType("extreme", 10.0, (Field(name="v", shape=(3,)), Field(name="n", dtype="<i8")))
    records = record_type.empty(2)
    records["v"], records["n"] = values, number
    codec = BlockCodec(record_type, 1)
    assert codec.decode(codec.encode(records, 0).tobytes()).tobytes() == records.tobytes()


def test_selected_fields_only() -> None:
    records = random_records(CONTROL, 5)
    codec = BlockCodec(CONTROL, 1)
    some = codec.decode(codec.encode(records, 0).tobytes(), ["driver", "leader_position_rad"])
    assert some.dtype.names == ("t_ns", "driver", "leader_position_rad")
    assert np.array_equal(some["leader_position_rad"], records["leader_position_rad"])


def test_a_record_type_survives_json_and_metadata() -> None:
    assert RecordType.from_json(EVERY_KIND.to_json()) == EVERY_KIND


def test_damaged_messages_are_data_errors() -> None:
    codec = BlockCodec(CONTROL, 1)
    data = codec.encode(random_records(CONTROL, 2), 0).tobytes()
    with pytest.raises(DataError, match="inside a message"):
        codec.decode(data[:-10])
    with pytest.raises(DataError, match="repair"):
        codec.decode(message_record(1, 0, 0, 0, b"\xff" * 40))


def test_a_kind_without_a_protobuf_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"bad.*cannot be recorded"):
        BlockCodec(RecordType("x", 1.0, (Field(name="bad", dtype="<c16"),)), 1)


def test_varint() -> None:
    assert encode_varint(300) == b"\xac\x02" and encode_varint(0) == b"\0"


def test_the_mcap_library_reads_our_files_with_checksums(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    writer = McapWriter(path)
    writer.add_metadata("episode", {"robot": "r"})
    records = {"every_kind": random_records(EVERY_KIND, 10), "control": random_records(CONTROL, 6)}
    for record_type in (EVERY_KIND, CONTROL):
        codec = BlockCodec(record_type, writer.next_channel_id())
        writer.add_channel(record_type.name, codec.schema_name, codec.descriptors.SerializeToString(), {"a": "b"})
        block = records[record_type.name]
        data = codec.encode(block, 0)
        writer.write_chunk(codec.channel_id, data, block["t_ns"], np.arange(len(block)) * codec.message_bytes)
    writer.close()
    reader = make_reader(io.BytesIO(path.read_bytes()), validate_crcs=True, decoder_factories=[DecoderFactory()])
    summary = reader.get_summary()
    assert summary is not None and summary.statistics is not None
    assert summary.statistics.message_count == 16 and summary.statistics.chunk_count == 2
    assert [m.metadata for m in reader.iter_metadata()] == [{"robot": "r"}]
    counts = {"every_kind": 0, "control": 0}
    for _, channel, message, decoded in reader.iter_decoded_messages():
        row = records[channel.topic][counts[channel.topic]]
        counts[channel.topic] += 1
        assert decoded.t_ns == row["t_ns"] == message.publish_time
    assert counts == {"every_kind": 10, "control": 6}
    # reading a time range uses our message indexes
    late = [m.log_time for _, _, m in reader.iter_messages(topics=["every_kind"], start_time=20_000_000)]
    assert late == [20_000_000 + 5_000_000 * i for i in range(6)]
