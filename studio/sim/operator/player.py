"""The scripted operator: plays primitives by moving hand targets, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.protocols import OperatorIntent, OperatorView
from studio.core.records import PairState
from studio.core.task import Task
from studio.robot.description import Robot
from studio.sim.operator.mix import MANNERS, Manner
from studio.sim.operator.path import HandPath
from studio.sim.operator.primitives import Primitive, Stage, recover, retreat
from studio.sim.operator.sight import look

_STRAY_M = 0.06  # so far outside the area the box is fetched back
_PATIENCE = 6  # attempts to fetch or to free the box before it is put back by request


class ScriptedOperator:
    """An `Operator`. Random, but the same for the same seed and the same sights.

    Args:
        robot: for the parking places and the rate.
        task: for the area and the sizes.
        seed: of every choice.
        manner: what it plays and how; default like a person.
        tremor_m: of the hands.
    """

    def __init__(
        self,
        robot: Robot,
        task: Task,
        seed: int,
        manner: Manner = MANNERS["person"],
        tremor_m: float = 0.002,
    ) -> None:
        self._task, self._rate_hz, self._tremor_m = task, robot.loop_rate_hz, tremor_m
        self._random = np.random.default_rng(seed)
        self._manner = manner
        self._primitives = [p for p, _ in manner.mix]
        shares = np.array([share for _, share in manner.mix])
        self._shares = shares / shares.sum()
        side = np.sign(robot.arm_bases_m[:, 1])
        self._parks_m = np.stack([np.full(2, -0.09), 0.23 * side, np.full(2, 0.2)], axis=1)
        self._engaged = b""
        self._path: FloatArray | None = None
        self._index = 0
        self._moves: Iterator[HandPath] | None = None
        self._stage: Stage | None = None
        self._failures = 0
        self.playing = ""  # name of the primitive, for reports
        self.counts: dict[str, int] = {}

    def update(self, view: OperatorView, intent: OperatorIntent) -> None:
        """Fill the intent of one tick; hands rest where they are until all pairs are engaged."""
        intent.hand_active.fill(True)
        intent.dead_man = True
        intent.put_object_back = False
        if self._path is None:
            intent.hand_target_m[:] = view.tip_position_m
            self._path, self._index = intent.hand_target_m.copy()[None], 0
            self._engaged = np.full_like(view.pair_state, PairState.ENGAGED).tobytes()
        if view.pair_state.tobytes() != self._engaged:
            intent.hand_target_m[:] = self._path[self._index]
            return
        self._index += 1
        if self._index >= len(self._path):
            self._next_path(view, intent)
        intent.hand_target_m[:] = self._path[self._index]

    def _next_path(self, view: OperatorView, intent: OperatorIntent) -> None:
        assert self._path is not None
        sight = look(self._task, view.object_position_m, view.object_orientation_xyzw)
        if self._stage is None:
            self._stage = Stage(sight, self._path[-1], self._parks_m, self._random, self._rate_hz)
        stage = self._stage
        stage.sight, stage.hands_m = sight, self._path[-1]
        path = next(self._moves, None) if self._moves is not None else None
        if path is None:
            primitive = self._choose(stage, intent)
            self.playing = primitive.__name__
            stage.tempo, stage.grip = self._manner.draw(self._random)
            self.counts[self.playing] = self.counts.get(self.playing, 0) + 1
            self._moves = primitive(stage)
            path = next(self._moves)
        self._path, self._index = path.samples(self._random, self._tremor_m), 0

    def _choose(self, stage: Stage, intent: OperatorIntent) -> Primitive:
        sight = stage.sight
        if not sight.standing:
            return self._fail(intent, retreat)
        if sight.outside_m(sight.centre_m) > _STRAY_M:
            return self._fail(intent, recover)
        self._failures = 0
        return self._primitives[int(self._random.choice(len(self._primitives), p=self._shares))]

    def _fail(self, intent: OperatorIntent, remedy: Primitive) -> Primitive:
        """The box strayed or is jammed: a remedy, and after several of them the request to put it back."""
        self._failures += 1
        if self._failures <= _PATIENCE:
            return remedy
        self._failures = 0
        intent.put_object_back = True
        return retreat
