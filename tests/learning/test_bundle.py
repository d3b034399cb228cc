"""Bundles: what is written is read again; everything broken is said; the model behind it keeps its promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.errors import DataError
from studio.core.task import load_task
from studio.learning.bundle import check_fits_robot, load_bundle, read_bundle_info, save_bundle
from studio.learning.distributions import gaussian_from_base
from studio.learning.skill_model import SkillModel, load_skill_model
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.learning.symmetry import symmetry_rotations, turn_frame
from tests.learning.toy import GEOMETRY, pushed_box

SMALL = NetworkSizes(
    policy_hidden=(16,),
    posterior_hidden=(16,),
    dynamics_hidden=(32,),
    prior_hidden=(16,),
    flow_hidden=16,
    flow_context_hidden=(8,),
)


def make_networks(sizes: NetworkSizes = SMALL) -> SkillNetworks:
    torch.manual_seed(0)
    return SkillNetworks(load_task("move_box"), GEOMETRY, 16, 20, sizes)


def write(path: Path, networks: SkillNetworks | None = None, **changes: Any) -> Path:
    networks = networks or make_networks()
    info = {
        "method": "haptic_play",
        "rate_hz": 100.0,
        "window": 20,
        "task": networks.task.to_json(),
        "geometry": GEOMETRY.to_json(),
        "networks": networks.sizes.to_json(),
        "action_size": 16,
        "prior": "flow",
        **changes,
    }
    save_bundle(path, info, {name: dict(part.state_dict()) for name, part in networks.parts().items()}, card="# card\n")
    return path


def box_states(count: int = 40) -> torch.Tensor:
    return torch.from_numpy(pushed_box(0, 400)[0])[:: 400 // count][:count].clone()


def test_model_from_disk_equals_the_one_in_memory(tmp_path: Path) -> None:
    networks = make_networks()
    memory = SkillModel(networks, rate_hz=100.0, prior="flow")
    disk = load_skill_model(write(tmp_path / "b", networks))
    state, u = box_states(), torch.rand(40, 8) * 1.8 - 0.9
    z = memory.skill(u, state)
    assert torch.equal(z, disk.skill(u, state))
    assert torch.equal(memory.predict(state, z), disk.predict(state, z))
    assert disk.window_s == 0.2 and (disk.skill_size, disk.state_size, disk.action_size) == (8, 28, 16)
    assert (tmp_path / "b" / "card.md").read_text() == "# card\n"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    write(tmp_path / "b")  # a bundle may be replaced


def test_gaussian_prior_is_the_head_through_erfinv(tmp_path: Path) -> None:
    model = load_skill_model(write(tmp_path / "b"), prior="gaussian")
    state, u = box_states(), torch.rand(40, 8) * 1.8 - 0.9
    expected = gaussian_from_base(u, *model.networks.prior(model.prepare(state).features))
    assert torch.allclose(model.skill(u, state), expected)


def test_features_are_shared_between_skill_and_predict() -> None:
    model = SkillModel(make_networks(), rate_hz=100.0)
    calls = []
    model.networks.features.register_forward_hook(lambda *_: calls.append(1))
    state = box_states()
    model.predict(state, model.skill(torch.zeros(40, 8), state))
    assert len(calls) == 1
    model.skill(torch.zeros(40, 8), state.clone())
    assert len(calls) == 2


@pytest.mark.parametrize("policy", ["mlp", "gru"])
def test_model_is_equivariant_under_the_cubes_rotations(policy: str) -> None:
    sizes = NetworkSizes(
        policy=policy,
        policy_hidden=(16,),
        posterior_hidden=(16,),
        dynamics_hidden=(32,),
        prior_hidden=(16,),
        flow_hidden=16,
        flow_context_hidden=(8,),
    )
    model = SkillModel(make_networks(sizes), rate_hz=100.0)
    span = model.task.span("object_rotation")
    state, u = box_states(), torch.rand(40, 8) - 0.5
    z = model.skill(u, state)
    goal = model.predict(state, z)
    action = run_policy(model, state[0], goal[0], z[0])
    for g in symmetry_rotations("cube")[::5]:
        turned, turned_goal = state.clone(), goal.clone()
        turned[:, span] = turn_frame(state[:, span], g).flatten(1)
        turned_goal[:, span] = turn_frame(goal[:, span], g).flatten(1)
        assert torch.allclose(model.skill(u, turned), z, atol=1e-4)
        assert torch.allclose(model.predict(turned, z), turned_goal, atol=1e-4)
        assert torch.allclose(run_policy(model, turned[0], turned_goal[0], z[0]), action, atol=1e-4)


def run_policy(model: SkillModel, state: torch.Tensor, goal: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    model.start_policy()
    return torch.stack([model.act(state, goal, z, phase) for phase in range(3)])


def test_recurrent_policy_remembers_until_the_next_window() -> None:
    sizes = NetworkSizes(
        policy="gru", policy_hidden=(16,), posterior="bigru", posterior_hidden=(16,), flow_context_hidden=(8,)
    )
    model = SkillModel(make_networks(sizes), rate_hz=100.0)
    state = box_states()[0]
    first, second = run_policy(model, state, state, torch.ones(8))[:2]
    assert not torch.allclose(first, second)
    assert torch.equal(run_policy(model, state, state, torch.ones(8))[0], first)


def test_rotation_stays_a_rotation_over_many_skills() -> None:
    model = SkillModel(make_networks(), rate_hz=100.0)
    state = box_states()
    for _ in range(40):
        state = model.predict(state, torch.randn(40, 8))
    matrix = state[:, model.task.span("object_rotation")].unflatten(-1, (3, 3))
    assert float((matrix @ matrix.mT - torch.eye(3)).abs().max()) < 1e-4


def test_broken_bundles_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a bundle"):
        load_bundle(tmp_path / "missing")
    path = write(tmp_path / "b")
    part = path / "dynamics.safetensors"
    whole = part.read_bytes()
    part.write_bytes(whole[:-8])
    with pytest.raises(DataError, match=r"part dynamics .* SHA-256"):
        load_bundle(path)
    part.unlink()
    with pytest.raises(DataError, match=r"dynamics .* missing"):
        load_bundle(path)
    part.write_bytes(whole)
    info = json.loads((path / "bundle.json").read_text())
    for broken, text in (
        ({**info, "format_version": 9}, "format 9"),
        ({"method": "x"}, "no bundle of this studio"),
        ([], "no bundle"),
    ):
        (path / "bundle.json").write_text(json.dumps(broken))
        with pytest.raises(DataError, match=text):
            load_bundle(path)
    (path / "bundle.json").write_text('{"format')
    with pytest.raises(DataError, match="damaged"):
        load_bundle(path)
    wrong = {**info, "networks": {**info["networks"], "skill_size": 5}}
    (path / "bundle.json").write_text(json.dumps(wrong))
    with pytest.raises(DataError, match="do not fit its description"):
        load_skill_model(path)


def test_another_robot_is_refused(tmp_path: Path) -> None:
    info = read_bundle_info(write(tmp_path / "b"))
    check_fits_robot(info, "dual_arm_ak60", 28)
    with pytest.raises(DataError, match="trained for 28 signals, this robot has 32"):
        check_fits_robot(info, "dual_arm_ak60", 32)
    with pytest.raises(DataError, match="'dual_arm_ak60', this one is 'other'"):
        check_fits_robot(info, "other", 28)


def test_something_else_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("long")
    with pytest.raises(DataError, match="not a bundle"):
        write(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "long"
