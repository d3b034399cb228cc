"""A trained skill model as planners, policies and reports use it: raw SI states in, skills, states and actions out.

Canonicalising, features and normalisation happen inside. Batch first, float32, one prior behind one call: flow, or the
Gaussian through the inverse error function, so that every planner runs unchanged on either (spec/methods-papers.md 1f).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import DataError
from studio.core.task import Task
from studio.learning.bundle import Bundle, load_bundle
from studio.learning.distributions import gaussian_from_base
from studio.learning.ensemble import disagreement
from studio.learning.kinematics import ArmGeometry
from studio.learning.skill_networks import NetworkSizes, RecurrentPolicy, SkillNetworks, make_flow

PRIORS = ("flow", "gaussian")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What every network needs of states [N, S], computed once: canonical frame [N] and features [N, F]."""

    state: Tensor
    frame: Tensor
    features: Tensor


class SkillModel:
    """What planners and policies use.

    Args:
        networks: trained parts.
        rate_hz: policy rate.
        prior: `flow` or `gaussian`.
        info: the bundle's description; empty for a model in training.
    """

    def __init__(
        self, networks: SkillNetworks, *, rate_hz: float, prior: str = "flow", info: dict[str, Any] | None = None
    ) -> None:
        if prior not in PRIORS:
            raise DataError(f"Bundle: prior {prior!r} is unknown; allowed flow, gaussian. Train the bundle again.")
        self.networks = networks.eval().requires_grad_(False)
        self.rate_hz, self.prior, self.info = rate_hz, prior, info or {}
        self._last: Prepared | None = None
        self._said: tuple[Tensor, Tensor, Tensor] | None = None
        self._memory: Tensor | None = None
        self._policy_frame: Tensor | None = None

    @property
    def task(self) -> Task:
        return self.networks.task

    @property
    def window(self) -> int:
        """Ticks of one skill."""
        return self.networks.window

    @property
    def window_s(self) -> float:
        return self.window / self.rate_hz

    @property
    def skill_size(self) -> int:
        return self.networks.sizes.skill_size

    @property
    def state_size(self) -> int:
        return self.task.state_size

    @property
    def action_size(self) -> int:
        return self.networks.action_size

    def prepare(self, state: Tensor) -> Prepared:
        """Features of states [N, S]; the newest result is kept, so `skill` and `predict` on one tensor share it."""
        last = self._last
        if last is not None and last.state is state:
            return last
        with torch.inference_mode():
            frame = self.networks.features.frame(state)
            self._last = Prepared(state, frame, self.networks.features(state, frame))
        return self._last

    def skill(self, base: Tensor, state: Tensor) -> Tensor:
        """z [N, d] for base controls u in (-1, 1)^d [N, d], conditioned on states [N, S]."""
        features = self.prepare(state).features
        with torch.inference_mode():
            if self.prior == "flow":
                return self.networks.flow.sample(base, features)
            return gaussian_from_base(base, *self.networks.prior(features))

    def predict(self, state: Tensor, z: Tensor) -> Tensor:
        """States [N, S] one skill later."""
        with torch.inference_mode():
            return self.networks.transition.apply(state, self._changes(state, z).mean(0))

    def disagreement(self, state: Tensor, z: Tensor) -> Tensor:
        """How far the dynamics' members differ on skills z from states [N], in spreads of one skill's change."""
        with torch.inference_mode():
            return disagreement(self._changes(state, z), self.networks.transition.weight)

    def _changes(self, state: Tensor, z: Tensor) -> Tensor:
        """What the members say [M, N, D]; the newest answer is kept, as in `prepare`."""
        said = self._said
        if said is None or said[0] is not state or said[1] is not z:
            said = (state, z, self.networks.each_change(self.prepare(state).features, z))
            self._said = said
        return said[2]

    def start_policy(self, state: Tensor | np.ndarray | None = None) -> None:
        """Begin a window: forget the recurrent memory and the canonical frame.

        Args:
            state: the state [S] at which z was decoded, which fixes the frame; without it the first `act` state does.
        """
        self._memory = None
        self._policy_frame = None if state is None else self.networks.features.frame(_row(state))

    def act(
        self, state: Tensor | np.ndarray, state_goal: Tensor | np.ndarray, z: Tensor | np.ndarray, phase: int
    ) -> Tensor:
        """Action [A] in SI units at tick `phase` (0 .. window-1) of the running window."""
        now, goal = _row(state), _row(state_goal)
        nets = self.networks
        with torch.inference_mode():
            if self._policy_frame is None:
                self._policy_frame = nets.features.frame(now)
            features = nets.features(now, self._policy_frame)
            inputs = nets.policy_input(features, nets.transition.encode(now, goal), _row(z))
            if isinstance(nets.policy, RecurrentPolicy):
                output, self._memory = nets.policy(inputs[:, None], self._memory)
                output = output[:, 0]
            else:
                output = nets.policy(inputs, torch.tensor([phase / self.window]))
            return nets.actions.decode(output)[0]

    def tips(self, state: Tensor) -> Tensor:
        """Fingertips [N, arms, 3] in m."""
        with torch.inference_mode():
            return self.networks.features.tips(state)


