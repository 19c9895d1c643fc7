"""The scan against a mixed-integer program, small markets by hand, and many lies."""

import dataclasses
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mechanisms
from mechanisms import Market, MechanismError, Outcome, cost
from mechanisms.arrays import FloatArray
from mechanisms.proportional_share import ProportionalShare

EXPERTS = 8
DrawMarket = Callable[..., Market]
WithFalseCosts = Callable[[Market, int, int], Market]


@pytest.fixture(scope="module")
def program() -> ProportionalShare:
    """One compiled program for all tests: a parameter that is not updated would show."""
    return ProportionalShare(solver="cvxpy")


def clear(market: Market, budget: float | None = None) -> Outcome:
    return mechanisms.make("proportional_share", budget=budget).clear(enforced(market))


def enforced(market: Market) -> Market:
    """Return the market in which those that sell give full effort."""
    return dataclasses.replace(market, effort="enforced")


def with_asks(asks: list[float], demand: list[float], budget: float, value: float = 10.0) -> Market:
    """Edge devices whose cost of a point at full effort is `asks`."""
    return Market(
        np.array(asks) - 0.25, np.full(len(asks), 0.5), demand, np.full(len(asks), value), budget
    )


def edge_utility(market: Market, outcome: Outcome) -> FloatArray:
    """Return the utility of edge devices that give the outcome's effort, credits/slot."""
    borne = market.work * cost(outcome.effort, market.unit_cost, market.cost_slope)
    return outcome.payment - borne - np.where(outcome.effort > 0, market.fixed_cost, 0.0)


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Draw one market of 0 to 6 experts.

    There are equal costs, zero demand, reserves that bind, and budgets down to 0.
    """
    num_experts = draw(st.integers(0, 6))

    def per_expert(low: float, high: float) -> FloatArray:
        rounded = st.floats(low, high).map(lambda entry: max(round(entry, 1), low))
        return draw(
            arrays(np.float64, num_experts, elements=st.one_of(rounded, st.floats(low, high)))
        )

    return Market(
        unit_cost=per_expert(0.0, 3.0),
        cost_slope=per_expert(0.05, 3.0),
        demand=per_expert(0.0, 4.0),
        value=per_expert(-1.0, 6.0),
        budget=draw(st.one_of(st.just(0.0), st.floats(0.0, 40.0))),
    )


@pytest.mark.parametrize("seed", range(3))
def test_scan_and_mixed_integer_program_agree(
    seed: int, draw_market: DrawMarket, program: ProportionalShare
) -> None:
    market = enforced(draw_market(seed, num_worlds=12, num_experts=EXPERTS))
    scan, reference = clear(market), program.clear(market)
    np.testing.assert_array_equal(scan.effort, reference.effort)
    np.testing.assert_allclose(scan.points.sum(axis=-1), reference.points.sum(axis=-1), rtol=1e-6)
    np.testing.assert_allclose(scan.unit_price, reference.unit_price, rtol=1e-9)
    assert 0.1 < scan.effort.mean() < 0.9
    assert (scan.status, reference.status) == ("closed_form", "optimal")


@pytest.mark.parametrize(
    ("asks", "budget", "prices"),
    [
        # Three at 10 / 3 would be below the third's cost; two share the budget, or what the third
        # asks.
        ([1.0, 2.0, 4.0], 10.0, [4.0, 4.0, 0.0]),
        ([1.0, 2.0, 6.0], 10.0, [5.0, 5.0, 0.0]),
        # All sell and share the budget, as nobody else asks for less.
        ([1.0, 2.0, 3.0], 12.0, [4.0, 4.0, 4.0]),
        # The third asks exactly its share and still sells.
        ([1.0, 2.0, 4.0], 12.0, [4.0, 4.0, 4.0]),
        # Of equal asks as many sell as the budget can pay, the first ones, at just that.
        ([2.0, 2.0, 2.0], 5.0, [2.0, 2.0, 0.0]),
        # The order of costs, not of names.
        ([4.0, 1.0, 2.0], 10.0, [0.0, 4.0, 4.0]),
        # The cheapest alone asks more than there is.
        ([1.0, 2.0, 4.0], 0.9, [0.0, 0.0, 0.0]),
        ([1.0, 2.0, 4.0], 0.0, [0.0, 0.0, 0.0]),
    ],
)
def test_prices_by_hand(asks: list[float], budget: float, prices: list[float]) -> None:
    outcome = clear(with_asks(asks, [1.0, 1.0, 1.0], budget))
    np.testing.assert_allclose(outcome.unit_price, prices)
    np.testing.assert_array_equal(outcome.effort, np.array(prices) > 0)


def test_the_share_counts_points_and_not_edge_devices() -> None:
    # At 6 / 3 = 2 a point the second one still sells; with one more point it would not.
    np.testing.assert_allclose(clear(with_asks([1.0, 2.0], [1.0, 2.0], 6.0)).unit_price, [2.0, 2.0])
    np.testing.assert_allclose(clear(with_asks([1.0, 2.0], [1.0, 3.0], 6.0)).unit_price, [2.0, 0.0])


def test_a_single_seller_is_paid_its_value_at_most_however_large_the_budget() -> None:
    np.testing.assert_allclose(clear(with_asks([1.0], [2.0], 4.0, value=3.0)).unit_price, [2.0])
    np.testing.assert_allclose(clear(with_asks([1.0], [2.0], 1e9, value=3.0)).unit_price, [3.0])


def test_who_is_worth_less_than_it_costs_or_is_not_wanted_neither_sells_nor_sets_a_price() -> None:
    market = with_asks([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], 4.0)
    worthless = dataclasses.replace(market, value=np.array([10.0, 1.9, 10.0]))
    unwanted = market.with_demand(np.array([1.0, 0.0, 1.0]))
    for same in (worthless, unwanted):
        np.testing.assert_allclose(clear(same).unit_price, [3.0, 0.0, 0.0])


def test_no_false_report_pays(draw_market: DrawMarket, with_false_costs: WithFalseCosts) -> None:
    gains = []
    for seed in range(8):
        market = draw_market(
            seed, num_worlds=1, num_experts=EXPERTS, budget=np.array([2.0 + seed])
        ).world(0)
        lying = np.einsum(
            "ere->er", edge_utility(market, clear(with_false_costs(market, seed, 400)))
        )
        gains.append(lying - edge_utility(market, clear(market))[:, np.newaxis])
    assert np.max(gains) <= 1e-12
    assert np.mean(np.array(gains) < -1e-3) > 0.1


def test_paying_each_seller_what_it_reports_would_be_manipulable(
    draw_market: DrawMarket, with_false_costs: WithFalseCosts
) -> None:
    """Show that the search for lies above is one that finds some."""
    market = draw_market(0, num_worlds=1, num_experts=EXPERTS, budget=np.array([5.0])).world(0)

    def utility(reported: Market) -> FloatArray:
        outcome = clear(reported)
        asks = reported.unit_cost + reported.cost_slope / 2
        return outcome.effort * market.demand * (asks - market.unit_cost - market.cost_slope / 2)

    lying = np.einsum("ere->er", utility(with_false_costs(market, 0, 400)))
    assert (lying.max(axis=-1) - utility(market)).max() > 0.1


def test_the_price_of_a_seller_is_the_highest_report_with_which_it_sells(
    draw_market: DrawMarket,
) -> None:
    market = draw_market(9, num_worlds=1, num_experts=EXPERTS, budget=np.array([9.0])).world(0)
    outcome = clear(market)
    sellers = np.flatnonzero(outcome.effort)
    assert 2 <= sellers.size < EXPERTS
    for seller in sellers:
        for factor, sells in ((1 - 1e-6, 1.0), (1 + 1e-6, 0.0)):
            reported = market.unit_cost.copy()
            reported[seller] = outcome.unit_price[seller] * factor - market.cost_slope[seller] / 2
            lying = clear(dataclasses.replace(market, unit_cost=reported))
            assert lying.effort[seller] == sells


@settings(max_examples=300)
@given(markets())
def test_nobody_loses_users_pay_the_payments_and_the_budget_is_kept(market: Market) -> None:
    outcome = clear(market)
    assert (edge_utility(market, outcome) >= -1e-12).all()
    assert (outcome.unit_price <= np.maximum(market.value, 0.0)).all()
    assert outcome.payment.sum() <= market.budget * (1 + 1e-12)
    assert outcome.balance == 0.0
    np.testing.assert_array_equal(outcome.payment, outcome.unit_price * outcome.points)
    np.testing.assert_array_equal(outcome.points, market.demand * outcome.effort)


@given(markets())
def test_at_least_half_of_what_the_budget_buys_at_cost_is_bought_less_half_of_the_next_seller_s(
    market: Market,
) -> None:
    ask = market.unit_cost + market.cost_slope / 2
    seller = (market.demand > 0) & (ask <= market.value)
    order = np.argsort(ask[seller], kind="stable")
    demand, ask = market.demand[seller][order], ask[seller][order]
    money_left = np.maximum(
        market.budget - np.append(0.0, np.cumsum(demand * ask))[: demand.size], 0.0
    )
    at_cost = np.minimum(demand, money_left / ask).sum()
    bought = clear(market).points.sum()
    behind = np.flatnonzero(np.cumsum(demand) > bought * (1 + 1e-12))
    assert bought >= (at_cost - (demand[behind[0]] if behind.size else 0.0)) / 2 - 1e-9


def test_welfare_counts_those_that_sell_at_full_effort() -> None:
    market = with_asks([1.0, 2.0, 4.0], [1.0, 3.0, 1.0], 10.0)
    assert clear(market).welfare == pytest.approx(1 * (10 - 1) + 3 * (10 - 2))


def test_a_budget_of_the_mechanism_replaces_that_of_the_market(draw_market: DrawMarket) -> None:
    market = draw_market(5)
    same = clear(dataclasses.replace(market, budget=np.full(16, 3.0)))
    np.testing.assert_array_equal(clear(market, budget=3.0).unit_price, same.unit_price)
    assert (clear(market).unit_price != same.unit_price).any()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"budget": np.zeros(16)}, id="no budget"),
        pytest.param({"demand": np.zeros(30)}, id="no demand"),
        pytest.param({"value": np.full(30, 0.4)}, id="value below every cost"),
        pytest.param({"value": np.full(30, -3.0)}, id="negative value"),
    ],
)
def test_where_nothing_is_bought_price_and_effort_are_zero(
    draw_market: DrawMarket, fields: dict[str, Any]
) -> None:
    outcome = clear(draw_market(6, **fields))
    assert not outcome.effort.any()
    assert not outcome.unit_price.any()
    assert not outcome.welfare.any()


@pytest.mark.filterwarnings("error")
def test_next_to_no_demand_does_not_overflow() -> None:
    outcome = clear(with_asks([1.0, 2.0], [5e-324, 5e-324], 4.0))
    assert outcome.unit_price.tolist() == [10.0, 10.0]


@pytest.mark.parametrize("budget", [-0.1, np.inf, np.nan])
def test_an_impossible_budget_is_refused(budget: float) -> None:
    with pytest.raises(
        ValueError,
        match=r"proportional_share: budget should be a finite number in 0\.\.1e\+09, got",
    ):
        mechanisms.make("proportional_share", budget=budget)


def test_a_failing_solver_is_reported_with_the_budget(
    program: ProportionalShare, draw_market: DrawMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    monkeypatch.setattr(cp.Problem, "solve", fail)
    market = draw_market(0, num_worlds=1, num_experts=EXPERTS, budget=np.array([2.5]))
    with pytest.raises(
        MechanismError, match=r"proportional_share within 2.5 credits/slot: InsufficientProgress"
    ):
        program.clear(market)
