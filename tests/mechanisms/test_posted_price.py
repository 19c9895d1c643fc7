"""The posted price against its golden answer, a dense grid of prices and an optimiser.

The reference in CVXPY has a file of its own.
"""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import Bounds, differential_evolution

import mechanisms
from mechanisms import Market, Outcome, best_response, cost, welfare
from mechanisms.arrays import FloatArray


def clear(market: Market) -> Outcome:
    return mechanisms.make("posted_price").clear(market)


def random_market(seed: int, num_worlds: int = 16, num_experts: int = 30, **fields: Any) -> Market:
    """Costs, value and budget as the simulator draws them."""
    rng = np.random.default_rng(seed)
    shape = (num_worlds, num_experts)
    drawn = {
        "unit_cost": rng.uniform(0.5, 3.0, shape),
        "cost_slope": rng.uniform(0.5, 1.5, shape),
        "demand": rng.uniform(0.0, 1.0, shape),
        "value": rng.uniform(2.0, 4.0, shape),
        "budget": np.full(num_worlds, 4.0),
    }
    return Market(**(drawn | fields))


def small_market(unit_cost: Any, cost_slope: Any, demand: Any, value: Any) -> Market:
    return Market(unit_cost, cost_slope, demand, value, budget=np.zeros(()))


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Draw one market of 0 to 6 experts.

    There are ties, zero demand, negative values, and steep and flat costs.
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
        budget=np.zeros(()),
    )


def profit(market: Market, price: FloatArray) -> FloatArray:
    """Return the users' profit (P,) at prices (P,), straight from the definition.

    The market has no leading axes.
    """
    effort = np.clip((price[:, None] - market.unit_cost) / market.cost_slope, 0.0, 1.0)
    return (market.demand * (market.value - price[:, None]) * effort).sum(axis=-1)


def users_profit(market: Market, outcome: Outcome) -> FloatArray:
    return (market.value * outcome.points - outcome.payment).sum(axis=-1)


def test_with_linear_supply_the_price_is_half_the_value_and_welfare_three_quarters() -> None:
    value = np.array([0.5, 1.0, 3.8])
    market = random_market(
        0,
        num_worlds=3,
        unit_cost=np.zeros(30),
        cost_slope=np.random.default_rng(0).uniform(4.0, 9.0, 30),
        value=np.repeat(value[:, None], 30, axis=1),
    )
    outcome = clear(market)
    np.testing.assert_allclose(outcome.unit_price, market.value / 2, rtol=1e-12)
    costs = market.unit_cost, market.cost_slope
    optimum = welfare(best_response(market.value, *costs), market.demand, market.value, *costs)
    np.testing.assert_allclose(outcome.welfare, 0.75 * optimum, rtol=1e-12)


@pytest.mark.parametrize(
    ("unit_cost", "slope", "value", "expected"),
    [
        (
            1.0,
            4.0,
            3.0,
            2.0,
        ),  # half way between cost and value, as a monopsonist facing linear supply
        (
            1.0,
            0.5,
            3.0,
            1.5,
        ),  # so cheap that full effort is bought, and no more is paid than that takes
        (1.0, 1.0, 3.0, 2.0),  # both at once
        (1.0, 4.0, 1.0, 0.0),  # no gain from trade
    ],
)
def test_the_price_for_one_edge_device_is_the_monopsonists(
    unit_cost: float, slope: float, value: float, expected: float
) -> None:
    outcome = clear(small_market([unit_cost], [slope], [2.0], [value]))
    assert outcome.unit_price[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=300)
@given(markets())
def test_no_price_on_a_dense_grid_is_more_profitable(market: Market) -> None:
    highest = float(np.max(market.unit_cost + market.cost_slope, initial=0.0)) + 1.0
    grid, spacing = np.linspace(0.0, highest, 5001, retstep=True)
    best_on_grid = profit(market, grid).max()
    outcome = clear(market)
    reached = users_profit(market, outcome)
    at_stake = float((market.demand * (np.abs(market.value) + highest)).sum())
    assert reached >= best_on_grid - 1e-9 * at_stake
    # Between grid points the profit moves by its Lipschitz constant times half the spacing at most.
    lipschitz = (market.demand * (1.0 + (np.abs(market.value) + highest) / market.cost_slope)).sum()
    assert reached <= best_on_grid + lipschitz * spacing / 2 + 1e-9 * at_stake


