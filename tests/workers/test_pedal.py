"""The pedal worker by itself: a pedal that comes back counts only after it was let go of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_drivers.pedals.pedal_twin import PedalTwin
from studio.ipc.channels import make_pedal_slot
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotReader
from studio.ipc.worker_link import WorkerLink
from studio.workers import pedal as pedal_worker
from studio.workers.pedal import PedalConfig, PedalWorker, open_pedal
from tests.patience import wait_for_it


class Bench:
    """A worker in this process, a twin behind a link that leads to its newest pseudo-terminal."""

    def __init__(self, folder: Path) -> None:
        self.session = SessionFolder(folder / "session").create()
        self.link_path, self.files = folder / "pedal", os.pipe()
        self.twin = PedalTwin()
        self.plug_in()
        config = PedalConfig(path=str(self.link_path))
        link = WorkerLink(self.session, "pedal", {}, read_fd=self.files[0], write_fd=os.dup(self.files[1]))
        self.worker = PedalWorker(link, open_pedal(config), config)
        self.reader = SlotReader(self.session.slot_path("pedal"))
        assert self.reader.read() is None or not self.pressed

    def plug_in(self) -> None:
        self.link_path.unlink(missing_ok=True)
        self.link_path.symlink_to(self.twin.path)

    @property
    def pressed(self) -> bool:
        record = self.reader.read()
        return record is not None and bool(record["dead_man"])

    def turn(self) -> None:
        self.twin.speak()
        time.sleep(0.002)
        self.worker.look()

    def close(self) -> None:
        self.reader.close()
        self.worker.close()
        self.twin.close()
        for file in self.files:
            os.close(file)
        self.session.remove()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(pedal_worker, "_OPEN_AGAIN_S", 0.01)
    made = Bench(tmp_path)
    yield made
    made.close()


def test_a_pedal_that_comes_back_pressed_counts_after_it_was_let_go_of(bench: Bench) -> None:
    assert make_pedal_slot().name == "pedal"
    bench.twin.obey("press")
    wait_for_it(lambda: bench.pressed, "pressed", turn=bench.turn)
    bench.twin.obey("unplug")
    wait_for_it(lambda: not bench.pressed, "released when it is gone", turn=bench.turn)
    bench.twin = PedalTwin()
    bench.twin.obey("press")
    bench.plug_in()
    heard = []
    wait_for_it(lambda: _told(bench, heard, "is back. Let go of it once"), "it is back", turn=bench.turn)
    for _ in range(30):
        bench.turn()
        assert not bench.pressed
    bench.twin.obey("release")
    wait_for_it(lambda: _told(bench, heard, '"trouble":""'), "well again", turn=bench.turn)
    bench.twin.obey("press")
    wait_for_it(lambda: bench.pressed, "pressed again", turn=bench.turn)


def _told(bench: Bench, heard: list[str], text: str) -> bool:
    """Whether the newest lines that went to the supervisor say so."""
    lines = _new_lines(bench)
    heard += lines
    return any(text in line.replace(": ", ":") for line in lines)


def _new_lines(bench: Bench) -> list[str]:
    try:
        return os.read(bench.files[0], 65536).decode().splitlines()
    except BlockingIOError:
        return []
