"""What the devices screen shows before anything is opened: buses there could be, their load, models, this machine.

Looking moves nothing and opens nothing: interfaces and ports are listed, never tried.
"""

from __future__ import annotations

import resource
from dataclasses import asdict
from pathlib import Path
from typing import Any

import can
from serial.tools import list_ports

from hw_drivers.bus.load import LEGACY, MOST_LOAD, V3, bus_load, fitting_table
from hw_drivers.commissioning.machine import STEPS
from hw_drivers.commissioning.twin_bench import REHEARSALS
from hw_drivers.commissioning.work import CommissionSettings
from hw_drivers.motors.models import FIRMWARES, load_models
from hw_drivers.pedals.latency import read_latency_timers
from studio.workers.bench import TWIN

_NET = Path("/sys/class/net")
_CAN_TYPE = "280"  # ARPHRD_CAN, linux/if_arp.h
_FOUND_BY_LIBRARY = ("pcan", "kvaser", "ixxat", "vector", "usb2can")


def survey(buses: list[dict[str, Any]]) -> dict[str, Any]:
    """Plain values.

    Args:
        buses: {name, firmwares: one per motor, rate_hz} of each bus whose load is asked for.

    Returns:
        `places` {bus, title}, `loads` by bus name, `models` {name, firmwares, choices, reason}, `rehearsals`, `steps`
        {name, title}, `settings` of the bench, `machine` {name, value, ok}.
    """
    return {
        "places": find_places(),
        "loads": {str(bus["name"]): _load(list(bus["firmwares"]), float(bus["rate_hz"])) for bus in buses},
        "models": [_model(name) for name in load_models()],
        "rehearsals": list(REHEARSALS),
        "steps": [{"name": name, "title": title} for name, (title, _) in STEPS.items()],
        "settings": asdict(CommissionSettings()),
        "machine": _machine(),
    }


def find_places(net: Path = _NET) -> list[dict[str, str]]:
    """Buses that a motor may be on: twins, CAN interfaces of the system, adapters python-can finds, serial ports."""
    found = {TWIN: "Twin bench, no hardware"}
    for path in sorted(net.glob("*/type")):
        if path.read_text().strip() == _CAN_TYPE:
            found[f"socketcan:{path.parent.name}"] = f"{path.parent.name}, SocketCAN"
    for config in can.detect_available_configs(list(_FOUND_BY_LIBRARY)):
        found[f"{config['interface']}:{config['channel']}"] = f"{config['channel']}, {config['interface']}"
    for port in list_ports.comports():
        if port.vid is not None:  # plugged in; ports of the board itself carry no CAN adapter
            found[f"slcan:{port.device}"] = f"{port.device}, slcan"
    return [{"bus": bus, "title": title} for bus, title in found.items()]


def _load(firmwares: list[str], rate_hz: float) -> dict[str, Any]:
    """Worst case of motors of either dialect on one bus, and what would fit."""
    share = sum(bus_load(1, rate_hz, V3 if firmware == "v3" else LEGACY) for firmware in firmwares)
    slowest = V3 if "v3" in firmwares else LEGACY
    return {
        "share": share,
        "allowed": MOST_LOAD,
        "refused": share > MOST_LOAD,
        "motors": len(firmwares),
        "rate_hz": rate_hz,
        "fits": [{"motors": int(row["motors"]), "rate_hz": int(row["rate_hz"])} for row in fitting_table(slowest)],
    }


def _model(name: str) -> dict[str, Any]:
    model = load_models()[name]
    firmwares = [f for f in FIRMWARES if f in model.ranges] or list(FIRMWARES)
    return {"name": name, "firmwares": firmwares, "choices": list(model.choices), "reason": model.reason}


def _machine() -> list[dict[str, Any]]:
    """Rows of a list: what a loop on real motors needs of this machine."""
    priority = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    allowed = priority == resource.RLIM_INFINITY or priority > 0
    rows = [{"name": "Real-time priority", "value": "allowed" if allowed else "not allowed", "ok": allowed}]
    timers = read_latency_timers()
    worst = max(timers, key=lambda timer: timer.latency_ms, default=None)
    if worst is not None:
        rows.append({"name": "Adapter delay", "value": f"{worst.latency_ms} ms", "ok": worst.ok})
    return rows
