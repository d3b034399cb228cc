"""A pedal twin on a pseudo-terminal: `python -m hw_drivers.pedals.pedal_twin --link PATH`.

Sends the lines of the serial protocol at 50 Hz until its standard input closes. Words on standard input, one a line:
press, release, half (one contact only), freeze (the count stands still), silence, garble, speak (well again), unplug.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import sys
import time
import tty
from collections.abc import Sequence
from pathlib import Path

from hw_drivers.pedals.serial_pedal import PERIOD_S, format_line

_CONTACTS = {"press": (True, True), "release": (False, False), "half": (True, False)}
_MANNERS = ("speak", "freeze", "silence", "garble")


class PedalTwin:
    """The pedal's side of a pseudo-terminal; `path` is what a driver opens."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._contacts, self._manner, self._count = (False, False), "speak", 0

    def obey(self, word: str) -> bool:
        """False when there is no such word."""
        if word in _CONTACTS:
            self._contacts = _CONTACTS[word]
        elif word in _MANNERS:
            self._manner = word
        elif word == "unplug":
            self.close()
        else:
            return False
        return True

    def speak(self) -> None:
        """One line, or what the present manner makes of it."""
        if self._master < 0 or self._manner == "silence":
            return
        if self._manner != "freeze":
            self._count += 1
        line = format_line(*self._contacts, self._count)
        if self._manner == "garble":
            line = bytes([line[0] ^ 0x10]) + line[1:]
        try:
            os.write(self._master, line)
        except BlockingIOError:  # nobody reads
            return

    def close(self) -> None:
        for file in (self._master, self._slave):
            if file >= 0:
                os.close(file)
        self._master = self._slave = -1


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m hw_drivers.pedals.pedal_twin")
    parser.add_argument("--link", type=Path, default=None, help="path that is to lead to the pseudo-terminal")
    link: Path | None = parser.parse_args(arguments).link
    twin = PedalTwin()
    if link is not None:
        link.unlink(missing_ok=True)
        link.symlink_to(twin.path)
    print(json.dumps({"ready": True, "path": twin.path}), flush=True)
    try:
        _serve(twin, sys.stdin.fileno())
    finally:
        twin.close()
        if link is not None:
            link.unlink(missing_ok=True)
    return 0


def _serve(twin: PedalTwin, control: int) -> None:
    due_s = time.monotonic()
    while True:
        if select.select([control], [], [], max(0.0, due_s - time.monotonic()))[0]:
            data = os.read(control, 4096)
            if not data:
                return
            for word in data.decode(errors="replace").split():
                if not twin.obey(word):
                    print(json.dumps({"error": f"The pedal twin does not know {word!r}."}), flush=True)
        if time.monotonic() >= due_s:
            twin.speak()
            due_s = max(due_s + PERIOD_S, time.monotonic())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
