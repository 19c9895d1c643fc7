"""What scores begin with: the gain expected beside the recent load, and what is left for later."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mechanisms
from envs import ObservationConfig, Slot, World, WorldConfig
from envs.config import ExpertConfig, RequestConfig
from envs.observation import column_names
from envs.prospects import expected_spending
from marl_moe.policies import Crowd, Paced
from marl_moe.policies.columns import columns_of
from marl_moe.policies.learned import LearnedPolicy, load_policy, save_policy
from marl_moe.policies.networks import NetworkConfig
from marl_moe.policies.prior import Prior

SMALL = {"num_users": 5, "num_experts": 7}


def zeroed(network: nn.Module) -> nn.Module:
    """Return a network whose own scores are 0."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


def crowded(mechanism: str) -> World:
    """Return worlds in which users have been served at random for a while."""
    experts = ExpertConfig(unit_cost=(0.05, 0.2), cost_slope=(0.05, 0.2))
    requests = RequestConfig(num_transferred=1)
    config = WorldConfig(**SMALL, experts=experts, requests=requests)
    world = World(config, 4, seed=3, mechanism=mechanisms.make(mechanism))
    rng = np.random.default_rng(0)
    for _ in range(6):
        world.step(rng.integers(8, size=(4, 5)))
    return world


def gain_beside(world: World) -> np.ndarray:
    """Return gains beside what others made of the recent load, credits, from the world's laws."""
    occupancy = world.slot.conditions.occupancy
    others = np.maximum(occupancy.recent_load[:, None] - occupancy.own_recent_load, 0)
    gains = np.empty(others.shape)
    for cell in np.ndindex(others.shape):
        gains[cell] = world.slot.expected_gain(others[cell] + 1)[cell]
    return gains


@pytest.mark.parametrize("network", ["pointer", "mlp"])
@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_a_network_that_adds_nothing_responds_best_to_the_recent_load(
    mechanism: str, network: str
) -> None:
    world = crowded(mechanism)
    config = NetworkConfig.of(world.config, False, network=network, hidden=8)
    policy = LearnedPolicy("sac", {"shared": zeroed(config.actor())}, config, {"shared": []})
    gain = np.where(world.slot.mask[..., :-1], gain_beside(world), -np.inf)
    gain = np.concatenate([gain, np.zeros((4, 5, 1))], axis=-1)
    actions = policy.act(world.slot)
    taken = np.take_along_axis(gain, actions[..., None], axis=-1)[..., 0]
    np.testing.assert_array_equal(taken, gain.max(axis=-1))
    assert len(set(actions.ravel().tolist())) > 3


def test_critics_begin_with_that_gain_and_logits_with_a_multiple_of_it() -> None:
    world = crowded("none")
    config = NetworkConfig.of(world.config, False, hidden=8, prior=2.5)
    seen = torch.tensor(world.slot.observation.reshape(20, -1))
    expected = gain_beside(world).reshape(20, 7)
    for network, multiple in (
        (config.critics(copies=2), 1.0),
        (deepcopy(config.critics(copies=2)), 1.0),  # as targets are made
        (config.actor(), 2.5),
    ):
        for copy in zeroed(network)(seen).detach():
            np.testing.assert_allclose(copy[:, :7], multiple * expected, rtol=1e-4, atol=1e-4)
            assert (copy[:, 7] == 0).all()


def test_the_network_adds_to_it_and_keeps_its_parameters_names() -> None:
    world = crowded("none")
    config = NetworkConfig.of(world.config, False, hidden=8, prior=3.0)
    seen = torch.tensor(world.slot.observation.reshape(20, -1))
    actor, plain = config.actor(), config.build(copies=1)
    assert actor.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(actor.state_dict())
    prior = zeroed(config.actor())(seen)
    torch.testing.assert_close(actor(seen), plain(seen) + prior)


def test_without_a_prior_scores_are_the_networks_own() -> None:
    config = NetworkConfig(num_experts=7, hidden=8, prior=0)
    seen = torch.randn(3, config.observation_size)
    for network in (config.actor(), config.critics(copies=2)):
        assert not zeroed(network)(seen).any()


