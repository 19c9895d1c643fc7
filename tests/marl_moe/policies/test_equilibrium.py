"""Equilibrium, optimum and better response, against all joint actions and the world's accounts."""

import re
from dataclasses import replace
from itertools import product
from typing import Any

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
from marl_moe.policies.delivered_game import DeliveredGame, game_of
from marl_moe.policies.equilibrium import BetterResponse, Nash
from marl_moe.policies.optimum import Optimum, best_assignment, local_search
from marl_moe.policies.slot_game import SlotGame

ONE = RequestConfig(num_transferred=1, zipf_exponent=1, topic_persistence=0.8)
SMALL = WorldConfig(
    num_users=3,
    num_experts=4,
    requests=RequestConfig(num_transferred=1, num_topics=2, arrival_probability=0.9),
    channel=ChannelConfig(bandwidth_hz=500),
    experts=ExpertConfig(availability_probability=0.9, words_per_second=None),
)
LISTED = replace(SMALL, num_experts=5, observation=ObservationConfig(candidates=4))
both = pytest.mark.parametrize("config", [SMALL, LISTED], ids=["all experts", "candidate lists"])
WORLDS = 40


def contention(num_users: int) -> WorldConfig:
    return WorldConfig(
        num_users=num_users,
        requests=ONE,
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(words_per_second=None),
    )


def worlds(
    config: WorldConfig = SMALL, num_worlds: int = WORLDS, slots: int = 3, mechanism: str = "none"
) -> World:
    """Worlds a few slots into an episode of random actions, so that there is a backlog."""
    world = World(config, num_worlds, seed=3, mechanism=mechanisms.make(mechanism))
    rng = np.random.default_rng(0)
    for _ in range(slots):
        world.step(rng.integers(config.num_candidates + 1, size=(num_worlds, config.num_users)))
    return world


@both
@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_payoffs_are_what_the_world_pays_for_every_joint_action(
    config: WorldConfig, mechanism: str
) -> None:
    if mechanism != "none":  # at prices at which most edge devices serve
        config = replace(config, experts=replace(config.experts, unit_cost=(0.0, 0.5)))
    game = game_of(worlds(config, mechanism=mechanism).slot)
    by_loads = isinstance(game, SlotGame)
    assert by_loads == (mechanism == "none")
    assert not by_loads or game.max_load == 3
    num_allowed = 0
    for joint in product(range(5), repeat=3):
        world = worlds(config, mechanism=mechanism)
        actions = np.tile(joint, (WORLDS, 1))
        allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1).all((1, 2))
        num_allowed += allowed.sum()
        *_, result = world.step(actions)
        expected = (
            game.social_gain(actions)
            if isinstance(game, SlotGame)
            else game.delivered(actions).gain.sum(axis=-1)
        )
        np.testing.assert_allclose(
            expected[allowed], result.gain.sum(axis=-1)[allowed], rtol=1e-4, atol=1e-4
        )
        assert np.isneginf(expected[~allowed]).all() or not by_loads
    assert num_allowed > 0.1 * WORLDS * 5**3


def test_loads_that_are_left_out_of_a_game_are_worth_less_than_abandoning() -> None:
    world = worlds(contention(16), num_worlds=4)
    game = SlotGame.of(world.slot)
    assert 2 <= game.max_load < 16
    assert all(world.slot.expected_gain(load).max() < 0 for load in range(game.max_load, 17))
    assert world.slot.expected_gain(game.max_load - 1).max() > 0
    whole = SlotGame.of(worlds(replace(contention(16), allow_abandon=False), num_worlds=4).slot)
    assert whole.max_load == 16


@both
def test_no_user_gains_by_leaving_an_equilibrium_alone(config: WorldConfig) -> None:
    world = worlds(config)
    policy = Nash(np.random.default_rng(0))
    chosen = policy.act(world.slot)
    assert policy.converged.all()
    present = _gains(chosen, config)
    for user, action in product(range(3), range(5)):
        other = chosen.copy()
        other[:, user] = action
        assert (_gains(other, config)[:, user] <= present[:, user] + 1e-5).all()


def test_users_who_wait_for_nobody_may_cycle_and_the_regret_says_how_far_they_are() -> None:
    game = SlotGame.of(worlds(contention(8), slots=0).slot)
    start = np.full((WORLDS, 8), 30)
    _, converged = game.equilibrium(start, max_sweeps=1)
    policy = Nash(np.random.default_rng(0))
    policy.act(worlds(contention(8), slots=0).slot)
    assert policy.converged.all()
    assert policy.regret.max() <= 1e-5
    assert not converged.all()  # one sweep from nowhere is not enough to be sure


@both
@pytest.mark.parametrize("allow_abandon", [True, False])
def test_the_optimum_is_the_best_of_all_joint_actions_in_every_slot(
    config: WorldConfig, allow_abandon: bool
) -> None:
    config = replace(config, allow_abandon=allow_abandon)
    game = SlotGame.of(worlds(config).slot)
    best = np.max(
        [game.social_gain(np.tile(j, (WORLDS, 1))) for j in product(range(5), repeat=3)], axis=0
    )
    policy = Optimum(np.random.default_rng(0))
    np.testing.assert_allclose(
        game.social_gain(policy.act(worlds(config).slot)), best, rtol=1e-5, atol=1e-5
    )
    assert policy.setting == "milp"
    assert policy.converged.all()


