"""Learned policies against the softmax of their own networks, and as saved files."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from envs import World, WorldConfig
from marl_moe.policies.learned import LearnedPolicy, load_policy, save_policy
from marl_moe.policies.networks import NetworkConfig

GROUPS = {"near": [0, 2], "far": [1]}


def make_policy(
    world: WorldConfig, users: dict[str, list[int]] | None = None, **network: Any
) -> LearnedPolicy:
    torch.manual_seed(2)
    config = NetworkConfig.of(world, allocates=False, hidden=8, **network)
    users = users or {"shared": list(range(world.num_users))}
    actors = {module: config.actor().requires_grad_(False) for module in users}
    for actor in actors.values():
        for name, parameter in actor.named_parameters():
            # Clearly different scores, not all below abandoning.
            parameter *= 0 if name.startswith("abandon_out") else 3
    return LearnedPolicy("sac", actors, config, users)


def probabilities(policy: LearnedPolicy, world: World, module: str, n: int, u: int) -> np.ndarray:
    """Return probabilities of one user's actor, a softmax over the allowed actions."""
    score = (
        policy.actors[module](torch.from_numpy(world.slot.observation[n, u : u + 1]))[0, 0]
        .double()
        .numpy()
    )
    weight = np.where(world.slot.mask[n, u], np.exp(score - score.max()), 0)
    return weight / weight.sum()


@pytest.mark.parametrize("network", ["pointer", "mlp"])
@pytest.mark.parametrize("users", [None, GROUPS])
def test_each_user_does_what_its_own_actor_finds_likeliest(
    patchy_world: WorldConfig, users: dict[str, list[int]] | None, network: str
) -> None:
    policy = make_policy(patchy_world, users, network=network)
    module_of = {u: module for module, members in policy.module_users.items() for u in members}
    world = World(patchy_world, num_worlds=5, seed=0)
    while not world.done:
        actions = policy.act(world.slot)
        for n, u in np.ndindex(5, 3):
            assert actions[n, u] == probabilities(policy, world, module_of[u], n, u).argmax()
        world.step(actions)


def test_drawn_actions_have_the_frequencies_of_the_softmax_and_are_never_masked(
    patchy_world: WorldConfig,
) -> None:
    policy = make_policy(patchy_world)
    world = World(patchy_world, seed=1)
    expected = probabilities(policy, world, "shared", 0, 0)
    while not ((expected > 0.1).sum() >= 3 and (expected == 0).any()):
        world.reset() if world.done else world.step(policy.act(world.slot))
        expected = probabilities(policy, world, "shared", 0, 0)
    drawing = policy.stochastic(np.random.default_rng(0))
    drawn = np.bincount(
        [drawing.act(world.slot)[0, 0] for _ in range(4000)], minlength=len(expected)
    )
    possible = expected > 0
    assert drawn[~possible].sum() == 0
    assert stats.chisquare(drawn[possible], 4000 * expected[possible]).pvalue > 1e-3
    assert (drawn > 0).sum() > 1


def test_drawing_repeats_under_a_seed_and_is_named_apart(small_world: WorldConfig) -> None:
    policy, world = make_policy(small_world), World(small_world, num_worlds=50, seed=0)
    first, second = (policy.stochastic(np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.act(world.slot), second.act(world.slot))
    assert (policy.name, first.name) == ("sac", "sac_stochastic")
    assert (first.act(world.slot) != policy.act(world.slot)).any()


@pytest.mark.parametrize("network", ["pointer", "mlp"])
@pytest.mark.parametrize("users", [None, GROUPS])
def test_a_saved_policy_acts_as_the_one_it_was_saved_from(
    patchy_world: WorldConfig, users: dict[str, list[int]] | None, network: str, tmp_path: Path
) -> None:
    policy = make_policy(patchy_world, users, network=network)
    weights = {module: actor.state_dict() for module, actor in policy.actors.items()}
    save_policy(tmp_path / "saved", weights, policy.network, policy.module_users)
    loaded = load_policy(tmp_path / "saved", "sac")
    world = World(patchy_world, num_worlds=20, seed=3)
    np.testing.assert_array_equal(loaded.act(world.slot), policy.act(world.slot))
    assert len(np.unique(policy.act(world.slot))) > 2
    assert loaded.network == policy.network
    assert sorted(file.name for file in (tmp_path / "saved").iterdir()) == [
        "policy.json",
        "policy.safetensors",
    ]


def test_a_saved_policy_acts_where_ray_cannot_be_imported(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    policy = make_policy(small_world)
    weights = {module: actor.state_dict() for module, actor in policy.actors.items()}
    save_policy(tmp_path, weights, policy.network, policy.module_users)
    script = f"""
import json, sys
sys.modules["ray"] = None  # importing it raises ImportError
from pathlib import Path
from envs import World, WorldConfig
from marl_moe.policies.learned import load_policy
config = WorldConfig(**json.loads({json.dumps(small_world.as_dict())!r}))
world = World(config, num_worlds=4, seed=9)
print(json.dumps(load_policy(Path({str(tmp_path)!r}), "sac").act(world.slot).tolist()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (
        json.loads(done.stdout)
        == policy.act(World(small_world, num_worlds=4, seed=9).slot).tolist()
    )


def test_a_shared_policy_serves_worlds_of_other_sizes(small_world: WorldConfig) -> None:
    policy = make_policy(small_world)
    other = replace(
        small_world,
        num_users=4,
        num_experts=9,
        experts=replace(small_world.experts, availability_probability=0.7),
    )
    world = World(other, num_worlds=3, seed=0)
    actions = policy.act(world.slot)
    for n, u in np.ndindex(3, 4):
        assert actions[n, u] == probabilities(policy, world, "shared", n, u).argmax()


def test_an_mlp_among_another_number_of_experts_is_refused(small_world: WorldConfig) -> None:
    policy = make_policy(small_world, network="mlp")
    with pytest.raises(
        ValueError, match=r"sac: a network .mlp. trained with 6 experts cannot act among 7"
    ):
        policy.act(World(replace(small_world, num_experts=7)).slot)


def test_groups_in_a_world_of_other_users_are_refused(patchy_world: WorldConfig) -> None:
    policy = make_policy(patchy_world, GROUPS)
    with pytest.raises(ValueError, match="sac: its modules act for 3 users, the world has 4"):
        policy.act(World(replace(patchy_world, num_users=4)).slot)


def test_no_policy_is_loaded_from_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_policy(tmp_path, "sac")
