"""Answers of an edge device, its cost and welfare, against optimisation and integration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar

from mechanisms import Market, best_response, cost, outcome_at_prices, welfare
from mechanisms.arrays import FloatArray

prices = st.floats(0.0, 10.0)
unit_costs = st.floats(0.0, 5.0)
slopes = st.floats(0.01, 5.0)


@given(prices, unit_costs, slopes)
def test_no_other_effort_earns_the_edge_device_more(
    price: float, unit_cost: float, slope: float
) -> None:
    def loss(effort: float) -> float:
        return unit_cost * effort + slope * effort**2 / 2 - price * effort

    answer = float(best_response(price, unit_cost, slope))
    found = minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-9})
    assert 0.0 <= answer <= 1.0
    assert loss(answer) <= min(found.fun, loss(0.0), loss(1.0)) + 1e-12
    assert answer == pytest.approx(found.x, abs=1e-3)


@pytest.mark.parametrize(
    ("price", "effort"), [(0.0, 0.0), (1.0, 0.0), (1.5, 0.25), (3.0, 1.0), (9.0, 1.0)]
)
def test_supply_starts_at_the_unit_cost_and_is_full_a_slope_above(
    price: float, effort: float
) -> None:
    assert best_response(price, 1.0, 2.0) == effort


@given(st.floats(0.0, 1.0), unit_costs, slopes)
def test_cost_is_the_area_under_the_inverse_supply_curve(
    effort: float, unit_cost: float, slope: float
) -> None:
    area, _ = quad(lambda x: unit_cost + slope * x, 0.0, effort)
    assert float(cost(effort, unit_cost, slope)) == pytest.approx(area, abs=1e-9)


@given(prices, unit_costs, slopes)
def test_an_edge_device_that_answers_best_never_loses(
    price: float, unit_cost: float, slope: float
) -> None:
    effort = best_response(price, unit_cost, slope)
    assert price * effort - cost(effort, unit_cost, slope) >= -1e-12


def test_welfare_is_greatest_when_the_price_is_the_value() -> None:
    rng = np.random.default_rng(0)
    unit_cost, slope, demand = (
        rng.uniform(0.5, 3, 6),
        rng.uniform(0.5, 1.5, 6),
        rng.uniform(0, 2, 6),
    )
    value = rng.uniform(0, 4, 6)

    def loss(effort: FloatArray) -> float:
        return float(-sum(demand * (value * effort - unit_cost * effort - slope * effort**2 / 2)))

    found = minimize(
        loss,
        np.full(6, 0.5),
        bounds=[(0.0, 1.0)] * 6,
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    at_value = welfare(best_response(value, unit_cost, slope), demand, value, unit_cost, slope)
    assert float(at_value) == pytest.approx(-found.fun, abs=1e-8)


def test_welfare_is_what_users_and_edge_devices_gain_together() -> None:
    rng = np.random.default_rng(1)
    market = Market(
        unit_cost=rng.uniform(0.5, 3, (5, 7)),
        cost_slope=rng.uniform(0.5, 1.5, (5, 7)),
        demand=rng.uniform(0, 2, (5, 7)),
        value=rng.uniform(2, 4, (5, 7)),
        budget=np.zeros(5),
    )
    price = rng.uniform(0, 4, (5, 7))
    outcome = outcome_at_prices(market, price, status="closed_form", solve_seconds=0.5)
    users = (market.value * outcome.points - outcome.payment).sum(axis=-1)
    borne = market.demand * (
        market.unit_cost * outcome.effort + market.cost_slope * outcome.effort**2 / 2
    )
    experts = (outcome.payment - borne).sum(axis=-1)
    np.testing.assert_allclose(outcome.welfare, users + experts, rtol=1e-12)
    np.testing.assert_array_equal(outcome.unit_price, price)
    np.testing.assert_allclose(outcome.payment, price * market.demand * outcome.effort)
    np.testing.assert_array_equal(outcome.balance, np.zeros(5))
    assert (outcome.status, outcome.solve_seconds) == ("closed_form", 0.5)
