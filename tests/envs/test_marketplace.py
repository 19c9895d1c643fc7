"""Money: identities, the books of every clearing, and failures of mechanisms."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import (
    Clearing,
    ExpertConfig,
    MarketConfig,
    RequestConfig,
    RewardConfig,
    SlotResult,
    World,
    WorldConfig,
)
from envs.requests import Subtasks
from mechanisms import MechanismError

Actions = Callable[[World, np.random.Generator], np.ndarray]
Prices = Callable[..., mechanisms.Mechanism]
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def at_experts(result: SlotResult, actions: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Return the sums (N, E) of an amount of users over those whom each expert served."""
    total = np.zeros(result.load.shape)
    for n, u in np.argwhere(result.transferred):
        total[n, actions[n, u]] += amount[n, u]
    return total


def reference_points(world: World, subtasks: Subtasks) -> np.ndarray:
    """Return r Delta W c / (mean W mean c), the points that costs are counted in, (N, U)."""
    words, needs = world.config.requests.words, world.config.requests.compute_need
    work = subtasks.words * subtasks.compute
    return 0.85 * 0.86 * work / (sum(words) / 2 * sum(needs) / 2)


def true_cost(
    world: World, subtasks: Subtasks, actions: np.ndarray, result: SlotResult
) -> np.ndarray:
    """Return w (kappa x + slope x^2 / 2) of each user served, (N, U) credits.

    The effort x is what was delivered over r D a late(T) s, the points of full effort.
    """
    config, channel = world.config, world.config.channel
    arrives = 1.0 if channel.ber == "none" else (1 - channel.target_ber) ** (2 * 48)
    cost = np.zeros(actions.shape)
    for n, u in np.argwhere(result.transferred):
        e = int(actions[n, u])
        late = np.exp(-max(result.delay_s[n, u] - config.quality.deadline_s, 0) / 3)
        loss = 0.86 * config.requests.num_subtasks * subtasks.weight[n, u]
        competence = world.pool.competence[n, e, subtasks.topic[n, u]]
        effort = result.qos[n, u] / (0.85 * loss * competence * late * arrives)
        assert 0 < effort <= 1 + 1e-9
        of_a_point = world.pool.unit_cost[n, e] * effort + world.pool.cost_slope[n, e] * (
            effort**2 / 2
        )
        cost[n, u] = reference_points(world, subtasks)[n, u] * of_a_point
    return cost


def answer_to_demand(clearing: Clearing) -> np.ndarray:
    """Return the best response to the prices of a clearing, for all of its demand, (N, E)."""
    market = clearing.market
    worth = clearing.unit_price * market.demand / market.work  # of a reference point
    return np.clip((worth - market.unit_cost) / market.cost_slope, 0, 1)


