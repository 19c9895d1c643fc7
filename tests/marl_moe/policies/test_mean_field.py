"""The equilibrium in distribution, against what users of many drawn worlds do and gain."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    ObservationConfig,
    RequestConfig,
    World,
    WorldConfig,
)
from marl_moe.experiment.run.compared_policies import named
from marl_moe.experiment.study.evaluation import evaluate
from marl_moe.policies import MeanField, make

CONFIG = WorldConfig(
    num_users=12,
    num_experts=8,
    requests=RequestConfig(num_transferred=1, zipf_exponent=1, topic_persistence=0.8),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
    experts=ExpertConfig(pool_seed=4, unit_cost=(0.1, 1.0), cost_slope=(0.1, 0.5)),
)
LISTED = replace(CONFIG, num_experts=14, observation=ObservationConfig(candidates=5))
# All users would have the same experts.
ALIKE = replace(
    CONFIG,
    num_users=32,
    num_experts=20,
    requests=RequestConfig(num_transferred=1, num_topics=1),
    channel=ChannelConfig(snr_db=(10.0, 10.5), bandwidth_hz=4e3),
    experts=ExpertConfig(pool_seed=4, own_competence=(0.5, 1.05), mean_competence=0.775),
)
KINDS = {
    "alike": (ALIKE, "none"),
    "free": (CONFIG, "none"),
    "paid": (CONFIG, "posted_price"),
    "down": (
        replace(CONFIG, experts=replace(CONFIG.experts, availability_probability=0.8)),
        "none",
    ),
    "lists": (LISTED, "none"),
    "lists, paid": (LISTED, "posted_price"),
}
WORLDS = 600


def drawn(kind: str, num_worlds: int = WORLDS) -> World:
    """Worlds that differ in users, channels and requests: all have the same experts."""
    config, mechanism = KINDS[kind]
    return World(config, num_worlds, seed=1, mechanism=mechanisms.make(mechanism))


def solved(world: World, strangers: int = 256) -> tuple[MeanField, np.ndarray, np.ndarray]:
    """Return the policy, its actions and the mean number of others that it expects."""
    policy = MeanField(np.random.default_rng(0), strangers=strangers)
    actions = policy.act(world.slot)
    return policy, actions, policy.expected


@pytest.mark.parametrize("kind", KINDS)
def test_users_come_as_often_as_they_expect_each_other(kind: str) -> None:
    world = drawn(kind)
    _, actions, expected = solved(world)
    slot = world.slot
    expert = slot.conditions.candidates.at(np.minimum(actions, slot.num_candidates - 1))
    come = np.zeros((WORLDS, slot.num_experts))
    for u in range(slot.num_users):
        chosen = np.flatnonzero(actions[:, u] < slot.num_candidates)
        come[chosen, expert[chosen, u]] += 1
    others = come * (1 - 1 / slot.num_users)
    off = others.mean(axis=0) - expected.mean(axis=0)
    assert (np.abs(off) <= 4 * others.std(axis=0) / np.sqrt(WORLDS) + 0.06).all()
    assert others.mean(axis=0).max() > 1  # there is a crowd


@pytest.mark.parametrize("kind", KINDS)
def test_no_user_gains_by_deviating_alone_in_the_mean_over_worlds(kind: str) -> None:
    world = drawn(kind)
    _, actions, expected = solved(world)
    slot, rng = world.slot, np.random.default_rng(0)
    others = slot.conditions.candidates.of(expected.astype(np.float32))
    gain = np.where(slot.mask[..., :-1], slot.gain_beside(others), -np.inf)
    second = np.where(
        np.sort(gain, axis=-1)[..., -2] > -np.inf,
        np.argsort(gain, axis=-1)[..., -2],
        slot.num_candidates,
    )
    deviations = {"second": second}
    for name in ("greedy", "round_robin", "topic_match", "random", "abandon"):
        deviations[name] = make(name, rng).act(slot)
    kept = deepcopy(world).step(actions)[2].gain
    for name, other in deviations.items():
        difference = []
        for u in range(4):
            moved = actions.copy()
            moved[:, u] = other[:, u]
            difference.append((deepcopy(world).step(moved)[2].gain - kept)[:, u])
        mean = np.mean(difference, axis=0)  # of a world, over users
        assert mean.mean() <= 3 * mean.std() / np.sqrt(WORLDS) + 0.01, name
        assert mean.mean() < -0.02 or kind == "alike" or name in ("second", "greedy"), name


def test_deviating_from_greedy_to_it_pays() -> None:
    world = drawn("free")
    _, actions, _ = solved(world)
    greedy = make("greedy", np.random.default_rng(0)).act(world.slot)
    crowded = deepcopy(world).step(greedy)[2].gain.mean()
    assert deepcopy(world).step(actions)[2].gain.mean() > crowded + 0.2


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
@pytest.mark.parametrize("config", [CONFIG, LISTED], ids=["all experts", "lists"])
def test_one_user_alone_does_what_greedy_does(config: WorldConfig, mechanism: str) -> None:
    alone = replace(config, num_users=1)
    world = World(alone, 40, seed=0, mechanism=mechanisms.make(mechanism))
    policy = MeanField(np.random.default_rng(0))
    greedy = make("greedy", np.random.default_rng(0))
    for _ in range(5):
        actions = policy.act(world.slot)
        np.testing.assert_array_equal(actions, greedy.act(world.slot))
        assert policy.converged.all()
        assert not policy.residual.any()
        world.step(actions)


@pytest.mark.parametrize("kind", KINDS)
def test_the_iteration_converges_in_every_slot_of_an_episode(kind: str) -> None:
    config, mechanism = KINDS[kind]
    config = replace(config, num_users=24, episode_slots=20)
    world = World(config, 6, seed=0, mechanism=mechanisms.make(mechanism))
    policy = MeanField(np.random.default_rng(0))
    while not world.done:
        world.step(policy.act(world.slot))
        assert policy.converged.all()
        assert (policy.residual <= policy.tolerance).all()


def test_it_plays_one_world_after_another() -> None:
    """Of other users and experts, begun anew, and with experts that join."""
    policy = MeanField(np.random.default_rng(0), strangers=64)
    for kind in ("free", "alike", "down", "lists, paid"):
        config, mechanism = KINDS[kind]
        world = World(config, 2, seed=0, mechanism=mechanisms.make(mechanism))
        for play in range(3):
            policy.act(world.slot)
            fresh = MeanField(np.random.default_rng(0), strangers=64)
            fresh.act(world.slot)
            assert policy.expected.shape == fresh.expected.shape
            assert (policy.expected[~world.available] == 0).all()
            np.testing.assert_allclose(policy.expected.sum(), fresh.expected.sum(), rtol=0.15)
            if play == 1:
                world.add_experts(2)
            else:
                world.reset()


def test_a_smaller_tolerance_is_kept_too() -> None:
    policy = MeanField(np.random.default_rng(0), tolerance=0.002)
    policy.act(drawn("free", 4).slot)
    assert policy.converged.all()
    assert policy.residual.max() <= 0.002


def test_the_share_of_slots_in_which_it_converged_is_recorded() -> None:
    config = replace(CONFIG, episode_slots=3)
    policy = MeanField(np.random.default_rng(0))
    for played in (policy, named(policy, "mine")):
        rows = evaluate(played, config, mechanisms.make("none"), 0, 2).evaluation
        assert (rows["converged"] == 1).all()
        assert rows["regret"].isna().all()
    hasty = MeanField(np.random.default_rng(0), tolerance=1e-9)
    rows = evaluate(hasty, config, mechanisms.make("none"), 0, 2).evaluation
    assert (rows["converged"] < 1).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"strangers": 0}, "strangers should be a number of users, at least 1, got 0"),
        ({"strangers": 2.5}, "strangers should be a number of users, at least 1, got 2.5"),
        ({"tolerance": 0.0}, "tolerance should be a number of users, above 0, got 0.0"),
        ({"tolerance": float("nan")}, "tolerance should be a number of users, above 0, got nan"),
    ],
)
def test_a_parameter_out_of_range_is_named(parameters: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make("mean_field", np.random.default_rng(0), **parameters)
