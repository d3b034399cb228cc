"""What is kept of an episode: every state, and each skill at the tick it began."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.evaluation.trace import SkillTrace
from tests.evaluation.test_reach import make_case, make_episode, make_pilot
from tests.planning.toy import ToySkills


def test_an_episode_is_kept_whole(tmp_path: Path) -> None:
    case, skills = make_case(), ToySkills()
    kept = SkillTrace(case.goal)
    pilot = make_pilot("mppi")
    result = make_episode()[1].run(case, pilot, kept=kept)
    kept.save(tmp_path / "0.npz")
    data = np.load(tmp_path / "0.npz", allow_pickle=False)
    assert result.success and result.skills == len(data["starts"]) == len(data["skills"]) > 2
    assert data["starts"].tolist() == [i * skills.window for i in range(result.skills)]
    assert data["states"].shape == (result.skills * skills.window + 1, skills.state_size)
    np.testing.assert_allclose(data["goal"], [*case.goal.position_m, *case.goal.matrix().flatten()], atol=1e-6)
    assert np.ptp(data["states"][data["starts"]], axis=0).max() > 0.03  # the box is on its way in them


def test_holding_begins_no_skill(tmp_path: Path) -> None:
    kept = SkillTrace(make_case().goal)
    make_episode(limit_s=1.0)[1].run(make_case(), make_pilot("none"), kept=kept)
    kept.save(tmp_path / "a" / "0.npz")
    data = np.load(tmp_path / "a" / "0.npz", allow_pickle=False)
    assert len(data["states"]) > 10 and data["starts"].size == 0 and data["skills"].size == 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["0.npz"]  # nothing half written stays
