"""Slots and rings whose writer is started again, and slots that are not there yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.core.records import Field, RecordType
from studio.ipc.ring import RingReader, RingWriter
from studio.ipc.slot import SlotReader, SlotWriter, WaitingSlotReader

KIND = RecordType("sample", 100.0, (Field(name="value"),))
OTHER = RecordType("sample", 100.0, (Field(name="value"), Field(name="second")))


def _value(number: float, kind: RecordType = KIND) -> np.ndarray:
    record = kind.empty()[0]
    record["value"] = number
    return record


def test_readers_stay_attached_when_the_writer_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.slot"
    first = SlotWriter(path, KIND)
    first.write(_value(1.0))
    reader = SlotReader(path)
    first.close()
    second = SlotWriter(path, KIND)
    second.write(_value(2.0))
    value = reader.read()
    assert value is not None and value["value"] == 2.0 and reader.sequence == 2
    reader.close()
    second.close()


def test_a_ring_goes_on_where_its_writer_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.ring"
    first = RingWriter(path, KIND)
    first.write(_value(1.0))
    reader = RingReader(path, from_oldest=True)
    first.close()
    second = RingWriter(path, KIND)
    second.write(_value(2.0))
    assert reader.read()["value"].tolist() == [1.0, 2.0]
    assert reader.lost == 0
    reader.close()
    second.close()


def test_another_description_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.slot"
    SlotWriter(path, KIND).close()
    writer = SlotWriter(path, OTHER)
    reader = SlotReader(path)
    assert reader.record_type == OTHER and reader.read() is None
    reader.close()
    writer.close()


def test_a_waiting_reader_finds_the_slot_once_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.slot"
    reader = WaitingSlotReader(path, KIND, retry_reads=2)
    assert reader.read() is None
    writer = SlotWriter(path, KIND)
    writer.write(_value(3.0))
    found = [reader.read() for _ in range(4)]
    assert found[-1] is not None and found[-1]["value"] == 3.0
    reader.close()
    writer.close()


def test_a_waiting_reader_refuses_a_foreign_description(tmp_path: Path) -> None:
    path = tmp_path / "a.slot"
    writer = SlotWriter(path, OTHER)
    writer.write(_value(3.0, OTHER))
    reader = WaitingSlotReader(path, KIND, retry_reads=0)
    assert [reader.read() for _ in range(3)] == [None, None, None]
    reader.close()
    writer.close()
