"""Promises of mechanisms in a world: budgets to date, and edge devices that never lose."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import (
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)
from envs.delivery import Delivery, choose, deliver
from envs.transfers import Transfers

CONFIG = WorldConfig(
    num_users=8,
    num_experts=6,
    episode_slots=25,
    # several experts of a topic: an auction needs somebody to set the price of those who trade
    requests=RequestConfig(num_transferred=1, num_topics=2),
    experts=ExpertConfig(unit_cost=(0.0, 0.8), max_concurrent=3),
    quality=QualityConfig(deadline_s=9.0),
    market=MarketConfig(budget_per_user=0.2),
)
WORLDS = {
    "answers paid by users, in batches": CONFIG,
    "answers paid by experts, first in first out": replace(
        CONFIG,
        experts=replace(CONFIG.experts, service="fifo"),
        reward=RewardConfig(downlink_energy="edge_device"),
    ),
}
MADE = [(name, effort) for name in mechanisms.names() for effort in ("bought", "enforced")]
CLAIMED = [
    (name, effort) for name, effort in MADE if effort in mechanisms.make(name).claims.regimes
]
BUDGETED = [
    name
    for name in mechanisms.names()
    if mechanisms.make(name).claims.within_budget and not mechanisms.is_free(mechanisms.make(name))
]
PRICING = [name for name in BUDGETED if not mechanisms.make(name).allocates]
OWN_BUDGETS = [pair for pair in CLAIMED if pair[0] in PRICING]
ALLOCATING = [name for name in BUDGETED if mechanisms.make(name).allocates]


def greedy(world: World, rng: np.random.Generator) -> np.ndarray:
    """Return for each user the expert of the greatest gain alone, where there is a gain."""
    gain = np.where(world.slot.mask[..., :-1], world.slot.expected_gain(), -np.inf)
    return np.where(gain.max(axis=-1) > 0, gain.argmax(axis=-1), world.num_experts)


def at_random(world: World, rng: np.random.Generator) -> np.ndarray:
    """Return uniform actions, masked ones included."""
    return rng.integers(world.num_experts + 1, size=(world.num_worlds, world.num_users))


def crowding(world: World, rng: np.random.Generator) -> np.ndarray:
    """Return the first expert that each user may choose, or its allocation half of the time."""
    first = world.slot.mask.argmax(axis=-1)
    own = world.slot.offer.allocation.expert
    return np.where((own >= 0) & (rng.random(own.shape) < 0.5), own, first)


POLICIES = [greedy, at_random, crowding]
Policy = Callable[[World, np.random.Generator], np.ndarray]


def played(world: World, policy: Policy) -> Iterator[tuple[Delivery, np.ndarray, Any]]:
    """Yield what each request brings, which are for allocated experts, and results, by slot."""
    rng = np.random.default_rng(0)
    while not world.done:
        actions = policy(world, rng)
        choice = choose(world.slot, actions)
        delivery = deliver(Transfers.of(world.slot, choice.column, choice.requested))
        allocated = choice.requested & (actions == world.slot.offer.allocation.expert)
        *_, result = world.step(actions)
        yield delivery, allocated, result


def world_under(name: str, effort: str, config: WorldConfig, num_worlds: int = 8) -> World:
    """Return worlds under a registered mechanism."""
    market = replace(config.market, effort=effort)
    return World(replace(config, market=market), num_worlds, 0, mechanisms.make(name))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("config", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize(("name", "effort"), [pair for pair in CLAIMED if pair[0] != "none"])
def test_no_edge_device_loses_by_any_user_that_it_serves(
    name: str, effort: str, config: WorldConfig, policy: Policy
) -> None:
    served = 0
    for delivery, _, result in played(world_under(name, effort, config), policy):
        earned = delivery.payment - delivery.edge_cost
        # what breaks even is told by reports in single precision
        assert (earned >= -1e-6 * (delivery.payment + delivery.edge_cost)).all()
        assert not delivery.payment[~delivery.served].any()
        assert not delivery.edge_cost[~delivery.served].any()
        np.testing.assert_array_equal(result.charge, delivery.charge)
        served += int(delivery.served.sum())
    assert served > 50


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("config", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("effort", ["bought", "enforced"])
@pytest.mark.parametrize("name", PRICING)
def test_payments_to_date_are_never_above_budgets_to_date_whatever_users_do(
    name: str, effort: str, config: WorldConfig, policy: Policy
) -> None:
    paid, budget = np.zeros(8), 0.0
    for _, _, result in played(world_under(name, effort, config), policy):
        paid += result.payment.sum(axis=-1)
        budget += 0.2 * 8
        assert (paid <= budget * (1 + 1e-12)).all()
    assert (paid > 0.2 * budget).any()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("config", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("effort", ["bought", "enforced"])
@pytest.mark.parametrize("name", ALLOCATING)
def test_allocated_pairs_are_paid_within_the_budget_of_the_slot_whoever_comes_unasked(
    name: str, effort: str, config: WorldConfig, policy: Policy
) -> None:
    # each user has its part of the budget, which should pay for a subtask
    config = replace(config, market=replace(config.market, budget_per_user=1.0))
    most = 0.0
    for delivery, allocated, _ in played(world_under(name, effort, config, 4), policy):
        paid = (delivery.payment * allocated).sum(axis=-1)
        assert (paid <= 1.0 * 8 * (1 + 1e-9)).all()
        most = max(most, paid.max())
    assert most > 1


class Thrifty:
    """Mechanism of one price that claims to keep its budget, and keeps the markets it clears."""

    name = "thrifty"
    allocates = False
    claims = mechanisms.Claims(within_budget=True)

    def __init__(self) -> None:
        self.markets: list[mechanisms.Market] = []

    def clear(self, market: mechanisms.Market) -> mechanisms.Outcome:
        self.markets.append(market)
        prices = np.full(market.demand.shape, 1.5)
        return mechanisms.outcome_at_prices(market, prices, status="posted", solve_seconds=0.0)


@pytest.mark.parametrize("interval", [1, 4])
def test_a_clearing_may_spend_what_is_in_the_account_over_its_interval(interval: int) -> None:
    config = replace(CONFIG, market=MarketConfig(interval=interval, budget_per_user=0.2))
    mechanism = Thrifty()
    world = World(config, num_worlds=8, seed=0, mechanism=mechanism)
    income, paid, turned_away = 0.2 * 8, [np.zeros(8)], 0
    for _, _, result in played(world, greedy):
        paid.append(paid[-1] + result.payment.sum(axis=-1))
        turned_away += int(result.rejected.sum())
    for clearing, market in enumerate(mechanism.markets):
        slot = clearing * interval
        # what is left of the budgets of all slots before, and those of the interval
        available = income * slot - paid[slot] + income * interval
        np.testing.assert_allclose(market.budget, available / interval, rtol=1e-9)
    assert len(mechanism.markets) == 25 // interval + 1
    assert turned_away > 20


@pytest.mark.parametrize(("name", "effort"), OWN_BUDGETS)
def test_a_budget_of_its_own_feeds_the_account_in_place_of_the_market_s(
    name: str, effort: str
) -> None:
    market = replace(CONFIG.market, effort=effort, interval=5)
    mechanism = mechanisms.make(name, budget=0.9)
    world = World(replace(CONFIG, market=market), num_worlds=8, seed=0, mechanism=mechanism)
    paid, slots, saved = np.zeros(8), 0, np.zeros(8)
    while not world.done:
        told = world.market.market(None)
        if slots % 5 == 0:
            np.testing.assert_allclose(told.budget, (0.9 * (slots + 5) - paid) / 5, rtol=1e-9)
            outcome = mechanisms.make(name).clear(told)
            np.testing.assert_array_equal(world.slot.offer.unit_price, outcome.unit_price)
            saved = np.maximum(saved, told.budget)
        *_, result = world.step(greedy(world, np.random.default_rng(0)))
        paid, slots = paid + result.payment.sum(axis=-1), slots + 1
        assert (paid <= 0.9 * slots * (1 + 1e-12)).all()
    assert (saved > 0.9 + 1e-3).any()  # what was left over was kept
