"""`haptic_play` on toys: it learns with and without a box, with both kinds of networks, and gates its flow."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.config import apply_settings
from studio.core.errors import DataError
from studio.learning.skill_metrics import quick_losses
from studio.learning.skill_model import load_skill_model
from studio.learning.windows import StartSampler, WindowTensors
from studio.methods.haptic_play.config import HapticPlayConfig, PhaseConfig
from studio.methods.haptic_play.method import HapticPlay, choose_prior, prior_reason, split_held_out
from tests.learning.toy import GEOMETRY, box_windows, vector_windows

TINY = HapticPlayConfig(
    window_ticks=10, threads=1, skill_size=4, policy_hidden=(48,), posterior_hidden=(48,), dynamics_hidden=(64, 64),
    prior_hidden=(48,), flow_hidden=32, flow_context_hidden=(16,), chain_skills=3, held_out_every_s=1000.0,
    stage_1=PhaseConfig(steps=150, batch=64, learning_rate=3e-3), single=PhaseConfig(steps=10),
    chains=PhaseConfig(steps=15, batch=32),
    stage_2=PhaseConfig(steps=60, batch=128, learning_rate=3e-3), value=PhaseConfig(steps=0),
)  # fmt: skip


class Silent:
    """A reporter that only listens."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def progress(self, *values: Any) -> None: ...

    def metric(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def checkpointed(self, step: int) -> None: ...

    def asked(self) -> str:
        return ""


def losses_on_train(method: HapticPlay) -> dict[str, float]:
    ticks = method.config.policy_ticks
    return quick_losses(method.networks, method.train_windows, method.weights, policy_ticks=ticks)


def test_box_play_is_learned_and_the_bundle_predicts(tmp_path: Path) -> None:
    windows = box_windows(ticks=3000)
    method = HapticPlay(TINY, windows, GEOMETRY, seed=0)
    assert method.mirrored and len(method.train_windows.starts) == 2 * len(windows.train_starts)
    before = torch.cat([p.flatten() for p in method.networks.flow.parameters()]).clone()
    untrained, listener = losses_on_train(method), Silent()
    result = method.train(listener, None)
    assert result.phase_steps == {"skills": 150, "single skills": 10, "chains": 15, "flow": 60}
    after = losses_on_train(method)
    assert after["action"] < 0.8 * untrained["action"] and after["goal"] < 0.8 * untrained["goal"]
    assert {row["stage"] for row in listener.rows} == {"skills", "single skills", "chains", "flow"}
    assert method.held_out["unexplained_joint_position"] < 0.8  # 1 explains nothing
    assert not torch.equal(before, torch.cat([p.flatten() for p in method.networks.flow.parameters()]))
    method.save(tmp_path / "b", result, 0.0)
    model = load_skill_model(tmp_path / "b")
    state = torch.from_numpy(windows.states[windows.held_out_starts[:50]])
    later = model.predict(state, model.skill(torch.zeros(50, 4), state))
    assert later.shape == state.shape and bool(torch.isfinite(later).all())
    assert "held out" in (tmp_path / "b" / "card.md").read_text()


def test_imported_vectors_need_no_robot_and_the_flow_beats_the_gaussian() -> None:
    """Two modes of motion from every state: no Gaussian prior can hold both."""
    windows = vector_windows(window=10)
    config = dataclasses.replace(TINY, stage_2=PhaseConfig(steps=250, batch=256, learning_rate=3e-3))
    method = HapticPlay(config, windows, None, seed=0)
    assert not method.mirrored
    method.train(Silent(), None)
    assert method.held_out["unexplained_state"] < 0.1
    assert method.held_out["nll_flow"] < method.held_out["nll_gaussian"] - 0.05
    assert method.prior == "flow"


@pytest.mark.parametrize(
    "settings", [["policy=gru"], ["posterior=bigru"], ["policy=gru", "posterior=bigru", "reduction=sum"]]
)
def test_the_papers_recurrent_networks_train(settings: list[str]) -> None:
    config = apply_settings(TINY, [*settings, "stage_1.steps=40", "chains.steps=3", "stage_2.steps=3"])
    method = HapticPlay(config, box_windows(ticks=1500), GEOMETRY, seed=0)
    before = losses_on_train(method)
    method.train(Silent(), None)
    after = losses_on_train(method)
    assert after["action"] < 0.97 * before["action"] and after["goal"] < 0.97 * before["goal"]


def test_same_seed_gives_the_same_weights() -> None:
    config = apply_settings(TINY, ["stage_1.steps=10", "chains.steps=2", "stage_2.steps=2"])
    found = []
    for _ in range(2):
        method = HapticPlay(config, box_windows(ticks=1500), GEOMETRY, seed=3)
        method.train(Silent(), None)
        found.append(torch.cat([p.flatten() for p in method.networks.parameters()]))
    assert torch.equal(*found)


def test_a_worse_flow_is_never_shipped_silently() -> None:
    assert choose_prior({"nll_flow": 9.0, "nll_gaussian": 9.1}) == "flow"
    for held_out in (
        {"nll_flow": 9.2, "nll_gaussian": 9.1},
        {"nll_gaussian": 9.1},
        {"nll_flow": float("nan"), "nll_gaussian": 9.1},
    ):
        assert choose_prior(held_out) == "gaussian"
        assert "uses the Gaussian" in prior_reason(held_out)


def test_held_out_halves_share_no_tick() -> None:
    windows = WindowTensors(torch.zeros(2000, 1), torch.zeros(2000, 1), torch.arange(1000), 20)
    choosing, reporting = split_held_out(windows)
    assert int(reporting.starts.min()) > int(choosing.starts.max()) + 20
    few = WindowTensors(torch.zeros(300, 1), torch.zeros(300, 1), torch.arange(100), 20)
    assert split_held_out(few) == (few, few)


def test_checkpoints_and_the_reference_are_in_the_bundle_and_can_be_picked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = box_windows(ticks=2000)
    config = dataclasses.replace(
        TINY,
        flow_checkpoints=6,
        reference_blocks=3,
        stage_1=PhaseConfig(steps=30, batch=64),
        reference=PhaseConfig(steps=40, batch=32, learning_rate=3e-3),
    )
    drawn_batches: list[int] = []
    draw = StartSampler.draw
    monkeypatch.setattr(StartSampler, "draw", lambda self, n, g: (drawn_batches.append(n), draw(self, n, g))[1])
    method = HapticPlay(config, windows, GEOMETRY, seed=0)
    result = method.train(Silent(), None)
    assert result.phase_steps == {"skills": 30, "single skills": 10, "chains": 15, "flow": 60, "reference": 40}
    assert drawn_batches[-41:] == [128, *(40 * [32])]  # the reference has a batch of its own
    names = [row["prior"] for row in method.priors]
    assert names == ["gaussian", "flow", *(f"flow:{k}" for k in range(1, 7)), "reference"]
    by_name = {row["prior"]: row for row in method.priors}
    assert by_name["reference"]["kl_train"] == 0.0
    assert by_name["flow:1"]["nll_train"] > by_name["flow:6"]["nll_train"]
    assert all(row["kl_held_out_error"] > 0.0 for name, row in by_name.items() if name != "reference")
    method.save(tmp_path / "b", result, 0.0)
    card = (tmp_path / "b" / "card.md").read_text()
    assert "KL-hat" in card and "Offline: trained on recordings alone" in card
    assert "rate_hz 100.0 (paper: 400.0)" in card and "beta 0.001" in card
    info = json.loads((tmp_path / "b" / "bundle.json").read_text())
    assert info["executed"] == {"rounds": 0} and info["ended_at"] == {}
    rows = info["reconstruction"]
    assert len(rows["state"]) == method.networks.transition.size and len(rows["action"]) == 16
    assert {row["unit"] for row in rows["state"]} >= {"m", "rad", "rad/s"}
    assert f"| {rows['state'][0]['name']} |" in card
    for block in method.task.state:  # a block's unexplained share lies among those of its dimensions
        shares = [row["unexplained"] for row in rows["state"] if row["name"].startswith(f"{block.name} ")]
        whole = method.held_out[f"unexplained_{block.name}"]  # of four times as many windows
        assert 0.5 * min(shares) <= whole <= 2.0 * max(shares)
    state = torch.from_numpy(windows.states[windows.held_out_starts[:20]])
    base = torch.linspace(-0.6, 0.6, 20)[:, None].expand(20, 4)
    drawn = {name: load_skill_model(tmp_path / "b", prior=name).skill(base, state) for name in names}
    assert all(not torch.equal(drawn["flow:1"], drawn[name]) for name in names if name != "flow:1")
    assert len(load_skill_model(tmp_path / "b", prior="reference").networks.flow.blocks) == 3
    with pytest.raises(DataError, match="has no prior 'flow:7'"):
        load_skill_model(tmp_path / "b", prior="flow:7")


@pytest.mark.parametrize("latent", ["mmd", "adversarial"])
def test_other_ways_to_match_the_prior_train(latent: str) -> None:
    config = dataclasses.replace(TINY, latent=latent, stage_2=PhaseConfig(steps=0), chains=PhaseConfig(steps=0))
    method = HapticPlay(config, box_windows(ticks=2000), GEOMETRY, seed=0)
    untrained = losses_on_train(method)
    method.train(Silent(), None)
    after = losses_on_train(method)
    assert after["action"] < 0.8 * untrained["action"] and after["goal"] < 0.9 * untrained["goal"]
    assert method.prior == "gaussian"


def test_a_resumed_training_has_the_same_checkpoints(tmp_path: Path) -> None:
    class StopsInTheFlow(Silent):
        def progress(self, stage: str, step: int, *rest: Any) -> None:
            self.stage, self.step = stage, step

        def asked(self) -> str:
            return "cancel" if getattr(self, "stage", "") == "flow" and self.step >= 60 else ""

    config = dataclasses.replace(
        TINY, flow_checkpoints=4, stage_1=PhaseConfig(steps=20, batch=64), chains=PhaseConfig(steps=0)
    )
    windows = box_windows(ticks=2000)
    whole = HapticPlay(config, windows, GEOMETRY, seed=3)
    whole.train(Silent(), None)
    HapticPlay(config, windows, GEOMETRY, seed=3).train(StopsInTheFlow(), tmp_path / "checkpoint")
    resumed = HapticPlay(config, windows, GEOMETRY, seed=3)
    resumed.train(Silent(), tmp_path / "checkpoint")
    for name, tensor in whole.flows.state_dict().items():
        assert torch.equal(tensor, resumed.flows.state_dict()[name]), name
