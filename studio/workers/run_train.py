"""One training in its own process: `python -m studio.workers.run_train RUN_DIR`."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from studio.core.config import apply_settings
from studio.core.errors import ConfigError, DataError, StudioError
from studio.jobs.run import RunWriter
from studio.workers.gather import SimulatedGather


class RunReporter:
    """Passes a training's progress on to the run folder."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self._asked_s = 0.0
        self._word = ""
        self.show: Callable[[], None] | None = None  # writes the bundle as it is now

    def progress(
        self, stage: str, step: int, steps: int, wall_s: float, time_left_s: tuple[float, float] | None
    ) -> None:
        self._writer.update(
            state="running",
            stage=stage,
            step=step,
            steps=steps,
            time_left_s=time_left_s,
            wall_s=round(wall_s, 2),
            message="Training" if time_left_s else "Measuring",
        )

    def metric(self, row: dict[str, Any]) -> None:
        self._writer.metric(row)

    def checkpointed(self, step: int) -> None:
        self._writer.update(checkpoint_step=step)

    def asked(self) -> str:
        """`cancel`, `pause` or nothing; the file is looked at five times a second."""
        now_s = time.monotonic()
        if now_s - self._asked_s > 0.2:
            self._asked_s = now_s
            self._word = self._writer.asked()
            if self._word == "show" and self.show is not None:
                self.show()
                self._writer.answered()
                self._word = ""
            if self._word == "pause":
                self._writer.update(state="paused", message="Paused", time_left_s=None)
            elif self._writer.status.state == "paused":
                self._writer.update(state="running", message="Training")
        return self._word


def train(writer: RunWriter) -> None:
    """Load windows, train, measure, write the bundle and `result.json`."""
    from studio.data.dataset import Dataset, task_for_dataset
    from studio.methods.table import find_method
    from studio.robot.description import load_robot

    began_s = time.time()
    spec = writer.run.spec
    entry = find_method(str(spec.get("method", "haptic_play")))
    config = apply_settings(entry.make_config(str(spec.get("preset") or "")), list(spec.get("set") or []))
    dataset = Dataset(Path(str(_needed(spec, "dataset"))))
    bundle_path = Path(str(_needed(spec, "bundle")))
    check_place(bundle_path)
    writer.update(state="running", stage="windows", message="Reading the recordings")
    task = task_for_dataset(dataset)
    windows = load_play(dataset, task, config)
    import torch

    from studio.learning.device import choose_device, computing_on  # torch: only once the recordings are readable
    from studio.learning.kinematics import arm_geometry

    geometry = arm_geometry(load_robot(task.robot)) if task.robot and task.features else None
    torch.set_flush_denormal(True)  # of this process: small gradients in denormals are slow
    reporter = RunReporter(writer)
    gather = SimulatedGather(writer.path / "rounds", reporter) if task.robot else None
    with computing_on(choose_device(getattr(config, "device", "cpu"))):
        method = entry.load()(config, windows, geometry, seed=int(spec.get("seed") or 0), gather=gather)
        reporter.show = lambda: method.save_so_far(bundle_path)
        result = method.train(reporter, writer.path / "checkpoint")
        writer.update(stage="held out", message="Writing the bundle")
        method.save(bundle_path, result, began_s)
    if not result.stopped and execution_windows(method, task):
        writer.update(stage="in the simulator", message="Doing held-out skills again")
        measure_execution(method, task, lambda: writer.asked() == "cancel")
        method.save(bundle_path, result, began_s)
    writer.finish(_result(entry.name, method, result, bundle_path, time.time() - began_s))
    state = "cancelled" if result.stopped else "done"
    message = (
        "Stopped by you; what was trained is in the bundle." if result.stopped else method.summary()["prior_reason"]
    )
    writer.update(state=state, message=message, time_left_s=(0.0, 0.0), step=result.steps, steps=result.steps)


def execution_windows(method: Any, task: Any) -> int:
    """How many held-out windows a training does again in the simulator; 0 where it cannot."""
    fits = hasattr(method, "measure_execution") and task.robot and task.has_object()
    return int(method.config.execution_windows) if fits and task.action == "leader_minus_follower" else 0


