"""A training in phases, each limited by updates and by time; it reports, pauses, stops, and resumes after a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from studio.learning.checkpoint import load_checkpoint, optimiser_tensors, restore_optimiser, save_checkpoint
from studio.learning.device import placed

_WARM_UP_STEPS = 100
_MEASURING_STEPS = 10
_POLL_STEPS = 5
_ROW_EVERY_S = 1.0
_LOW, _HIGH = 0.92, 1.15  # the time left is a guess: shown as this range

Loss = Callable[[torch.Generator], tuple[Tensor, Mapping[str, Tensor]]]


class Reporter(Protocol):
    """Where a training tells how it goes, and what it is asked to do."""

    def progress(
        self, stage: str, step: int, steps: int, wall_s: float, time_left_s: tuple[float, float] | None
    ) -> None: ...
    def metric(self, row: dict[str, Any]) -> None: ...
    def checkpointed(self, step: int) -> None: ...
    def asked(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One part of a training.

    Args:
        name: shown as the stage.
        module: what is trained; the rest of the network is left alone.
        loss: draws a batch and gives (loss, statistics).
        held_out: statistics on held-out data, without their prefix.
        steps, seconds: limits; whichever comes first (seconds 0: no limit).
        begin: called before the first update, and again when the phase is resumed, before its weights come back.
        begin_s: about how long `begin` takes, for the time left.
        choose_by: the held-out statistic whose lowest value picks the weights that are kept; empty keeps the last ones.
        patience: the phase ends when that value has not got lower for this share of the limits; 0 never.
        keep: called with 0, 1 … when the shares `keep_at` (rising, of the whole phase) are done; averages are in place.
    """

    name: str
    module: nn.Module
    loss: Loss
    held_out: Callable[[], dict[str, float]]
    steps: int
    seconds: float
    learning_rate: float
    final_learning_rate: float
    average_decay: float = 0.0
    begin: Callable[[], None] | None = None
    begin_s: float = 0.0
    choose_by: str = ""
    patience: float = 0.0
    keep: Callable[[int], None] | None = None
    keep_at: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How often a training saves and measures.

    Args:
        held_out_every_steps: measure after so many updates of a phase as well; 0 goes by time alone. Comparisons that
            must not depend on the machine's speed use it with an infinite `held_out_every_s`.
    """

    clip: float = 10.0
    checkpoint_every_s: float = 20.0
    held_out_every_s: float = 15.0
    held_out_every_steps: int = 0

    def is_due(self, step_count: int, since_s: float) -> bool:
        """Whether to measure now, after `step_count` updates and `since_s` after the last time."""
        by_steps = self.held_out_every_steps > 0 and step_count % self.held_out_every_steps == 0
        return by_steps or since_s >= self.held_out_every_s


@dataclass
class TrainingResult:
    """What a training did: updates in all and by phase, last training statistics, and whether it was stopped early.

    `ended_at` has the share of its limits at which a phase ended because its held-out value got no better any more.
    """

    steps: int = 0
    wall_s: float = 0.0
    phase_steps: dict[str, int] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    stopped: bool = False
    ended_at: dict[str, float] = field(default_factory=dict)


class Training:
    """Runs phases one after the other on one network.

    Args:
        networks: everything that is saved; phases train modules inside it.
        phases: in order; those without steps are skipped.
        generator: all randomness of the batches; part of the checkpoint.
        folder: for checkpoints; None keeps none.
    """

    def __init__(
        self,
        networks: nn.Module,
        phases: Sequence[Phase],
        *,
        settings: TrainingSettings,
        reporter: Reporter,
        generator: torch.Generator,
        folder: Path | None,
    ) -> None:
        self._networks, self._phases = networks, [phase for phase in phases if phase.steps > 0]
        self._settings, self._reporter, self._generator, self._folder = settings, reporter, generator, folder
        self.result = TrainingResult()
        self._index = 0
        self._loop = self._make_loop()

    def run(self) -> TrainingResult:
        """All phases, from the newest checkpoint on; returns early when asked to cancel."""
        self._resume()
        while self._loop is not None and not self.result.stopped:
            self._run_phase(self._phases[self._index], self._loop)
            if not self.result.stopped:
                self._index += 1
                self._loop = self._make_loop()
                self._checkpoint()
        return self.result

    def _make_loop(self) -> _PhaseLoop | None:
        if self._index >= len(self._phases):
            return None
        phase = self._phases[self._index]
        if phase.begin is not None:
            began_s = time.monotonic()
            phase.begin()
            self.result.wall_s += time.monotonic() - began_s
        return _PhaseLoop(phase, self._settings.clip, self._generator)

    def _run_phase(self, phase: Phase, loop: _PhaseLoop) -> None:
        saved_s = measured_s = time.monotonic()
        while not loop.finished():
            if loop.step_count % _POLL_STEPS == 0 and self._held_or_stopped():
                break
            began_s = time.monotonic()
            loop.update()
            self.result.steps += 1
            self._account(loop, time.monotonic() - began_s)
            now_s = time.monotonic()
            if self._settings.is_due(loop.step_count, now_s - measured_s):
                self._measure(phase, loop)
                measured_s = time.monotonic()
                self._account(loop, measured_s - now_s)
            loop.keep()  # after the measuring, whose time counts: the limit may fall into it
            if now_s - saved_s >= self._settings.checkpoint_every_s:
                self._checkpoint()
                saved_s = time.monotonic()
        if self.result.stopped:
            self._checkpoint()  # before the average takes the newest weights' place
        loop.take_average()
        self._measure(phase, loop, averaged=True)
        loop.take_best()
        self.result.phase_steps[phase.name] = loop.step_count
        if loop.share_done() < 1.0 and not self.result.stopped:
            self.result.ended_at[phase.name] = round(loop.share_done(), 3)

    def _account(self, loop: _PhaseLoop, duration_s: float) -> None:
        loop.elapsed_s += duration_s
        self.result.wall_s += duration_s
        row = loop.take_row()
        if row is not None:
            self.result.losses.update({f"{loop.phase.name}/{name}": value for name, value in row.items()})
            self._write_row(loop.phase.name, row)
        self._progress(loop)

    def _measure(self, phase: Phase, loop: _PhaseLoop, *, averaged: bool = False) -> None:
        if averaged:
            values = loop.measured(phase.held_out())
        else:
            values = loop.with_average(lambda: loop.measured(phase.held_out()))
        self._write_row(phase.name, {f"held_out/{name}": value for name, value in values.items()})

    def _write_row(self, stage: str, values: Mapping[str, float]) -> None:
        head = {"step": self.result.steps, "t_s": round(self.result.wall_s, 3), "stage": stage}
        self._reporter.metric({**head, **{name: round(value, 7) for name, value in values.items()}})

    def _progress(self, loop: _PhaseLoop) -> None:
        fraction, left_s = self._estimate(loop)
        steps = round(self.result.steps / max(fraction, 1e-9)) if left_s is not None else 0
        guess = None if left_s is None else (round(_LOW * left_s, 1), round(_HIGH * left_s + 5.0, 1))
        self._reporter.progress(loop.phase.name, self.result.steps, steps, self.result.wall_s, guess)

    def _estimate(self, loop: _PhaseLoop) -> tuple[float, float | None]:
        """Share of the whole training that is done, and seconds left (None while measuring)."""
        if loop.step_count < _MEASURING_STEPS:
            return 0.0, None
        step_s = loop.elapsed_s / loop.step_count
        left_s = max(0.0, _expected_s(loop.phase, step_s) - loop.elapsed_s)
        left_s += sum(_expected_s(phase, step_s) + phase.begin_s for phase in self._phases[self._index + 1 :])
        whole_s = self.result.wall_s + left_s
        return self.result.wall_s / max(whole_s, 1e-9), left_s

    def _held_or_stopped(self) -> bool:
        while (word := self._reporter.asked()) == "pause":
            time.sleep(0.2)
        self.result.stopped = word == "cancel"
        return self.result.stopped

    def _checkpoint(self) -> None:
        if self._folder is None:
            return
        tensors = {f"net.{name}": tensor for name, tensor in self._networks.state_dict().items()}
        tensors["generator"] = self._generator.get_state()
        loop_state: dict[str, Any] = {}
        if self._loop is not None:
            tensors.update(self._loop.tensors())
            loop_state = {"step": self._loop.step_count, "elapsed_s": self._loop.elapsed_s}
        state = {
            "phase": self._index,
            "loop": loop_state,
            "steps": self.result.steps,
            "wall_s": self.result.wall_s,
            "losses": self.result.losses,
            "phase_steps": self.result.phase_steps,
            "ended_at": self.result.ended_at,
        }
        save_checkpoint(self._folder, tensors, state)
        self._reporter.checkpointed(self.result.steps)

    def _resume(self) -> None:
        loaded = load_checkpoint(self._folder) if self._folder is not None else None
        if loaded is None:
            return
        tensors, state = loaded
        self._generator.set_state(tensors["generator"].cpu())  # it is kept there, whatever it draws for
        self._index = int(state["phase"])
        self._loop = self._make_loop()
        self._networks.load_state_dict({n[4:]: t for n, t in tensors.items() if n.startswith("net.")})  # after `begin`
        self.result = TrainingResult(
            steps=int(state["steps"]),
            wall_s=float(state["wall_s"]),
            losses=dict(state["losses"]),
            phase_steps=dict(state["phase_steps"]),
            ended_at=dict(state.get("ended_at") or {}),
        )
        if self._loop is not None and state["loop"]:
            self._loop.restore(tensors, int(state["loop"]["step"]), float(state["loop"]["elapsed_s"]))


class _PhaseLoop:
    """Optimiser, learning rate, running average and statistics of one phase."""

    def __init__(self, phase: Phase, clip: float, generator: torch.Generator) -> None:
        self.phase, self._clip, self._generator = phase, clip, generator
        self.step_count, self.elapsed_s = 0, 0.0
        self._parameters = [p for p in phase.module.parameters() if p.requires_grad]
        self._optimiser = torch.optim.Adam(self._parameters, lr=phase.learning_rate, fused=True)
        self._average = [p.detach().clone() for p in self._parameters]
        self._best: list[Tensor] = []
        self._best_value, self._best_share = math.inf, 0.0
        self._warm_up_steps = max(1, min(_WARM_UP_STEPS, phase.steps // 10))
        self._sums: dict[str, float] = {}
        self._count = 0
        self._row_s = self._measured_share = 0.0
        self._kept = 0

    def finished(self) -> bool:
        return self.share_done() >= 1.0 or self.ran_out_of_patience()

    def ran_out_of_patience(self) -> bool:
        """Whether the held-out value has not got better for too long; never before it was measured at all."""
        patience = self.phase.patience
        measured = math.isfinite(self._best_value)
        return patience > 0.0 and measured and self._measured_share - self._best_share >= patience

    def update(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        loss, statistics = self.phase.loss(self._generator)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._clip)
        if bool(torch.isfinite(norm)):  # one broken batch must not spoil the weights
            self._optimiser.step()
        self.step_count += 1
        self._follow()
        for name, value in statistics.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._count += 1

    def keep(self) -> None:
        """Hand over the weights at the shares that the phase asks for."""
        phase = self.phase
        while phase.keep is not None and self._kept < self._due():
            self.take_average()
            phase.keep(self._kept)
            self.take_average()
            self._kept += 1

    def take_row(self) -> dict[str, float] | None:
        """Mean statistics since the last row, about once a second."""
        if self._count == 0 or self.elapsed_s - self._row_s < _ROW_EVERY_S:
            return None
        row = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count, self._row_s = {}, 0, self.elapsed_s
        return row

    def take_average(self) -> None:
        """Put the running average in place of the newest weights."""
        if self.phase.average_decay > 0.0:
            self._swap()

    def measured(self, values: dict[str, float]) -> dict[str, float]:
        """Remember the present weights when their held-out value is the lowest so far."""
        value = values.get(self.phase.choose_by, math.nan)
        if value < self._best_value:
            self._best_value, self._best = value, [p.detach().clone() for p in self._parameters]
            self._best_share = self.share_done()
        self._measured_share = self.share_done()
        return values

    def take_best(self) -> None:
        with torch.no_grad():
            for parameter, best in zip(self._parameters, self._best, strict=False):  # empty: nothing was measured
                parameter.copy_(best)

    def with_average(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        self.take_average()
        try:
            return measure()
        finally:
            self.take_average()

    def tensors(self) -> dict[str, Tensor]:
        moments = {f"opt.{name}": t for name, t in optimiser_tensors(self._optimiser).items()}
        best = {f"best.{index}": t for index, t in enumerate(self._best)}
        shares = (self._best_value, self._best_share, self._measured_share)
        value = {"best_value": torch.tensor(shares, dtype=torch.float64)}
        return {**moments, **best, **value, **{f"avg.{index}": t for index, t in enumerate(self._average)}}

    def restore(self, tensors: dict[str, Tensor], step: int, elapsed_s: float) -> None:
        restore_optimiser(self._optimiser, {n[4:]: t for n, t in tensors.items() if n.startswith("opt.")})
        self._average = [placed(tensors[f"avg.{index}"]).clone() for index in range(len(self._parameters))]
        known = tensors["best_value"].reshape(-1).tolist()  # older checkpoints have the value alone
        self._best_value, self._best_share, self._measured_share = (*known, 0.0, 0.0)[:3]
        best = [f"best.{index}" for index in range(len(self._parameters)) if "best.0" in tensors]
        self._best = [placed(tensors[name]).clone() for name in best]
        self.step_count, self.elapsed_s, self._row_s = step, elapsed_s, elapsed_s
        self._kept = self._due()

    def _due(self) -> int:
        """How many of the shares `keep_at` are done."""
        return sum(share <= self.share_done() for share in self.phase.keep_at)

    def share_done(self) -> float:
        """How much of the limits is used up, 1 at the end."""
        by_time = self.elapsed_s / self.phase.seconds if self.phase.seconds > 0.0 else 0.0
        return max(self.step_count / self.phase.steps, by_time)

    def _learning_rate(self) -> float:
        low, high = self.phase.final_learning_rate, self.phase.learning_rate
        fallen = 0.5 * (1.0 + math.cos(math.pi * min(1.0, self.share_done())))
        return (low + (high - low) * fallen) * min(1.0, (self.step_count + 1) / self._warm_up_steps)

    def _follow(self) -> None:
        if self.phase.average_decay > 0.0:
            decay = min(self.phase.average_decay, (1 + self.step_count) / (10 + self.step_count))
            with torch.no_grad():
                for average, parameter in zip(self._average, self._parameters, strict=True):
                    average.lerp_(parameter, 1.0 - decay)

    def _swap(self) -> None:
        with torch.no_grad():
            for parameter, average in zip(self._parameters, self._average, strict=True):
                kept = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(kept)


def _expected_s(phase: Phase, step_s: float) -> float:
    by_steps = phase.steps * step_s
    return min(phase.seconds, by_steps) if phase.seconds > 0.0 else by_steps
