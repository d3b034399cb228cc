"""Skills sampled at the current state, for the skills screen: what each would do, and how sure that is.

A skill is one base control u, done several times in a row: at every window boundary u goes through the flow at the
state there (predicted here, measured in `skill_run.SkillRun`), as in a plan. Source: methods paper, requirements 1g
(skill browser: sample the prior at the current state, draw ten skills, execute one, predicted against actual).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.core.config import make_config
from studio.core.errors import ConfigError, StudioError
from studio.core.geometry import FloatArray, matrix_to_quaternion, rotation_angle_rad
from studio.core.observation import StateReader, object_spans
from studio.core.task import Task
from studio.ipc.messages import Message
from studio.learning.skill_model import SkillModel
from studio.learning.transition import rotation_matrix
from studio.robot.description import Robot, load_robot

COUNT_MAX, STAGES_MAX = 8, 20
_POOL = 64  # rollouts that the shown ones are chosen from, and that say how likely each is
_COPIES = 24  # noisy copies of a shown rollout: its band
# Held-out errors are those of skills that were shown; skills that the prior draws are executed less exactly. With this
# factor 83 % of measured pushes and 95 % of heights lay in the 90 % band (14 skills of 2 s in the simulator; 69 and 88
# without it).
_NOISE_SCALE = 1.5
_BAND = (0.05, 0.95)
_TOUCH_M = 0.008  # gap between fingertip and box that counts as touching


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """What is asked for.

    Args:
        count: skills shown, 1 to 8.
        stages: how often each is done in a row.
        seed: of the draws.
        control_limit: half width of the box of base controls; the planner's default keeps to dense play.
        request: comes back with the answer.
    """

    count: int = 8
    stages: int = 10
    seed: int = 0
    control_limit: float = 0.7
    request: int = 0

    def __post_init__(self) -> None:
        for name, value, high in (("count", self.count, COUNT_MAX), ("stages", self.stages, STAGES_MAX)):
            if not 1 <= value <= high:
                raise ConfigError(f"sample_skills: {name} is {value}; allowed 1 to {high}.")


class SkillSampler:
    """Rollouts of a model's prior from one state.

    Args:
        model: the trained model; its held-out errors of one skill are the noise of the bands.
        robot: whose joints move; the task's own where none is given.
    """

    def __init__(self, model: SkillModel, robot: Robot | None = None) -> None:
        self._model, task = model, model.task
        self._task: Task = task
        self._position, self._rotation = object_spans(task)
        self._joints = StateReader(task).joints
        arms = (robot or load_robot(task.robot)) if self._joints is not None else None
        self._range_rad = None if arms is None else (arms.position_lower_rad, arms.position_upper_rad)
        self._noise = _held_out_noise(task, dict(model.info.get("metrics") or model.info.get("held_out") or {}))

    @torch.inference_mode()
    def sample(self, state: FloatArray, settings: SampleSettings) -> list[dict[str, Any]]:
        """Skills from `state` [S] that differ most among 64 draws, likeliest first, as plain values of a message."""
        generator = torch.Generator().manual_seed(settings.seed)
        base = (2 * torch.rand(_POOL, self._model.skill_size, generator=generator) - 1) * settings.control_limit
        start = torch.from_numpy(np.asarray(state, dtype=np.float32)).expand(_POOL, -1)
        paths = self._roll_out(base, start.contiguous(), settings.stages)
        chosen, shares = pick_different(self._ends(paths), settings.count)
        order = np.argsort(-shares, kind="stable")
        bands = self._bands(base[chosen], start[: len(chosen)], settings.stages, generator)
        return [
            self._describe(base[chosen[i]], paths[:, chosen[i]], bands[:, i], float(shares[i]), settings.stages)
            for i in order
        ]

    def _roll_out(self, base: Tensor, state: Tensor, stages: int, noise: torch.Generator | None = None) -> Tensor:
        """States [H+1, N, S]."""
        states = [state]
        for _ in range(stages):
            state = self._model.predict(state, self._model.skill(base, state))
            state = state if noise is None else self._noise.add(state, noise)
            states.append(state)
        return torch.stack(states)

    def _bands(self, base: Tensor, start: Tensor, stages: int, generator: torch.Generator) -> np.ndarray:
        """Noisy copies of each rollout, [H+1, K, copies, S]: the held-out error of one skill is added after each."""
        copies = self._roll_out(
            base.repeat_interleave(_COPIES, 0), start.repeat_interleave(_COPIES, 0), stages, generator
        )
        return copies.reshape(stages + 1, len(base), _COPIES, -1).numpy().astype(np.float64)

    def _ends(self, paths: Tensor) -> np.ndarray:
        """Where the object is half-way and at the end, its turn weighed as its edge would move, [N, F]."""
        size = self._task.object_size_m
        marks = [paths[len(paths) // 2], paths[-1]]
        parts = [torch.cat([m[:, self._position], size * m[:, self._rotation]], dim=1) for m in marks]
        return torch.cat(parts, dim=1).numpy().astype(np.float64)

    def _describe(self, base: Tensor, path: Tensor, copies: np.ndarray, share: float, stages: int) -> dict[str, Any]:
        states = path.numpy().astype(np.float64)
        position, turns = states[:, self._position], states[:, self._rotation].reshape(-1, 3, 3)
        tips = self._model.tips(path).numpy().astype(np.float64)
        measures = {name: _rounded(np.quantile(v, _BAND, axis=1)) for name, v in self._measures(copies).items()}
        spread_m = float(np.linalg.norm(copies[-1][:, self._position] - position[-1], axis=-1).mean())
        return {
            "controls": _rounded(np.tile(base.numpy().astype(np.float64), (stages, 1)), 6),
            "position_m": _rounded(position),
            "orientation_xyzw": _rounded(matrix_to_quaternion(turns)),
            "tips_m": _rounded(tips),
            "joints_rad": [] if self._joints is None else _rounded(states[:, self._joints]),
            "bands": measures,
            "middle": {name: _rounded(v[:, 0]) for name, v in self._measures(states[:, None]).items()},
            "spread_m": round(spread_m, 5),
            "share": round(share, 3),
            "turn_rad": round(float(rotation_angle_rad(turns[-1], turns[0])), 4),
            "touches": self._touches(position, turns, tips),
            "outside": self._outside(states),
        }

    def _measures(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """What the curves below the view show of states [H+1, C, S]: height, distance moved and turn, each [H+1, C]."""
        position, turns = states[..., self._position], states[..., self._rotation].reshape(*states.shape[:2], 3, 3)
        first = np.broadcast_to(turns[:1], turns.shape)
        return {
            "height_m": position[..., 2],
            "moved_m": np.linalg.norm(position[..., :2] - position[:1, :, :2], axis=-1),
            "turn_rad": rotation_angle_rad(turns, first),
        }

    def _touches(self, position: np.ndarray, turns: np.ndarray, tips: np.ndarray) -> list[bool]:
        """Which hands come within 8 mm of the object's faces at some boundary."""
        local = np.einsum("hji,hpj->hpi", turns, tips - position[:, None])
        outside = np.maximum(np.abs(local) - self._task.object_size_m / 2, 0.0)
        gap_m = np.linalg.norm(outside, axis=-1) - self._task.tip_radius_m
        return [bool(near) for near in (gap_m < _TOUCH_M).any(axis=0)]

    def _outside(self, states: np.ndarray) -> str:
        """Which limit the rollout leaves, in words; empty when it stays inside."""
        if self._joints is not None and self._range_rad is not None:
            joints, (low, high) = states[:, self._joints], self._range_rad
            if (joints < low).any() or (joints > high).any():
                return "a joint leaves its range"
        (x0, x1), (y0, y1) = self._task.table_x_m, self._task.table_y_m
        x, y = states[:, self._position][:, 0], states[:, self._position][:, 1]
        on_table = x1 <= x0 or bool(((x > x0) & (x < x1) & (y > y0) & (y < y1)).all())
        return "" if on_table else "the box leaves the table"


