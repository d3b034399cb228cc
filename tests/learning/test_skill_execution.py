"""Windows of play done again in the simulator: the recording's own actions come back to where it was."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from studio.core.task import load_task
from studio.data.dataset import Dataset
from studio.data.windows import load_windows
from studio.learning.skill_execution import MODES, SkillExecution, pick_windows
from studio.learning.skill_model import SkillModel
from studio.learning.windows import WindowTensors, make_window_tensors
from studio.robot.description import load_robot
from studio.workers.rig import SimulatedRig, make_rig
from studio.workers.run_play import PlayConfig, generate_play
from tests.planning.random_model import make_networks

TASK = load_task("move_box")


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> WindowTensors:
    folder = tmp_path_factory.mktemp("play") / "play"
    generate_play(PlayConfig(out=str(folder), minutes=0.6, seed=3))
    found = load_windows(Dataset(folder), TASK)
    return make_window_tensors(found, np.concatenate([found.train_starts, found.held_out_starts]), what="play")


@pytest.fixture
def rig() -> Iterator[SimulatedRig]:
    made = make_rig(load_robot(), TASK)
    yield made
    made.close()


def test_picked_windows_begin_at_rest_and_move_the_object(windows: WindowTensors) -> None:
    starts = pick_windows(windows, TASK, 12)
    assert 3 <= len(starts) <= 12
    position = TASK.span(next(block.name for block in TASK.state if block.kind == "position"))
    before, after = (windows.states[starts + shift][:, position] for shift in (-windows.window, windows.window))
    assert bool(((before[:, 2] - TASK.object_rest_height_m).abs() < 0.003).all())
    assert bool(((after - windows.states[starts][:, position]).norm(dim=-1) > 0.003).all())


def test_recorded_actions_come_back_and_random_ones_do_not(windows: WindowTensors, rig: SimulatedRig) -> None:
    model = SkillModel(make_networks(windows.window), rate_hz=100.0, prior="gaussian")
    starts = pick_windows(windows, TASK, 4)
    values = SkillExecution(rig, model, windows).measure(starts)
    assert values["simulated_windows"] == len(starts)
    blocks = [block.name for block in TASK.state if block.kind == "position"]
    names = [f"{blocks[0]}_mm", "tip_mm"]
    assert {f"simulated_{mode}_{name}" for mode in MODES for name in names} <= set(values)
    for name in names:
        assert values[f"simulated_replay_{name}"] < 6.0
        assert values[f"simulated_replay_{name}"] < values[f"simulated_open_loop_{name}"]
    again = SkillExecution(rig, model, windows).measure(starts)
    for name in names:  # a stretch of simulation after another one is the same again
        assert again[f"simulated_replay_{name}"] == pytest.approx(values[f"simulated_replay_{name}"], abs=0.5)


def test_nothing_to_do_is_no_number(windows: WindowTensors, rig: SimulatedRig) -> None:
    model = SkillModel(make_networks(windows.window), rate_hz=100.0, prior="gaussian")
    execution = SkillExecution(rig, model, windows)
    assert execution.measure(torch.zeros(0, dtype=torch.int64)) == {}
    assert execution.measure(torch.tensor([100]), stop=lambda: True) == {}
