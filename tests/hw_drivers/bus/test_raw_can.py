"""Raw sockets over a socket pair: kernel times, a full queue, a far end that went away, error frames."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from hw_drivers.bus import raw_can
from hw_drivers.bus.can_frame import (
    ERROR_BUS_OFF,
    ERROR_FLAG,
    STAMP_NS,
    STAMP_S,
    BusError,
    make_block,
    make_stamps,
    put_frame,
    take_frame,
)
from hw_drivers.bus.raw_can import RawCanTransport, open_socketcan
from studio.core import kernel
from studio.core.clock import NS_PER_S
from studio.core.errors import DeviceError
from studio.core.kernel import NativeBuild, tick_build

Pair = tuple[RawCanTransport, socket.socket]


@pytest.fixture(params=["C", "ctypes"])
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Both ways to the same system calls; everything here holds for either."""
    if request.param == "ctypes":
        without_kernels(monkeypatch)
    elif tick_build().library is None:
        pytest.skip(tick_build().reason or "there is no library")
    yield from make_pair()


@pytest.fixture
def plain_pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Through ctypes, whose clock is Python's."""
    without_kernels(monkeypatch)
    yield from make_pair()


def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "tick_build", lambda: NativeBuild(library=None, reason="for comparison"))


def make_pair() -> Iterator[Pair]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    transport = RawCanTransport(near, "pair")
    yield transport, far
    transport.close()
    far.close()


def attach(transport: RawCanTransport, count: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    outgoing, incoming, stamps = make_block(count), make_block(count), make_stamps(count)
    transport.attach(outgoing, incoming, stamps, range(count))
    return outgoing, incoming, stamps


def test_a_frame_is_the_kernels_struct(pair: Pair) -> None:
    transport, far = pair
    outgoing, _, _ = attach(transport)
    put_frame(outgoing, 0, 0x80000868, bytes.fromhex("0006667fff8f57ff"))
    assert transport.send(1) == 1
    assert far.recv(64) == bytes.fromhex("680800800800000000066 67fff8f57ff".replace(" ", ""))


def test_replies_carry_the_kernels_time_of_arrival(pair: Pair) -> None:
    transport, far = pair
    _, incoming, stamps = attach(transport)
    block, before_ns = make_block(1), time.monotonic_ns()
    for number in (1, 2, 3):
        put_frame(block, 0, number, bytes([number] * 6))
        far.send(block.tobytes())
    after_ns = time.monotonic_ns()
    time.sleep(0.05)
    assert transport.receive() == 3
    assert [take_frame(incoming, row) for row in range(3)] == [(n, bytes([n] * 6)) for n in (1, 2, 3)]
    t_ns = stamps[:, STAMP_S] * NS_PER_S + stamps[:, STAMP_NS] + transport.offset_ns
    slack_ns = 2_000_000  # two clocks are compared
    assert before_ns - slack_ns <= t_ns[0] <= t_ns[1] <= t_ns[2] <= after_ns + slack_ns
    assert transport.receive() == 0 and transport.error is BusError.NONE


def test_a_pause_between_two_readings_of_the_clocks_makes_no_reply_late(
    plain_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, far = plain_pair
    attach(transport)
    offset_ns = transport.offset_ns
    for slow in ("monotonic_ns", "time_ns"):
        read = getattr(time, slow)
        monkeypatch.setattr(raw_can.time, slow, lambda read=read: (read(), time.sleep(0.05))[0])
        far.send(bytes(16))
        assert transport.receive() == 1
        assert abs(transport.offset_ns - offset_ns) < 40_000_000  # less than the pause, whatever else happens
        monkeypatch.undo()


def test_the_offset_follows_a_wall_clock_that_was_set(plain_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    transport, far = plain_pair
    attach(transport)
    before_ns, wall = transport.offset_ns, time.time_ns
    for by_ns in (3_600_000_000_000, -3_600_000_000_000):
        monkeypatch.setattr(raw_can.time, "time_ns", lambda by_ns=by_ns: wall() + by_ns)
        far.send(bytes(16))
        assert transport.receive() == 1
        assert transport.offset_ns == pytest.approx(before_ns - by_ns, abs=60_000_000_000)


def test_the_offset_comes_back_from_either_side(pair: Pair) -> None:
    """As after the wall clock was set; between two readings it does not move."""
    transport, far = pair
    attach(transport)
    right_ns = transport.offset_ns
    for wrong_ns in (3_600_000_000_000, -3_600_000_000_000, 0):
        transport.offset_ns = right_ns + wrong_ns
        attach(transport)
        far.send(bytes(16))
        assert transport.receive() == 1
        assert transport.offset_ns == pytest.approx(right_ns, abs=60_000_000_000)


def test_more_than_was_attached_is_never_sent(pair: Pair) -> None:
    transport, _ = pair
    attach(transport, 2)
    if transport._send_natively is not None:  # C checks what ctypes takes from a list
        assert transport._send_natively(3) < 0 and transport._send_natively(-1) < 0
    transport.close()
    assert transport.send(1) == 0 and transport.receive() == 0 and transport.error is BusError.GONE


def test_a_full_queue_is_a_bus_that_does_not_acknowledge(pair: Pair) -> None:
    transport, far = pair
    attach(transport)
    sent = [transport.send(4) for _ in range(400)]
    assert sent[0] == 4 and sent[-1] < 4 and transport.error is BusError.NO_ACKNOWLEDGE
    far.setblocking(False)
    while True:
        try:
            far.recv(16)
        except BlockingIOError:
            break
    assert transport.send(4) == 4 and transport.error is BusError.NONE


def test_a_far_end_that_closed_is_remembered_until_cleared(pair: Pair) -> None:
    transport, far = pair
    attach(transport)
    far.close()
    assert transport.send(2) == 0 and transport.error is BusError.GONE
    transport.clear_error()
    assert transport.error is BusError.NONE


def test_bus_off_is_remembered_other_error_frames_are_counted(pair: Pair) -> None:
    transport, _ = pair
    transport.note_error_frame(ERROR_FLAG | 0x04)
    assert transport.error is BusError.NONE and transport.error_frames == 1
    transport.note_error_frame(ERROR_FLAG | ERROR_BUS_OFF)
    assert transport.error is BusError.BUS_OFF and transport.error_frames == 2


def test_without_the_interface_the_reason_and_the_command_are_said() -> None:
    with pytest.raises(DeviceError, match="ip link set no-such-can up"):
        open_socketcan("no-such-can")