def make_skill_model(bundle: Bundle, *, prior: str | None = None) -> SkillModel:
    """Networks of a bundle with their weights.

    Args:
        prior: instead of the bundle's own choice: `gaussian`, `flow`, `flow:K` (its K-th kept checkpoint) or
            `reference` (the large flow).

    Raises:
        DataError: the weights do not fit the description, or the bundle holds no such model.
    """
    info = bundle.info
    try:
        geometry = ArmGeometry.from_json(info["geometry"]) if info.get("geometry") else None
        sizes = NetworkSizes.from_json(info["networks"])
        networks = SkillNetworks(bundle.task, geometry, int(info["action_size"]), int(info["window"]), sizes)
        for name, part in networks.parts().items():
            if name in bundle.parts:
                part.load_state_dict(bundle.parts[name])
            elif name != "flow":
                raise KeyError(name)
    except (KeyError, RuntimeError, TypeError) as error:
        raise DataError(
            f"Bundle {bundle.path}: its parts do not fit its description. Train or copy it again.", detail=str(error)
        ) from error
    chosen = prior or str(info.get("prior", "gaussian"))
    if chosen == "flow" and "flow" not in bundle.parts:
        raise DataError(f"Bundle {bundle.path} has no flow. Use the Gaussian prior, or train stage 2.")
    if chosen not in PRIORS:
        _put_flow(networks, bundle, chosen)
        chosen = "flow"
    return SkillModel(networks, rate_hz=float(info["rate_hz"]), prior=chosen, info=info)


def _put_flow(networks: SkillNetworks, bundle: Bundle, prior: str) -> None:
    """Another of the bundle's flows in place of the one it ships with."""
    part = "flow_" + prior.removeprefix("flow:") if prior.startswith("flow:") else prior
    if part not in bundle.parts or not (part == "reference" or part.startswith("flow_")):
        have = ["gaussian", *(n.replace("_", ":") for n in bundle.parts if n.startswith("flow")), "reference"]
        named = ", ".join(name for name in have if name != "reference" or name in bundle.parts)
        raise DataError(
            f"Bundle {bundle.path.name} has no prior {prior!r}. It has {named}; train with more to get more."
        )
    if part == "reference":
        blocks = int(bundle.info.get("reference_blocks", 16))
        networks.flow = make_flow(networks.features.size, dataclasses.replace(networks.sizes, flow_blocks=blocks))
    networks.flow.load_state_dict(bundle.parts[part])


def load_skill_model(path: Path, *, prior: str | None = None) -> SkillModel:
    """`load_bundle` and `make_skill_model` in one."""
    return make_skill_model(load_bundle(path), prior=prior)


def _row(values: Tensor | np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32).reshape(1, -1)
