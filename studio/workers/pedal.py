"""The pedal worker: reads a dead-man pedal and writes slot `pedal`. A pedal that is stale or gone is a released one.

One that comes back is opened again, and counts only after it was seen released: plugging in must not move anything.

It says `state` {pressed, trouble, rejected} at every change. Without this worker, or when it dies, control finds the
slot old and holds.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from dataclasses import dataclass
from pathlib import Path

from hw_drivers.pedals.evdev_pedal import EvdevPedal
from hw_drivers.pedals.latency import read_latency_timers
from hw_drivers.pedals.pedal import Pedal, PedalState
from hw_drivers.pedals.serial_pedal import SerialPedal
from studio.core.config import check_range, make_config
from studio.core.errors import ConfigError, DeviceError
from studio.ipc.channels import make_pedal_slot
from studio.ipc.messages import Message
from studio.ipc.slot import SlotWriter
from studio.ipc.worker_link import WorkerLink, run_worker

_KINDS = ("serial", "evdev")
_OPEN_AGAIN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class PedalConfig:
    """Configuration of the worker.

    Args:
        kind: `serial` (the protocol of hw_drivers/pedals/serial_pedal.py) or `evdev` (joystick or HID pedal).
        path: of the port, or of the input events.
        button: code of an evdev pedal's button; -1: any.
        axis: code of an analogue evdev pedal's axis; -1: it has none.
        rate_hz: how often it is read.
    """

    kind: str = "serial"
    path: str = ""
    button: int = -1
    axis: int = -1
    rate_hz: float = 100.0

    def __post_init__(self) -> None:
        check_range("pedal", "rate_hz", self.rate_hz, 20.0, 1000.0, " Hz")
        if self.kind not in _KINDS or not self.path:
            raise ConfigError(f"pedal: kind {self.kind!r} at {self.path!r}; give a path, and {' or '.join(_KINDS)}.")


def open_pedal(config: PedalConfig) -> Pedal:
    """The configured pedal.

    Raises:
        DeviceError: it is not there.
    """
    if config.kind == "serial":
        return SerialPedal(config.path)
    button, axis = (None if code < 0 else code for code in (config.button, config.axis))
    return EvdevPedal(Path(config.path), button=button, axis=axis)


class PedalWorker:
    """Reads, writes the slot, tells changes.

    An evdev pedal speaks only when it moves, so its sign of life is that it can still be read.
    """

    def __init__(self, link: WorkerLink, pedal: Pedal, config: PedalConfig) -> None:
        self._link, self._pedal, self._config = link, pedal, config
        self._slot = SlotWriter(link.session.slot_path("pedal"), make_pedal_slot())
        self._record = make_pedal_slot().empty()[0:1]
        self._told: tuple[bool, str] | None = None
        self._came_back = False  # and was not seen released since
        self._opened_s = time.monotonic()

    def run(self) -> None:
        while not self._link.ending:
            self._link.wait(1.0 / self._config.rate_hz)
            self.look()

    def look(self) -> None:
        """One look at the pedal."""
        now_ns = time.monotonic_ns()
        state = self._pedal.read(now_ns)
        if state.gone:
            self._open_again()
        if self._came_back:
            state = self._wait_for_release(state)
        alive_ns = state.t_ns if self._config.kind == "serial" or state.trouble else now_ns
        self._record["t_ns"], self._record["dead_man"] = alive_ns, state.pressed
        self._record["rejected"] = state.rejected
        self._slot.write(self._record[0])
        self._tell(state)

    def _open_again(self) -> None:
        now_s = time.monotonic()
        if now_s - self._opened_s < _OPEN_AGAIN_S:
            return
        self._opened_s = now_s
        with contextlib.suppress(DeviceError):  # not there yet; that it is gone was said
            self._pedal, self._came_back = open_pedal(self._config), True

    def _wait_for_release(self, state: PedalState) -> PedalState:
        """A pedal that came back pressed counts as released until it was let go of."""
        if state.trouble:
            return state
        self._came_back = state.pressed or state.t_ns == 0  # nothing heard yet: it may be held down
        text = f"Pedal {self._config.path} is back. Let go of it once." if self._came_back else ""
        return PedalState(pressed=False, t_ns=state.t_ns, rejected=state.rejected, trouble=text)

    def _tell(self, state: PedalState) -> None:
        now = state.pressed, state.trouble.partition(" for ")[0]  # not every new age of the same silence
        if now == self._told:
            return
        self._told = now
        values = {"pressed": state.pressed, "trouble": state.trouble, "rejected": state.rejected}
        self._link.send(Message(name="state", values=values))
        if state.trouble and state.t_ns:
            self._link.say("warning", state.trouble)

    def close(self) -> None:
        """Released."""
        self._record["dead_man"] = 0
        self._slot.write(self._record[0])
        self._slot.close()
        self._pedal.close()


def run(link: WorkerLink) -> None:
    config = make_config(PedalConfig, link.config, where="pedal")
    worker = PedalWorker(link, open_pedal(config), config)
    for timer in read_latency_timers():
        if not timer.ok and os.path.realpath(config.path).endswith(f"/{timer.port}"):  # by-id is a link
            link.say("warning", f"The pedal's adapter holds data back for {timer.latency_ms} ms. Type: {timer.fix}")
    link.send(Message(name="ready"))
    gc.freeze()
    try:
        worker.run()
    finally:
        worker.close()


if __name__ == "__main__":
    run_worker(run)
