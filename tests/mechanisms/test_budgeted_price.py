"""Budgeted prices against the program in CVXPY, the multiplier's formula and one expert by hand."""

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
from mechanisms import Market, MechanismError, Outcome, best_response, cost
from mechanisms.arrays import FloatArray
from mechanisms.budgeted_price import BudgetedPrice

EXPERTS = 8
DrawMarket = Callable[..., Market]


@pytest.fixture(scope="module")
def program() -> BudgetedPrice:
    """One compiled program for all tests: a parameter that is not updated would show."""
    return BudgetedPrice(solver="cvxpy")


def clear(market: Market, budget: float | None = None) -> Outcome:
    return mechanisms.make("budgeted_price", budget=budget).clear(market)


def one_expert(budget: float, **fields: Any) -> Market:
    drawn = {
        "unit_cost": [1.0],
        "cost_slope": [1.0],
        "demand": [2.0],
        "value": [3.0],
        "budget": budget,
    }
    return Market(**(drawn | fields))


def spent(outcome: Outcome) -> FloatArray:
    return outcome.payment.sum(axis=-1)


def edge_utility(market: Market, outcome: Outcome) -> FloatArray:
    """Return the utility of edge devices of the costs of `market`, credits/slot."""
    effort = best_response(outcome.unit_price, market.unit_cost, market.cost_slope)
    borne = cost(effort, market.unit_cost, market.cost_slope)
    return market.demand * (outcome.unit_price * effort - borne)


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Draw one market of 0 to 6 experts.

    There are ties, zero demand, free and worthless experts, and budgets of 0 or what prices settle.
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
        budget=draw(st.one_of(st.just(0.0), st.floats(1e-6, 40.0))),
    )


@pytest.mark.parametrize("seed", range(3))
def test_closed_form_and_program_agree(
    seed: int, draw_market: DrawMarket, program: BudgetedPrice
) -> None:
    market = draw_market(seed, num_worlds=12, num_experts=EXPERTS)
    exact, reference = clear(market), program.clear(market)
    np.testing.assert_allclose(exact.welfare, reference.welfare, rtol=1e-6)
    wanted = market.demand > 0
    np.testing.assert_allclose(exact.effort[wanted], reference.effort[wanted], atol=1e-3)
    bought = wanted & (exact.effort > 0)  # of nothing the solver leaves a trace, which has a price
    np.testing.assert_allclose(exact.unit_price[bought], reference.unit_price[bought], atol=2e-3)
    assert (exact.status, reference.status) == ("closed_form", "optimal")


def test_the_program_buys_nothing_without_a_budget(
    draw_market: DrawMarket, program: BudgetedPrice
) -> None:
    market = draw_market(3, num_worlds=2, num_experts=EXPERTS, budget=np.zeros(2))
    assert spent(program.clear(market)).max() < 1e-6


@settings(max_examples=300)
@given(markets())
def test_efforts_are_those_of_one_multiplier_that_is_zero_or_spends_the_budget(
    market: Market,
) -> None:
    outcome = clear(market)
    assert spent(outcome) <= market.budget * (1 + 1e-12) + 1e-12
    inner = (outcome.effort > 1e-6) & (outcome.effort < 1 - 1e-6) & (market.demand > 0)
    multipliers = np.zeros(1)
    if spent(outcome) >= market.budget * (1 - 1e-9) - 1e-12:
        # (v - kappa (1 + mu)) = x slope (1 + 2 mu), solved for mu
        answer = (market.cost_slope * outcome.effort)[inner]
        multipliers = (market.value[inner] - market.unit_cost[inner] - answer) / (
            market.unit_cost[inner] + 2 * answer
        )
    for mu in multipliers:
        formula = (market.value - market.unit_cost * (1 + mu)) / (market.cost_slope * (1 + 2 * mu))
        np.testing.assert_allclose(outcome.effort, np.clip(formula, 0.0, 1.0), atol=1e-6)


def test_most_random_budgets_bind_and_leave_efforts_between_nothing_and_full(
    draw_market: DrawMarket,
) -> None:
    market = draw_market(4)
    outcome = clear(market)
    binding = np.isclose(spent(outcome), market.budget, rtol=1e-12)
    assert 0 < (~binding).sum() < binding.sum()
    assert ((outcome.effort > 0) & (outcome.effort < 1)).any(axis=-1).all()


@pytest.mark.parametrize(
    ("budget", "effort"),
    [
        (0.0, 0.0),
        (1.5, 0.5),  # 2 points a slot at effort 1/2, each delivered point at 1 + 1/2
        (4.0, 1.0),  # full effort costs 2 points at price 2, and the budget is just spent
        (9.0, 1.0),  # and no more is paid than full effort takes
    ],
)
def test_a_single_edge_device_gets_the_budget_until_it_gives_all(
    budget: float, effort: float
) -> None:
    outcome = clear(one_expert(budget))
    assert outcome.effort[0] == pytest.approx(effort, abs=1e-12)
    assert outcome.unit_price[0] == pytest.approx(1.0 + effort if effort else 0.0, abs=1e-12)
    assert spent(outcome) == pytest.approx(min(budget, 4.0), abs=1e-12)


def test_effort_stops_where_a_point_costs_what_it_is_worth() -> None:
    outcome = clear(one_expert(100.0, value=[1.25]))
    assert outcome.effort[0] == pytest.approx(0.25, abs=1e-12)
    assert outcome.unit_price[0] == pytest.approx(1.25, abs=1e-12)