@pytest.mark.parametrize("world", range(4))
def test_a_global_optimiser_finds_the_same_profit_and_price(world: int) -> None:
    market = random_market(3)
    alone = market.world(world)

    def loss(price: FloatArray) -> float:
        return -float(profit(alone, price)[0])

    found = differential_evolution(loss, Bounds([0.0], [5.0]), rng=0, tol=1e-12, popsize=40)
    outcome = clear(market)
    assert float(users_profit(market, outcome)[world]) == pytest.approx(-found.fun, rel=1e-6)
    assert outcome.unit_price[world, 0] == pytest.approx(found.x[0], abs=1e-3)


@given(markets())
def test_all_experts_get_one_price_and_users_lose_nothing(market: Market) -> None:
    outcome = clear(market)
    assert outcome.unit_price.shape == (market.num_experts,)
    assert np.unique(outcome.unit_price).size <= 1
    assert users_profit(market, outcome) >= -1e-9
    assert outcome.balance == 0.0
    np.testing.assert_allclose(outcome.points, market.demand * outcome.effort)


@given(markets())
def test_every_edge_device_is_at_least_as_well_off_as_without_the_market(market: Market) -> None:
    outcome = clear(market)
    borne = market.demand * cost(outcome.effort, market.unit_cost, market.cost_slope)
    assert (outcome.payment - borne >= -1e-12).all()


@given(markets())
def test_the_price_is_no_higher_than_it_takes_to_buy_everything(market: Market) -> None:
    full_effort_price = market.unit_cost + market.cost_slope
    assert (clear(market).unit_price <= np.max(full_effort_price, initial=0.0)).all()


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_scaling_demand_leaves_the_price(factor: float) -> None:
    market = random_market(4)
    scaled = clear(market.with_demand(market.demand * factor))
    np.testing.assert_allclose(scaled.unit_price, clear(market).unit_price, rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_counting_money_in_another_unit_scales_the_price(factor: float) -> None:
    market = random_market(5)
    in_other_unit = dataclasses.replace(
        market,
        unit_cost=market.unit_cost * factor,
        cost_slope=market.cost_slope * factor,
        value=market.value * factor,
    )
    scaled, outcome = clear(in_other_unit), clear(market)
    np.testing.assert_allclose(scaled.unit_price, factor * outcome.unit_price, rtol=1e-9)
    np.testing.assert_allclose(scaled.effort, outcome.effort, atol=1e-9)
    np.testing.assert_allclose(scaled.welfare, factor * outcome.welfare, rtol=1e-9)


def test_permuting_the_experts_permutes_the_outcome() -> None:
    market = random_market(6)
    order = np.random.default_rng(6).permutation(market.num_experts)
    names = ("unit_cost", "cost_slope", "demand", "value", "work", "fixed_cost")
    permuted = clear(
        dataclasses.replace(market, **{name: getattr(market, name)[:, order] for name in names})
    )
    outcome = clear(market)
    np.testing.assert_allclose(permuted.payment, outcome.payment[:, order], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(permuted.unit_price, outcome.unit_price[:, order], rtol=1e-9)


def test_splitting_an_edge_device_in_two_changes_nothing() -> None:
    market = random_market(7, num_experts=5)
    names = ("unit_cost", "cost_slope", "value")
    halves: dict[str, Any] = {name: np.repeat(getattr(market, name), 2, axis=1) for name in names}
    demand = np.repeat(market.demand / 2, 2, axis=1)
    split = clear(Market(**halves, demand=demand, budget=market.budget))
    np.testing.assert_allclose(split.unit_price[:, 0], clear(market).unit_price[:, 0], rtol=1e-9)
    np.testing.assert_allclose(split.welfare, clear(market).welfare, rtol=1e-9)


def test_the_budget_is_ignored() -> None:
    market = random_market(10)
    poor = clear(dataclasses.replace(market, budget=np.zeros(16)))
    np.testing.assert_array_equal(poor.payment, clear(market).payment)
    assert (poor.payment.sum(axis=-1) > 0.0).all()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"demand": np.zeros(30)}, id="no demand"),
        pytest.param({"value": np.full(30, 0.4)}, id="value below every cost"),
        pytest.param({"value": np.full(30, -3.0)}, id="negative value"),
        pytest.param(
            {"unit_cost": np.full(30, 1.7), "value": np.full(30, 1.7)}, id="value equal to the cost"
        ),
    ],
)
def test_where_no_trade_pays_the_price_is_zero_and_nobody_takes_part(
    fields: dict[str, Any],
) -> None:
    outcome = clear(random_market(11, **fields))
    assert not outcome.unit_price.any()
    assert not outcome.effort.any()
    assert not outcome.welfare.any()


