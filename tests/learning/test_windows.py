"""Which windows are drawn, and what is gathered for a batch (spec/methods-papers.md 1h check 8)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from studio.core.errors import DataError
from studio.core.task import load_task
from studio.learning.cvae import make_policy_noise
from studio.learning.windows import (
    StartSampler,
    WindowTensors,
    chained_starts,
    even_ticks,
    make_window_tensors,
    moving_windows,
)
from tests.learning.toy import pushed_box, vector_task


def numbered(starts: list[int], window: int = 5, rows: int = 60) -> WindowTensors:
    states = torch.arange(rows, dtype=torch.float32)[:, None]
    return WindowTensors(states, states.clone(), torch.tensor(starts), window)


def test_chains_stay_in_one_stretch() -> None:
    windows = numbered([*range(16), *range(30, 41)])  # stretches of 21 and 16 rows, W = 5
    assert chained_starts(windows, 1).tolist() == windows.starts.tolist()
    assert chained_starts(windows, 3).tolist() == [0, 1, 2, 3, 4, 5, 30]
    assert chained_starts(windows, 5).tolist() == []


def test_gathered_rows_are_those_of_the_window() -> None:
    windows = numbered(list(range(20)))
    starts = torch.tensor([3, 7])
    assert windows.states_at(starts, torch.tensor([0, 5]))[..., 0].tolist() == [[3, 8], [7, 12]]
    assert windows.actions_at(starts, torch.tensor([[1, 2], [0, 4]]))[..., 0].tolist() == [[4, 5], [7, 11]]


def test_moving_share_is_kept() -> None:
    task = load_task("move_box")
    states = torch.from_numpy(pushed_box(0, 600)[0])
    windows = WindowTensors(states, torch.zeros(600, 16), torch.arange(580), 10)
    sampler = StartSampler(windows, task, moving_share=0.35)
    moving = moving_windows(states, windows.starts, windows.starts + 10, task)
    assert 0 < int(moving.sum()) < len(moving)
    drawn = sampler.draw(400, torch.Generator().manual_seed(0))
    share = float(moving[drawn].float().mean())
    assert share >= 0.35 and set(drawn.tolist()) <= set(range(580))
    shift = (states[windows.starts + 10] - states[windows.starts])[:, task.span("object_position")].norm(dim=-1)
    assert bool(moving[shift > 0.003].all()) and not bool(moving[states_still(states, task)].any())


def test_tilting_is_another_direction_up_and_not_yaw() -> None:
    task, rows = load_task("move_box"), 40
    states = torch.zeros(rows, 28)
    for row in range(rows):  # it lies on a side; first it yaws by 2 degrees a row, then it tips over by 2 degrees a row
        yaw, tip = np.deg2rad(2.0 * min(row, 20)), np.deg2rad(90.0 + 2.0 * max(0, row - 20))
        about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        about_x = np.array([[1, 0, 0], [0, np.cos(tip), -np.sin(tip)], [0, np.sin(tip), np.cos(tip)]])
        states[row, task.span("object_rotation")] = torch.from_numpy((about_z @ about_x).flatten()).float()
    windows = WindowTensors(states, torch.zeros(rows, 16), torch.arange(rows - 5), 5)
    sampler = StartSampler(windows, task, moving_share=0.25, tilting_share=0.5)
    assert sampler.tilting.tolist() == [start for start in range(rows - 5) if start + 5 > 21]
    assert len(sampler.moving) == rows - 5
    drawn = sampler.draw(400, torch.Generator().manual_seed(0))
    halves = StartSampler(windows, task, moving_share=0.5, tilting_share=0.5)
    assert len(halves.draw(3, torch.Generator().manual_seed(0))) == 3
    assert len(drawn) == 400 and set(drawn[300 - 100 :].tolist()) <= set(sampler.tilting.tolist())


def states_still(states: torch.Tensor, task: object) -> torch.Tensor:
    first, last = states[:580, 16:], states[10:590, 16:]
    return (first - last).abs().amax(-1) < 1e-6


def test_a_task_without_an_object_draws_evenly() -> None:
    windows = numbered(list(range(40)))
    sampler = StartSampler(windows, vector_task(1), moving_share=0.5)
    assert len(sampler.moving) == 0 and len(sampler.draw(64, torch.Generator().manual_seed(0))) == 64


def test_noise_moves_the_state_and_corrects_the_action() -> None:
    task = load_task("move_box")
    noise = make_policy_noise(task, position_rad=0.02, velocity=0.1, plain=torch.ones(28))
    states, actions = torch.zeros(5000, 28), torch.zeros(5000, 16)
    noisy, corrected = noise.add(states, actions, torch.Generator().manual_seed(0))
    assert torch.equal(corrected[:, :8], -noisy[:, :8])  # the leader stays where it is
    assert not bool(corrected[:, 8:].any()) and not bool(noisy[:, 16:].any())
    assert abs(float(noisy[:, :8].std()) - 0.02) < 1e-3 and abs(float(noisy[:, 8:16].std()) - 0.1) < 5e-3
    assert not bool(actions.any())  # the caller's are left alone
    plain = make_policy_noise(vector_task(4), position_rad=0.02, velocity=0.1, plain=torch.full((4,), 0.5))
    noisy, corrected = plain.add(torch.zeros(5000, 4), torch.zeros(5000, 4), torch.Generator().manual_seed(0))
    assert not bool(corrected.any()) and abs(float(noisy.std()) - 0.5) < 0.02


def test_even_ticks_end_with_the_window() -> None:
    assert even_ticks(20, 5) == [4, 8, 12, 16, 20]
    assert even_ticks(7, 3) == [2, 5, 7]


def test_too_few_or_broken_windows_are_refused() -> None:
    rows = np.zeros((200, 3), dtype=np.float32)
    windows = SimpleNamespace(states=rows, actions=rows, window=5, rate_hz=30.0)
    with pytest.raises(DataError, match="Only 3 training windows of 5 ticks"):
        make_window_tensors(windows, np.arange(3), what="training")
    broken = rows.copy()
    broken[7] = np.nan
    with pytest.raises(DataError, match="not numbers"):
        make_window_tensors(
            SimpleNamespace(states=broken, actions=rows, window=5, rate_hz=30.0), np.arange(150), what="training"
        )