class _Noise:
    """The held-out error of one skill as noise on states, block by block."""

    def __init__(self, plain: list[tuple[slice, float]], rotation: tuple[slice, float] | None) -> None:
        self._plain, self._rotation = plain, rotation

    def add(self, state: Tensor, generator: torch.Generator) -> Tensor:
        noisy = state.clone()
        for span, sigma in self._plain:
            noisy[:, span] += sigma * torch.randn(noisy[:, span].shape, generator=generator)
        if self._rotation is not None:
            span, sigma = self._rotation
            turn = rotation_matrix(sigma * torch.randn(len(state), 3, generator=generator))
            noisy[:, span] = (turn @ noisy[:, span].reshape(-1, 3, 3)).reshape(-1, 9)
        return noisy


def _held_out_noise(task: Task, metrics: dict[str, Any]) -> _Noise:
    """Sigmas per entry from `one_skill_<block>_<unit>`; a block that was not measured gets none."""
    plain: list[tuple[slice, float]] = []
    rotation = None
    for block in task.state:
        found = {unit: metrics.get(f"one_skill_{block.name}_{unit}") for unit in ("mm", "deg", "rms")}
        if block.kind == "rotation" and found["deg"] is not None:
            rotation = (task.span(block.name), _NOISE_SCALE * float(np.radians(found["deg"])) / 3**0.5)
        elif found["mm"] is not None:
            plain.append((task.span(block.name), _NOISE_SCALE * 1e-3 * float(found["mm"]) / block.size**0.5))
        elif found["rms"] is not None:
            plain.append((task.span(block.name), _NOISE_SCALE * float(found["rms"])))
    return _Noise(plain, rotation)


def pick_different(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `points` [N, F] that lie far from each other, and the share of all rows nearest to each.

    Farthest-point choice, beginning with the row nearest to the mean.
    """
    count = min(count, len(points))
    chosen = [int(np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    nearest = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
    owner = np.argmin(np.linalg.norm(points[:, None] - points[None, chosen], axis=-1), axis=1)
    return np.array(chosen), np.bincount(owner, minlength=count) / len(points)


def answer_samples(sampler: SkillSampler, state: FloatArray | None, values: dict[str, Any]) -> Message:
    """The answer to `sample_skills`: `skills` {request, window_s, skills, problem}."""
    request = values.get("request", 0)
    try:
        settings = make_config(
            SampleSettings, {k: v for k, v in values.items() if k != "bundle"}, where="sample_skills"
        )
        if state is None:
            raise ConfigError("There is no fresh state of the arms and the box. Look at the status bar.")
        skills = sampler.sample(state, settings)
    except StudioError as error:
        return Message(name="skills", values={"request": request, "skills": [], "problem": str(error)})
    return Message(name="skills", values={"request": request, "skills": skills, "problem": ""})


def _rounded(values: np.ndarray, decimals: int = 4) -> list[Any]:
    return np.round(values, decimals).tolist()
