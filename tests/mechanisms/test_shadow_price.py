"""Dual prices: guarantees, limits, and the same program by an interior-point method."""

import dataclasses
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MarketError, MechanismError, Outcome, UserReports, highs
from mechanisms.arrays import FloatArray
from mechanisms.assignment import optimal_welfare
from mechanisms.candidates import load, of_served
from mechanisms.pairs import pairs_of
from mechanisms.relaxation import relaxation

WORLDS, USERS, EXPERTS = 12, 8, 6


def random_market(
    seed: int, num_users: int = USERS, num_experts: int = EXPERTS, **fields: Any
) -> Market:
    """Twelve worlds with values up to 10, one place an expert and fewer places than users."""
    rng = np.random.default_rng(seed)
    experts, each = (WORLDS, num_experts), (WORLDS, num_users, num_experts)
    drawn = {
        "unit_cost": rng.uniform(0.5, 3.0, experts),
        "cost_slope": rng.uniform(0.5, 1.5, experts),
        "demand": np.ones(experts),
        "value": np.full(experts, 3.8),
        "budget": np.ones(WORLDS),
        "capacity": np.ones(num_experts, dtype=int),
        "bandwidth_limit": np.full(num_experts, 1000.0),
        "users": {
            "value": rng.uniform(0.0, 10.0, each),
            "points": rng.uniform(0.0, 1.0, each),
            "bandwidth_need": rng.uniform(300.0, 900.0, each),
        },
    }
    users = UserReports(**(drawn.pop("users") | fields.pop("users", {})))
    return Market(**(drawn | fields), users=users)


def scarce(seed: int) -> Market:
    """Draw several places an expert, of which the band serves fewer in most worlds.

    Programs are fractional, some users idle.
    """
    rng = np.random.default_rng(seed)
    return random_market(
        seed,
        num_users=12,
        capacity=rng.integers(0, 4, (WORLDS, EXPERTS)),
        bandwidth_limit=np.repeat(np.linspace(800.0, 2600.0, WORLDS)[:, None], EXPERTS, axis=1),
        users={
            "value": rng.uniform(-4.0, 10.0, (WORLDS, 12, EXPERTS)),
            "topic": rng.integers(-1, 3, (WORLDS, 12)),
        },
    )


def clear(market: Market, **params: Any) -> Outcome:
    return mechanisms.make("shadow_price", **params).clear(market)


def utility(market: Market, outcome: Outcome) -> FloatArray:
    """Return the utility of users, credits: value at full effort, less the charge."""
    return of_served(market.users.value, outcome.allocation.expert) - outcome.allocation.charge


def is_whole(market: Market, bandwidth: bool) -> FloatArray:
    asked = pairs_of(market, "test", bandwidth=bandwidth)
    shares = np.array([relaxation(asked.world((index,))).share for index in range(WORLDS)])
    return (np.minimum(shares, 1 - shares) < 1e-6).all(axis=(-2, -1))


