"""Evaluation job: goal-reaching episodes spread over processes; every goal's raw result is kept in the run's folder.

`python -m studio.workers.run_evaluate RUN_DIR` shares the goals out to children (the same module with `--child`), which
claim goals one by one, so a quick child does more. A child that is killed loses only the goal it was at.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.core.config import apply_settings, make_config
from studio.core.errors import StudioError, WorkerError
from studio.core.task import Task, load_task
from studio.evaluation.claims import GoalClaims
from studio.evaluation.config import EvaluateConfig
from studio.evaluation.goals import GoalCase, load_cases, make_cases
from studio.evaluation.keeper import episodes_folder, make_episode_dataset
from studio.evaluation.report import summarise, summary_line
from studio.jobs.run import Run, RunWriter, write_json
from studio.planning.config import planner_preset
from studio.workers.ray_evaluation import RayGoals

_RESTARTS = 3
_POLL_S = 0.2
CHILD_NICE = 5
TASK = "move_box"


def make_evaluation_cases(task: Task, config: EvaluateConfig) -> list[GoalCase]:
    """The goals that a specification asks for."""
    if config.goals_file:
        return load_cases(task, Path(config.goals_file), config.seed)
    return make_cases(task, config.goal_class, config.goals, config.seed)


class Coordinator:
    """Starts children, watches them, sums up.

    Args:
        watch: called a few times a second with the number of goals that are answered.
    """

    def __init__(self, folder: Path, writer: RunWriter, *, watch: Callable[[int], None] | None = None) -> None:
        self._folder, self._writer = folder, writer
        self._watch = watch or (lambda done: None)
        self._config = make_config(EvaluateConfig, writer.run.spec, where="evaluate")
        planner = planner_preset(self._config.planner_preset)
        apply_settings(planner, list(self._config.settings))  # wrong settings are said before anything starts
        self._cases = make_evaluation_cases(load_task(TASK), self._config)
        self._claims = GoalClaims(folder, len(self._cases))
        self._claims.free()
        self._children: list[subprocess.Popen[bytes]] = []
        self._restarts = self._used = 0
        self._told = 0
        self._began_s = time.monotonic()
        self._marks: list[tuple[float, int]] = [(self._began_s, self._claims.done())]

    def run(self) -> dict[str, Any]:
        """Until every goal is answered or somebody asks to stop; the result of what is done."""
        if self._config.cluster:
            self._run_on_cluster()
        else:
            self._run_here()
        self._tell()
        return self._sum_up()

    def _run_on_cluster(self) -> None:
        with RayGoals(self._config, len(self._cases) - self._claims.done()) as cluster:
            self._used = cluster.workers
            cluster.run(self._claims, self._cases, self._folder, stop=lambda: _is_over(self._folder), tell=self._tell)

    def _run_here(self) -> None:
        if self._config.keep_episodes:
            title = self._config.title or f"{self._config.planner}, {self._config.goal_class}"
            make_episode_dataset(self._folder, title=title, robot=load_task(TASK).robot, task=TASK)
        self._children = [self._start() for _ in range(self._workers())]
        try:
            while any(child.poll() is None for child in self._children) and not _is_over(self._folder):
                time.sleep(_POLL_S)
                self._tell()
                self._children = [self._look_after(child) for child in self._children]
            for child in self._children:
                self._look_after(child)
        finally:
            self._used = len(self._children)
            self._end_children()

    def _workers(self) -> int:
        cores = os.cpu_count() or 1
        usual = max(1, cores // 2) if self._config.realtime else cores
        return min(self._config.workers or usual, max(1, len(self._cases) - self._claims.done()))

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "studio.workers.run_evaluate", str(self._folder), "--child"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)

    def _look_after(self, child: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Raise what a child could not do; replace one that was killed."""
        if child.poll() in (None, 0):
            return child
        error = _read_error(self._folder, child.pid)
        if error is not None:
            raise error
        self._claims.free(child.pid)
        self._restarts += 1
        if self._restarts > _RESTARTS:
            raise WorkerError("Evaluation processes keep being ended from outside. Free some memory and start again.")
        return self._start()

    def _tell(self) -> None:
        rows = self._claims.results()
        self._writer.update(
            state="running",
            stage="goals",
            step=len(rows),
            steps=len(self._cases),
            wall_s=time.monotonic() - self._began_s,
            time_left_s=self._time_left_s(len(rows)),
            message=f"{sum(row['success'] for row in rows)} of {len(rows)} goals reached",
        )
        for row in rows[self._told :]:
            self._writer.metric({"step": row["goal"], "t_s": time.monotonic() - self._began_s, "stage": "goals",
                                 "success": row["success"], "time_s": row["time_s"]})  # fmt: skip
        self._told = len(rows)
        self._watch(len(rows))

    def _time_left_s(self, done: int) -> tuple[float, float] | None:
        now_s = time.monotonic()
        if done > self._marks[-1][1]:
            self._marks.append((now_s, done))
        if len(self._marks) < 3:
            return None
        (t0_s, d0), (tm_s, dm) = self._marks[0], self._marks[len(self._marks) // 2]
        left = len(self._cases) - done
        paces_s = [(now_s - t0_s) / (done - d0), (now_s - tm_s) / max(1, done - dm)]
        return 0.8 * left * min(paces_s), 1.3 * left * max(paces_s)

    def _end_children(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.terminate()
        for child in self._children:
            try:
                child.wait(5.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _sum_up(self) -> dict[str, Any]:
        config, rows = self._config, self._claims.results()
        planner = apply_settings(planner_preset(config.planner_preset), list(config.settings))
        return summarise(
            rows,
            planned=len(self._cases),
            planner=config.planner,
            goal_class="file" if config.goals_file else config.goal_class,
            realtime=config.realtime,
            seed=config.seed,
            bundle=config.bundle,
            limit_s=config.limit_s,
            settings=dict(planner.__dict__),
            workers=self._used,
            cluster=config.cluster,
            wall_s=time.monotonic() - self._began_s,
        )


def run_child(folder: Path) -> None:
    """Claim goals and answer them until none is left, the run is cancelled, or the coordinator is gone."""
    import torch

    torch.set_num_threads(1)
    os.nice(CHILD_NICE)
    from studio.evaluation.reach import StoppedError
    from studio.evaluation.trace import SkillTrace
    from studio.workers.trial import make_trial

    run = Run(folder)
    config = make_config(EvaluateConfig, run.spec, where="evaluate")
    parent = os.getppid()

    def stop() -> bool:
        return os.getppid() != parent or _is_over(folder)

    with make_trial(config, episodes_folder(folder) if config.keep_episodes else None) as trial:
        cases = make_evaluation_cases(load_task(TASK), config)
        claims = GoalClaims(folder, len(cases))
        gc.collect()
        gc.freeze()  # looking through what torch has loaded again and again took a twentieth of the time
        while not stop() and (index := claims.claim()) is not None:
            kept = SkillTrace(cases[index].goal) if config.keep_skills else None
            try:
                result = trial.run(cases[index], stop, kept)
            except StoppedError:
                return
            if kept is not None:
                kept.save(folder / "skills" / f"{index}.npz")
            claims.answer(index, result.to_json())


def _is_over(folder: Path) -> bool:
    """Somebody asked to cancel, or has taken the run's folder away."""
    try:
        return (folder / "request").read_text(encoding="utf-8").strip() == "cancel"
    except OSError:
        return not (folder / "job.json").exists()


def _read_error(folder: Path, pid: int) -> StudioError | None:
    path = folder / f"error-{pid}.json"
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    error = StudioError(data["message"], detail=data["detail"])
    error.exit_code = int(data["exit_code"])
    return error


def _write_error(folder: Path, name: str, error: Exception) -> int:
    known = isinstance(error, StudioError)
    message = str(error) if known else f"The evaluation ended because of a defect: {error!r}."
    detail = error.detail if isinstance(error, StudioError) else traceback.format_exc()
    code = error.exit_code if isinstance(error, StudioError) else 1
    write_json(folder / name, {"message": message, "detail": detail, "exit_code": code})
    return code


def _coordinate(folder: Path) -> int:
    writer = RunWriter(folder)
    (folder / "error.json").unlink(missing_ok=True)
    writer.update(state="running", message="Loading")
    code = 0
    try:
        result = Coordinator(folder, writer).run()
        writer.finish(result)
        state = "cancelled" if writer.asked() == "cancel" else "done"
        writer.update(state=state, time_left_s=None, message=summary_line(result))
    except Exception as error:  # noqa: BLE001 - worker main: whatever it is must reach a person as a sentence
        code = _write_error(folder, "error.json", error)
        said = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        writer.update(state="failed", time_left_s=None, message=said["message"], detail=said["detail"])
    writer.close()
    return code


def _run_child_safely(folder: Path) -> int:
    try:
        run_child(folder)
    except Exception as error:  # noqa: BLE001 - worker main: the coordinator says it
        return _write_error(folder, f"error-{os.getpid()}.json", error) or 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="An evaluation job; started by the studio itself.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return _run_child_safely(options.folder) if options.child else _coordinate(options.folder)


if __name__ == "__main__":
    sys.exit(main())
