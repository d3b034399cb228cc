"""Twins of the arms' drives in their own processes behind pseudo-terminals, and a robot whose buses lead to them."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from studio.core.paths import repository_root, resources_dir
from tests.patience import PATIENCE_S

RATE_HZ = 50.0  # slow enough for a busy machine; the mechanism counts ticks
STIFFNESS = "stiffness_nm_rad = [20.0, 20.0, 12.0, 3.0]"  # what this rate bears


class ArmTwins:
    """One process with the drives of one side."""

    def __init__(self, side: str, link: Path) -> None:
        self.side, self.link = side, link
        command = [sys.executable, "-m", "studio.workers.arm_twin", "--side", side, "--link", str(link)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=repository_root(), text=False
        )
        self._unread = b""
        self.said: list[dict[str, Any]] = []
        assert self._next()["ready"]

    def _next(self) -> dict[str, Any]:
        stream, end_s = self._process.stdout, time.monotonic() + PATIENCE_S
        assert stream is not None
        while b"\n" not in self._unread:
            assert time.monotonic() < end_s, f"the {self.side} twin says nothing"
            if select.select([stream], [], [], 0.1)[0]:
                data = os.read(stream.fileno(), 65536)
                assert data, f"the {self.side} twin has ended"
                self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return json.loads(line)

    def tell(self, **order: Any) -> None:
        stream = self._process.stdin
        assert stream is not None
        stream.write(json.dumps(order).encode() + b"\n")
        stream.flush()

    def ask(self) -> dict[str, Any]:
        self.tell(ask=True)
        return self._next()

    def kill(self) -> None:
        """SIGKILL: the adapter, the drives and the line are gone in the same moment."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE_S)

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait(PATIENCE_S)


def make_robot_folder(folder: Path, twins: list[ArmTwins], rate_hz: float = RATE_HZ, *, patient: bool = True) -> Path:
    """The shipped robot with one bus per side, at a slow rate."""
    source = resources_dir() / "robots" / "dual_arm_ak60"
    text = (source / "robot.toml").read_text(encoding="utf-8")
    text = re.sub(r"^loop_rate_hz = .*$", f"loop_rate_hz = {rate_hz}", text, flags=re.M)
    if patient:  # a test that looks at something else: a starved loop is not to fault itself
        text = re.sub(r"^command_timeout_s = .*$", "command_timeout_s = 100.0", text, flags=re.M)
    text = re.sub(r"^stiffness_nm_rad = .*$", STIFFNESS, text, flags=re.M)
    for twin in twins:
        text += f'\n[[buses]]\ninterface = "slcan"\nchannel = "{twin.link}"\n'
        text += f'arms = ["L {twin.side}", "R {twin.side}"]\ntwin = true\noptions = {{ sleep_after_open = 0.0 }}\n'
    folder.mkdir()
    (folder / "robot.toml").write_text(text, encoding="utf-8")
    for name in ("dual_arm.urdf", "meshes"):
        (folder / name).symlink_to(source / name)
    return folder
