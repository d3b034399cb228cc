"""`doctor`: what this machine can and cannot do, tried rather than guessed, with what to type where something lacks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hw_drivers.pedals.latency import DEVICES, read_latency_timers
from studio.cli.output import parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import ConfigError, DeviceError
from studio.core.kernel import tick_build
from studio.core.paths import repository_root, user_data_dir
from studio.learning.native_build import native_build
from studio.workers.priority import grant_command

_PROBE_S = 60.0  # for a child that tries something; OpenGL in software starts slowly on a busy machine
_MB = 1_000_000
_ENOUGH_FREE_BYTES = 2_000 * _MB  # about an hour of play
_ENOUGH_MB_S = 20.0  # a take with two cameras writes under 3 MB/s
_ENOUGH_SHARED_BYTES = 200 * _MB  # rings and preview pictures of a session
_CAN_TYPE = "280"  # ARPHRD_CAN, linux/if_arp.h

_GL_PROBE = """
import json
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext
from studio.app.graphics import draws_in_software, opengl_problem
app = QGuiApplication([])
problem, renderer = opengl_problem(), ""
if not problem:
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    context.create()
    context.makeCurrent(surface)
    renderer = context.functions().glGetString(0x1F01)
    context.doneCurrent()
print(json.dumps({"problem": problem, "renderer": str(renderer), "software": draws_in_software()}))
"""
_PRIORITY_PROBE = "from studio.workers.priority import obtain_priority; print(obtain_priority(50))"
_GPU_PROBE = """
import json, torch
found = torch.cuda.is_available()
facts = torch.cuda.get_device_properties(0) if found else None
print(json.dumps({"name": facts.name if facts else "", "bytes": facts.total_memory if facts else 0,
                  "torch": torch.__version__, "built": torch.version.cuda or ""}))
