"""Policies learned by RLlib's stock algorithms, loaded and played."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import mechanisms
from envs import World, WorldConfig
from marl_moe.policies.columns import columns_of
from marl_moe.rllib.stock import STOCK
from marl_moe.rllib.stock_policy import StockPolicy

PLAIN = columns_of(WorldConfig(), allocates=False)

pytestmark = pytest.mark.usefixtures("ray_started")
GROUPS = {"late": [1], "early": [0]}
ALGORITHMS = tuple(STOCK)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("policies", ["shared", GROUPS], ids=["shared", "groups"])
def test_each_user_does_what_its_own_module_finds_best_in_any_number_of_worlds(
    trained: Callable[..., Any], name: str, policies: Any
) -> None:
    run = trained(name, policies)
    policy = run.policy()
    world = World(run.spec.env, num_worlds=5, seed=3, mechanism=mechanisms.make("posted_price"))
    module_of = {user: module for module, users in policy.module_users.items() for user in users}
    while not world.done:
        actions = policy.act(world.slot)
        for n, u in np.ndindex(5, 2):
            one = {"obs": torch.from_numpy(world.slot.observation[n, u : u + 1])}
            module = policy.modules[module_of[u]]
            with torch.no_grad():
                scores = (
                    module.compute_q_values(one)["qf_preds"]
                    if name == "dqn"
                    else module.forward_exploration(one)["action_dist_inputs"]
                )
            assert actions[n, u] == scores[0].argmax()
            assert world.slot.mask[n, u, actions[n, u]]
        world.step(actions)


@pytest.mark.parametrize("policies", ["shared", GROUPS], ids=["shared", "groups"])
@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "dqn"])
def test_probabilities_are_the_shares_of_what_is_drawn(
    trained: Callable[..., Any], name: str, policies: Any
) -> None:
    run = trained(name, policies)
    policy = run.policy()
    world = World(run.spec.env, num_worlds=4000, seed=3, mechanism=mechanisms.make("posted_price"))
    told, mask = policy.probabilities(world.slot), world.slot.mask
    np.testing.assert_allclose(told.sum(axis=-1), 1, rtol=1e-5)
    assert (told[~mask] == 0).all()
    drawn = policy.stochastic(np.random.default_rng(1)).act(world.slot)
    for user, action in np.ndindex(told.shape[1:]):
        share = (drawn[:, user] == action).mean()
        assert share == pytest.approx(told[:, user, action].mean(), abs=0.03)  # 4 errors at most


def test_dqn_has_no_probabilities(trained: Callable[..., Any]) -> None:
    run = trained("dqn")
    assert run.policy().probabilities(World(run.spec.env).slot) is None


def test_stochastic_dqn_explores_as_at_the_end_of_its_training(patchy_world: WorldConfig) -> None:
    model = {
        "fcnet_hiddens": [4],
        "allow_abandon": True,
        "user_features": PLAIN.user,
        "expert_features": PLAIN.expert,
    }
    model |= {"dueling": False, "double_q": True, "num_atoms": 1}
    module = STOCK["dqn"].build_module(5, model | {"epsilon": [[0, 1.0], [100, 0.2]]})
    world = World(patchy_world, num_worlds=4000, seed=0)
    allowed = world.slot.mask.sum(axis=-1)
    for env_steps, epsilon in ((0, 1.0), (50, 0.6), (1000, 0.2)):
        policy = StockPolicy("dqn", {"shared": module}, {"shared": [0, 1, 2]}, 5, PLAIN, env_steps)
        differs = policy.stochastic(np.random.default_rng(1)).act(world.slot) != policy.act(
            world.slot
        )
        expected = epsilon * (1 - 1 / allowed)
        assert differs.mean() == pytest.approx(expected.mean(), abs=0.02)


def test_a_world_of_another_size_is_refused(trained: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="ppo: trained with 6 experts, it cannot act among 7"):
        trained("ppo").policy().act(World(WorldConfig(num_users=2, num_experts=7)).slot)
    with pytest.raises(ValueError, match="its modules act for 2 users, the world has 3"):
        trained("ppo", GROUPS).policy().act(World(WorldConfig(num_users=3, num_experts=6)).slot)


def test_a_shared_policy_acts_for_any_number_of_users(trained: Callable[..., Any]) -> None:
    world = World(WorldConfig(num_users=5, num_experts=6), num_worlds=2)
    assert trained("ppo").policy().act(world.slot).shape == (2, 5)


def test_what_is_saved_says_what_it_is(trained: Callable[..., Any]) -> None:
    run = trained("dqn", GROUPS)
    saved = json.loads((run.folder / "policy.json").read_text())
    assert (saved["algorithm"], saved["module_users"], saved["env_steps"]) == ("dqn", GROUPS, 80)
    assert saved["model_config"]["fcnet_hiddens"] == [16]
