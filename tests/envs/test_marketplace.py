"""Money: identities, the books of every clearing, demand, and failures of mechanisms."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import Clearing, ExpertConfig, MarketConfig, RequestConfig, World, WorldConfig
from envs.expected_demand import transferred_share
from envs.requests import RequestQueue
from mechanisms import MechanismError, Outcome

Actions = Callable[[World, np.random.Generator], np.ndarray]
Prices = Callable[..., mechanisms.Mechanism]
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def full_effort_points(
    world: World, requests: RequestQueue, actions: np.ndarray, counted: np.ndarray
) -> np.ndarray:
    """Return the points that experts could deliver at full effort, 0.85 D max(a, 0), (N, E).

    Args:
        world: gives competence and configuration.
        requests: the requests of the slot.
        actions: (N, U) actions in the slot.
        counted: (N, U) users to count.
    """
    points = np.zeros((world.num_worlds, world.num_experts))
    for n, u in np.argwhere(counted & (actions < world.num_experts)):
        e = int(actions[n, u])
        loss = 0.86 * world.config.requests.num_subtasks * requests.subtasks.weight[n, u]
        points[n, e] += (
            0.85 * loss * max(world.pool.competence[n, e, requests.subtasks.topic[n, u]], 0)
        )
    return points


def effort_at(world: World, unit_price: np.ndarray) -> np.ndarray:
    """Return the best response to a price at true costs."""
    return np.minimum(np.maximum(unit_price - world.pool.unit_cost, 0) / world.pool.cost_slope, 1)


@given(data=st.data())
@settings(max_examples=250, deadline=None, derandomize=True)
def test_money_is_conserved_and_every_slot_is_in_the_books(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    world = World(
        data.draw(world_configs), num_worlds=4, seed=seed, mechanism=mechanisms.make("posted_price")
    )
    world.reset()
    charges, payments, costs, points = [], [], [], []
    clearings: list[Clearing] = []
    prices = [world.slot.offer.unit_price]
    while not world.done:
        actions, price = any_actions(world, rng), world.slot.offer.unit_price
        allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1)[..., 0]
        effort, requests = effort_at(world, price), deepcopy(world.requests)
        *_, result = world.step(actions)
        assert not (result.transferred & ~allowed).any()
        served = full_effort_points(world, requests, actions, result.transferred)
        np.testing.assert_allclose(result.payment, price * effort * served, **EXACT)
        cost = served * (world.pool.unit_cost * effort + world.pool.cost_slope * effort**2 / 2)
        np.testing.assert_allclose(result.edge_cost, cost, **EXACT)
        total = result.payment.sum(axis=1) + result.platform_balance
        np.testing.assert_allclose(result.charge.sum(axis=1), total, **EXACT)
        # users pay per delivered point
        np.testing.assert_allclose(result.platform_balance, 0, atol=1e-9)
        charges.append(result.charge.sum(axis=1))
        payments.append(result.payment)
        costs.append(cost)
        points.append(effort * served)
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
        assert (clearing.edge_utility >= -1e-9).all()  # best responses at true costs lose nothing
        np.testing.assert_array_equal(
            clearing.participates, effort_at(world, clearing.unit_price) > 0
        )


def test_edge_devices_without_effort_are_masked_and_users_see_competence_times_effort(
    fixed_prices: Prices,
) -> None:
    config = WorldConfig(num_users=2, num_experts=4, requests=RequestConfig(num_transferred=1))
    world = World(config, num_worlds=30, seed=0, mechanism=fixed_prices(1.5))
    effort = effort_at(world, np.full((30, 4), 1.5))
    assert {0.0, 1.0} < {*effort.ravel().tolist()}
    np.testing.assert_array_equal(
        world.slot.mask[..., :4], np.repeat(effort[:, None] > 0, 2, axis=1)
    )
    assert world.slot.mask[..., 4].all()
    seen = world.slot.observation[..., 4:].reshape(30, 2, 4, -1)[..., 1]
    for n, u, e in np.ndindex(seen.shape):
        a = world.pool.competence[n, e, world.requests.subtasks.topic[n, u]]
        assert seen[n, u, e] == pytest.approx(a * effort[n, e], rel=1e-6, abs=1e-7)
    *_, result = world.step(np.zeros((30, 2), int))
    np.testing.assert_array_equal(result.rejected, np.repeat(effort[:, :1] == 0, 2, axis=1))


def test_participation_at_a_price_is_the_share_of_edge_devices_with_a_lower_unit_cost(
    fixed_prices: Prices,
) -> None:
    world = World(WorldConfig(), num_worlds=500, seed=0, mechanism=fixed_prices(2.3))
    expected = (2.3 - 0.5) / 2.5  # unit costs are uniform over 0.5..3
    tolerance = 4 * np.sqrt(expected * (1 - expected) / world.slot.offer.participates.size)
    assert world.slot.offer.participates.mean() == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("smoothing", [0.3, 1.0])
def test_demand_is_the_exponential_average_of_requested_points_with_a_floor(
    interval: int, smoothing: float, any_actions: Actions, fixed_prices: Prices
) -> None:
    config = WorldConfig(
        num_users=6,
        num_experts=8,
        episode_slots=12,
        experts=ExpertConfig(max_concurrent=1),
        market=MarketConfig(
            interval=interval, demand_smoothing=smoothing, value=3.1, budget_per_user=0.7
        ),
    )
    mechanism = fixed_prices(1.5)
    world = World(config, num_worlds=3, seed=0, mechanism=mechanism)
    rng = np.random.default_rng(0)
    # as if every user requested an expert, uniformly, for an average subtask
    demand = np.full((3, 8), 0.85 * 0.86 * 6 / 8 * transferred_share(config.requests))
    demands = [demand]
    for slot in range(12):
        actions = np.minimum(any_actions(world, rng), 3)  # nobody ever requests the experts 4 to 7
        allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1)[..., 0]
        # Served or turned away all count, but nothing that the mask excludes.
        requested = full_effort_points(world, world.requests, actions, allowed)
        demand = (1 - smoothing) * demand + smoothing * requested
        if (slot + 1) % interval == 0:
            demands.append(np.maximum(demand, 0.05 * demand.mean(axis=1, keepdims=True)))
        world.step(actions)
    markets = mechanism.markets  # type: ignore[attr-defined]
    assert len(markets) == len(demands) == 12 // interval + 1
    for market, expected in zip(markets, demands, strict=True):
        np.testing.assert_allclose(market.demand, expected, rtol=1e-9)
        np.testing.assert_array_equal(market.unit_cost, world.pool.unit_cost)
        np.testing.assert_array_equal(market.cost_slope, world.pool.cost_slope)
        assert (market.value == 3.1).all()
        assert market.budget == pytest.approx(np.full(3, 4.2))


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


class HalfEffort:
    """Mechanism that orders half effort at any cost."""

    name = "half_effort"
    voluntary = False
    allocates = False

    def clear(self, market: mechanisms.Market) -> Outcome:
        half = np.full(market.demand.shape, 0.5)
        nothing = np.zeros(market.demand.shape[:-1])
        return Outcome(
            2 * half, half, half, half, welfare=nothing, status="ordered", solve_seconds=0.0
        )


def test_a_mechanism_that_is_not_voluntary_gets_the_effort_it_orders() -> None:
    config = WorldConfig(num_users=1, num_experts=2, requests=RequestConfig(num_transferred=1))
    world = World(config, num_worlds=10, seed=0, mechanism=HalfEffort())
    requests = deepcopy(world.requests)
    actions = np.zeros((10, 1), int)
    *_, result = world.step(actions)
    points = full_effort_points(world, requests, actions, result.transferred)
    assert points.sum() > 0
    np.testing.assert_allclose(result.payment, 1.0 * 0.5 * points, **EXACT)
    kappa, slope = world.pool.unit_cost, world.pool.cost_slope
    np.testing.assert_allclose(result.edge_cost, points * (kappa / 2 + slope / 8), **EXACT)


def test_adding_experts_closes_the_books_and_opens_new_ones(
    any_actions: Actions, fixed_prices: Prices
) -> None:
    config = WorldConfig(
        num_users=4, num_experts=5, episode_slots=10, market=MarketConfig(interval=4)
    )
    mechanism = fixed_prices(2.0)
    world = World(config, num_worlds=3, seed=0, mechanism=mechanism)
    rng = np.random.default_rng(0)
    clearings, paid = [], []
    while not world.done:
        if world.slot.index == 6:
            demand = world.market.demand * (5 / 7)  # there are no more users than before
            world.add_experts(2)
            assert world.closed_clearing is not None
            clearings.append(world.closed_clearing)
            cleared = mechanism.markets[-1].demand  # type: ignore[attr-defined]
            np.testing.assert_allclose(
                cleared[:, :5], np.maximum(demand, 0.05 * demand.mean(axis=1, keepdims=True))
            )
            np.testing.assert_allclose(
                cleared[:, 5:], np.repeat(demand.mean(axis=1, keepdims=True), 2, axis=1)
            )
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