"""


@dataclass(frozen=True, kw_only=True)
class DoctorArguments:
    """What this machine can and cannot do."""

    folder: Path = field(default_factory=user_data_dir)
    """where recordings go, for the disk's speed; the nearest folder above that exists is tried"""
    megabytes: int = 64
    """how much is written to measure the disk"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""

    def __post_init__(self) -> None:
        check_range("doctor", "megabytes", self.megabytes, 1, 4096, " MB")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried.

    Args:
        name: of what.
        ok: it does all that the studio can use.
        detail: what was found.
        fix: what to do when it does not; empty when nothing is to be done.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""


def run(arguments: list[str]) -> int:
    """Always 0 when the checks could be made, whatever they found."""
    options = parse_arguments(DoctorArguments, arguments, "main.py doctor")
    checks = examine(options.folder, options.megabytes)
    write_result({"checks": [asdict(check) for check in checks]}, options.json, text=_table(checks))
    return 0


def examine(folder: Path, megabytes: int) -> list[Check]:
    """All checks, in the order in which a newcomer needs them."""
    display = check_display_here()
    return [
        check_processor(),
        check_shared_memory(),
        display,
        check_opengl(display),
        check_audio(),
        check_disk(folder, megabytes),
        check_priority(),
        check_can(),
        check_serial_latency(),
        check_gpu(),
        check_native(),
    ]


def _table(checks: list[Check]) -> str:
    rows = []
    for check in checks:
        rows.append(f"{'ok' if check.ok else 'no':<4}{check.name:<20}{check.detail}")
        if check.fix:
            rows.append(f"{'':<24}{check.fix}")
    return "\n".join(rows)


def check_processor() -> Check:
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    detail = f"{cores} cores, load {load:.1f}"
    if cores < 2:
        return Check(
            name="processor", ok=False, detail=detail, fix="Give this machine two cores; with one the loop comes late."
        )
    return Check(name="processor", ok=True, detail=detail)


def check_shared_memory(place: Path = Path("/dev/shm")) -> Check:
    """Room for the rings of a session; containers often have 64 MB only."""
    try:
        free_bytes = shutil.disk_usage(place).free
    except OSError as error:
        return Check(
            name="shared memory", ok=False, detail=f"{place}: {error.strerror}", fix=f"Mount a tmpfs on {place}."
        )
    ok = free_bytes >= _ENOUGH_SHARED_BYTES
    fix = "" if ok else f"Make {place} larger: `mount -o remount,size=1G {place}`, or `docker run --shm-size=1g`."
    return Check(name="shared memory", ok=ok, detail=f"{free_bytes / _MB:.0f} MB free in {place}", fix=fix)


def check_display_here() -> Check:
    from studio.app.graphics import check_display

    try:
        check_display()
    except DeviceError as error:
        what, _, advice = str(error).partition(". ")
        virtual = "xvfb-run is there" if shutil.which("xvfb-run") else "no xvfb-run either (apt-get install xvfb xauth)"
        return Check(name="display", ok=False, detail=f"{what}; {virtual}.", fix=advice)
    name = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM", "")
    return Check(name="display", ok=True, detail=f"{name} answers")


def check_opengl(display: Check) -> Check:
    """In a process of its own, because a broken driver ends the one that asks."""
    if not display.ok:
        return Check(name="OpenGL", ok=False, detail="not tried without a display", fix="As for the display.")
    said, trouble = _try_python(_GL_PROBE)
    install = "Install a graphics driver, or `apt-get install libgl1-mesa-dri libegl1 libgl1` for drawing in software."
    if trouble:
        return Check(name="OpenGL", ok=False, detail=trouble, fix=install)
    facts = json.loads(said)
    if facts["problem"]:
        what, _, advice = facts["problem"].partition(". ")
        return Check(name="OpenGL", ok=False, detail=what, fix=advice or install)
    slow = " (in software: smaller pictures, the rest is the same)" if facts["software"] else ""
    return Check(name="OpenGL", ok=True, detail=f"{facts['renderer']}{slow}")


def check_audio() -> Check:
    """An output to hear contact with; everything else works without."""
    without = "Contact is shown, not heard"
    try:
        import sounddevice
    except OSError:
        return Check(
            name="audio", ok=False, detail=f"PortAudio is missing. {without}.", fix="sudo apt-get install libportaudio2"
        )
    try:
        device = sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError) as error:
        detail = f"no output ({error}). {without}."
        return Check(name="audio", ok=False, detail=detail, fix="Plug in a sound card, or start PulseAudio.")
    return Check(name="audio", ok=True, detail=str(device["name"]))


def check_disk(folder: Path, megabytes: int) -> Check:
    """Writes so much where recordings go, as far as the disk itself, and removes it again."""
    place = folder.expanduser().resolve()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".studio-doctor-") as file:
            speed_mb_s = _write_speed_mb_s(file.fileno(), megabytes)
    except OSError as error:
        fix = "Free some space, mend its rights, or choose another folder with --folder."
        return Check(name="disk", ok=False, detail=f"{place}: {error.strerror}", fix=fix)
    free_bytes = shutil.disk_usage(place).free
    fixes = []
    if speed_mb_s < _ENOUGH_MB_S:
        fixes.append(f"At least {_ENOUGH_MB_S:.0f} MB/s keep recordings whole: use a disk of this machine.")
    if free_bytes < _ENOUGH_FREE_BYTES:
        fixes.append("Free some space: an hour of play takes about 2 GB.")
    detail = f"{speed_mb_s:.0f} MB/s, {free_bytes / 1e9:.0f} GB free in {place}"
    return Check(name="disk", ok=not fixes, detail=detail, fix=" ".join(fixes))


def _write_speed_mb_s(descriptor: int, megabytes: int) -> float:
    block = os.urandom(_MB)  # some disks squeeze zeros
    began_s = time.perf_counter()
    for _ in range(megabytes):
        written = 0
        while written < _MB:
            written += os.write(descriptor, block[written:])
    os.fsync(descriptor)
    return megabytes / max(time.perf_counter() - began_s, 1e-9)


def check_priority() -> Check:
    """Asks for it in a process of its own, as the control loop does."""
    said, trouble = _try_python(_PRIORITY_PROBE)
    refused = trouble or said.strip()
    kernel = "real-time kernel" if Path("/sys/kernel/realtime").exists() else "ordinary kernel"
    if not refused:
        return Check(name="real-time priority", ok=True, detail=f"SCHED_FIFO is granted, {kernel}")
    fix = f"{grant_command()}, then log in again."
    return Check(name="real-time priority", ok=False, detail=f"refused: {refused.partition('.')[0]}; {kernel}", fix=fix)


def check_can(network: Path = Path("/sys/class/net"), devices: Path = Path("/dev/serial/by-id")) -> Check:
    """CAN interfaces of the kernel and serial adapters; only real motors need one."""
    found = {path.name: _read(path / "operstate") for path in _entries(network) if _read(path / "type") == _CAN_TYPE}
    adapters = [path.name for path in _entries(devices)]
    words = [f"{name} is {state}" for name, state in found.items()] + [f"serial {name}" for name in adapters]
    down = next((name for name, state in found.items() if state == "down"), None)
    if down is not None:
        fix = f"sudo ip link set {down} up type can bitrate 1000000"
        return Check(name="CAN", ok=False, detail=", ".join(words), fix=fix)
    if not words:
        detail = "no interface and no adapter; the simulated arms need none"
        return Check(name="CAN", ok=False, detail=detail, fix="For real motors, plug in a CAN adapter.")
    return Check(name="CAN", ok=True, detail=", ".join(words))


def check_serial_latency(devices: Path = DEVICES) -> Check:
    """FTDI adapters (pedals, serial ports of motors) hold data back unless told otherwise."""
    timers = read_latency_timers(devices)
    words = ", ".join(f"{timer.port} {timer.latency_ms} ms" for timer in timers)
    slow = next((timer for timer in timers if not timer.ok), None)
    if slow is not None:
        return Check(name="serial latency", ok=False, detail=f"{words}; 1 ms is needed", fix=slow.fix)
    return Check(name="serial latency", ok=True, detail=words or "no adapter with a latency timer")


def check_gpu() -> Check:
    """What training would run on; the processor does for the small preset."""
    said, trouble = _try_python(_GPU_PROBE)
    if trouble:
        return Check(name="GPU", ok=False, detail=trouble, fix="Run `make setup` again: torch does not start.")
    facts = json.loads(said)
    if facts["name"]:
        return Check(name="GPU", ok=True, detail=f"{facts['name']}, {facts['bytes'] / 1e9:.0f} GB")
    if shutil.which("nvidia-smi") and not facts["built"]:
        fix = "Install the CUDA build of the same torch version into .venv, see pytorch.org/get-started."
        return Check(name="GPU", ok=False, detail=f"a card, but torch {facts['torch']} is built without CUDA", fix=fix)
    return Check(name="GPU", ok=False, detail="none; training runs on the processor", fix="")


def check_native() -> Check:
    """The two libraries that are built from C on this machine; without them Python does the same, slower."""
    found = {"control tick": tick_build(), "planner": native_build()}
    lacking = [f"{name}: {build.reason}" for name, build in found.items() if build.library is None]
    if not lacking:
        return Check(name="native code", ok=True, detail=f"built here: {', '.join(found)}")
    fix = "It works without, slower. For more speed install a C compiler: `apt-get install gcc libc6-dev`."
    return Check(name="native code", ok=False, detail="; ".join(lacking), fix=fix)


def _try_python(code: str) -> tuple[str, str]:
    """What a child prints, and why it did not end well (empty when it did)."""
    paths = [str(repository_root()), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_PROBE_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"it did not answer within {_PROBE_S:.0f} s"
    except OSError as error:
        raise ConfigError(f"doctor: {sys.executable} cannot be started ({error.strerror}). Set up again.") from error
    if done.returncode == 0:
        return done.stdout, ""
    last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    return "", last


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