@pytest.mark.parametrize("bandwidth", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_nobody_who_tells_the_truth_loses(seed: int, bandwidth: bool) -> None:
    market = scarce(seed)
    outcome = clear(market, bandwidth=bandwidth)
    assert (utility(market, outcome) >= -1e-9).all()
    assert (utility(market, outcome) > 0.1).any()
    cost = outcome.points * (market.unit_cost + market.cost_slope / 2)
    np.testing.assert_allclose(outcome.payment - cost, outcome.points * market.cost_slope / 2)
    answer = mechanisms.best_response(outcome.unit_price, market.unit_cost, market.cost_slope)
    np.testing.assert_allclose(answer, outcome.effort)


@pytest.mark.parametrize("bandwidth", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_every_row_is_kept(seed: int, bandwidth: bool) -> None:
    market = scarce(seed)
    allocation = clear(market, bandwidth=bandwidth).allocation.expert
    assert (
        load(np.ones(allocation.shape), allocation, market.num_experts) <= market.capacity
    ).all()
    assert (allocation[market.users.topic == -1] == -1).all()
    within = (
        load(of_served(market.users.bandwidth_need, allocation), allocation, market.num_experts)
        <= market.bandwidth_limit * (1 + 1e-8)
    ).all()
    assert within == bandwidth


def test_half_a_service_and_more_is_rounded_up_and_less_is_dropped() -> None:
    market = scarce(3)
    asked, allocation = pairs_of(market, "test", bandwidth=True), clear(market).allocation.expert
    share = np.array([relaxation(asked.world((index,))).share for index in range(WORLDS)])
    of_those_served = of_served(share, allocation)[allocation >= 0]
    assert (of_those_served >= 0.5 - 1e-6).all()
    assert (of_those_served < 0.99).any()
    assert (allocation[(share > 1 - 1e-6).any(axis=-1)] >= 0).all()


def test_welfare_is_the_optimum_where_the_program_is_whole_and_below_it_elsewhere() -> None:
    market = scarce(3)
    whole, optimum = is_whole(market, True), optimal_welfare(market, True)
    outcome = clear(market)
    assert 0 < whole.sum() < WORLDS
    np.testing.assert_allclose(outcome.welfare[whole], optimum[whole])
    assert (outcome.welfare <= optimum + 1e-9).all()
    assert (outcome.welfare[~whole] < optimum[~whole] - 1e-3).any()


def test_without_bandwidth_rows_the_program_is_whole_and_welfare_the_optimum() -> None:
    market = scarce(4)
    assert is_whole(market, False).all()
    np.testing.assert_allclose(
        clear(market, bandwidth=False).welfare, optimal_welfare(market, False)
    )


@pytest.mark.parametrize("bandwidth", [False, True])
def test_no_user_would_rather_have_another_expert_at_its_prices(bandwidth: bool) -> None:
    market = scarce(5)
    asked = pairs_of(market, "test", bandwidth=bandwidth)
    outcome, whole = clear(market, bandwidth=bandwidth), is_whole(market, bandwidth)
    checked = 0
    for index in np.flatnonzero(whole):
        world = asked.world((int(index),))
        found = relaxation(world)
        price = found.place_price + (world.band.need * found.band_price if bandwidth else 0.0)
        offered = (world.net > 0) & (world.capacity > 0)
        if bandwidth:
            offered &= world.band.need <= world.band.limit
        best = np.where(offered, world.net - price, 0.0).max(axis=-1).clip(min=0.0)
        np.testing.assert_allclose(utility(market, outcome)[index], best, atol=1e-7)
        checked += int((best > 0).sum())
    assert checked > 0


def test_the_price_of_band_is_what_one_more_hertz_adds_to_the_optimum() -> None:
    # One expert, many places, shares of needs: users are served by value per hertz until the band
    # is full.
    value, need = np.array([9.0, 4.0, 6.0]), np.array([300.0, 400.0, 400.0])
    none = np.zeros(1)
    market = Market(
        none,
        none + 1,
        none,
        none,
        0.0,
        UserReports(value[:, None], np.zeros((3, 1)), need[:, None]),
        capacity=[3],
        bandwidth_limit=[900.0],
    )
    outcome = clear(market)
    # 300 + 400 Hz go to the two best; the third gets 200 of the 400 Hz it needs, half its service,
    # and does not fit.
    per_hertz = 4.0 / 400.0
    assert outcome.allocation.expert.tolist() == [0, -1, 0]
    np.testing.assert_allclose(
        outcome.allocation.charge, [300.0 * per_hertz, 0.0, 400.0 * per_hertz]
    )


@pytest.mark.parametrize("bandwidth", [False, True])
def test_the_program_in_cvxpy_decides_the_same(bandwidth: bool) -> None:
    market = scarce(6)
    direct = clear(market, bandwidth=bandwidth)
    reference = clear(market, bandwidth=bandwidth, solver="cvxpy")
    np.testing.assert_allclose(direct.welfare, reference.welfare, rtol=1e-6)
    np.testing.assert_array_equal(direct.allocation.expert, reference.allocation.expert)
    assert (utility(market, reference) >= -1e-9).all()
    assert direct.status == reference.status == "optimal"


def regret(clear_market: Callable[[Market], Outcome]) -> FloatArray:
    """Return the most (WORLDS, USERS) that 25 misreports gain a user, credits; at least 0."""
    market, rng = random_market(7), np.random.default_rng(7)
    truthful = utility(market, clear_market(market))
    gained = np.zeros((WORLDS, USERS))
    for user in range(USERS):
        for _ in range(25):
            lie = market.users.value.copy()
            lie[:, user] = rng.uniform(0.0, 10.0, lie[:, user].shape)
            got = utility(
                market,
                clear_market(
                    dataclasses.replace(market, users=dataclasses.replace(market.users, value=lie))
                ),
            )[:, user]
            gained[:, user] = np.maximum(gained[:, user], got - truthful[:, user])
    return gained


def test_users_gain_by_misreporting_under_scarcity_and_more_so_at_a_vertex() -> None:
    # Known of 12 such markets: 0.8 in the mean and 4.4 at most at a vertex, 0.3 and 2.0 between the
    # vertices.
    program = mechanisms.make("shadow_price", bandwidth=False, solver="cvxpy")
    vertex, interior = regret(lambda market: clear(market, bandwidth=False)), regret(program.clear)
    assert 0.5 < vertex.mean() < 1.1
    assert 3.0 < vertex.max() < 6.0
    assert 0.2 < interior.mean() < 0.5
    assert 1.5 < interior.max() < 3.0


def test_no_band_serves_nobody_where_it_is_heeded() -> None:
    market = random_market(11, bandwidth_limit=np.zeros(EXPERTS))
    assert (clear(market).allocation.expert == -1).all()
    assert (clear(market, bandwidth=False).allocation.expert >= 0).any()


@pytest.mark.parametrize("bandwidth", [False, True])
def test_equals_fill_every_place_and_pay_all_they_have(bandwidth: bool) -> None:
    market = random_market(
        12,
        unit_cost=np.ones(EXPERTS),
        cost_slope=np.ones(EXPERTS),
        users={"value": np.full((USERS, EXPERTS), 8.0), "points": np.ones((USERS, EXPERTS))},
    )
    outcome = clear(market, bandwidth=bandwidth)
    assert ((outcome.allocation.expert >= 0).sum(axis=-1) == EXPERTS).all()
    np.testing.assert_allclose(outcome.allocation.charge[outcome.allocation.expert >= 0], 8.0)


def test_the_budget_is_ignored() -> None:
    market = random_market(13)
    poor = clear(dataclasses.replace(market, budget=np.zeros(WORLDS)))
    np.testing.assert_array_equal(poor.allocation.charge, clear(market).allocation.charge)
    assert poor.allocation.charge.any()


def test_a_solver_that_gives_up_is_reported_with_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(highs._OPTIONS, "simplex_iteration_limit", 1)
    with pytest.raises(
        MechanismError, match=r"shadow_price, world \(0,\): assignment of 12 users .* HiGHS says"
    ):
        clear(scarce(14))


def test_a_failing_program_is_reported_with_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    program = mechanisms.make("shadow_price", solver="cvxpy")
    assert program.clear(scarce(14)).status == "optimal"
    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(
        MechanismError,
        match=r"shadow_price, world \(0,\): assignment of 12 users .*: InsufficientProgress",
    ):
        program.clear(scarce(14))


def test_bandwidth_is_yes_or_no() -> None:
    with pytest.raises(ValueError, match=r"shadow_price: bandwidth should be true or false, got 1"):
        mechanisms.make("shadow_price", bandwidth=1)


@pytest.mark.parametrize("bandwidth", [False, True])
def test_where_nobody_is_served_the_least_prices_of_full_effort_are_offered(
    bandwidth: bool,
) -> None:
    for closed in ({"users": {"topic": np.full(USERS, -1)}}, {"capacity": np.zeros(EXPERTS, int)}):
        market = random_market(10, **closed)
        outcome = clear(market, bandwidth=bandwidth)
        assert (outcome.allocation.expert == -1).all()
        np.testing.assert_array_equal(outcome.unit_price, market.unit_cost + market.cost_slope)


def test_a_market_without_what_the_program_needs_is_refused() -> None:
    with pytest.raises(MarketError, match="shadow_price needs bandwidth_limit"):
        clear(random_market(15, bandwidth_limit=None))
    with pytest.raises(MarketError, match=r"shadow_price needs users\.bandwidth_need"):
        clear(random_market(15, users={"bandwidth_need": None}))