def test_a_budget_of_the_mechanism_replaces_that_of_the_market(draw_market: DrawMarket) -> None:
    market = draw_market(5)
    outcome = clear(market, budget=3.0)
    same = clear(dataclasses.replace(market, budget=np.full(16, 3.0)))
    np.testing.assert_array_equal(outcome.unit_price, same.unit_price)
    np.testing.assert_allclose(spent(outcome), 3.0, rtol=1e-12)


@given(markets())
def test_nobody_loses_and_users_pay_the_payments(market: Market) -> None:
    outcome = clear(market)
    borne = market.demand * cost(outcome.effort, market.unit_cost, market.cost_slope)
    assert (outcome.payment - borne >= -1e-12).all()
    assert outcome.balance == 0.0
    np.testing.assert_array_equal(outcome.payment, outcome.unit_price * outcome.points)


def test_a_larger_budget_buys_more_effort_of_everybody(draw_market: DrawMarket) -> None:
    budgets = np.linspace(0.0, 60.0, 61)
    efforts = np.stack([clear(draw_market(6), budget=float(budget)).effort for budget in budgets])
    assert (np.diff(efforts, axis=0) >= -1e-12).all()
    assert (np.diff(efforts, axis=0) > 0).any(axis=-1).any(axis=0).all()


def test_reporting_a_higher_cost_pays_up_to_the_value() -> None:
    truth = one_expert(100.0, demand=[1.0])
    honest = edge_utility(truth, clear(truth))[0]
    best = max(
        edge_utility(truth, clear(dataclasses.replace(truth, unit_cost=[reported])))[0]
        for reported in np.linspace(0.0, 50.0, 5001)
    )
    assert honest == pytest.approx(0.5)  # price 2, cost 1.5
    assert best - honest == pytest.approx(1.0)  # price 3, the value


def test_many_edge_devices_gain_by_reporting_other_costs(
    draw_market: DrawMarket, with_false_costs: Callable[[Market, int, int], Market]
) -> None:
    market = draw_market(7, num_worlds=1, num_experts=6, budget=np.array([5.0])).world(0)
    lying = edge_utility(market, clear(with_false_costs(market, 0, 200)))
    regret = np.einsum("ere->er", lying).max(axis=-1) - edge_utility(market, clear(market))
    assert regret.max() > 0.2
    assert (regret[market.demand > 0] > 0.01).mean() >= 0.5


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"budget": np.zeros(16)}, id="no budget"),
        pytest.param(
            {"budget": np.zeros(16), "demand": np.zeros(30)}, id="neither budget nor demand"
        ),
        pytest.param({"value": np.full(30, 0.4)}, id="value below every cost"),
        pytest.param({"value": np.full(30, -3.0)}, id="negative value"),
    ],
)
def test_where_nothing_is_bought_nothing_is_offered(
    draw_market: DrawMarket, fields: dict[str, Any]
) -> None:
    market = draw_market(8, **fields)
    outcome = clear(market)
    assert not outcome.effort.any()
    assert not outcome.payment.any()
    assert not outcome.unit_price.any()


def test_without_demand_prices_are_those_of_an_ample_budget_and_nothing_is_paid(
    draw_market: DrawMarket,
) -> None:
    market = draw_market(9, demand=np.zeros(30))
    outcome = clear(market)
    answer = best_response(market.value, market.unit_cost, market.cost_slope)
    np.testing.assert_allclose(outcome.effort, answer, atol=1e-12)
    assert not outcome.payment.any()


def test_edge_devices_of_equal_cost_are_paid_equally(draw_market: DrawMarket) -> None:
    equal = {
        name: np.full((16, 30), number) for name, number in {"unit_cost": 1.0, "value": 3.0}.items()
    }
    outcome = clear(draw_market(10, cost_slope=np.ones((16, 30)), **equal))
    assert (outcome.unit_price == outcome.unit_price[:, :1]).all()


def test_a_free_edge_device_costs_nothing_at_first_and_shares_the_budget() -> None:
    market = Market([0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [3.0, 3.0], 0.5)
    np.testing.assert_allclose(clear(market).effort, 0.5, rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_next_to_no_demand_neither_overflows_nor_moves_the_price() -> None:
    wanted = Market([1.0, 2.0], [1.0, 0.25], [1.0, 5e-324], [3.0, 2.125], 1.5 / 2)
    assert clear(wanted).effort[0] == pytest.approx(0.5, abs=1e-9)
    hardly = wanted.with_demand(np.full(2, 5e-324))
    np.testing.assert_allclose(clear(hardly).effort, [1.0, 0.5])


@pytest.mark.parametrize("budget", [-0.1, np.inf, np.nan, 1e300, True, "3", [3]])
def test_an_impossible_budget_is_refused(budget: object) -> None:
    with pytest.raises(
        ValueError, match=r"budgeted_price: budget should be a finite number in 0\.\.1e\+09, got"
    ):
        mechanisms.make("budgeted_price", budget=budget)


def test_a_failing_solver_is_reported_with_the_world(
    program: BudgetedPrice, draw_market: DrawMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    monkeypatch.setattr(cp.Problem, "solve", fail)
    market = draw_market(0, num_worlds=1, num_experts=EXPERTS, budget=np.array([2.5]))
    with pytest.raises(MechanismError, match=r"budgeted_price, world \(0,\): InsufficientProgress"):
        program.clear(market)
