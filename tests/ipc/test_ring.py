"""Rings and slots: nothing torn, nothing lost silently, writers and readers in different processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from studio.core import kernel
from studio.core.errors import DataError
from studio.core.kernel import NativeBuild
from studio.core.records import Field, RecordType
from studio.ipc.ring import RingReader, RingWriter
from studio.ipc.slot import SlotReader, SlotWriter
from tests.patience import PATIENCE_S

NUMBERS = RecordType("numbers", 100.0, (Field(name="value", dtype="<i8"), Field(name="many", shape=(64,), dtype="<i8")))

WRITER = """
import sys, time
from pathlib import Path
from tests.ipc.test_ring import NUMBERS
from studio.ipc.ring import RingWriter
from studio.ipc.slot import SlotWriter
kind, path, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
writer = RingWriter(path, NUMBERS, seconds=2.0) if kind == "ring" else SlotWriter(path, NUMBERS)
record = NUMBERS.empty()[0]
print("ready", flush=True)
sys.stdin.readline()
for value in range(1, count + 1):
    record["t_ns"] = value
    record["value"] = value
    record["many"] = value
    writer.write(record)
print("done", flush=True)
sys.stdin.readline()
"""


def _record(value: int) -> np.ndarray:
    record = NUMBERS.empty()[0]
    record["value"] = value
    record["many"] = value
    return record


def test_the_kernel_leaves_the_same_bytes_as_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    for name in ("kernel", "python"):
        if name == "python":
            monkeypatch.setattr(kernel, "tick_build", lambda: NativeBuild(library=None, reason="for comparison"))
        path = tmp_path / f"{name}.ring"
        writer, record = RingWriter(path, NUMBERS, seconds=0.2), NUMBERS.empty()
        for value in range(1, 60):  # the ring is lapped
            record["value"], record["many"] = value, -value
            writer.write(record if value % 7 else record[0])  # a row of an array goes the other way
        writer.close()
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_the_kernel_takes_no_record_of_another_kind(tmp_path: Path) -> None:
    other = RecordType("numbers", 100.0, (Field(name="value", dtype="<i8"),))
    writer = RingWriter(tmp_path / "numbers.ring", NUMBERS, seconds=1.0)
    for wrong in (other.empty(), NUMBERS.empty(2), NUMBERS.empty(4)[::2][:1].view(np.ndarray)):
        writer._is_plain(wrong)
        assert writer._last[0] is not wrong or (wrong.dtype == NUMBERS.dtype and wrong.size == 1)
    writer.close()


def test_records_come_out_as_they_went_in(tmp_path: Path) -> None:
    writer = RingWriter(tmp_path / "numbers.ring", NUMBERS, seconds=1.0)
    reader = RingReader(tmp_path / "numbers.ring")
    assert reader.latest() is None
    for value in range(10):
        writer.write(_record(value))
    assert reader.read(limit=4)["value"].tolist() == [0, 1, 2, 3]
    assert reader.read()["value"].tolist() == [4, 5, 6, 7, 8, 9]
    assert len(reader.read()) == 0
    latest = reader.latest()
    assert latest is not None
    assert latest["value"] == 9
    reader.close()
    writer.close()


def test_a_slow_reader_counts_what_it_lost(tmp_path: Path) -> None:
    writer = RingWriter(tmp_path / "numbers.ring", NUMBERS, seconds=0.5)  # 50 records
    reader = RingReader(tmp_path / "numbers.ring")
    for value in range(200):
        writer.write(_record(value))
    values = reader.read()["value"]
    assert values[-1] == 199
    assert len(values) + reader.lost == 200
    assert np.all(np.diff(values) == 1)
    reader.close()
    writer.close()


def test_a_late_reader_may_start_at_the_oldest(tmp_path: Path) -> None:
    writer = RingWriter(tmp_path / "numbers.ring", NUMBERS, seconds=0.5)
    for value in range(20):
        writer.write(_record(value))
    reader = RingReader(tmp_path / "numbers.ring", from_oldest=True)
    assert reader.read()["value"].tolist() == list(range(20))
    assert reader.lost == 0
    reader.close()
    writer.close()


@pytest.mark.parametrize("kind", ["ring", "slot"])
def test_nothing_is_torn_between_processes(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "numbers.shared"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, kind, str(path), "30000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    reader = RingReader(path) if kind == "ring" else SlotReader(path)
    child.stdin.write("\n")
    child.stdin.flush()
    seen, last, deadline_s = 0, 0, time.monotonic() + PATIENCE_S
    while last < 30000 and time.monotonic() < deadline_s:
        got = reader.read()
        records = [] if got is None else np.atleast_1d(got)
        for record in records:
            assert np.all(record["many"] == record["value"])
            assert record["value"] >= last
            last = int(record["value"])
            seen += 1
    assert last == 30000
    if isinstance(reader, RingReader):
        assert seen + reader.lost == 30000
    child.communicate("\n", timeout=PATIENCE_S)
    reader.close()


def test_foreign_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not there"):
        RingReader(tmp_path / "none.ring")
    foreign = tmp_path / "foreign.ring"
    foreign.write_bytes(b"x" * 100)
    with pytest.raises(DataError, match="not a ring"):
        RingReader(foreign)
    with pytest.raises(DataError, match="not a slot"):
        SlotReader(foreign)


def test_a_slot_keeps_only_the_newest(tmp_path: Path) -> None:
    writer = SlotWriter(tmp_path / "numbers.slot", NUMBERS)
    reader = SlotReader(tmp_path / "numbers.slot")
    assert reader.read() is None
    for value in range(7):
        writer.write(_record(value))
    newest = reader.read()
    assert newest is not None
    assert newest["value"] == 6
    assert reader.sequence == 7
    reader.close()
    writer.close()
