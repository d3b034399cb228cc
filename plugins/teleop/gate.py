"""The start-up gate: what must be right before the arms may move, from live records. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.app.api import StudioApi

WARM_C, HOT_C = 60.0, 75.0  # a drive trips at 80 (spec/hardware.md 8.3)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check: `good`, `fair` (may go on) or `poor` (blocks); `fix` and `command` are its own way out."""

    name: str
    value: str
    verdict: str = "good"
    fix: str = ""
    command: str = ""


def make_rows(studio: StudioApi, record: np.ndarray | None, apart_m: float, apart_good_m: float) -> list[Row]:
    """The rows in their fixed order: seven, the dead-man's where the robot does not latch it, and what only the loop
    knows while it does not pass."""
    dead_man = [] if studio.robot.dead_man_latched else [_dead_man(studio)]
    return [
        _loop(studio),
        *_of_the_loop(studio),
        *dead_man,
        _motors(studio, record),
        _temperatures(record),
        _angles(studio, record),
        _meeting(record, apart_m, apart_good_m),
        _recorder(studio),
        _disk(studio),
    ]


# row of the loop's own gate: name, value, words of the button, its command
_LOOP_ROWS = {
    "priority": ("Real-time priority", "missing", "", ""),
    "silence": ("When commands stop", "unknown", "Check", "open.devices"),
    "zero": ("Zero since power-up", "not confirmed", "Confirm", "studio.zero"),
    "watchdog": ("Independent watchdog", "not proven", "", ""),
}


def _of_the_loop(studio: StudioApi) -> list[Row]:
    """Only what is closed: with twins these always pass. The whole sentence comes with a refused Engage."""
    link = studio.state.link
    closed = [_LOOP_ROWS[name] for name, _ in link.closed_gate if name in _LOOP_ROWS] if link.connected else []
    return [Row(name=n, value=value, verdict="poor", fix=fix, command=command) for n, value, fix, command in closed]


def _loop(studio: StudioApi) -> Row:
    link, name = studio.state.link, "Control loop"
    if not link.connected:
        dead = not studio.workers.alive("control")
        fix = ("Start again", "worker.start.control") if dead else ("", "")
        return Row(name=name, value="silent" if dead else "starting", verdict="poor", fix=fix[0], command=fix[1])
    wanted = studio.robot.loop_rate_hz
    kept = link.rate_hz > 0.98 * wanted
    return Row(
        name=name, value=f"{link.rate_hz:.0f} Hz, {'kept' if kept else 'late'}", verdict="good" if kept else "fair"
    )


def _dead_man(studio: StudioApi) -> Row:
    """As control sees it: a pedal counts, and Space in this window."""
    link = studio.state.link
    held = link.connected and link.dead_man
    deaf = link.pedal not in ("", "pressed", "released")
    free = "pedal: see notice" if deaf else f"hold {link.dead_man_name}"
    return Row(name="Dead-man", value="held" if held else free, verdict="good" if held else "poor")


def _motors(studio: StudioApi, record: np.ndarray | None) -> Row:
    total = 2 * studio.robot.joints
    if record is None:
        return Row(name="Motors answer", value="unknown", verdict="poor")
    limit_s = studio.robot.timeouts.motor_dead_ticks / studio.robot.loop_rate_hz
    answering = sum(int((record[f"{side}_reply_age_s"] <= limit_s).sum()) for side in ("leader", "follower"))
    return Row(name="Motors answer", value=f"{answering} of {total}", verdict="good" if answering == total else "poor")


def _temperatures(record: np.ndarray | None) -> Row:
    if record is None:
        return Row(name="Temperatures", value="unknown", verdict="poor")
    both = np.concatenate([record["leader_temperature_c"], record["follower_temperature_c"]])
    low, high = float(both.min()), float(both.max())
    verdict = "good" if high < WARM_C else "fair" if high < HOT_C else "poor"
    value = f"{low:.0f} °C" if round(low) == round(high) else f"{low:.0f} – {high:.0f} °C"
    return Row(name="Temperatures", value=value, verdict=verdict)


def _angles(studio: StudioApi, record: np.ndarray | None) -> Row:
    robot = studio.robot
    total = 2 * robot.joints
    if record is None:
        return Row(name="Angles inside limits", value="unknown", verdict="poor")
    inside = 0
    for side in ("leader", "follower"):
        q = record[f"{side}_position_rad"]
        inside += int(((q >= robot.position_lower_rad - 0.01) & (q <= robot.position_upper_rad + 0.01)).sum())
    verdict = "good" if inside == total else "poor"
    return Row(name="Angles inside limits", value=f"{inside} of {total}", verdict=verdict)


def _meeting(record: np.ndarray | None, apart_m: float, good_m: float) -> Row:
    """Arms that are apart do not block: the follower moves to the leader first."""
    if record is None:
        return Row(name="Leader meets follower", value="unknown", verdict="poor")
    return Row(
        name="Leader meets follower",
        value=f"{apart_m * 1000:.0f} mm apart",
        verdict="good" if apart_m < good_m else "fair",
    )


def _recorder(studio: StudioApi) -> Row:
    name = "Recorder and cameras"
    if not studio.workers.alive("recorder"):
        return Row(name=name, value="ended", verdict="fair", fix="Start again", command="worker.start.recorder")
    cameras = sum(worker.startswith("camera") for worker in studio.workers.running)
    if not cameras:
        return Row(name=name, value="no camera", verdict="fair", fix="Start again", command="worker.start.camera")
    return Row(name=name, value=f"{cameras} camera{'s' if cameras > 1 else ''}")


def _disk(studio: StudioApi) -> Row:
    hours = studio.state.link.disk_hours
    if hours <= 0:
        return Row(name="Disk", value="measuring", verdict="fair")
    value = f"{hours:.0f} h of play" if hours >= 1 else f"{hours * 60:.0f} min of play"
    return Row(name="Disk", value=value, verdict="good" if hours >= 1 else "fair" if hours > 0.1 else "poor")
