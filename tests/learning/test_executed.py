"""Executed skills: joining episodes, chains that do not cross them, and a dynamics loss that known skills make fall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import DataError
from studio.core.task import load_task
from studio.learning.executed import ExecutedSkills, executed_chain_loss, executed_errors, load_executed, split_executed
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from tests.learning.toy import GEOMETRY, pushed_box

WINDOW, SKILL = 10, 4


def write(path: Path, *, ticks: int, starts: list[int], seed: int = 0) -> Path:
    states, _ = pushed_box(seed, ticks)
    skills = np.random.default_rng(seed).standard_normal((len(starts), SKILL)).astype(np.float32)
    goal = np.array([0.01 * (seed + 1), 0.02, 0.05, *np.eye(3).flatten()], dtype=np.float32)
    np.savez(path, states=states, starts=np.array(starts, dtype=np.int64), skills=skills, goal=goal)
    return path


def joints_moved_by_skills(path: Path) -> ExecutedSkills:
    """200 skills in a row; each says by how much the first joints move, and the box stands still."""
    skills = np.random.default_rng(3).uniform(-1, 1, (200, SKILL)).astype(np.float32)
    states = np.repeat(pushed_box(0, 1)[0], 200 * WINDOW + 1, axis=0)
    for index in range(200):
        states[(index + 1) * WINDOW :, :SKILL] += 0.02 * skills[index]
    np.savez(path, states=states, starts=np.arange(200) * WINDOW, skills=skills, goal=np.zeros(12))
    return load_executed([path], window=WINDOW, skill_size=SKILL)


def test_joined_episodes_keep_their_borders(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "0.npz", ticks=41, starts=[0, 10, 20, 30]),
        write(tmp_path / "1.npz", ticks=36, starts=[0, 15, 25, 30], seed=1),  # 30 does not end before the episode does
    ]
    joined = load_executed(files, window=WINDOW, skill_size=SKILL)
    assert joined.starts.tolist() == [0, 10, 20, 30, 41, 56, 66]
    assert joined.chains(1).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert joined.chains(2).tolist() == [0, 1, 2, 5]  # 30 -> 41 crosses a border, 41 -> 56 a hold
    assert joined.chains(3).tolist() == [0, 1]
    assert joined.chains(9).tolist() == []
    windows = joined.as_windows(16)
    assert windows.starts.tolist() == [*range(31), *range(41, 67)]
    assert torch.equal(windows.states[41], torch.from_numpy(pushed_box(1, 36)[0][0]))


def test_every_row_knows_where_its_episode_was_to_bring_the_object(tmp_path: Path) -> None:
    files = [write(tmp_path / "0.npz", ticks=31, starts=[0]), write(tmp_path / "1.npz", ticks=21, starts=[0], seed=1)]
    joined, task = load_executed(files, window=WINDOW, skill_size=SKILL), load_task("move_box")
    assert joined.goals.shape == (52, 12)
    asked, windows = joined.at_goals(task, 16), joined.as_windows(16)
    place, turn = task.span("object_position"), task.span("object_rotation")
    torch.testing.assert_close(asked.states[[0, 30, 31, 51], place][:, 0], torch.tensor([0.01, 0.01, 0.02, 0.02]))
    assert torch.equal(asked.states[:, turn], torch.eye(3).flatten().expand(52, 9))
    others = [i for i in range(task.state_size) if i not in range(place.start, place.stop)]
    others = [i for i in others if i not in range(turn.start, turn.stop)]
    assert torch.equal(asked.states[:, others], windows.states[:, others])
    assert torch.equal(asked.starts, windows.starts)


def test_every_tenth_episode_is_held_out() -> None:
    files = [Path(f"{index:02d}.npz") for index in range(25)]
    train, held_out = split_executed(files)
    assert [path.stem for path in held_out] == ["09", "19"] and len(train) == 23


def test_known_skills_teach_the_dynamics_what_play_does_not_say(tmp_path: Path) -> None:
    """The skill says by how much the joints move; the loss must find that, and only the dynamics may change."""
    torch.manual_seed(0)
    executed = joints_moved_by_skills(tmp_path / "0.npz")
    sizes = NetworkSizes(skill_size=SKILL, dynamics_hidden=(32,), flow_hidden=16, flow_context_hidden=(8,))
    networks = SkillNetworks(load_task("move_box"), GEOMETRY, 16, WINDOW, sizes)
    networks.transition.scale.fill_(0.02)
    optimiser = torch.optim.Adam(networks.dynamics.parameters(), lr=3e-3)
    before = {name: value.clone() for name, value in networks.state_dict().items() if "dynamics" not in name}
    picks, losses = executed.chains(3), []
    for _ in range(150):
        loss, statistics = executed_chain_loss(networks, executed, picks[torch.randint(len(picks), (64,))], skills=3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(statistics["executed"]))
    assert np.mean(losses[-10:]) < 0.2 * losses[0]
    assert all(torch.equal(value, networks.state_dict()[name]) for name, value in before.items())
    found = executed_errors(networks, executed)
    assert found["executed_mm"] < 5.0 and "executed_moving_mm" not in found  # the box stands still in all of it


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"0\.npz"):
        load_executed([tmp_path / "0.npz"], window=WINDOW, skill_size=SKILL)


def test_nothing_executed_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No executed skill"):
        load_executed([write(tmp_path / "0.npz", ticks=5, starts=[0])], window=WINDOW, skill_size=SKILL)
