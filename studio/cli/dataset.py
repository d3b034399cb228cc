"""`dataset info | verify | repair | import | export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from studio.cli.output import parse_arguments, write_result
from studio.core.errors import ConfigError
from studio.data.dataset import Dataset
from studio.data.episode_info import EpisodeInfo


@dataclass(frozen=True, kw_only=True)
class Info:
    """What is in a dataset."""

    dataset: tyro.conf.Positional[Path]
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        dataset = Dataset(self.dataset)
        episodes = dataset.episodes()
        result = {
            "dataset": dataset.name,
            "episodes": [_episode_json(episode) for episode in episodes],
            "total_s": round(sum(episode.duration_s for episode in episodes), 3),
            "broken": [{"id": identity, "problem": text} for identity, text in dataset.broken().items()],
        }
        write_result(result, self.json, text=_info_text(dataset, episodes))
        return 0


def _episode_json(episode: EpisodeInfo) -> dict[str, Any]:
    streams = {
        name: {"rate_hz": s.rate_hz, "records": s.records, "gaps": s.gaps, "dropped": s.dropped,
               "measured_hz": s.measured_hz}
        for name, s in episode.streams.items()
    }  # fmt: skip
    cameras = {
        name: {"frames": c.frames, "rate_hz": c.rate_hz, "codec": c.codec} for name, c in episode.cameras.items()
    }
    return {"id": episode.id, "duration_s": round(episode.duration_s, 4), "state": episode.state,
            "verdict": episode.verdict, "verdict_reason": episode.verdict_reason, "robot": episode.robot,
            "lost_s": episode.lost_s, "streams": streams, "cameras": cameras}  # fmt: skip


def _info_text(dataset: Dataset, episodes: list[EpisodeInfo]) -> str:
    lines = [f"{dataset.name}: {len(episodes)} episodes, {sum(e.duration_s for e in episodes):.1f} s"]
    for episode in episodes:
        streams = ", ".join(f"{name} {s.records}" for name, s in episode.streams.items())
        lines.append(f"  {episode.id}  {episode.duration_s:7.2f} s  {episode.state:<9} {episode.verdict:<5} {streams}")
    lines += [f"  {identity}  broken: {text}" for identity, text in dataset.broken().items()]
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check every byte of a dataset; ends with code 3 when something is wrong."""

    dataset: tyro.conf.Positional[Path]
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        from studio.data.verify import verify_dataset

        dataset = Dataset(self.dataset)
        problems = verify_dataset(dataset)
        count = len(dataset.episode_folders())
        text = "\n".join([f"{len(problems)} problems in {count} episodes", *problems])
        write_result({"ok": not problems, "problems": problems, "episodes": count}, self.json, text=text)
        return 3 if problems else 0


@dataclass(frozen=True, kw_only=True)
class Repair:
    """Repair what a crash left; originals are kept as `.original`."""

    dataset: tyro.conf.Positional[Path]
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        from studio.data.repair import repair_dataset

        report = repair_dataset(Dataset(self.dataset))
        details = [{"id": r.id, "lost_s": r.lost_s, "what": r.what} for r in report.repaired]
        result = {"repaired": len(report.repaired), "lost_s": round(report.lost_s, 3), "details": details,
                  "problems": list(report.problems), "busy": list(report.busy)}  # fmt: skip
        lines = [f"{r.id}: {r.what}; at most {r.lost_s:.2f} s lost" for r in report.repaired]
        lines += [f"{identity}: is being recorded now, left alone" for identity in report.busy]
        text = "\n".join([f"{len(report.repaired)} episodes repaired", *lines, *report.problems])
        write_result(result, self.json, text=text)
        return 3 if report.problems else 0


@dataclass(frozen=True, kw_only=True)
class Import:
    """Make a dataset of foreign data."""

    source: tyro.conf.Positional[Path]
    out: Path
    """The new dataset's folder."""
    format: Literal["auto", "lerobot", "robomimic", "csv"] = "auto"
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        from studio.data.lerobot import import_dataset

        _check_import_format(self.format, self.source)
        done = import_dataset(self.source, self.out)
        result = {"episodes": done.episodes, "total_s": done.total_s, "streams": list(done.streams),
                  "cameras": list(done.cameras), "left_out": list(done.left_out), "dataset": str(self.out)}  # fmt: skip
        cameras = ", ".join(done.cameras) or "none"
        text = f"{done.episodes} episodes, {done.total_s:.1f} s, cameras: {cameras}, in {self.out}"
        write_result(result, self.json, text=text)
        return 0


def _check_import_format(name: str, source: Path) -> None:
    if name in ("robomimic", "csv"):
        raise ConfigError(f"Import from {name} is not in this version. Use LeRobot v2.1.")
    if name == "auto" and source.suffix in (".hdf5", ".h5", ".csv"):
        raise ConfigError(f"{source}: import from {source.suffix} files is not in this version. Use LeRobot v2.1.")


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a dataset for other programs."""

    dataset: tyro.conf.Positional[Path]
    out: Path
    """A new folder."""
    format: Literal["csv", "lerobot", "robomimic"]
    fps: float | None = None
    """Rows per second; without it, every record."""
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        from studio.data.export import export_dataset

        done = export_dataset(Dataset(self.dataset), self.out, self.format, self.fps)
        write_result({"episodes": done.episodes, "frames": done.frames, "files": done.files}, self.json)
        return 0


_Command = (
    Annotated[Info, tyro.conf.subcommand("info")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Repair, tyro.conf.subcommand("repair")]
    | Annotated[Import, tyro.conf.subcommand("import")]
    | Annotated[Export, tyro.conf.subcommand("export")]
)


def run(arguments: list[str]) -> int:
    """Run `dataset …`; returns the exit code."""
    command: Any = parse_arguments(_Command, arguments, "main.py dataset")
    return int(command.run())
