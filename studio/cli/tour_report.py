"""The tour's report: one HTML file with numbers, curves and pictures, failures first."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from studio.cli.report import Report, Series, bar_chart, line_chart
from studio.cli.tour import Tour

_FACES = ("+x", "-x", "+y", "-y", "+z", "-z")


def write_report(tour: Tour) -> Path:
    """`report.html` and `results.json` in the tour's folder; the path of the report."""
    wall_s = time.monotonic() - tour.began_s
    report = Report("From haptic play to a planned motion", _lead(tour, wall_s))
    report.failures(tour.failures)
    for note in tour.notes:
        report.paragraph(note)
    _play(report, tour.results.get("play"))
    _window(report, tour)
    _train(report, tour.results.get("train"), tour.results.get("train_metrics") or [])
    _deploy(report, tour.results.get("deploy"))
    _goals(report, tour.results.get("evaluate"))
    path = tour.options.out / "report.html"
    path.write_text(report.to_html(), encoding="utf-8")
    data = {**tour.results, "failures": tour.failures, "notes": tour.notes, "wall_s": wall_s}
    (tour.options.out / "results.json").write_text(json.dumps(data, indent=1, default=str), encoding="utf-8")
    return path


def write_clicks(tour: Tour) -> Path:
    """`clicks.html` in the tour's folder: the walk by mouse and keys, its pictures and how long each step took."""
    walked = tour.results.get("clicks") or {}
    lead = (
        f"A newcomer's walk through the window by mouse and keys, {time.strftime('%d %B %Y, %H:%M')}, on "
        f"{os.cpu_count()} cores; {100 * tour.options.share:.0f} % of its full length of ten minutes of play."
    )
    report = Report("Play, train, three goals", lead)
    report.failures(tour.failures)
    report.table(["step", "seconds"], [list(row) for row in walked.get("steps_s", {}).items()])
    if "success" in walked:
        report.paragraph(f"Goals reached: {walked['success']}. Keys to go on after a hold: {walked.get('helped', 0)}.")
    for path, caption in tour.pictures:
        report.picture(path, caption)
    path = tour.options.out / "clicks.html"
    path.write_text(report.to_html(), encoding="utf-8")
    return path


def _lead(tour: Tour, wall_s: float) -> str:
    options = tour.options
    return (
        f"An unattended tour of Haptic Play Studio on {time.strftime('%d %B %Y, %H:%M')}: {wall_s / 60:.1f} minutes on "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, seed {options.seed}. "
        f"Everything is shorter than the defaults: {options.minutes:g} minutes of play instead of 30 and more, "
        f"{options.train_s:.0f} s of training instead of about ten minutes, and few goals. "
        "The numbers are those of this run."
    )


def _play(report: Report, play: dict[str, Any] | None) -> None:
    report.heading("Play")
    if not play:
        report.paragraph("There is no play: that step failed.")
        return
    minutes = max(play["sim_s"], 1e-9) / 60
    report.table(
        ["", ""],
        [
            ["episodes", play["episodes"]],
            ["simulated time", f"{play['sim_s']:.0f} s in {play['wall_s']:.0f} s of wall time"],
            ["speed", f"{play['sim_s'] / max(play['wall_s'], 1e-9):.1f} times real time"],
            ["contact", f"{100 * play['contact_share']:.0f} % of the time"],
            ["flips", f"{play['flips']} ({play['flips'] / minutes:.1f} a minute)"],
            ["cells of the table visited", play["xy_cells_visited"]],
        ],
    )
    report.charts([bar_chart("Which face was up", "s", list(zip(_FACES, play["up_face_s"], strict=False)))])


def _window(report: Report, tour: Tour) -> None:
    report.heading("In the window")
    push = tour.results.get("push")
    if push:
        report.paragraph(
            f"The left hand, pulled by mouse, pushed the box {1000 * push['box_moved_m']:.0f} mm; the highest "
            f"estimated contact force was {push['highest_force_n']:.1f} N."
        )
    for path, caption in tour.pictures:
        report.picture(path, caption)


def _train(report: Report, train: dict[str, Any] | None, rows: list[dict[str, Any]]) -> None:
    report.heading("Learning")
    if not train:
        report.paragraph("There is no trained bundle: that step failed.")
        return
    report.paragraph(f"{train['steps']} updates in {train['wall_s']:.0f} s. {train.get('prior_reason', '')}")
    charts = []
    for title, unit, names in (
        ("Total loss", "scaled", ("loss",)),
        ("Actions", "reconstruction, scaled", ("action", "held_out/action")),
        ("Where the object goes", "reconstruction, scaled", ("goal", "held_out/goal")),
        ("Flow against Gaussian", "nats, held out", ("held_out/nll_flow", "held_out/nll_gaussian")),
    ):
        series = [Series(name=name, points=_points(rows, name)) for name in names]
        charts.append(line_chart(title, unit, [one for one in series if one.points]))
    report.charts(charts)
    report.table(["held out", "value"], sorted((name, value) for name, value in train["held_out"].items()))


def _points(rows: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    points = [(float(row["t_s"]), float(row[name])) for row in rows if name in row and "t_s" in row]
    step = max(1, len(points) // 300)
    return points[::step]


def _deploy(report: Report, plans: list[dict[str, Any]] | None) -> None:
    report.heading("Live deployment")
    if not plans:
        report.paragraph("No plan was made live.")
        return
    latency = sorted(plan["latency_ms"] for plan in plans)
    report.paragraph(
        f"{len(plans)} plans in {plans[-1]['t_s']:.0f} s; a plan took {latency[len(latency) // 2]:.0f} ms in the "
        "median, "
        f"{latency[-1]:.0f} ms at most. The box ended {plans[-1]['distance_mm']:.0f} mm and "
        f"{plans[-1]['turn_deg']:.0f} degrees from its goal."
    )

    def curve(name: str) -> list[Series]:
        return [Series(name="", points=[(plan["t_s"], plan[name]) for plan in plans])]

    report.charts([
        line_chart("Distance to the goal", "mm over s", curve("distance_mm")),
        line_chart("Turn to the goal", "degrees over s", curve("turn_deg")),
        line_chart("Predicted against actual", "mm of the box, last skill", curve("predicted_error_mm")),
        line_chart("Plan latency", "ms over s", curve("latency_ms")),
    ])  # fmt: skip


def _goals(report: Report, result: dict[str, Any] | None) -> None:
    report.heading("Goals reached and missed")
    if not result:
        report.paragraph("No goals were tried.")
        return
    low, high = result["wilson95"]
    report.paragraph(
        f"{result['successes']} of {result['episodes']} easy goals reached (95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %), {result.get('success_rule', '')}. Per executed skill the box ended "
        f"{1000 * (result.get('predicted_error_m') or 0.0):.1f} mm from where the model predicted."
    )
    rows = [
        [g["goal"], bool(g["success"]), f"{g['time_s']:.1f} s", f"{1000 * g['position_error_m']:.0f} mm",
         f"{57.29578 * g['orientation_error_rad']:.0f}°", f"{1000 * (g['predicted_error_m'] or 0.0):.1f} mm"]
        for g in result["per_goal"]
    ]  # fmt: skip
    report.table(["goal", "result", "time", "distance left", "turn left", "predicted minus actual"], rows)