def measure_execution(method: Any, task: Any, stop: Callable[[], bool]) -> None:
    """Errors of skills in the simulator join the method's held-out numbers.

    Play that the simulator's own safety refuses (joints quicker than allowed, say) costs these numbers, not the bundle.
    """
    from studio.robot.description import load_robot
    from studio.workers.rig import make_rig  # late: the simulator is loaded only where it is needed

    try:
        with closing(make_rig(load_robot(task.robot), task)) as rig:
            method.measure_execution(rig, stop)
    except StudioError as error:
        method.held_out["simulated_windows"] = 0.0
        print(f"Skills were not done again in the simulator: {error}", file=sys.stderr)


def check_place(bundle: Path) -> None:
    """Before minutes of training: may the bundle be written there? An older bundle may be replaced, nothing else.

    Raises:
        DataError: something else lies there, or the folder cannot be written to.
    """
    if bundle.exists() and not (bundle / "bundle.json").is_file() and (not bundle.is_dir() or any(bundle.iterdir())):
        raise DataError(f"{bundle} exists and is not a bundle; it is left alone. Choose another place for the bundle.")
    try:
        bundle.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=bundle.parent):
            pass
    except OSError as error:
        raise DataError(
            f"Bundle {bundle} cannot be written: {error.strerror}. Free some space or choose another place."
        ) from error


def load_play(dataset: Any, task: Any, config: Any) -> Any:
    """Windows at the method's rate, or at the data's own when that is slower (imported data)."""
    from studio.data.windows import load_windows

    stream = next((block.stream for block in task.state if block.stream != "object_pose"), "control")
    episodes = dataset.episodes()
    rates = [episode.streams[stream].rate_hz for episode in episodes if stream in episode.streams]
    rate_hz = min([config.rate_hz, *rates])
    return load_windows(dataset, task, rate_hz, config.window_ticks)


def _result(name: str, method: Any, result: Any, bundle_path: Path, wall_s: float) -> dict[str, Any]:
    return {
        "method": name,
        "steps": result.steps,
        "wall_s": round(wall_s, 2),
        "losses": result.losses,
        "bundle": str(bundle_path),
        "phase_steps": result.phase_steps,
        "stopped": result.stopped,
        **method.summary(),
    }


def _needed(spec: dict[str, Any], key: str) -> Any:
    if not spec.get(key):
        raise ConfigError(f"The training's job.json has no {key!r}. Start it with `train METHOD DATASET --out BUNDLE`.")
    return spec[key]


def main(arguments: list[str]) -> int:
    """Run to the end; every error becomes the run's message, with the traceback one click away."""
    if len(arguments) != 1:
        print("usage: python -m studio.workers.run_train RUN_DIR", file=sys.stderr)
        return 2
    # Two threads that spin for each other come to a standstill when the window or the physics wants a core as well
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch is imported
    writer = RunWriter(Path(arguments[0]))
    signal.signal(signal.SIGTERM, lambda *_: writer.run.cancel())
    signal.signal(signal.SIGINT, lambda *_: writer.run.cancel())
    try:
        train(writer)
        return 0
    except StudioError as error:
        writer.update(
            state="failed", message=str(error), detail=error.detail, time_left_s=None, exit_code=error.exit_code
        )
        return error.exit_code
    except MemoryError:
        writer.update(
            state="failed",
            time_left_s=None,
            detail=traceback.format_exc(),
            message="The training ran out of "
            f"memory at step {writer.status.step}. Use the preset small, or close other workers, then resume.",
        )
        return 1
    except Exception as error:  # noqa: BLE001  worker main: whatever it is must reach the window as a sentence
        message = f"The training stopped at step {writer.status.step}: {error or type(error).__name__}. "
        writer.update(
            state="failed",
            message=message + "Its last checkpoint is kept; resume it, or look at the detail.",
            detail=traceback.format_exc(),
            time_left_s=None,
        )
        traceback.print_exc()
        return 1
    finally:
        writer.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
