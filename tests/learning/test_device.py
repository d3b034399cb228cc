"""Training on another device than the processor: everything that a loss makes lies where the networks are.

No GPU is needed: `meta` is a device whose tensors have shapes and no numbers. An operation that mixes it with the
processor's tensors fails as it would with a GPU's.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from studio.core.errors import ConfigError
from studio.core.task import load_task
from studio.learning.cvae import LossWeights, chain_loss, make_policy_noise, stage_1_loss, stage_2_loss
from studio.learning.device import choose_device, computing_on, make_generator, placed
from studio.learning.executed import ExecutedSkills, executed_chain_loss
from studio.learning.latent_match import Discriminator
from studio.learning.single_skills import executed_singles, recorded_singles, singles_loss
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.learning.value import GoalValue, HindsightGoals, ValueSettings, value_loss
from studio.learning.windows import StartSampler, WindowTensors
from tests.learning.toy import GEOMETRY

WINDOW, SKILL, ROWS = 10, 4, 200
TASK = load_task("move_box")
ANY: torch.Generator = None  # type: ignore[assignment]  # there is none for `meta`


@pytest.fixture
def elsewhere() -> Iterator[None]:
    with computing_on(torch.device("meta")):
        yield


def make_networks(**sizes: object) -> SkillNetworks:
    given = {"skill_size": SKILL, "dynamics_members": 2, **sizes}
    with torch.device("cpu"):  # masks of the flow look at numbers
        networks = SkillNetworks(TASK, GEOMETRY, 16, WINDOW, NetworkSizes(**given))  # type: ignore[arg-type]
    return networks.to(torch.get_default_device())


def make_windows() -> WindowTensors:
    return WindowTensors(torch.zeros(ROWS, 28), torch.zeros(ROWS, 16), torch.arange(ROWS - WINDOW), WINDOW)


def make_executed() -> ExecutedSkills:
    starts = torch.arange(0, ROWS - WINDOW, WINDOW)
    skills, goals = torch.zeros(len(starts), SKILL), torch.zeros(ROWS, 12)
    return ExecutedSkills(torch.zeros(ROWS, 28), starts, skills, torch.arange(ROWS - WINDOW), goals, WINDOW)


def descend(loss: torch.Tensor) -> None:
    assert loss.device.type == "meta" and loss.shape == ()
    loss.backward()


@pytest.mark.parametrize("sizes", [{}, {"policy": "gru", "posterior": "bigru"}])
@pytest.mark.parametrize("latent", ["kl", "mmd", "adversarial"])
def test_stage_1(elsewhere: None, sizes: dict[str, object], latent: str) -> None:
    networks, starts = make_networks(**sizes), torch.arange(20)
    noise = make_policy_noise(TASK, position_rad=0.02, velocity=0.1, plain=torch.ones(28))
    judge = Discriminator(networks.features.size, SKILL, (16,)) if latent == "adversarial" else None
    weights = LossWeights(action=1.0, goal=1.0, beta=0.001, reduction="mean", feature_noise=0.1, latent=latent)
    ticks = WINDOW if sizes else 4
    found, _ = stage_1_loss(
        networks, make_windows(), starts, weights,
        noise=noise, goal_noise=0.1, policy_ticks=ticks, generator=ANY, discriminator=judge,
    )  # fmt: skip
    descend(found)


def test_stage_2(elsewhere: None) -> None:
    networks = make_networks()
    networks.flow.start_from(networks.prior)
    descend(stage_2_loss(networks, make_windows(), torch.arange(20), generator=ANY, feature_noise=0.1)[0])


def test_dynamics_alone(elsewhere: None) -> None:
    networks, windows, executed = make_networks(), make_windows(), make_executed()
    descend(chain_loss(networks, windows, torch.arange(20), skills=3, generator=ANY)[0])
    descend(executed_chain_loss(networks, executed, torch.arange(8), skills=2)[0])
    prepared = [(recorded_singles(networks, windows, torch.arange(50)), 8), (executed_singles(networks, executed), 8)]
    descend(singles_loss(networks, prepared, ANY)[0])


def test_value(elsewhere: None) -> None:
    networks, windows = make_networks(), make_windows()
    value, features = GoalValue(TASK, networks.features.size, (16,)), networks.features
    goals = HindsightGoals.__new__(HindsightGoals)  # finding stretches looks at numbers, which `meta` has not
    area = (torch.tensor([-0.1, -0.1]), torch.tensor([0.1, 0.1]))
    sampler = StartSampler.__new__(StartSampler)
    sampler.starts, sampler._parts = windows.starts, [(0.3, windows.starts[:50])]
    goals.__dict__.update(
        _windows=windows, _settings=ValueSettings(), _commanded=windows.states, _low=area[0], _high=area[1],
        _sampler=sampler, _last_row=torch.arange(ROWS), _mean_ticks=30.0,
    )  # fmt: skip
    batch = goals.draw(40, value, ANY)
    value.follow(0.1)
    descend(value_loss(value, lambda s: features(s, features.frame(s)), windows, batch, ValueSettings())[0])


def test_a_tensor_left_on_the_processor_would_be_noticed(elsewhere: None) -> None:
    """The check of the check: one that was not brought over fails."""
    networks, windows = make_networks(), make_windows()
    left = WindowTensors(torch.zeros(ROWS, 28, device="cpu"), windows.actions, windows.starts, WINDOW)
    with pytest.raises(RuntimeError):
        descend(chain_loss(networks, left, torch.arange(20), skills=2, generator=ANY)[0])


def test_the_device_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match=r"device is 'cuda', but torch finds no GPU"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda" and choose_device("cpu").type == "cpu"


def test_on_the_processor_nothing_changes() -> None:
    with computing_on(torch.device("cpu")):
        assert torch.zeros(1).device.type == "cpu" and not torch.overrides._get_current_function_mode_stack()
    tensor = torch.ones(2)
    assert placed(tensor) is tensor
    same = torch.rand(3, generator=torch.Generator().manual_seed(4))
    assert torch.equal(torch.rand(3, generator=make_generator(4)), same)
