"""Playing goals for a training: an evaluation inside the training's own run folder, its episodes kept."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Protocol

from studio.evaluation.config import EvaluateConfig
from studio.jobs.run import FORMAT_VERSION, Run, RunWriter, write_json
from studio.workers.run_evaluate import Coordinator


class Listener(Protocol):
    """The part of a training's reporter that is needed here."""

    def progress(
        self, stage: str, step: int, steps: int, wall_s: float, time_left_s: tuple[float, float] | None
    ) -> None: ...
    def asked(self) -> str: ...


class SimulatedGather:
    """Plays in as many processes as there are cores; they end when this process does.

    Args:
        folder: each play gets a run folder of its own in it. One that is complete is not played again, one that was
            cut short goes on.
        listener: is told of the progress, and asked whether to stop.
    """

    def __init__(self, folder: Path, listener: Listener) -> None:
        self._folder, self._listener = folder, listener

    def __call__(self, name: str, config: EvaluateConfig) -> list[Path]:
        """Files of executed episodes of a play, in the order of its goals."""
        folder = self._folder / name
        if not (folder / "result.json").exists():
            self._play(name, folder, config)
        return sorted((folder / "skills").glob("*.npz"), key=lambda path: int(path.stem))

    def _play(self, name: str, folder: Path, config: EvaluateConfig) -> None:
        if not (folder / "job.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            job = {"format_version": FORMAT_VERSION, "kind": "evaluate", "spec": dataclasses.asdict(config)}
            write_json(folder / "job.json", job | {"created_s": time.time()})
        run, began_s = Run(folder), time.monotonic()
        run.go_on()

        def watch(done: int) -> None:
            self._listener.progress(f"playing {name}", done, config.goals, time.monotonic() - began_s, None)
            if self._listener.asked() == "cancel":
                run.cancel()

        writer = RunWriter(folder)
        try:
            result = Coordinator(folder, writer, watch=watch).run()
            if result["episodes"] == config.goals:
                writer.finish(result)
            writer.update(state="done" if result["episodes"] == config.goals else "cancelled")
        finally:
            writer.close()
