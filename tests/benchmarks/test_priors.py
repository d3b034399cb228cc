"""`bench priors` on small data: densities in z's own units, equal sizes and batches, a real training of all sides."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import priors, priors_study
from benchmarks.priors_cloning import CLONING, CLONING_WITH_GOAL, Cloning
from benchmarks.priors_library import KINDS, LibraryFlow, count_parameters, make_library_flow
from benchmarks.priors_study import OURS, Effort, Taught, prior_rows, stage_1_only, take_bundle, teach_priors
from studio.core.errors import ConfigError
from studio.learning.networks import GaussianHead
from studio.learning.training import TrainingResult
from studio.methods.haptic_play.config import PhaseConfig
from studio.methods.haptic_play.method import HapticPlay
from tests.learning.toy import vector_windows
from tests.methods.test_haptic_play import TINY

needs_zuko = pytest.mark.skipif(importlib.util.find_spec("zuko") is None, reason="needs zuko (extra `bench`)")
SETTINGS = ["window_ticks=10", "skill_size=4", "policy_hidden=[48]", "posterior_hidden=[48]", "dynamics_hidden=[64]",
            "prior_hidden=[48]", "flow_hidden=32", "flow_context_hidden=[16]", "chain_skills=3",
            "stage_1.batch=64", "stage_1.learning_rate=3e-3", "chains.batch=32",
            "stage_2.batch=128", "stage_2.learning_rate=3e-3"]  # fmt: skip


def _windows() -> Any:
    """Two modes of motion from every state, as four recordings."""
    windows = vector_windows(window=10)
    windows.row_episode = np.arange(len(windows.states)) * 4 // len(windows.states)
    windows.lineage["cache_key"] = "toy"
    return windows


def _method() -> HapticPlay:
    return HapticPlay(stage_1_only(TINY, 8), _windows(), None, seed=0)


@needs_zuko
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own_head", [False, True])
def test_the_librarys_density_integrates_to_one_in_our_units(kind: str, own_head: bool) -> None:
    torch.manual_seed(0)
    head = GaussianHead(3, (8,), 2) if own_head else None
    mean, deviation = torch.tensor([4.0, -2.0]), torch.tensor([0.5, 3.0])
    flow = LibraryFlow(kind, feature_size=3, mean=mean, deviation=deviation, blocks=2, width=16, head=head)
    features = torch.randn(1, 3)
    with torch.no_grad():
        middle, spread = (mean, deviation) if head is None else (one[0] for one in head(features))
        spread = spread if head is None else spread.exp()
        steps = torch.linspace(-9.0, 9.0, 301)
        z = middle + spread * torch.cartesian_prod(steps, steps)
        cell = float(spread.prod()) * float(steps[1] - steps[0]) ** 2
        total = flow.log_density(z, features.expand(len(z), -1)).exp().sum() * cell
    assert float(total) == pytest.approx(1.0, abs=0.02)


@needs_zuko
def test_everybody_has_the_same_size_and_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    method = _method()
    drawn: list[float] = []
    real = priors_study.posterior_skills

    def spy(networks: Any, windows: Any, starts: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        z, features = real(networks, windows, starts, generator)
        drawn.append(float(z.sum()))
        return z, features

    effort = Effort(limits=PhaseConfig(steps=1, batch=16), updates=3, measured_every=3)
    monkeypatch.setattr(priors_study, "posterior_skills", spy)
    found = teach_priors(method, effort, KINDS, seed=0)
    del drawn[0]  # the scale of the skills
    assert len(found) == 7 and len(drawn) == 6 * 3
    assert all(drawn[start : start + 3] == drawn[:3] for start in range(0, len(drawn), 3))
    sizes = {name: count_parameters(taught.density) for name, taught in found.items()}
    assert all(taught.steps == 3 for name, taught in found.items() if name != "Gaussian prior")
    flows = [size for name, size in sizes.items() if "zuko" in name]
    assert len(flows) == 4 and all(size == pytest.approx(sizes[OURS], rel=0.05) for size in flows)
    for with_goal in (False, True):
        clone = Cloning(method.networks, method.train_windows, with_goal=with_goal, noise=None)
        assert count_parameters(clone.policy) == pytest.approx(count_parameters(method.networks.policy), rel=0.05)


def test_bits_are_nats_of_a_skill_over_ln_2_and_its_size_and_recordings_are_counted() -> None:
    method = _method()
    size, episodes = method.networks.sizes.skill_size, torch.from_numpy(_windows().row_episode)

    class Constant(torch.nn.Module):
        def __init__(self, bits: float) -> None:
            super().__init__()
            self.bits = bits

        def log_density(self, z: Tensor, features: Tensor) -> Tensor:
            return torch.full((len(z),), -self.bits * size * math.log(2.0))

    rows = prior_rows(method, {"worse": Taught(density=Constant(3.0)), OURS: Taught(density=Constant(1.5))}, episodes)
    assert [row["bits_per_dimension"] for row in rows] == pytest.approx([3.0, 1.5])
    assert [row["above_ours"] for row in rows] == pytest.approx([1.5, 0.0])
    assert rows[0]["standard_error"] == pytest.approx(0.0, abs=1e-6)
    assert rows[0]["recordings_where_ours_is_lower"] == rows[0]["recordings"] == 1


@needs_zuko
def test_all_sides_are_taught_and_compared_on_two_modes_of_motion(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(priors, "_load_windows", lambda path, config: _windows())
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    words = ["--dataset", "toy", *changes, "--seeds", "0", "--skill-updates", "150", "--updates", "200"]
    words += [
        "--cloning-updates",
        "60",
        "--cloning-batch",
        "16",
        "--library",
        "maf",
        "--json",
        str(tmp_path / "p.json"),
    ]
    assert priors.run(words) == 0
    result = json.loads((tmp_path / "p.json").read_text())
    bits = {row["prior"]: row["bits_per_dimension"] for row in result["summary"]["priors"]}
    assert any("MAF" in name for name in bits) and all(math.isfinite(value) for value in bits.values())
    assert bits[OURS] < bits["Gaussian prior"]  # which cannot hold two modes
    shares = {row["policy"]: row["unexplained"] for row in result["summary"]["reconstruction"]}
    assert shares["skill of the window itself, its goal"] < shares["prior's mean skill, predicted goal"]
    assert shares[CLONING] < 1.0 and shares[CLONING_WITH_GOAL] < 1.0  # 1 explains nothing
    assert "bits/dim" in capsys.readouterr().out


def test_a_bundle_is_taken_only_with_its_own_windows(tmp_path: Path) -> None:
    method = _method()
    method.held_out = {"nll_gaussian": 1.0}
    method.save(tmp_path / "b", TrainingResult(phase_steps={"skills": 7}), 0.0)
    again = HapticPlay(stage_1_only(priors_study.bundle_config(str(tmp_path / "b")), 0), _windows(), None, seed=1)
    assert take_bundle(again, _windows(), str(tmp_path / "b")) == 7
    for name, part in method.networks.parts().items():
        if name != "flow":  # it was not taught, so it is not in the bundle
            assert all(torch.equal(a, b) for a, b in zip(part.parameters(), again.networks.parts()[name].parameters()))
    other = _windows()
    other.lineage["cache_key"] = "changed"
    with pytest.raises(ConfigError, match="was not trained on this dataset as it is now"):
        take_bundle(again, other, str(tmp_path / "b"))


def test_what_is_missing_or_wrong_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"library flow 'glow' is unknown; allowed maf, nsf"):
        priors.run(["--dataset", "x", "--library", "glow"])
    with pytest.raises(ConfigError, match="no preset 'big'"):
        priors_study.make_settings("big", ())
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(ConfigError, match=r"pip install -e '.\[bench\]'"):
        priors.run(["--dataset", "x"])


@needs_zuko
def test_the_closest_width_is_found_without_making_every_flow() -> None:
    flow = make_library_flow(
        "nsf", parameters=20_000, feature_size=6, mean=torch.zeros(3), deviation=torch.ones(3), blocks=2
    )
    assert count_parameters(flow) == pytest.approx(20_000, rel=0.05)