@given(data=st.data())
@settings(max_examples=max(80, settings().max_examples // 40), derandomize=True)
def test_money_is_conserved_and_every_slot_is_in_the_books(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    world = World(
        data.draw(world_configs), num_worlds=4, seed=seed, mechanism=mechanisms.make("posted_price")
    )
    config = world.config
    world.reset()
    charges, payments, costs, points = [], [], [], []
    clearings: list[Clearing] = []
    prices = [world.slot.offer.unit_price]
    while not world.done:
        actions, price = any_actions(world, rng), world.slot.offer.unit_price
        allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1)[..., 0]
        subtasks = world.requests.subtasks
        *_, result = world.step(actions)
        assert not (result.transferred & ~allowed).any()
        delivered = at_experts(result, actions, result.qos)
        np.testing.assert_allclose(result.payment, price * delivered, **EXACT)
        if config.channel.ber != "snr":
            cost = at_experts(result, actions, true_cost(world, subtasks, actions, result))
            cost += config.reward.credits_per_joule * result.edge_energy_j
            np.testing.assert_allclose(result.edge_cost, cost, **EXACT)
        total = result.payment.sum(axis=1) + result.platform_balance
        np.testing.assert_allclose(result.charge.sum(axis=1), total, **EXACT)
        # users pay per delivered point
        np.testing.assert_allclose(at_experts(result, actions, result.charge), result.payment)
        np.testing.assert_allclose(result.platform_balance, 0, atol=1e-9)
        charges.append(result.charge.sum(axis=1))
        payments.append(result.payment)
        costs.append(result.edge_cost)
        points.append(delivered)
        prices.append(world.slot.offer.unit_price)
        if world.closed_clearing is not None:
            clearings.append(world.closed_clearing)
    assert [c.slot for c in clearings] == list(
        range(0, world.slot.index, world.config.market.interval)
    )
    assert sum(c.num_slots for c in clearings) == world.slot.index == world.config.episode_slots
    for clearing in clearings:
        slots = slice(clearing.slot, clearing.slot + clearing.num_slots)
        np.testing.assert_array_equal(clearing.unit_price, prices[clearing.slot])
        np.testing.assert_allclose(clearing.charge, sum(charges[slots]), **EXACT)
        np.testing.assert_allclose(clearing.payment, sum(payments[slots]), **EXACT)
        np.testing.assert_allclose(clearing.cost, sum(costs[slots]), **EXACT)
        np.testing.assert_allclose(clearing.points, sum(points[slots]), **EXACT)
        np.testing.assert_allclose(
            clearing.balance, clearing.charge - clearing.payment.sum(axis=1), **EXACT
        )
        assert (clearing.edge_utility >= -1e-9).all()  # no edge device loses in any slot
        if (clearing.market.demand > 0).all() and not clearing.market.fixed_cost.any():
            answers = answer_to_demand(clearing)
            np.testing.assert_array_equal(clearing.participates, answers > 0)
            np.testing.assert_allclose(clearing.effort, answers, rtol=1e-9, atol=1e-9)


def test_a_mechanism_that_only_prices_is_told_the_topic_of_every_expert(
    fixed_prices: Prices,
) -> None:
    config = WorldConfig(
        num_users=2,
        num_experts=8,
        requests=RequestConfig(num_topics=3),
        episode_slots=4,
        market=MarketConfig(interval=2),
    )
    mechanism = fixed_prices(2.0)
    world = World(config, num_worlds=3, seed=0, mechanism=mechanism)
    while not world.done:
        if world.slot.index == 3:
            world.add_experts(2)
        world.step(world.slot.mask.argmax(axis=-1))
    markets = mechanism.markets  # type: ignore[attr-defined]
    assert [market.num_experts for market in markets] == [8, 8, 10]
    for market in markets:
        topic = np.arange(market.num_experts) % 3
        np.testing.assert_array_equal(market.expert_topic, np.broadcast_to(topic, (3, topic.size)))
        np.testing.assert_array_equal(world.pool.topic[: topic.size], topic)


def test_a_failed_clearing_keeps_the_last_prices_and_says_so(fixed_prices: Prices) -> None:
    config = WorldConfig(
        num_users=3, num_experts=4, episode_slots=6, market=MarketConfig(interval=2)
    )
    mechanism = fixed_prices(2.0, fails_at=(1,))
    world = World(config, seed=0, mechanism=mechanism)
    clearings = []
    for slot in range(6):
        if slot == 1:
            mechanism.unit_price = np.asarray(2.5)  # type: ignore[attr-defined]
        *_, result = world.step(np.zeros((1, 3), int))
        if world.closed_clearing is not None:
            clearings.append(world.closed_clearing)
    assert [c.unit_price[0, 0] for c in clearings] == [2.0, 2.0, 2.5]
    assert [c.status for c in clearings] == ["posted", "failed: no convergence", "posted"]
    assert [bool(np.isnan(c.solve_seconds)) for c in clearings] == [False, True, False]
    assert [(c.slot, c.num_slots) for c in clearings] == [(0, 2), (2, 2), (4, 2)]
    assert result.payment.shape == (1, 4)


def test_a_first_clearing_that_fails_raises(fixed_prices: Prices) -> None:
    with pytest.raises(MechanismError, match="no convergence"):
        World(WorldConfig(), seed=0, mechanism=fixed_prices(2.0, fails_at=(0,)))


def test_a_new_episode_does_not_live_on_the_prices_of_the_last(fixed_prices: Prices) -> None:
    world = World(WorldConfig(episode_slots=1), seed=0, mechanism=fixed_prices(2.0, fails_at=(1,)))
    world.step([[0]])
    with pytest.raises(MechanismError):
        world.reset()


def test_without_a_mechanism_nobody_pays_and_all_effort_is_given(any_actions: Actions) -> None:
    world = World(WorldConfig(num_users=4), num_worlds=3, seed=0)
    assert world.slot.mask[world.requests.subtasks.pending].all()
    rng = np.random.default_rng(0)
    for _ in range(5):
        *_, result = world.step(any_actions(world, rng))
        assert (result.payment == 0).all()
        assert (result.charge == 0).all()
    assert world.closed_clearing is not None
    assert (world.closed_clearing.effort == 1).all()
    assert world.closed_clearing.status == "free"


def test_adding_experts_closes_the_books_and_opens_new_ones(
    any_actions: Actions, fixed_prices: Prices
) -> None:
    config = WorldConfig(
        num_users=4,
        num_experts=5,
        episode_slots=10,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(unit_cost=(0.0, 0.4)),
        reward=RewardConfig(downlink_energy="edge_device"),
        market=MarketConfig(interval=4),
    )
    mechanism = fixed_prices(2.0)
    world = World(config, num_worlds=3, seed=0, mechanism=mechanism)
    rng = np.random.default_rng(0)
    clearings, paid = [], []
    while not world.done:
        if world.slot.index == 6:
            asked = world.market.asked
            world.add_experts(2)
            assert world.closed_clearing is not None
            clearings.append(world.closed_clearing)
            cleared = mechanism.markets[-1]  # type: ignore[attr-defined]
            for told, before in (
                (cleared.demand, asked.points),
                (cleared.work, asked.work),
                (cleared.fixed_cost, asked.fixed_cost),
            ):
                expected = before * (5 / 7)  # there are no more users than before
                mean = expected.mean(axis=1, keepdims=True)
                assert (mean > 0).all()
                np.testing.assert_allclose(told[:, :5], np.maximum(expected, 0.05 * mean))
                np.testing.assert_allclose(told[:, 5:], np.repeat(mean, 2, axis=1))
        *_, result = world.step(any_actions(world, rng))
        paid.append(result.payment.sum(axis=1))
        np.testing.assert_allclose(result.charge.sum(axis=1), paid[-1], **EXACT)
        if world.closed_clearing is not None:
            clearings.append(world.closed_clearing)
    assert [(c.slot, c.num_slots, c.payment.shape[1]) for c in clearings] == [
        (0, 4, 5),
        (4, 2, 5),
        (6, 4, 7),
    ]
    np.testing.assert_allclose(sum(c.payment.sum(axis=1) for c in clearings), sum(paid), **EXACT)
    np.testing.assert_allclose(sum(c.charge for c in clearings), sum(paid), **EXACT)
