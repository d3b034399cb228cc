"""Goals of one evaluation answered on a Ray cluster: `evaluate --workers ray`.

The coordinator stays what it is: goals are claimed in the run's folder, and results come back through Ray and are
written there, so the nodes need no common file system and a run that was cut short goes on as a local one does. The
nodes need the studio installed; the bundle travels with the job.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import os
import tarfile
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studio.core.config import make_config
from studio.core.errors import ConfigError, DataError, StudioError, WorkerError
from studio.evaluation.claims import GoalClaims
from studio.evaluation.config import EvaluateConfig
from studio.evaluation.goals import GoalCase

_POLL_S = 0.2
_RESTARTS = 3


def check_ray() -> None:
    """Raise ConfigError unless Ray is installed; it is an optional part."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(
            "--workers ray: the package ray is not installed. Install it with .venv/bin/pip install -e '.[cluster]', "
            "or give a number of processes."
        )


class RayTrial:
    """Lives on a node: one rig and one pilot, answering goals one by one.

    Args:
        spec: of the evaluation.
        packed: the bundle's folder, as `pack_folder` made it.
    """

    def __init__(self, spec: dict[str, Any], packed: bytes) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ray-bundle-")
        unpack_folder(packed, Path(self._folder.name))
        self._config = make_config(EvaluateConfig, {**spec, "bundle": self._folder.name}, where="evaluate")
        self._trial: Any = None

    def answer(self, case: GoalCase) -> dict[str, Any]:
        """`result` of a goal and the executed `skills` as a file's bytes, or `error`."""
        try:
            return self._run(case)
        except Exception as error:  # noqa: BLE001 - worker main: the coordinator says it
            known = isinstance(error, StudioError)
            said = str(error) if known else f"The evaluation ended because of a defect: {error!r}."
            detail = error.detail if isinstance(error, StudioError) else traceback.format_exc()
            code = error.exit_code if isinstance(error, StudioError) else 1
            return {"error": {"message": said, "detail": detail, "exit_code": code}}

    def _run(self, case: GoalCase) -> dict[str, Any]:
        from studio.evaluation.trace import SkillTrace
        from studio.workers.trial import make_trial

        if self._trial is None:
            self._trial = make_trial(self._config)
        kept = SkillTrace(case.goal) if self._config.keep_skills else None
        result = self._trial.run(case, lambda: False, kept)
        skills = b""
        if kept is not None:
            path = Path(self._folder.name) / "skills.npz"
            kept.save(path)
            skills = path.read_bytes()
        return {"result": result.to_json(), "skills": skills}


class RayGoals:
    """Spreads the goals of a run over a cluster: an existing one, or one of this machine that ends with the `with`.

    Args:
        config: what to evaluate; `cluster` names it.
        count: how many goals are still open.
    """

    def __init__(self, config: EvaluateConfig, count: int) -> None:
        check_ray()
        import ray  # pyright: ignore[reportMissingImports]

        self._ray, self._config = ray, config
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = config.cluster.removeprefix("ray").removeprefix("=")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            ray.init(address=address or None, **quiet, **({} if address else {"include_dashboard": False}))
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            where = f"cluster {address}" if address else "a local cluster"
            raise WorkerError(
                f"--workers ray: {where} cannot be reached or started ({error}). Check `ray status`."
            ) from error
        self.workers = max(1, min(count, int(ray.cluster_resources().get("CPU", 1))))
        self._packed = ray.put(pack_folder(Path(config.bundle)))
        self._restarts = 0

    def __enter__(self) -> RayGoals:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def run(
        self,
        claims: GoalClaims,
        cases: Sequence[GoalCase],
        folder: Path,
        *,
        stop: Callable[[], bool],
        tell: Callable[[], None],
    ) -> None:
        """Until every goal is answered or `stop`; goals under way are given back then."""
        idle = [self._make_actor() for _ in range(self.workers)]
        busy: dict[Any, tuple[Any, int]] = {}
        try:
            while not stop():
                while idle and (index := claims.claim()) is not None:
                    actor = idle.pop()
                    busy[actor.answer.remote(cases[index])] = actor, index
                if not busy:
                    return
                for reference in self._ray.wait(list(busy), timeout=_POLL_S)[0]:
                    actor, index = busy.pop(reference)
                    idle.append(self._take(reference, actor, index, claims, folder))
                tell()
        finally:
            for _, index in busy.values():
                claims.give_back(index)

    def _make_actor(self) -> Any:
        spec = dataclasses.asdict(self._config)
        return self._ray.remote(num_cpus=1, max_restarts=0)(RayTrial).remote(spec, self._packed)

    def _take(self, reference: Any, actor: Any, index: int, claims: GoalClaims, folder: Path) -> Any:
        """Keep an answer; returns the actor that is free now, a new one in place of one that died."""
        try:
            found = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            claims.give_back(index)
            self._restarts += 1
            if self._restarts > _RESTARTS:
                raise WorkerError(
                    "Evaluation processes on the cluster keep dying. See its logs.", detail=str(error)
                ) from error
            return self._make_actor()
        if "error" in found:
            error = StudioError(found["error"]["message"], detail=found["error"]["detail"])
            error.exit_code = int(found["error"]["exit_code"])
            raise error
        if found["skills"]:
            path = folder / "skills" / f"{index}.npz"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(found["skills"])
        claims.answer(index, found["result"])
        return actor


def pack_folder(folder: Path) -> bytes:
    """The files of a folder as an archive in memory."""
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w") as archive:
        for path in sorted(Path(folder).iterdir()):
            if path.is_file():
                archive.add(path, arcname=path.name)
    return room.getvalue()


def unpack_folder(packed: bytes, folder: Path) -> None:
    """The reverse of `pack_folder`.

    Raises:
        DataError: it holds something else than plain files of one folder. (Python 3.11.2 has no filters for archives.)
    """
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            source = archive.extractfile(member) if member.isfile() else None
            if source is None or Path(member.name).name != member.name:
                raise DataError(f"A packed bundle holds {member.name!r}; only plain files are allowed. Send it again.")
            (folder / member.name).write_bytes(source.read())
