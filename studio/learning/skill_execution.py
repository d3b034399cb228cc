"""What executing a skill costs: held-out windows of play done again in the simulator, with and without feedback.

Each window is done three times from the same start, after its predecessor was replayed to bring arms and object into
motion. `replay`: the recorded actions, which is how far the simulator itself comes from the recording. `open_loop`: the
policy's actions along the recorded states, fixed before the skill starts. `closed_loop`: the policy sees what happens.
The skill is the posterior's mean and the goal the recorded one: neither dynamics nor planner has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import SafetyError
from studio.core.geometry import FloatArray, matrix_to_quaternion
from studio.core.observation import StateReader, object_spans
from studio.core.records import PairState, RecordType
from studio.core.task import Task
from studio.learning.cvae import encode_windows
from studio.learning.skill_metrics import pick_evenly, state_errors
from studio.learning.skill_model import SkillModel
from studio.learning.windows import WindowTensors, chained_starts

MODES = ("replay", "open_loop", "closed_loop")
_RESTING_M = 0.003  # of the object's centre above its rest height, and its motion in one tick, at most
_TICK_M = 0.0005
_FLAT = 0.995  # cosine of the tilt
_MOVED_M = 0.003  # by the skill, at least: a skill that leaves the object alone says nothing


class PlaceableRig(Protocol):
    """A rig whose arms can start anywhere; see `studio.workers.rig.SimulatedRig`."""

    @property
    def control_record(self) -> RecordType: ...
    def reset(self, object_position_m: FloatArray, object_orientation_xyzw: FloatArray, seed: int) -> None: ...
    def place(
        self, joints_rad: FloatArray, object_position_m: FloatArray, object_orientation_xyzw: FloatArray
    ) -> None: ...
    def state(self) -> tuple[np.ndarray, np.ndarray]: ...
    def run(self, position_rad: FloatArray, velocity_rad_s: FloatArray, ticks: int) -> None: ...


def pick_windows(windows: WindowTensors, task: Task, count: int) -> Tensor:
    """Starts [n] of at most `count` windows that move the object and follow one at whose start it rests on a face."""
    first = chained_starts(windows, 2)
    position, rotation = object_spans(task)
    here = windows.states[first]
    height = (here[:, position][:, 2] - task.object_rest_height_m).abs()
    step = (windows.states[first + 1][:, position] - here[:, position]).norm(dim=-1)
    upright = here[:, rotation].unflatten(-1, (3, 3))[:, 2].abs().amax(-1)
    start = first + windows.window
    moved = (windows.states[start + windows.window][:, position] - windows.states[start][:, position]).norm(dim=-1)
    kept = (height < _RESTING_M) & (step < _TICK_M) & (upright > _FLAT) & (moved > _MOVED_M)
    return pick_evenly(start[kept].sort().values, count)


class SkillExecution:
    """Does windows again.

    Args:
        rig: of the simulator; its rate must be a multiple of the policy's.
        model: policy and frames.
        windows: held-out play; a state's joints and an action of leader minus follower and leader velocity.
    """

    def __init__(self, rig: PlaceableRig, model: SkillModel, windows: WindowTensors) -> None:
        joints = StateReader(model.task).joints
        assert joints is not None, "a task for a robot has its joints in the state"
        self._rig, self._model, self._windows, self._joints = rig, model, windows, joints
        self._reader, self._spans = StateReader(model.task), object_spans(model.task)
        self._ticks = max(1, round(rig.control_record.rate_hz / model.rate_hz))

    def measure(self, starts: Tensor, stop: Callable[[], bool] = lambda: False) -> dict[str, float]:
        """Errors where the windows at `starts` [n] end, named `simulated_<mode>_<what>_<unit>`; empty without any.

        Args:
            stop: asked before each window; what is done by then is measured.
        """
        ends: dict[str, list[Tensor]] = {mode: [] for mode in MODES}
        done = 0
        if len(starts):
            self._rig.reset(*self._object(int(starts[0])), 0)  # engages the arms, which takes its time
        for start in starts.tolist():
            if stop():
                break
            for mode in MODES:
                ends[mode].append(self._execute(start, mode))
                self._check_engaged()
            done += 1
        if not done:
            return {}
        truth = self._windows.states[starts[:done] + self._windows.window]
        values = {"simulated_windows": float(done)}
        for mode in MODES:
            errors = state_errors(self._model.networks, torch.stack(ends[mode]), truth)
            values |= {f"simulated_{mode}_{name}": error for name, error in errors.items()}
        return values

    def _execute(self, start: int, mode: str) -> Tensor:
        """The state [S] in which a window ends in the simulator."""
        window = self._windows.window
        actions = self._recorded(start) if mode != "open_loop" else self._foreseen(start)
        self._begin(start - window)
        for tick, action in enumerate(self._recorded(start - window)):
            self._drive(self._windows.states[start - window + tick], action)
        if mode != "closed_loop":
            for tick, action in enumerate(actions):
                self._drive(self._windows.states[start + tick], action)
            return self._state()
        policy = self._policy(start)
        for tick in range(window):
            state = self._state()
            self._drive(state, policy(state, tick))
        return self._state()

    def _check_engaged(self) -> None:
        """A fault leaves the arms where they are: such a window says nothing of a skill."""
        states = self._rig.state()[0]["pair_state"]
        if (states != PairState.ENGAGED).any():
            raise SafetyError("The simulated arms faulted while a recorded skill was done again.")

    def _begin(self, row: int) -> None:
        joints = self._windows.states[row].double().numpy()[self._joints]
        self._rig.place(joints, *self._object(row))

    def _object(self, row: int) -> tuple[FloatArray, FloatArray]:
        """Position and orientation of the object in a recorded state."""
        state = self._windows.states[row].double().numpy()
        position, rotation = self._spans
        return state[position], matrix_to_quaternion(state[rotation].reshape(3, 3))

    def _drive(self, state: Tensor, action: Tensor) -> None:
        """One policy tick: the followers go where the leader was, `action` seen from `state`."""
        here, wanted = state.double().numpy(), action.double().numpy()
        size = self._joints.stop - self._joints.start
        self._rig.run(here[self._joints] + wanted[:size], wanted[size:], self._ticks)

    def _state(self) -> Tensor:
        control, pose = self._rig.state()
        return torch.from_numpy(self._reader.read({"control": control, "object_pose": pose}).astype(np.float32))

    def _recorded(self, start: int) -> Tensor:
        return self._windows.actions[start : start + self._windows.window]

    def _foreseen(self, start: int) -> list[Tensor]:
        """The policy's actions at the recorded states."""
        policy = self._policy(start)
        return [policy(self._windows.states[start + tick], tick) for tick in range(self._windows.window)]

    def _policy(self, start: int) -> Callable[[Tensor, int], Tensor]:
        """The policy of a window with the posterior's mean skill and the recorded goal, freshly begun."""
        model, windows = self._model, self._windows
        with torch.inference_mode():
            batch = encode_windows(model.networks, windows, torch.tensor([start]))
            z = model.networks.posterior(batch.features, batch.ticks)[0][0]
        goal = windows.states[start + windows.window]
        model.start_policy(windows.states[start])
        return lambda state, tick: model.act(state, goal, z, tick)