@both
def test_local_search_lies_between_equilibrium_and_optimum_in_every_slot(
    config: WorldConfig,
) -> None:
    game = SlotGame.of(worlds(config).slot)
    nash = Nash(np.random.default_rng(0)).act(worlds(config).slot)
    equilibrium, found = game.social_gain(nash), game.social_gain(local_search(game, nash))
    optimum = game.social_gain(
        np.concatenate([best_assignment(game.worlds(np.array([n]))) for n in range(WORLDS)])
    )
    assert (equilibrium <= found + 1e-5).all()
    assert (found <= optimum + 1e-4).all()
    assert found.sum() > equilibrium.sum() + 0.1
    assert np.mean(found >= optimum - 1e-4) >= 0.9


def test_the_optimum_of_many_users_is_exact_in_a_sample_of_worlds_and_says_so() -> None:
    world = worlds(contention(20), num_worlds=12, slots=1)
    game = SlotGame.of(world.slot)
    policy = Optimum(np.random.default_rng(0))
    optimum, equilibrium = policy.act(world.slot), Nash(np.random.default_rng(0)).act(world.slot)
    gain = game.social_gain(optimum)
    assert (gain >= game.social_gain(equilibrium) - 1e-4).all()
    assert policy.setting == "milp in 8 of 12 worlds, else local_search"
    assert policy.converged.tolist() == [True] * 8 + [False] * 4
    chosen, _ = game.equilibrium(game.alone())
    searched = game.social_gain(local_search(game, chosen))
    assert (gain[:8] >= searched[:8] - 1e-4).all()
    assert gain[:8].sum() > searched[:8].sum() + 1e-3  # the search stops short of it
    np.testing.assert_allclose(gain[8:], searched[8:], rtol=1e-6)


@both
def test_local_search_ends_where_no_move_and_no_swap_helps(config: WorldConfig) -> None:
    game = SlotGame.of(worlds(config, slots=1).slot)
    chosen = local_search(game, np.full((WORLDS, 3), 4))
    reached = game.social_gain(chosen)
    for user, action in product(range(3), range(5)):
        other = chosen.copy()
        other[:, user] = action
        assert (game.social_gain(other) <= reached + 1e-4).all()
    rows = np.arange(WORLDS)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        used = game.used(chosen)
        takes, gives = (
            game.action(rows * 3 + user, used[:, other])
            for user, other in ((first, second), (second, first))
        )
        can = (takes >= 0) & (gives >= 0)
        assert can.any()
        other = chosen.copy()
        other[can, first], other[can, second] = takes[can], gives[can]
        assert (game.social_gain(other) <= reached + 1e-4).all()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (BetterResponse(np.random.default_rng(1), 0.1), 2.64),
        (BetterResponse(np.random.default_rng(1), 0.5), 2.74),
        (Nash(np.random.default_rng(1)), 2.82),
    ],
)
def test_gains_of_eight_users_in_contention_are_the_published_ones(
    policy: Nash, expected: float
) -> None:
    world = World(contention(8), num_worlds=48, seed=5)
    gains = []
    while not world.done:
        gains.append(world.step(policy.act(world.slot))[2].gain.mean(axis=-1))
    means = np.mean(gains, axis=0)
    assert means.mean() == pytest.approx(
        expected, abs=3 * np.hypot(means.std() / np.sqrt(48), 0.01)
    )


def test_without_a_chance_to_move_users_stay_where_it_is_still_worth_it() -> None:
    world = World(contention(4), num_worlds=20, seed=0)
    policy = BetterResponse(np.random.default_rng(0), response_probability=0.0)
    world.step(Nash(np.random.default_rng(0)).act(world.slot))
    chosen = policy.act(world.slot)
    stayed = chosen == world.occupancy.last_expert
    assert stayed.mean() > 0.6
    gain = world.step(chosen)[2].gain
    assert gain[stayed].mean() > 1


def _gains(chosen: np.ndarray, config: WorldConfig) -> np.ndarray:
    """Gains of all users if `chosen` is played in a copy of the worlds."""
    *_, result = worlds(config).step(chosen)
    return result.gain


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), True, "0.5"])
def test_a_probability_of_responding_out_of_range_is_refused(value: Any) -> None:
    told = re.escape(f"response_probability should lie in 0..1, got {value!r}")
    with pytest.raises(ValueError, match=told):
        BetterResponse(np.random.default_rng(0), value)


def test_a_load_that_nobody_sees_is_refused() -> None:
    with pytest.raises(ValueError, match="load should be last or recent, got 'next'"):
        BetterResponse(np.random.default_rng(0), load="next")  # type: ignore[arg-type]


def test_where_nobody_may_abandon_the_optimum_of_many_users_is_a_bound() -> None:
    config = replace(contention(9), num_experts=5, allow_abandon=False)
    policy = Optimum(np.random.default_rng(0))
    policy.act(worlds(config, num_worlds=3).slot)
    assert policy.setting == "local_search"
    assert not policy.converged.any()


def test_where_work_counts_the_optimum_is_a_bound_above_the_equilibrium_and_says_so() -> None:
    config = replace(contention(6), num_experts=4, experts=ExpertConfig(words_per_second=60.0))
    slot = worlds(config, num_worlds=6, slots=2).slot
    game, policy = game_of(slot), Optimum(np.random.default_rng(0))
    assert isinstance(game, DeliveredGame)
    found = game.delivered(policy.act(slot)).gain.sum(axis=-1)
    start, _ = game.equilibrium(game.alone())
    equilibrium = game.delivered(start).gain.sum(axis=-1)
    assert (found >= equilibrium - 1e-6).all()
    assert found.sum() > equilibrium.sum() + 0.01
    assert policy.setting == "local_search"
    assert not policy.converged.any()
