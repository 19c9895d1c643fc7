"""Effort bought and enforced: best responses, those who decline, and what full effort is paid."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechanisms
from mechanisms import Effort, Market, Outcome, UserReports
from mechanisms.arrays import FloatArray
from mechanisms.candidates import load, of_own_expert, of_served
from mechanisms.effort import EFFORTS
from mechanisms.supply import answer, cost, full_effort_price
from mechanisms.testing import draw_market

ALLOCATING = ("vcg", "double_auction", "shadow_price", "fisher")
PAYING = tuple(name for name in mechanisms.names() if name != "none")
AMOUNT = st.floats(0.0, 5.0)
SLOPE = st.floats(0.05, 5.0)
GRID = np.linspace(0.0, 1.0, 2001)


def profit(
    effort: FloatArray, price: float, kappa: float, slope: float, fixed: float
) -> FloatArray:
    return price * effort - cost(effort, kappa, slope) - np.where(effort > 0, fixed, 0.0)


@given(price=AMOUNT, kappa=AMOUNT, slope=SLOPE, fixed=st.floats(0.0, 1.0))
def test_bought_effort_earns_as_much_as_any_on_a_grid_and_never_loses(
    price: float, kappa: float, slope: float, fixed: float
) -> None:
    given_effort = answer(np.array(price), np.array(kappa), np.array(slope), fixed)
    earned = float(profit(given_effort, price, kappa, slope, fixed))
    best = profit(GRID, price, kappa, slope, fixed).max()
    assert earned >= best - 1e-12
    # Between two points of the grid at most slope / 8 of their distance squared is missed.
    assert earned <= best + slope * (GRID[1] - GRID[0]) ** 2 / 8 + 1e-12
    assert earned >= -1e-11


@given(price=AMOUNT, kappa=AMOUNT, slope=SLOPE, fixed=st.floats(0.0, 1.0), ordered=st.floats(0, 1))
def test_ordered_effort_is_given_exactly_where_it_makes_nobody_lose(
    price: float, kappa: float, slope: float, fixed: float, ordered: float
) -> None:
    effort = answer(np.array(price), np.array(kappa), np.array(slope), fixed, np.array(ordered))
    earned = float(profit(np.array(ordered), price, kappa, slope, fixed))
    if earned > 1e-10:
        assert effort == ordered
    if earned < -1e-10:
        assert effort == 0.0


@given(kappa=AMOUNT, slope=SLOPE, fixed=AMOUNT, work=st.floats(0.1, 3.0))
def test_the_price_of_full_effort_is_the_least_that_brings_it(
    kappa: float, slope: float, fixed: float, work: float
) -> None:
    costs = np.array(kappa), np.array(slope)
    per_service = tuple(work * amount for amount in costs)
    for effort, ordered in (("bought", None), ("enforced", np.array(1.0))):
        price = full_effort_price(effort, *costs, fixed, work)
        assert answer(price, *per_service, fixed, ordered) == pytest.approx(1.0, abs=1e-9)
        assert answer(price * (1 - 1e-6), *per_service, fixed, ordered) < 1 - 1e-8
    assert full_effort_price("enforced", *costs, fixed, work) <= full_effort_price(
        "bought", *costs, fixed, work
    )


def profits(name: str, market: Market, outcome: Outcome) -> FloatArray:
    """Return what edge devices earn beyond the costs of `market`, service by service if allocated.

    It is written out anew, without the code of mechanisms.
    """
    if outcome.allocation is None:
        work_cost = market.work * (
            market.unit_cost * outcome.effort + market.cost_slope * outcome.effort**2 / 2
        )
        fixed = np.where(outcome.effort * market.demand > 0, market.fixed_cost, 0.0)
        return outcome.payment - np.where(market.demand > 0, work_cost, 0.0) - fixed
    users = market.users_for(name)
    expert, _, pair_price = outcome.allocation
    points, work, fixed = (
        of_served(amounts, expert, users.candidates)
        for amounts in (users.points, users.work, users.fixed_cost)
    )
    effort = of_own_expert(outcome.effort, expert)
    kappa, slope = (
        of_own_expert(amounts, expert) for amounts in (market.unit_cost, market.cost_slope)
    )
    borne = work * (kappa * effort + slope * effort**2 / 2) + fixed
    return pair_price * points * effort - np.where(effort > 0, borne, 0.0)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", PAYING)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    listed=st.sampled_from([None, 3]),
    dearness=st.sampled_from([0.0, 1.0, 6.0]),
)
def test_no_edge_device_loses_whatever_the_work_and_the_fixed_cost(
    name: str, effort: Effort, seed: int, listed: int | None, dearness: float
) -> None:
    market = draw_market(seed, listed=listed, effort=effort)
    users = market.users_for(name)
    users = replace(users, fixed_cost=users.fixed_cost * dearness)
    market = replace(market, fixed_cost=market.fixed_cost * dearness, users=users)
    outcome = mechanisms.make(name).clear(market)
    assert (profits(name, market, outcome) >= -1e-10).all()
    if outcome.allocation is not None:
        # The payment of an edge device is that of its services.
        expert, _, pair_price = outcome.allocation
        points = of_served(users.points, expert, users.candidates)
        paid = load(
            pair_price * points * of_own_expert(outcome.effort, expert), expert, market.num_experts
        )
        np.testing.assert_allclose(outcome.payment, paid, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", [name for name in PAYING if name not in ALLOCATING])
def test_a_fixed_cost_above_all_that_is_earned_is_declined(name: str, effort: Effort) -> None:
    market = Market([1.0], [1.0], [2.0], [4.0], 9.0, effort=effort)
    params = {"unit_cost": (1.0, 1.0), "cost_slope": (1.0, 1.0)} if name == "contract" else {}
    mechanism = mechanisms.make(name, **params)
    outcome = mechanism.clear(market)
    earned = float(profits(name, market, outcome)[0])
    assert outcome.effort[0] > 0
    if name == "cost_plus":  # It covers what is fixed, as long as a point is worth that.
        assert mechanism.clear(replace(market, fixed_cost=[4.9])).effort[0] == 1.0
        assert mechanism.clear(replace(market, fixed_cost=[5.1])).effort[0] == 0.0
        return
    if name == "proportional_share":  # So does this, within the budget.
        earned = 2 * (4.0 - 1.5)
    below = mechanism.clear(replace(market, fixed_cost=[max(0.99 * earned, 0.0)]))
    above = mechanism.clear(replace(market, fixed_cost=[1.01 * earned + 1e-6]))
    assert below.effort[0] == pytest.approx(outcome.effort[0])
    assert (above.effort[0], above.payment[0], above.welfare) == (0.0, 0.0, 0.0)


def test_free_experts_serve_at_any_cost_in_either_regime() -> None:
    for effort in EFFORTS:
        market = Market([9.0], [9.0], [2.0], [1.0], 0.0, fixed_cost=[7.0], effort=effort)
        outcome = mechanisms.make("none").clear(market)
        assert outcome.effort.tolist() == [1.0]
        assert outcome.welfare == 2 * (1.0 - 13.5) - 7.0


def test_cost_plus_pays_what_full_effort_takes_in_each_regime() -> None:
    market = Market([1.0, 1.0], [2.0, 2.0], [2.0, 2.0], [9.0, 9.0], 0.0, fixed_cost=[0.5, 4.0])
    bought = mechanisms.make("cost_plus").clear(market)
    enforced = mechanisms.make("cost_plus").clear(replace(market, effort="enforced"))
    # kappa + slope = 3 a point, or the full cost: 2 and what is fixed, 0.25 or 2 a point.
    assert bought.unit_price.tolist() == [3.0, 4.0]
    assert enforced.unit_price.tolist() == [2.25, 4.0]
    for outcome in (bought, enforced):
        assert outcome.effort.tolist() == [1.0, 1.0]
    np.testing.assert_allclose(profits("cost_plus", market, enforced), 0.0, atol=1e-12)


def one_service(effort: Effort, fixed_cost: float) -> Market:
    """Return a user and an expert: 2 points of 3 units of work, at kappa 1 and slope 2."""
    users = UserReports(
        value=[[20.0]],
        points=[[2.0]],
        work=[[3.0]],
        fixed_cost=[[fixed_cost]],
        bandwidth_need=[[1]],
    )
    return Market(
        [1.0], [2.0], [4.0], [9.0], 30.0, users=users, bandwidth_limit=[5.0], effort=effort
    )


@pytest.mark.parametrize("name", ["vcg", "shadow_price", "fisher"])
@pytest.mark.parametrize(
    ("effort", "fixed_cost", "paid"),
    [
        # Full effort costs 3 (1 + 2 / 2) = 6 and what is fixed; its best response begins at 9.
        ("bought", 0.5, 9.0),
        ("bought", 4.0, 10.0),
        ("enforced", 0.5, 6.5),
        ("enforced", 4.0, 10.0),
    ],
)
def test_a_service_is_paid_the_least_price_of_full_effort(
    name: str, effort: Effort, fixed_cost: float, paid: float
) -> None:
    outcome = mechanisms.make(name).clear(one_service(effort, fixed_cost))
    expert, charge, pair_price = outcome.allocation_by(name)
    assert expert.tolist() == [0]
    np.testing.assert_allclose(pair_price, paid / 2, rtol=1e-6)
    np.testing.assert_allclose(outcome.payment, paid, rtol=1e-6)
    assert outcome.effort.tolist() == [1.0]
    assert outcome.welfare == pytest.approx(20 - 6 - fixed_cost)
    # Nobody competes: a user pays the cost, and in the market of fisher what is asked.
    np.testing.assert_allclose(charge, paid if name == "fisher" else 6 + fixed_cost, rtol=1e-6)


def test_those_who_come_unasked_pay_the_price_of_full_effort_for_a_point_of_demand() -> None:
    for effort, price in (("bought", 1.5 * 3.0), ("enforced", 1.5 * 2.0 + 0.1)):
        market = one_service(effort, 0.5).with_demand(
            np.array([4.0]), np.array([6.0]), np.array([0.4])
        )
        for name in ("vcg", "shadow_price"):
            assert mechanisms.make(name).clear(market).unit_price.tolist() == [price]


def test_the_platform_never_adds_to_what_users_pay_vcg_where_effort_is_enforced() -> None:
    balances, subsidised = [], 0
    for seed in range(300):
        market = draw_market(seed, listed=None if seed % 2 else 3, effort="enforced")
        balances.append(mechanisms.make("vcg").clear(market).balance)
        bought = replace(market, effort="bought")
        subsidised += int((mechanisms.make("vcg").clear(bought).balance < 0).sum())
    balance = np.concatenate(balances)
    assert balance.size == 1200
    assert (balance >= -1e-9).all()
    # Users compete for a place in about 2 markets of 3, and then there is money left.
    assert 0.5 < (balance > 1e-9).mean() < 0.9
    assert subsidised > 400
