"""What is trained and kept to compare priors: checkpoints of the flow on its way, and a large reference flow.

Source: spec/methods-papers.md 1b (KL-hat), 1f: the points of the paper's main plot are checkpoints of one architecture,
its reference has 16 blocks.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from studio.learning.flow import ConditionalFlow
from studio.learning.flow_quality import REFERENCE, compare_priors, gaussian_density
from studio.learning.skill_networks import SkillNetworks, make_flow
from studio.learning.training import Loss, Phase
from studio.learning.windows import WindowTensors
from studio.methods.haptic_play.config import HapticPlayConfig

_FIRST_SHARE = 0.02  # the earliest checkpoint; the others follow in equal ratios, the last is the end


def checkpoint_shares(count: int) -> tuple[float, ...]:
    """Shares of stage 2 after which the flow is kept; early ones lie close together, where it changes most."""
    if count < 2:
        return (1.0,) * count
    return tuple(_FIRST_SHARE ** (1.0 - index / (count - 1)) for index in range(count))


class FlowStudy(nn.Module):
    """Kept checkpoints and the reference; a part of the training's own checkpoint, so a resumed one has them too.

    Args:
        networks: their flow is what is kept.
        config: `flow_checkpoints`, `reference_blocks`, `reference`.
    """

    def __init__(self, networks: SkillNetworks, config: HapticPlayConfig) -> None:
        super().__init__()
        self._config = config
        self.kept = nn.ModuleList(copy.deepcopy(networks.flow) for _ in range(config.flow_checkpoints))
        self.kept.requires_grad_(False)
        self.register_buffer("taken", torch.zeros(config.flow_checkpoints, dtype=torch.bool))
        wanted = config.reference.steps > 0
        sizes = dataclasses.replace(networks.sizes, flow_blocks=config.reference_blocks)
        self.reference = make_flow(networks.features.size, sizes) if wanted else None
        self._networks = [networks]  # not a part of this module

    @property
    def holds_any(self) -> bool:
        """Whether there is anything but the flow that is shipped."""
        return len(self.kept) > 0 or self.reference is not None

    def keep(self, number: int) -> None:
        """Copy the flow as it is now."""
        self.kept[number].load_state_dict(self._networks[0].flow.state_dict())
        self.get_buffer("taken")[number] = True

    def extend(self, flow_phase: Phase, make_loss: Callable[[int], Loss]) -> list[Phase]:
        """Stage 2 with its checkpoints, then the reference; `make_loss` gives stage 2's loss for a batch size."""
        shares = checkpoint_shares(len(self.kept))
        patience = 0.0 if shares else flow_phase.patience  # the later checkpoints are wanted too
        phases = [dataclasses.replace(flow_phase, keep=self.keep, keep_at=shares, patience=patience)]
        if self.reference is None:
            return phases
        return [*phases, self._reference_phase(flow_phase, self.reference, make_loss(self._config.reference.batch))]

    def _reference_phase(self, like: Phase, reference: ConditionalFlow, loss: Loss) -> Phase:
        """As stage 2, on another flow; it is lent to the networks while its loss is computed."""
        networks, limits = self._networks[0], self._config.reference

        def lent(work: Any) -> Any:
            own, networks.flow = networks.flow, reference
            try:
                return work()
            finally:
                networks.flow = own

        return dataclasses.replace(
            like,
            name=REFERENCE,
            module=reference,
            loss=lambda generator: lent(lambda: loss(generator)),
            held_out=lambda: lent(like.held_out),
            steps=limits.steps,
            seconds=limits.seconds,
            learning_rate=limits.learning_rate,
            final_learning_rate=limits.final_learning_rate,
            begin=lambda: reference.start_from(networks.prior),
            keep=None,
            keep_at=(),
        )

    def compare(
        self, train: WindowTensors, held_out: WindowTensors, phase_steps: dict[str, int]
    ) -> list[dict[str, Any]]:
        """Every prior that was trained, on the same skills; empty where there is only the shipped flow."""
        networks, steps = self._networks[0], phase_steps.get("flow", 0)
        if not steps or not self.holds_any:
            return []
        models = {"gaussian": gaussian_density(networks), "flow": networks.flow.log_density}
        models |= {f"flow:{number + 1}": flow.log_density for number, flow in self._taken()}
        if self.reference is not None and phase_steps.get(REFERENCE, 0):
            models[REFERENCE] = self.reference.log_density
        rows = compare_priors(networks, models, {"train": train, "held_out": held_out})
        shares = checkpoint_shares(len(self.kept))
        for row in rows:
            number = row["prior"].partition(":")[2]
            row["share_of_training"] = round(shares[int(number) - 1], 4) if number else None
        return rows

    def parts(self, phase_steps: dict[str, int]) -> dict[str, dict[str, Tensor]]:
        """What goes into a bundle: `flow_1` …, `reference`."""
        parts = {f"flow_{number + 1}": dict(flow.state_dict()) for number, flow in self._taken()}
        if self.reference is not None and phase_steps.get(REFERENCE, 0):
            parts[REFERENCE] = dict(self.reference.state_dict())
        return parts

    def _taken(self) -> list[tuple[int, ConditionalFlow]]:
        taken = self.get_buffer("taken").tolist()
        return [(number, flow) for number, flow in enumerate(self.kept) if taken[number]]  # type: ignore[misc]
