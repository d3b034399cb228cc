"""A session with real workers for the tests: this process is the window, it beats and it listens."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.clock import NS_PER_S
from studio.ipc.channels import make_input_slot
from studio.ipc.messages import Message
from studio.ipc.ring import RingReader
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotWriter
from studio.ipc.supervisor import Supervisor
from tests.patience import PATIENCE_S

# Without real-time priority: tests must not take a core from each other.
MODULES = {
    "control": ("studio.workers.control", {"realtime": False}),
    "guard": ("studio.workers.guard", {"realtime": False}),
    "operator": ("studio.workers.operator", {}),
}


def deadline_rate_hz(control: np.ndarray) -> float:
    """Rate of the loop's deadlines, kept or counted as missed, from its records.

    Ticks come late by what the machine does meanwhile, so the earliest of the first and of the last half count.
    """
    number = control["tick"] - control["tick"][0] + control["missed_ticks"] - control["missed_ticks"][0]
    late_ns = control["t_ns"] - control["t_ns"][0] - number * (NS_PER_S // 400)
    half = len(control) // 2
    first, last = int(late_ns[:half].argmin()), half + int(late_ns[half:].argmin())
    return float((number[last] - number[first]) / (control["t_ns"][last] - control["t_ns"][first]) * NS_PER_S)


class Station:
    """Starts workers, writes the heartbeat while `beating`, keeps every message."""

    def __init__(self, folder: Path) -> None:
        self.session = SessionFolder(folder).create()
        self.supervisor = Supervisor(self.session)
        self.heard: list[tuple[str, Message]] = []
        self.beating = True
        self.dead_man = True
        self.stop_count = 0
        self.last_beat_ns = 0
        self.longest_pause_s = 0.0  # between two beats; a starved test is a window that hangs, and the arms are right
        self._slot = SlotWriter(self.session.slot_path("input"), make_input_slot())
        self._beat = make_input_slot().empty()[0:1]
        self._rings: list[RingReader] = []

    def start(self, *names: str) -> None:
        for name in names:
            module, config = MODULES[name]
            self.supervisor.start(name, module, config)
        for name in names:
            self.wait(lambda name=name: self.said(name, "ready"), f"{name} is ready")

    def live(self, duration_s: float) -> None:
        """What a window does: beat and poll."""
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self._turn()

    def wait(self, reached: Callable[[], object], what: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < end_s, f"waited {PATIENCE_S} s for: {what}; heard {self.heard[-6:]}"
            self._turn()

    def _turn(self) -> None:
        if self.beating:
            now_ns = time.monotonic_ns()
            if self.last_beat_ns:
                self.longest_pause_s = max(self.longest_pause_s, (now_ns - self.last_beat_ns) * 1e-9)
            self.last_beat_ns = now_ns
            self._beat["t_ns"], self._beat["dead_man"], self._beat["stop_count"] = (
                self.last_beat_ns, self.dead_man, self.stop_count,
            )  # fmt: skip
            self._slot.write(self._beat[0])
        self.heard += self.supervisor.poll()
        time.sleep(0.01)

    def said(self, worker: str, name: str) -> list[dict[str, Any]]:
        return [message.values for sender, message in self.heard if sender == worker and message.name == name]

    def texts(self, worker: str) -> str:
        return " | ".join(str(values["text"]) for values in self.said(worker, "said"))

    def ask(self, name: str, **values: Any) -> None:
        self.supervisor.send("control", Message(name=name, values=values))

    def follow(self, stream: str = "control") -> RingReader:
        reader = RingReader(self.session.ring_path(stream))
        self._rings.append(reader)
        return reader

    def state(self) -> str:
        states = self.said("control", "state")
        return str(states[-1]["worst"]) if states else "none"

    def engage(self) -> None:
        """As a person does: ask, and ask again when it was refused because this window came late."""
        asked_s = [-1.0]

        def engaged() -> bool:
            self.recover_from_stall()
            if self.state() not in ("engaged", "aligning") and time.monotonic() - asked_s[0] > 1.0:
                asked_s[0] = time.monotonic()
                self.ask("engage")
            return self.state() == "engaged"

        self.wait(engaged, "engaged")
        self.longest_pause_s = 0.0

    def recover_from_stall(self) -> None:
        """A control loop that the machine kept from running for long has faulted, and was right: clear it by hand."""
        if self.state() != "fault" or "stood still" not in self.said("control", "state")[-1]["fault_text"]:
            return
        self.dead_man = False
        self.live(0.1)
        self.ask("clear_fault")
        self.wait(lambda: self.state() != "fault", "the stall is cleared")
        self.dead_man = True
        self.live(0.1)

    def freeze(self, worker: str, duration_s: float) -> None:
        """SIGSTOP, and SIGCONT after a time in which this window lives on."""
        os.kill(self.supervisor.pid(worker), signal.SIGSTOP)
        self.live(duration_s)
        os.kill(self.supervisor.pid(worker), signal.SIGCONT)

    def kill(self, worker: str) -> None:
        os.kill(self.supervisor.pid(worker), signal.SIGKILL)

    def first(self, records: np.ndarray, state: int) -> np.ndarray:
        """First record in which the left pair is in a state."""
        return records[records["pair_state"][:, 0] == state][0]

    def close(self) -> None:
        for process in self.supervisor.processes():
            if process.alive:
                self.supervisor.request_stop(process.name)
        self.supervisor.stop_all()
        for ring in self._rings:
            ring.close()
        self._slot.close()
        self.session.remove()
