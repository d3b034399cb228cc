"""A watchdog twin on a pseudo-terminal: `python -m hw_drivers.watchdog.watchdog_twin --link PATH`.

The firmware's reference behind a serial line, until standard input closes. Words on standard input, one a line: button,
weld (the contactor sticks), deaf (hears and says nothing), echo (a plug that gives back what it hears), well.
Prints a JSON line {state, contactor, t_ns} at every change.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import select
import sys
import time
import tty
from collections.abc import Sequence
from pathlib import Path

from hw_drivers.watchdog.firmware import FirmwareSettings, WatchdogFirmware

_TICK_S = 0.001
_MANNERS = ("well", "deaf", "echo")


class WatchdogTwin:
    """The box's side of a pseudo-terminal; `path` is what a driver opens."""

    def __init__(self, settings: FirmwareSettings) -> None:
        self.firmware = WatchdogFirmware(settings)
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        self._manner = "well"
        self._told: tuple[str, bool] | None = None

    def obey(self, word: str) -> bool:
        """False when there is no such word."""
        if word in _MANNERS:
            self._manner = word
        elif word == "button":
            self.firmware.press_button(time.monotonic())
        elif word == "weld":
            self.firmware.welded = True
        else:
            return False
        return True

    def turn(self) -> None:
        """One round: listen, answer, tick, tell."""
        try:
            data = os.read(self.master, 4096)
        except BlockingIOError:
            data = b""
        answer = data if self._manner == "echo" else b""
        if self._manner == "well":
            answer = self.firmware.feed(data, time.monotonic())
        if answer:
            with contextlib.suppress(BlockingIOError):  # nobody reads
                os.write(self.master, answer)
        self.firmware.tick(time.monotonic())
        self._tell()

    def _tell(self) -> None:
        now = self.firmware.state.name.lower(), self.firmware.contactor
        if now != self._told:
            self._told = now
            print(json.dumps({"state": now[0], "contactor": now[1], "t_ns": time.monotonic_ns()}), flush=True)

    def close(self) -> None:
        for file in (self.master, self._slave):
            os.close(file)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m hw_drivers.watchdog.watchdog_twin")
    parser.add_argument("--link", type=Path, required=True, help="path that is to lead to the pseudo-terminal")
    parser.add_argument("--timeout-ms", type=int, default=50)
    parser.add_argument("--delay-ms", type=int, default=300)
    options = parser.parse_args(arguments)
    twin = WatchdogTwin(FirmwareSettings(timeout_ms=options.timeout_ms, delay_ms=options.delay_ms))
    link: Path = options.link
    link.unlink(missing_ok=True)
    link.symlink_to(twin.path)
    try:
        _serve(twin, sys.stdin.fileno())
    finally:
        twin.close()
        link.unlink(missing_ok=True)
    return 0


def _serve(twin: WatchdogTwin, control: int) -> None:
    while True:
        ready = select.select([control, twin.master], [], [], _TICK_S)[0]
        if control in ready:
            data = os.read(control, 4096)
            if not data:
                return
            for word in data.decode(errors="replace").split():
                if not twin.obey(word):
                    print(json.dumps({"error": f"The watchdog twin does not know {word!r}."}), flush=True)
        twin.turn()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