def test_worlds_with_and_without_trade_clear_together() -> None:
    value = [[0.1, 0.1], [3.0, 3.0]]
    outcome = clear(small_market([1.0, 1.0], [4.0, 4.0], [1.0, 1.0], value))
    np.testing.assert_allclose(outcome.unit_price, [[0.0, 0.0], [2.0, 2.0]])


def test_equal_experts_are_treated_equally() -> None:
    outcome = clear(small_market([1.0] * 5, [4.0] * 5, [0.3] * 5, [3.0] * 5))
    np.testing.assert_allclose(outcome.unit_price, 2.0)
    assert np.unique(outcome.payment).size == 1


def test_of_equally_profitable_prices_the_lowest_is_posted() -> None:
    # Alone, the cheap expert leaves 1 x (2 - 1) = 1 at price 1; the costly one joins and together
    # they leave (2 - 2) + (5 - 2) / 3 = 1 at price 2. Just below and above either price, users have
    # less.
    market = small_market([0.5, 1.5], [0.5, 0.5], [1.0, 1.0 / 3.0], [2.0, 5.0])
    np.testing.assert_allclose(
        profit(market, np.array([0.99, 1.0, 1.01, 1.99, 2.0, 2.01]))[[1, 4]], 1.0
    )
    grid = profit(market, np.linspace(0.0, 3.0, 3001))
    assert grid.max() == pytest.approx(1.0)
    assert clear(market).unit_price.tolist() == [1.0, 1.0]
    slightly_better = market.with_demand(market.demand * np.array([1.0, 1.0 + 1e-9]))
    assert clear(slightly_better).unit_price.tolist() == [2.0, 2.0]


def test_slopes_of_very_different_size_do_not_disturb_the_price() -> None:
    # A nearly constant cost makes supply almost a step of height D / slope = 1e6 before it
    # saturates.
    market = random_market(13, num_experts=6)
    steps = np.where(np.arange(6) % 2, 1e-6, market.cost_slope)
    market = dataclasses.replace(market, cost_slope=steps)
    outcome = clear(market)
    for index in range(16):
        alone = market.world(index)
        breakpoints = np.concatenate([alone.unit_cost, alone.unit_cost + alone.cost_slope])
        candidates = np.concatenate([breakpoints, np.linspace(0.0, 5.0, 5001)])
        reached = users_profit(market, outcome)[index]
        assert reached >= profit(alone, candidates).max() - 1e-9


@pytest.mark.filterwarnings("error")
def test_next_to_no_demand_neither_overflows_nor_moves_the_price() -> None:
    # The first expert is at full effort from 1.5 on, and the second is the only one whose supply
    # still grows.
    market = small_market([1.0, 2.0], [0.5, 1.0], [1.0, 1e-310], [3.0, 3.0])
    assert clear(market).unit_price.tolist() == [1.5, 1.5]


def test_the_time_to_solve_is_measured() -> None:
    outcome = clear(random_market(14))
    assert outcome.status == "closed_form"
    assert 0.0 < outcome.solve_seconds < 1.0


def test_a_given_price_is_posted_to_all_and_answered_by_each() -> None:
    market = Market(
        unit_cost=np.array([[0.5, 1.0, 3.0], [2.0, 2.2, 0.0]]),
        cost_slope=np.array([1.0, 2.0, 1.0]),
        demand=np.array([2.0, 1.0, 4.0]),
        value=np.full(3, 3.8),
        budget=np.array(0.0),
    )
    outcome = mechanisms.make("posted_price", price=2.0).clear(market)
    assert (outcome.unit_price == 2.0).all()
    np.testing.assert_allclose(outcome.effort, [[1.0, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert outcome.status == "given"


@pytest.mark.parametrize("price", [-0.1, np.inf, np.nan, 1e300, True, "3", [3]])
def test_an_impossible_price_is_refused(price: object) -> None:
    with pytest.raises(
        ValueError, match=r"posted_price: price should be a finite number in 0\.\.1e\+09, got"
    ):
        mechanisms.make("posted_price", price=price)
