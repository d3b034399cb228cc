"""One program at a time commands the motors of a bus: real processes, one of them killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from hw_drivers.bus.can_bus import PythonCanBus
from hw_drivers.bus.claim import BusClaim
from studio.core.clock import WallClock
from studio.core.errors import DeviceError
from studio.core.paths import repository_root

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")

HOLD = """
import sys, time
from hw_drivers.bus.claim import BusClaim
claim = BusClaim(sys.argv[1])
print("held", flush=True)
time.sleep(600)
"""


def unique(name: str) -> str:
    """Names are the machine's: another run of these tests may have the same ones."""
    return f"{name}-{os.getpid()}"


def test_another_process_is_named_and_its_end_frees_the_bus() -> None:
    bus = unique("socketcan:can7")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, bus], stdout=subprocess.PIPE, text=True, cwd=repository_root()
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        for _ in range(40):  # asking does not use the holder up
            with pytest.raises(DeviceError, match=f"Process {other.pid} .*commands .* on {bus}.*End that one"):
                BusClaim(bus)
        BusClaim(unique("socketcan:can8")).release()
        other.send_signal(signal.SIGKILL)
        other.wait()
        BusClaim(bus).release()
    finally:
        other.kill()
        other.wait()


def test_a_released_claim_can_be_taken_again_and_released_twice() -> None:
    first = BusClaim(unique("slcan:/dev/a"))
    with pytest.raises(DeviceError, match=f"Process {os.getpid()} "):
        BusClaim(unique("slcan:/dev/a"))
    first.release()
    first.release()
    BusClaim(unique("slcan:/dev/a")).release()


def test_long_names_that_differ_at_their_ends_are_two_buses() -> None:
    name = unique("slcan:/dev/serial/by-id/usb-Openlight_Labs_CANable2_b158aa7_github.com_normaldotcom_canable2.git_")
    claims = [BusClaim(f"{name}20873{n}-if00") for n in range(2)]
    with pytest.raises(DeviceError, match=f"commands the motors on {name}208731-if00"):
        BusClaim(f"{name}208731-if00")
    for claim in claims:
        claim.release()


def test_a_bus_is_claimed_by_who_commands_and_not_by_who_listens() -> None:
    channel = unique("claimed")
    driver = PythonCanBus("virtual", channel, WallClock(), commands=True)
    PythonCanBus("virtual", channel, WallClock()).close()  # the guard, a listener
    with pytest.raises(DeviceError, match=f"virtual:{channel}"):
        PythonCanBus("virtual", channel, WallClock(), commands=True)
    driver.close()
    PythonCanBus("virtual", channel, WallClock(), commands=True).close()


def test_a_bus_that_does_not_open_is_not_kept_from_others() -> None:
    path = f"/dev/{unique('no-such-adapter')}"
    for _ in range(2):
        with pytest.raises(DeviceError, match="cannot be opened"):
            PythonCanBus("slcan", path, WallClock(), commands=True)
    BusClaim(f"slcan:{path}").release()
