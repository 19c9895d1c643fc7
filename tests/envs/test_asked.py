"""Demand, work and fixed cost that a mechanism is told of: averages of what is requested."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)
from envs.asked import Asked

Actions = Callable[[World, np.random.Generator], np.ndarray]
Prices = Callable[..., mechanisms.Mechanism]
POINTS = 0.85 * 0.86
PRICE = 3.0
CONFIG = WorldConfig(
    num_users=6,
    num_experts=8,
    episode_slots=12,
    requests=RequestConfig(num_transferred=1),
    experts=ExpertConfig(unit_cost=(0.2, 1.2)),
    reward=RewardConfig(downlink_energy="edge_device"),
)


def requested(world: World, actions: np.ndarray) -> Asked:
    """Return what users request of each expert in the slot, each as if alone, by the formulas."""
    subtasks, occupancy = world.requests.subtasks, world.occupancy
    snr_db, deadline_s = world.slot.conditions.links.snr_db, world.config.quality.deadline_s
    speed = world.config.experts.words_per_second
    assert speed is not None
    asked = Asked(*(np.zeros((world.num_worlds, world.num_experts)) for _ in range(3)))
    for n, u in np.ndindex(actions.shape):
        e = int(actions[n, u])
        if e == world.num_experts or not world.slot.mask[n, u, e]:
            continue
        words = subtasks.words[n, u]
        work = words * subtasks.compute[n, u]
        rate = world.config.channel.bandwidth_hz * np.log2(1 + 10 ** (float(snr_db[n, u, e]) / 10))
        airtime_s = 48 * (30 + words) / rate
        backlog_s = occupancy.airtime_backlog_s[n, e] + occupancy.compute_backlog_s[n, e]
        delay_s = backlog_s + airtime_s + work / speed
        late = np.exp(-max(delay_s - deadline_s, 0) / 3)
        competence = world.pool.competence[n, e, subtasks.topic[n, u]]
        asked.points[n, e] += POINTS * competence * late
        asked.work[n, e] += POINTS * work / 200
        asked.fixed_cost[n, e] += 2 * 0.1 * airtime_s * words / (30 + words)
    return asked


def told(market: mechanisms.Market) -> Asked:
    """Return what a market says of demand."""
    return Asked(market.demand, market.work, market.fixed_cost)


@pytest.mark.parametrize(
    ("interval", "smoothing", "access"),
    [
        (1, 0.3, "spectral_density"),
        (3, 0.3, "total_power"),
        (1, 1.0, "total_power"),
        (3, 1.0, "spectral_density"),
    ],
)
def test_what_is_told_are_exponential_averages_of_what_is_requested_each_with_a_floor(
    interval: int,
    smoothing: float,
    access: Literal["spectral_density", "total_power"],
    any_actions: Actions,
    fixed_prices: Prices,
) -> None:
    config = replace(
        CONFIG,
        channel=ChannelConfig(access=access, bandwidth_hz=4000.0),
        experts=replace(CONFIG.experts, max_concurrent=2, words_per_second=400.0),
        market=MarketConfig(
            interval=interval, demand_smoothing=smoothing, value=3.1, budget_per_user=0.7
        ),
    )
    mechanism = fixed_prices(PRICE)
    world = World(config, num_worlds=10, seed=0, mechanism=mechanism)
    rng = np.random.default_rng(0)
    # As if every user requested an expert, uniformly. The greatest of 8 needs, Beta(8, 1) over
    # 0.5..1.5, is transferred: on average 0.5 + 8 / 9 of the mean need.
    first = mechanism.markets[0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(first.demand, POINTS * 6 / 8, rtol=1e-12)
    np.testing.assert_allclose(first.work, POINTS * 6 / 8 * (0.5 + 8 / 9), rtol=2e-3)
    assert (first.fixed_cost == 0).all()
    average, expected = told(first), [told(first)]
    turned_away = crowded = 0
    for slot in range(12):
        actions = np.minimum(any_actions(world, rng), 3)  # nobody ever requests the experts 4 to 7
        # served, turned away or declined all count, but nothing that the mask excludes
        pairs = zip(average, requested(world, actions), strict=True)
        average = Asked(*((1 - smoothing) * old + smoothing * new for old, new in pairs))
        if (slot + 1) % interval == 0:
            floors = (0.05 * one.mean(axis=1, keepdims=True) for one in average)
            expected.append(Asked(*map(np.maximum, average, floors)))
        allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1)[..., 0]
        *_, result = world.step(actions)
        turned_away += int(((allowed & (actions < 8)) & ~result.transferred).sum())
        crowded += int((result.load > 1).sum())
    assert turned_away > 5
    assert crowded > 20
    markets = mechanism.markets  # type: ignore[attr-defined]
    assert len(markets) == len(expected) == 12 // interval + 1
    for market, right in zip(markets, expected, strict=True):
        for ours, theirs in zip(told(market), right, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)
        np.testing.assert_array_equal(market.unit_cost, world.pool.unit_cost)
        np.testing.assert_array_equal(market.cost_slope, world.pool.cost_slope)
        assert (market.value == 3.1).all()
        assert market.budget == pytest.approx(np.full(10, 4.2))


def test_an_expert_that_nobody_asks_any_more_is_told_at_the_costs_of_a_mean_point(
    fixed_prices: Prices,
) -> None:
    config = replace(CONFIG, episode_slots=60, market=MarketConfig(interval=1))
    mechanism = fixed_prices(PRICE)
    world = World(config, num_worlds=5, seed=1, mechanism=mechanism)
    of_asked = world.slot.mask[..., :4]
    while not world.done:
        of_asked = world.slot.mask[..., :4]
        best = np.where(of_asked.any(axis=-1), of_asked.argmax(axis=-1), 8)
        world.step(best)
    market = mechanism.markets[-1]  # type: ignore[attr-defined]
    averages = world.market.asked
    for ours, average in zip(told(market), averages, strict=True):
        mean = average.mean(axis=1, keepdims=True)
        assert (average[:, 4:] < 1e-6 * mean).all()
        np.testing.assert_allclose(ours[:, 4:], np.repeat(0.05 * mean, 4, axis=1), rtol=1e-12)
    # so it is neither free nor out of reach: a point of it takes the work of a mean point
    ratio = averages.work.sum(axis=1) / averages.points.sum(axis=1)
    np.testing.assert_allclose(market.work_per_point[:, 4:], np.repeat(ratio[:, None], 4, axis=1))
    assert (ratio > 1).all()


def test_a_crowd_that_comes_late_makes_no_point_dearer_than_the_price_that_it_came_for(
    fixed_prices: Prices,
) -> None:
    config = replace(
        CONFIG,
        num_users=12,
        num_experts=2,
        episode_slots=40,
        quality=QualityConfig(deadline_s=12.0),
        market=MarketConfig(interval=1, demand_floor=0.0),
    )
    mechanism = fixed_prices(PRICE)
    world = World(config, num_worlds=10, seed=0, mechanism=mechanism)
    late = 0
    while not world.done:
        choice = np.where(world.slot.mask[..., 0], 0, 2)  # whoever may crowds in at expert 0
        *_, result = world.step(choice)
        late += int(result.declined.sum())
    assert late > 100
    # Alone, each is worth serving: p q1 > kappa w. So is the average of them and of the first.
    for market in mechanism.markets[1:]:  # type: ignore[attr-defined]
        most = np.maximum(PRICE / world.pool.unit_cost[:, 0], 0.5 + 8 / 9 + 0.01)
        assert (market.work_per_point[:, 0] <= most).all()


def test_without_a_floor_who_is_not_asked_is_told_of_no_demand_at_the_work_of_a_point(
    fixed_prices: Prices,
) -> None:
    config = replace(
        CONFIG, market=MarketConfig(interval=1, demand_smoothing=1.0, demand_floor=0.0)
    )
    mechanism = fixed_prices(PRICE)
    world = World(config, num_worlds=3, seed=0, mechanism=mechanism)
    world.step(np.full((3, 6), 8))
    market = mechanism.markets[-1]  # type: ignore[attr-defined]
    for ours in told(market):
        assert (ours == 0).all()
    np.testing.assert_array_equal(market.point_cost, world.pool.unit_cost)


def test_floors_by_hand() -> None:
    asked = Asked(
        np.array([[4.0, 0.0, 0.1, 0.0]]),
        np.array([[6.0, 0.0, 0.2, 0.0]]),
        np.array([[0.0, 0.0, 0.8, 0.0]]),
    )
    floored = asked.floored(0.1)
    np.testing.assert_allclose(floored.points, [[4.0, 0.1025, 0.1025, 0.1025]])
    np.testing.assert_allclose(floored.work, [[6.0, 0.155, 0.2, 0.155]])
    np.testing.assert_allclose(floored.fixed_cost, [[0.02, 0.02, 0.8, 0.02]])


def test_a_slot_counts_by_its_weight_by_hand() -> None:
    before = Asked(np.array([[1.0, 2.0]]), np.array([[3.0, 0.0]]), np.array([[0.5, 0.0]]))
    slot = Asked(np.array([[2.0, 0.0]]), np.array([[1.0, 4.0]]), np.array([[0.5, 1.0]]))
    after = before.smoothed(slot, 0.25)
    np.testing.assert_allclose(after.points, [[1.25, 1.5]])
    np.testing.assert_allclose(after.work, [[2.5, 1.0]])
    np.testing.assert_allclose(after.fixed_cost, [[0.5, 0.25]])