def budgeted(energy_budget_j: float | None) -> WorldConfig:
    """Return a world whose users, spending as they go, have spent 2 J by a third of the episode."""
    return WorldConfig(
        num_users=5,
        num_experts=7,
        episode_slots=30,
        requests=RequestConfig(num_subtasks=8, local_compute=1.0),
        experts=ExpertConfig(resample="episode"),
        energy_budget_j=energy_budget_j,
    )


def played(config: WorldConfig, act: Callable[[Slot], np.ndarray]) -> tuple[float, float]:
    """Return the gain a slot and user, credits, and the share of energy left half through."""
    world, total, half = World(config, 24, seed=5), 0.0, 0.0
    while not world.done:
        total += float(world.step(act(world.slot))[2].gain.mean())
        if world.slot.index == config.episode_slots // 2:
            half = float(np.maximum(world.budgets.energy_j, 0).mean() / config.energy_budget_j)
    return total / config.episode_slots, half


def untrained(config: WorldConfig, seed: int = 0) -> LearnedPolicy:
    torch.manual_seed(seed)
    network = NetworkConfig.of(config, False, hidden=16)
    return LearnedPolicy("sac", {"shared": network.actor()}, network, {"shared": []})


def test_with_a_budget_the_best_is_a_step_of_lookahead_to_a_value_of_what_is_left() -> None:
    config = budgeted(2.0)
    network = NetworkConfig.of(config, False, network="mlp", hidden=8)
    world = World(config, 6, seed=1)
    for _ in range(4):
        world.step(np.random.default_rng(0).integers(8, size=(6, 5)))
    slot, worth = world.slot, 0.3 * 5.0 * 30
    occupancy = slot.conditions.occupancy
    assert network.budget_worth == worth
    actor, critics = (
        network.actor(),
        network.critics(copies=2),
    )
    for scorer in (actor, critics):
        before = dict(scorer.named_parameters())["log_budget_worth"].clone()
        zeroed(scorer).log_budget_worth.data.copy_(before)
    seen = torch.tensor(slot.observation.reshape(30, -1))
    scores, values = actor(seen)[0].detach(), critics(seen).detach()
    for row, (n, u) in enumerate(np.ndindex(6, 5)):
        left = float(world.budgets.energy_j[n, u])
        others = np.maximum(occupancy.recent_load[n] - occupancy.own_recent_load[n, u], 0)
        takes = expected_spending(slot.conditions, slot.offer, others + 1)[0][n, u]
        gain = slot.expected_gain(others + 1)[n, u]
        later = [worth * sqrt(max(left - e, 0) / 2.0 * 25 / 30) for e in (*takes, 0.0)]
        expected = np.array([*gain, 0.0]) + later
        np.testing.assert_allclose(values[:, row], [expected] * 2, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(scores[row], 5 * expected, rtol=1e-4, atol=5e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_untrained_a_policy_with_a_budget_paces_itself(seed: int) -> None:
    config = budgeted(1.0)
    gain, half = played(config, untrained(config, seed).act)
    paced, _ = played(config, Paced(np.random.default_rng(0)).act)
    crowd, spent = played(config, Crowd(np.random.default_rng(0)).act)
    assert spent < 0.1 < 0.3 < half < 0.7
    assert gain > 0.9 * paced > 1.1 * crowd


def test_only_where_users_have_a_budget_is_its_worth_a_parameter() -> None:
    names = [
        {name for name, _ in untrained(budgeted(budget)).actors["shared"].named_parameters()}
        for budget in (None, 1.0)
    ]
    assert names[1] - names[0] == {"log_budget_worth"}


@pytest.mark.parametrize(("gamma", "slots"), [(1.0, 30), (0.5, 1 - 0.5**30), (0.0, 0)])
def test_a_budget_is_worth_what_its_discounted_slots_bring(gamma: float, slots: float) -> None:
    network = NetworkConfig.of(budgeted(1.0), False, gamma)
    assert network.budget_worth == pytest.approx(0.3 * 5.0 * slots)
    assert NetworkConfig.of(budgeted(None), False, gamma).budget_worth == 0


@pytest.mark.parametrize("worth", [-1, float("inf"), float("nan"), "5", True, None])
def test_what_is_no_worth_of_a_budget_is_refused(worth: Any) -> None:
    with pytest.raises(ValueError, match=r"budget_worth should be credits, at least 0, got "):
        NetworkConfig(num_experts=7, budget_worth=worth)


def test_a_worth_without_a_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="budget_worth: observations have no column rest"):
        NetworkConfig(num_experts=7, budget_worth=10.0)


@pytest.mark.parametrize("prior", [-1, 1001, float("inf"), float("nan"), "5", True, None])
def test_what_is_no_multiple_is_refused(prior: Any) -> None:
    with pytest.raises(ValueError, match=r"prior should be a number of 0 to 1000, got "):
        NetworkConfig(num_experts=7, prior=prior)


def test_columns_without_the_gain_have_no_prior() -> None:
    with pytest.raises(ValueError, match=r"prior: observations have no column gain_beside"):
        NetworkConfig(num_experts=7, expert_features=("available", "competence"))
    NetworkConfig(num_experts=7, expert_features=("available", "competence"), prior=0)


def test_a_policy_that_was_saved_before_there_was_a_prior_says_what_its_world_lacks(
    tmp_path: Path,
) -> None:
    columns = columns_of(WorldConfig(), allocates=False)
    older = tuple(name for name in columns.expert if not name.startswith("gain_"))
    config = NetworkConfig(num_experts=7, hidden=8, prior=0, expert_features=older)
    save_policy(tmp_path, {"shared": config.actor().state_dict()}, config, {"shared": []})
    path = tmp_path / "policy.json"
    described = json.loads(path.read_text())
    del described["network"]["prior"]
    path.write_text(json.dumps(described))
    policy = load_policy(tmp_path, "sac")
    with pytest.raises(ValueError, match="have gain_alone, gain_beside of each expert, which it"):
        policy.act(crowded("none").slot)


def test_a_policy_that_counted_on_recent_loads_is_refused_where_users_count_on_strangers() -> None:
    plain = WorldConfig(**SMALL)
    trained = NetworkConfig.of(plain, allocates=False, hidden=8)
    policy = LearnedPolicy("sac", {"shared": trained.actor()}, trained, {"shared": []})
    drawn = replace(plain, observation=ObservationConfig(expected_load="drawn"))
    policy.act(World(plain, seed=0).slot)
    told = r"have gain_beside_drawn of each expert, .* lack gain_beside of each expert"
    with pytest.raises(ValueError, match=told):
        policy.act(World(drawn, seed=0).slot)


@pytest.mark.parametrize("budget", [None, 2.0])
def test_a_network_that_adds_nothing_scores_what_is_expected_beside_strangers(
    budget: float | None,
) -> None:
    drawn = ObservationConfig(expected_load="drawn")
    config = WorldConfig(**SMALL, observation=drawn, energy_budget_j=budget)
    network = NetworkConfig.of(config, allocates=False, hidden=8)
    actor, slot, names = network.build(1), World(config, 5, seed=0).slot, column_names(config)
    prior = Prior(network.columns, 5.0, network.budget_worth)
    actor = prior.put_on(zeroed(actor), copies=1)
    seen = slot.observation.reshape(25, -1).copy()
    worth = gain = seen[:, [names.index(f"expert_{e}.gain_beside_drawn") for e in range(7)]]
    if budget:
        rest = seen[:, [names.index(f"expert_{e}.rest_beside_drawn") for e in range(7)]]
        worth = gain + network.budget_worth * rest
    with torch.no_grad():
        scores = actor(torch.from_numpy(seen))[0, :, :7].numpy()
    np.testing.assert_allclose(scores, 5 * worth, rtol=1e-5, atol=1e-5)
    assert gain.min() < gain.max()
