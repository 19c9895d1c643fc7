"""Markets with lists against markets of all experts in which nothing else can be formed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mechanisms
from mechanisms import Market, Outcome
from mechanisms.assignment import optimal_welfare
from mechanisms.candidates import column_of, expert_of, greatest, load, of_pairs, of_served, total
from mechanisms.pairs import net_value, pairs_of, possible
from mechanisms.relaxation import relaxation

DrawMarket = Callable[..., Market]
Widen = Callable[[Market], Market]

AMOUNTS = ("unit_price", "effort", "points", "payment", "welfare", "charge")


def assert_same(ours: Outcome, theirs: Outcome, rtol: float = 1e-9) -> None:
    np.testing.assert_array_equal(ours.allocation.expert, theirs.allocation.expert)
    for name in AMOUNTS:
        np.testing.assert_allclose(
            ours.arrays()[name], theirs.arrays()[name], rtol=rtol, atol=rtol, err_msg=name
        )


@given(seed=st.integers(0, 10_000), listed=st.integers(1, 30))
def test_vcg_serves_and_charges_the_same(
    seed: int, listed: int, draw_lists: DrawMarket, with_all_experts: Widen
) -> None:
    market = draw_lists(seed, leading=(), listed=listed)
    wide = with_all_experts(market)
    vcg = mechanisms.make("vcg")
    assert_same(vcg.clear(market), vcg.clear(wide))
    np.testing.assert_allclose(
        optimal_welfare(market, False), optimal_welfare(wide, False), rtol=1e-9
    )


@pytest.mark.parametrize(("users", "listed"), [(12, 4), (30, 3)])
def test_vcg_serves_and_charges_the_same_where_places_are_few(
    users: int, listed: int, draw_lists: DrawMarket, with_all_experts: Widen
) -> None:
    market = draw_lists(users, leading=(5, 2), num_users=users, experts=8, listed=listed)
    vcg = mechanisms.make("vcg")
    outcome = vcg.clear(market)
    assert_same(outcome, vcg.clear(with_all_experts(market)))
    cost = of_served(
        market.users.value - net_value(market), outcome.allocation.expert, market.users.candidates
    )
    assert (outcome.allocation.charge > cost + 0.1).sum() > 20  # that is, places are dear


def test_vcg_within_bandwidth_serves_and_charges_the_same(
    draw_lists: DrawMarket, with_all_experts: Widen
) -> None:
    market = draw_lists(
        1,
        num_users=7,
        experts=6,
        listed=3,
        capacity=np.full(6, 4),
        bandwidth_limit=np.full(6, 700.0),
    )
    within, vcg = (
        mechanisms.make("vcg", bandwidth=True).clear(market),
        mechanisms.make("vcg").clear(market),
    )
    assert (within.welfare < vcg.welfare - 0.1).any()
    assert_same(within, mechanisms.make("vcg", bandwidth=True).clear(with_all_experts(market)))


@pytest.mark.parametrize("bandwidth", [False, True])
@pytest.mark.parametrize("listed", [3, 8])
def test_the_relaxation_has_the_same_optimum_and_its_duals_prove_it(
    listed: int, bandwidth: bool, draw_lists: DrawMarket, with_all_experts: Widen
) -> None:
    market = draw_lists(listed, num_users=20, experts=10, listed=listed, capacity=np.full(10, 3))
    asked, wide = (
        pairs_of(one, "test", bandwidth=bandwidth) for one in (market, with_all_experts(market))
    )
    fractional = 0
    for index in np.ndindex(market.batch_shape):
        world = asked.world(index)
        found, other = relaxation(world), relaxation(wide.world(index))
        reached = (world.net * found.share).sum()
        assert reached == pytest.approx((wide.net[index] * other.share).sum(), rel=1e-9)
        price = of_pairs(found.place_price, world.candidates)
        bound = found.place_price @ world.capacity
        if world.band is not None:
            price = price + world.band.need * of_pairs(found.band_price, world.candidates)
            bound += found.band_price @ world.band.limit
        surplus = np.maximum(possible(world).net - price, 0.0).max(axis=-1)
        assert surplus.sum() + bound == pytest.approx(reached, rel=1e-6)
        fractional += int(((found.share > 0.01) & (found.share < 0.99)).sum())
    assert (fractional > 0) == bandwidth


@pytest.mark.parametrize("bandwidth", [False, True])
def test_shadow_prices_leave_nobody_a_better_expert_in_reach(
    bandwidth: bool, draw_lists: DrawMarket, with_all_experts: Widen
) -> None:
    market = draw_lists(3, num_users=20, experts=10, listed=4)
    mechanism = mechanisms.make("shadow_price", bandwidth=bandwidth)
    outcome = mechanism.clear(market)
    asked = pairs_of(market, "test", bandwidth=bandwidth)
    utility = (
        of_served(market.users.value, outcome.allocation.expert, market.users.candidates)
        - outcome.allocation.charge
    )
    assert (utility >= -1e-9).all()
    for index in np.ndindex(market.batch_shape):
        world = asked.world(index)
        found = relaxation(world)
        price = of_pairs(found.place_price, world.candidates)
        if world.band is not None:
            price = price + world.band.need * of_pairs(found.band_price, world.candidates)
        open_to_all = np.where(
            of_pairs(world.capacity, world.candidates) > 0, possible(world).net - price, 0.0
        )
        best = np.maximum(open_to_all, 0.0).max(axis=-1)
        served = outcome.allocation.expert[index] >= 0
        np.testing.assert_allclose(utility[index][served], best[served], atol=1e-6)
    if not bandwidth:
        np.testing.assert_allclose(
            outcome.welfare, mechanism.clear(with_all_experts(market)).welfare
        )


@given(seed=st.integers(0, 10_000), listed=st.integers(1, 30), budget=st.floats(0.1, 100.0))
def test_fisher_has_the_same_equilibrium(
    seed: int, listed: int, budget: float, draw_lists: DrawMarket, with_all_experts: Widen
) -> None:
    market = draw_lists(seed, leading=(), listed=listed, budget=np.array(budget))
    fisher = mechanisms.make("fisher")
    assert_same(fisher.clear(market), fisher.clear(with_all_experts(market)), rtol=1e-5)


def test_the_double_auction_brings_together_who_lists_whom(draw_lists: DrawMarket) -> None:
    # By hand: bids 9, 8, 7, 4 and asks 2, 3, 4, 5 trade three at 4.5, for whoever is in reach.
    def trade(lists: list[list[int]]) -> Outcome:
        value, asks = np.array([9.0, 8.0, 7.0, 4.0]), np.array([2.0, 3.0, 4.0, 5.0])
        market = draw_lists(
            0,
            leading=(),
            num_users=4,
            experts=4,
            listed=len(lists[0]),
            unit_cost=asks - 0.25,
            cost_slope=np.full(4, 0.5),
            capacity=np.ones(4, dtype=int),
            expert_topic=np.zeros(4, dtype=int),
            users={
                "value": np.repeat(value[:, np.newaxis], len(lists[0]), axis=1),
                "points": np.ones((4, len(lists[0]))),
                "bandwidth_need": None,
                "topic": np.zeros(4, dtype=int),
                "candidates": lists,
            },
        )
        return mechanisms.make("double_auction").clear(market)

    crowded = trade([[3, 2], [2, 1], [2, 1], [0, 3]])
    assert crowded.allocation.expert.tolist() == [
        2,
        1,
        -1,
        -1,
    ]  # user 2 finds both taken; 0 lists no other that trades
    assert crowded.allocation.charge.tolist() == [4.5, 4.5, 0.0, 0.0]
    assert crowded.payment.tolist() == [0.0, 4.5, 4.5, 0.0]
    assert crowded.effort.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert crowded.welfare == pytest.approx(9 - 4 + 8 - 3)
    # First come would leave user 1 without: expert 0, the only one it lists that trades, goes to
    # user 0.
    spread = trade([[0, 1], [0, 3], [2, 3], [1, 3]])
    assert spread.allocation.expert.tolist() == [1, 0, 2, -1]
    assert spread.allocation.charge.tolist() == [4.5, 4.5, 4.5, 0.0]
    # Nobody lists expert 0, so it is no seller: of three pairs the third is the last possible one,
    # and two trade.
    unlisted = trade([[3, 2], [2, 1], [2, 1], [1, 3]])
    assert unlisted.allocation.expert.tolist() == [2, 1, -1, -1]
    assert unlisted.allocation.charge.tolist() == [7.0, 7.0, 0.0, 0.0]
    assert unlisted.payment.tolist() == [0.0, 5.0, 5.0, 0.0]


@pytest.mark.parametrize("name", ["vcg", "shadow_price", "fisher"])
def test_programs_in_cvxpy_serve_lists_as_the_direct_path_does(
    name: str, draw_lists: DrawMarket
) -> None:
    market = draw_lists(8, num_users=5, experts=6, listed=3)
    direct = mechanisms.make(name).clear(market)
    program = mechanisms.make(name, solver="cvxpy").clear(market)
    np.testing.assert_array_equal(direct.allocation.expert, program.allocation.expert)
    np.testing.assert_allclose(direct.welfare, program.welfare, rtol=1e-6)
    assert (direct.allocation.expert >= 0).any()
    if name != "shadow_price":  # whose duals are not unique
        np.testing.assert_allclose(direct.allocation.charge, program.allocation.charge, atol=1e-3)


def test_what_pairs_and_experts_have_of_each_other_by_hand() -> None:
    lists, pair = np.array([[2, 0], [0, 1]]), np.array([[1.0, 2.0], [4.0, -8.0]])
    assert of_pairs(np.array([5.0, 6.0, 7.0]), lists).tolist() == [[7.0, 5.0], [5.0, 6.0]]
    assert total(pair, lists, 4).tolist() == [6.0, -8.0, 1.0, 0.0]
    assert greatest(pair, lists, 4).tolist() == [4.0, 0.0, 1.0, 0.0]
    assert of_served(pair, np.array([0, -1]), lists).tolist() == [2.0, 0.0]
    assert of_served(pair, np.array([1, 1]), lists).tolist() == [
        0.0,
        -8.0,
    ]  # expert 1 is not on the first list
    assert load(np.array([3.0, 5.0]), np.array([2, 2]), 3).tolist() == [0.0, 0.0, 8.0]
    assert expert_of(np.array([1, -1]), lists).tolist() == [0, -1]
    assert column_of(np.array([0, 2]), lists).tolist() == [1, -1]


@given(seed=st.integers(0, 10_000))
def test_what_is_summed_over_pairs_is_what_the_wide_field_sums_to(
    seed: int, draw_lists: DrawMarket
) -> None:
    market = draw_lists(seed, leading=(2, 3), listed=5)
    lists, points = market.users.candidates, market.users.points
    wide = np.zeros((2, 3, 8, 30))
    np.put_along_axis(wide, lists, points, axis=-1)
    np.testing.assert_allclose(total(points, lists, 30), wide.sum(axis=-2))
    np.testing.assert_array_equal(greatest(points, lists, 30), wide.max(axis=-2))
    np.testing.assert_array_equal(
        of_pairs(market.unit_cost, lists)[1, 2, 3], market.unit_cost[1, 2, lists[1, 2, 3]]
    )
    allocation = np.random.default_rng(seed).integers(-1, 30, (2, 3, 8))
    np.testing.assert_array_equal(of_served(points, allocation, lists), of_served(wide, allocation))
    column = column_of(allocation, lists)
    np.testing.assert_array_equal(expert_of(column, lists), np.where(column >= 0, allocation, -1))


@pytest.mark.parametrize(
    ("sizes", "changed"),
    [
        pytest.param({"num_users": 0}, {}, id="no users"),
        pytest.param({"listed": 0}, {}, id="empty lists"),
        pytest.param({"experts": 0, "listed": 0}, {}, id="no experts"),
        pytest.param({}, {"capacity": np.zeros(30, dtype=int)}, id="no capacity"),
        pytest.param({}, {"users": {"topic": np.full(8, -1)}}, id="no demand"),
        pytest.param({}, {"users": {"value": np.full((8, 6), -1.0)}}, id="all values negative"),
    ],
)
def test_where_nobody_can_be_served_the_optimum_is_nothing(
    sizes: dict[str, int], changed: dict[str, Any], draw_lists: DrawMarket
) -> None:
    market = draw_lists(7, **(sizes | changed))
    assert optimal_welfare(market, True).tolist() == [0.0] * 6
