"""The drives' end of a bus for tests: twins that answer over a socket pair, python-can or a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import socket
import threading
import time
import tty
from collections.abc import Callable, Sequence

import can
import numpy as np

from hw_drivers.bus.can_frame import EXTENDED_FLAG, EXTENDED_MASK, make_block, put_frame, take_frame
from hw_drivers.bus.slcan import SlcanAdapter, format_frame
from hw_drivers.bus.twin_drives import TwinDrives
from hw_drivers.bus.wire_fault import Frame
from hw_drivers.motors.models import find_range
from hw_drivers.motors.twin import TwinMotors
from studio.core.protocols import STATE_TEMPERATURE, TwinPorts

MOTOR = find_range("AK60-6")


def make_drives(drive_ids: Sequence[int]) -> TwinDrives:
    """Drives that stand still; position of drive n is n / 10 rad, 30 degC."""
    count = len(drive_ids)
    ports = TwinPorts(np.zeros((count, 5)), np.zeros((count, 5)), np.zeros(count))
    ports.state[:, 0] = np.array(drive_ids) / 10.0
    ports.state[:, STATE_TEMPERATURE] = 30.0
    return TwinDrives(TwinMotors(ports, [MOTOR] * count, drive_ids), [MOTOR] * count, drive_ids)


class FarEnd:
    """Answers in its own thread whatever `read` finds, until `close`."""

    def __init__(
        self, drives: TwinDrives, file: int, read: Callable[[], list[Frame]], write: Callable[[list[Frame]], None]
    ) -> None:
        self.drives = drives
        self.noise: list[Frame] = []  # sent before the next answers
        self._file, self._read, self._write = file, read, write
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="far-end", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._file >= 0:
                select.select([self._file], [], [], 0.02)
            else:
                time.sleep(0.0005)
            frames = self._read()
            now_ns = time.monotonic_ns()
            replies = self.drives.answer(frames, now_ns) if frames else self.drives.unprompted(now_ns)
            if replies:
                noise, self.noise = self.noise, []
                self._write(noise + replies)

    def close(self) -> None:
        self._ending.set()
        self._thread.join(10.0)


def answer_socket(drives: TwinDrives, far: socket.socket) -> FarEnd:
    """Over one end of a datagram socket pair that carries 16-byte frames."""
    far.setblocking(False)

    def read() -> list[Frame]:
        frames: list[Frame] = []
        block = make_block(1)
        try:
            while far.recv_into(block.view(np.uint8)):
                frames.append(take_frame(block, 0))
        except OSError:
            pass
        return frames

    def write(frames: list[Frame]) -> None:
        block = make_block(1)
        for can_id, data in frames:
            put_frame(block, 0, can_id, data)
            try:
                far.send(block.tobytes())
            except OSError:
                return

    return FarEnd(drives, far.fileno(), read, write)


def answer_python_can(drives: TwinDrives, bus: can.BusABC, *, channel_echoes: bool = False) -> FarEnd:
    """Over any bus of python-can that reaches this process; where it gives back what it sent, that is dropped."""
    own: list[Frame] = []

    def read() -> list[Frame]:
        frames: list[Frame] = []
        while (message := bus.recv(0.0)) is not None:
            flag = EXTENDED_FLAG if message.is_extended_id else 0
            frame = message.arbitration_id | flag, bytes(message.data)
            if frame in own:
                own.remove(frame)
            else:
                frames.append(frame)
        return frames

    def write(frames: list[Frame]) -> None:
        if channel_echoes:
            own.extend(frames)
        for can_id, data in frames:
            extended = bool(can_id & EXTENDED_FLAG)
            error = bool(can_id & 0x20000000)
            bus.send(
                can.Message(
                    arbitration_id=can_id & EXTENDED_MASK,
                    data=data,
                    is_extended_id=extended or error,
                    is_error_frame=error,
                )
            )

    return FarEnd(drives, -1, read, write)


class Terminal:
    """A pseudo-terminal with an slcan adapter behind it; `path` is what a driver opens."""

    def __init__(self, drives: TwinDrives, *, acknowledge: bool = False) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        adapter = SlcanAdapter(acknowledge=acknowledge)

        def read() -> list[Frame]:
            try:
                frames, answers = adapter.take(os.read(self.master, 4096))
            except OSError:
                return []
            if answers:
                os.write(self.master, answers)
            return frames

        def write(frames: list[Frame]) -> None:
            os.write(self.master, b"".join(format_frame(*frame) for frame in frames))

        self.end = FarEnd(drives, self.master, read, write)

    def close(self) -> None:
        self.end.close()
        for file in (self.master, self._slave):
            os.close(file)
