"""Phases, limits, checkpoints: a resumed training ends where an uninterrupted one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from studio.core.errors import DataError
from studio.learning.checkpoint import load_checkpoint
from studio.learning.training import Phase, Training, TrainingSettings


class Listener:
    """A reporter that asks to stop after a number of updates."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.steps: list[int] = []
        self.left_s: list[tuple[float, float] | None] = []
        self._stop_after = stop_after

    def progress(
        self, stage: str, step: int, steps: int, wall_s: float, time_left_s: tuple[float, float] | None
    ) -> None:
        self.steps.append(step)
        self.left_s.append(time_left_s)

    def metric(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def checkpointed(self, step: int) -> None: ...

    def asked(self) -> str:
        return "cancel" if self._stop_after is not None and self.steps and self.steps[-1] >= self._stop_after else ""


def make_training(
    folder: Path | None,
    listener: Listener,
    *,
    seconds: float = 0.0,
    broken: bool = False,
    held_out_every_steps: int = 0,
    patience: float = 0.0,
    worsens: bool = False,
) -> tuple[Training, nn.Module]:
    torch.manual_seed(0)
    network = nn.ModuleDict({name: nn.Linear(3, 1) for name in ("a", "none", "b")})

    def phase(name: str, steps: int) -> Phase:
        def loss(generator: torch.Generator) -> Any:
            x = torch.randn(16, 3, generator=generator)
            wrong = network[name](x)[:, 0] - x.sum(-1)
            value = wrong.square().mean() * (float("nan") if broken else 1.0)
            return value, {"loss": value.detach()}

        def held_out() -> dict[str, float]:
            error = float((network[name].weight.detach() - 1).abs().max())
            return {"error": 2.0 - error if worsens else error}

        return Phase(
            name=name,
            module=network[name],
            loss=loss,
            held_out=held_out,
            steps=steps,
            seconds=seconds,
            learning_rate=0.1,
            final_learning_rate=0.001,
            average_decay=0.9,
            choose_by="error",
            patience=patience,
        )

    training = Training(
        network,
        [phase("a", 60), phase("none", 0), phase("b", 60)],
        settings=TrainingSettings(held_out_every_steps=held_out_every_steps),
        reporter=listener,
        generator=torch.Generator().manual_seed(5),
        folder=folder,
    )
    return training, network


def test_both_phases_learn_and_report() -> None:
    listener = Listener()
    training, network = make_training(None, listener)
    result = training.run()
    assert (result.steps, result.phase_steps, result.stopped) == (120, {"a": 60, "b": 60}, False)
    assert all(float((network[name].weight.detach() - 1).abs().max()) < 0.2 for name in "ab")
    assert [row["stage"] for row in listener.rows if "held_out/error" in row] == ["a", "b"]
    assert listener.left_s[0] is None  # measuring
    low, high = listener.left_s[100] or (0.0, 0.0)
    assert 0.0 <= low < high


def test_measuring_can_go_by_updates_so_that_a_slow_machine_looks_as_often() -> None:
    listener = Listener()
    make_training(None, listener, held_out_every_steps=20)[0].run()
    measured = [(row["stage"], row["step"]) for row in listener.rows if "held_out/error" in row]
    assert measured == [("a", 20), ("a", 40), ("a", 60), ("a", 60), ("b", 80), ("b", 100), ("b", 120), ("b", 120)]


@pytest.mark.parametrize("stop_after", [25, 60, 75])
def test_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path: Path, stop_after: int) -> None:
    whole_training, whole = make_training(None, Listener())
    whole_training.run()
    first, _ = make_training(tmp_path / "c", Listener(stop_after))
    assert first.run().stopped
    second, network = make_training(tmp_path / "c", Listener())
    with torch.no_grad():
        network["a"].weight.fill_(7.0)  # whatever a fresh process starts with must not matter
    result = second.run()
    assert result.steps == 120 and not result.stopped
    for ours, theirs in zip(network.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_phase_whose_held_out_value_worsens_ends_early_with_its_best_weights() -> None:
    listener = Listener()
    training, network = make_training(None, listener, held_out_every_steps=6, patience=0.4, worsens=True)
    result = training.run()
    assert result.phase_steps == {"a": 30, "b": 30}  # best at 6 of 60, and nothing better in 24 more
    assert result.ended_at == {"a": 0.5, "b": 0.5} and not result.stopped
    measured = [row["held_out/error"] for row in listener.rows if row["stage"] == "a" and "held_out/error" in row]
    assert measured[0] == min(measured) < measured[-1]
    assert 2.0 - float((network["a"].weight.detach() - 1).abs().max()) == pytest.approx(measured[0], abs=1e-6)


def test_a_phase_that_gets_better_is_not_ended_and_patience_outlives_a_kill(tmp_path: Path) -> None:
    result = make_training(None, Listener(), held_out_every_steps=6, patience=0.9)[0].run()
    assert result.phase_steps == {"a": 60, "b": 60} and result.ended_at == {}
    whole = make_training(None, Listener(), held_out_every_steps=6, patience=0.4, worsens=True)
    whole[0].run()
    words: dict[str, Any] = {"held_out_every_steps": 6, "patience": 0.4, "worsens": True}
    assert make_training(tmp_path, Listener(20), **words)[0].run().stopped
    again = make_training(tmp_path, Listener(), **words)
    assert again[0].run().ended_at == {"a": 0.5, "b": 0.5}
    for ours, theirs in zip(again[1].parameters(), whole[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_time_ends_a_phase() -> None:
    training, _ = make_training(None, Listener(), seconds=1e-9)
    assert training.run().phase_steps == {"a": 1, "b": 1}


def test_a_broken_batch_does_not_spoil_the_weights() -> None:
    training, network = make_training(None, Listener(), broken=True)
    training.run()
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())


def test_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    training, _ = make_training(tmp_path, Listener(25))
    training.run()
    file = tmp_path / "newest.safetensors"
    assert load_checkpoint(tmp_path) is not None
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read"):
        make_training(tmp_path, Listener())[0].run()
    file.unlink()
    assert load_checkpoint(tmp_path) is None
