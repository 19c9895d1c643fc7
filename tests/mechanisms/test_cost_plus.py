"""Cost-plus prices: full effort at its own price, where a point is worth that."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import linprog

import mechanisms
from mechanisms import Market, best_response

DrawMarket = Callable[..., Market]


def test_prices_by_hand() -> None:
    market = Market(
        unit_cost=[1.0, 1.0, 3.0, 0.0],
        cost_slope=[1.0, 2.0, 1.0, 4.0],
        demand=[2.0, 5.0, 1.0, 1.0],
        value=[3.0, 3.0, 3.0, 3.0],
        budget=0.0,
    )
    outcome = mechanisms.make("cost_plus").clear(market)
    assert outcome.unit_price.tolist() == [2.0, 3.0, 0.0, 0.0]
    assert outcome.effort.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert outcome.payment.tolist() == [4.0, 15.0, 0.0, 0.0]
    assert outcome.welfare == 2.0 * (3.0 - 1.5) + 5.0 * (3.0 - 2.0)
    assert outcome.balance == 0.0
    assert outcome.status == "closed_form"


def test_offers_of_full_effort_are_those_of_the_linear_program(draw_market: DrawMarket) -> None:
    market = draw_market(0)
    outcome = mechanisms.make("cost_plus").clear(market)
    gain = market.demand * (market.value - market.unit_cost - market.cost_slope)
    profit = (market.value * outcome.points - outcome.payment).sum(axis=-1)
    for world, of_points in enumerate(gain):
        best = linprog(-of_points, bounds=(0, 1))
        assert profit[world] == -best.fun or abs(profit[world] + best.fun) < 1e-9
        taken = of_points > 1e-9
        np.testing.assert_allclose(outcome.effort[world][taken], best.x[taken])
    assert (outcome.effort == 0).any()
    assert (outcome.effort > 0).any()


def test_nobody_loses_users_gain_and_welfare_misses_the_optimum_by_what_is_told(
    draw_market: DrawMarket,
) -> None:
    market = draw_market(1)
    outcome = mechanisms.make("cost_plus").clear(market)
    full = outcome.effort > 0
    np.testing.assert_allclose(outcome.effort[full], 1.0)
    cost = market.demand * mechanisms.cost(outcome.effort, market.unit_cost, market.cost_slope)
    earned = np.where(full, market.demand * market.cost_slope / 2, 0.0)
    np.testing.assert_allclose(outcome.payment - cost, earned, atol=1e-12)
    assert (market.value * outcome.points >= outcome.payment).all()
    efficient = best_response(market.value, market.unit_cost, market.cost_slope)
    fields = market.demand, market.value, market.unit_cost, market.cost_slope
    optimum = mechanisms.welfare(efficient, *fields)
    margin = market.value - market.unit_cost
    between = (margin > 0) & (margin < market.cost_slope)
    missing = np.where(between, market.demand * margin**2 / (2 * market.cost_slope), 0.0)
    np.testing.assert_allclose(optimum - outcome.welfare, missing.sum(axis=-1))
    assert between.any()


def test_a_device_raises_its_price_to_the_value_by_a_lie_and_gives_full_effort_still() -> None:
    true = Market([1.0], [1.0], [2.0], [5.0], 0.0)
    lie = replace(true, unit_cost=np.array([4.0]))
    outcome = mechanisms.make("cost_plus").clear(lie)
    assert outcome.unit_price.tolist() == [5.0]
    assert best_response(outcome.unit_price, true.unit_cost, true.cost_slope).tolist() == [1.0]
    report = mechanisms.audit(
        mechanisms.make("cost_plus"), true, rng=np.random.default_rng(0), misreports=100
    )
    # All of v - kappa - slope, 3 credits a point, goes to who reports it.
    assert 0.9 * 6.0 < report.regret_max["edge_devices"] <= 6.0 + 1e-9
