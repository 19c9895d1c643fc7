"""Dual prices: what they guarantee, what they do not, and the same program by an interior-point
method.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MarketError, MechanismError, Outcome, highs
from mechanisms.assignment import optimal_welfare, pairs, relaxation
from mechanisms.candidates import load, of_served
from mechanisms.market import FloatArray
from mechanisms.shadow_price import ShadowPriceProgram

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
        "user_value": rng.uniform(0.0, 10.0, each),
        "user_points": rng.uniform(0.0, 1.0, each),
        "capacity": np.ones(num_experts, dtype=int),
        "bandwidth_need": rng.uniform(300.0, 900.0, each),
        "bandwidth_limit": np.full(num_experts, 1000.0),
    }
    return Market(**(drawn | fields))


def scarce(seed: int) -> Market:
    """Several places an expert, of which the band serves fewer in most worlds: fractional programs;
    idle users.
    """
    rng = np.random.default_rng(seed)
    return random_market(
        seed,
        num_users=12,
        user_value=rng.uniform(-4.0, 10.0, (WORLDS, 12, EXPERTS)),
        capacity=rng.integers(0, 4, (WORLDS, EXPERTS)),
        bandwidth_limit=np.repeat(np.linspace(800.0, 2600.0, WORLDS)[:, None], EXPERTS, axis=1),
        topic=rng.integers(-1, 3, (WORLDS, 12)),
    )


def clear(market: Market, **params: Any) -> Outcome:
    return mechanisms.make("shadow_price", **params).clear(market)


def utility(market: Market, outcome: Outcome) -> FloatArray:
    """Of users, credits: value of the service at full effort, less the charge."""
    return of_served(market.user_value, outcome.allocation) - outcome.charge


def is_whole(market: Market, bandwidth: bool) -> FloatArray:
    asked = pairs(market, "test", bandwidth=bandwidth)
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
    allocation = clear(market, bandwidth=bandwidth).allocation
    assert (
        load(np.ones(allocation.shape), allocation, market.num_experts) <= market.capacity
    ).all()
    assert (allocation[market.topic == -1] == -1).all()
    within = (
        load(of_served(market.bandwidth_need, allocation), allocation, market.num_experts)
        <= market.bandwidth_limit * (1 + 1e-8)
    ).all()
    assert within == bandwidth


def test_half_a_service_and_more_is_rounded_up_and_less_is_dropped() -> None:
    market = scarce(3)
    asked, allocation = pairs(market, "test", bandwidth=True), clear(market).allocation
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
    asked = pairs(market, "test", bandwidth=bandwidth)
    outcome, whole = clear(market, bandwidth=bandwidth), is_whole(market, bandwidth)
    checked = 0
    for index in np.flatnonzero(whole):
        world = asked.world((int(index),))
        found = relaxation(world)
        price = found.place_price + (world.need * found.band_price if bandwidth else 0.0)
        offered = (world.net > 0) & (world.capacity > 0)
        if bandwidth:
            offered &= world.need <= world.limit
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
        value[:, None],
        np.zeros((3, 1)),
        np.array([3]),
        need[:, None],
        [900.0],
    )
    outcome = clear(market)
    # 300 + 400 Hz go to the two best; the third gets 200 of the 400 Hz it needs, half its service,
    # and does not fit.
    per_hertz = 4.0 / 400.0
    assert outcome.allocation.tolist() == [0, -1, 0]
    np.testing.assert_allclose(outcome.charge, [300.0 * per_hertz, 0.0, 400.0 * per_hertz])


@pytest.mark.parametrize("bandwidth", [False, True])
def test_the_program_in_cvxpy_decides_the_same(bandwidth: bool) -> None:
    market = scarce(6)
    direct = clear(market, bandwidth=bandwidth)
    reference = ShadowPriceProgram(12, EXPERTS, bandwidth=bandwidth).clear(market)
    np.testing.assert_allclose(direct.welfare, reference.welfare, rtol=1e-6)
    np.testing.assert_array_equal(direct.allocation, reference.allocation)
    assert (utility(market, reference) >= -1e-9).all()
    assert direct.status == reference.status == "optimal"


def regret(clear_market: Callable[[Market], Outcome]) -> FloatArray:
    """(WORLDS, USERS): the most that any of 25 misreports of its values gains a user, credits;
    never below 0.
    """
    market, rng = random_market(7), np.random.default_rng(7)
    truthful = utility(market, clear_market(market))
    gained = np.zeros((WORLDS, USERS))
    for user in range(USERS):
        for _ in range(25):
            lie = market.user_value.copy()
            lie[:, user] = rng.uniform(0.0, 10.0, lie[:, user].shape)
            got = utility(market, clear_market(dataclasses.replace(market, user_value=lie)))[
                :, user
            ]
            gained[:, user] = np.maximum(gained[:, user], got - truthful[:, user])
    return gained


def test_users_gain_by_misreporting_under_scarcity_and_more_so_at_a_vertex() -> None:
    # Known of 12 such markets: 0.8 in the mean and 4.4 at most at a vertex, 0.3 and 2.0 between the
    # vertices.
    program = ShadowPriceProgram(USERS, EXPERTS, bandwidth=False)
    vertex, interior = regret(lambda market: clear(market, bandwidth=False)), regret(program.clear)
    assert 0.5 < vertex.mean() < 1.1
    assert 3.0 < vertex.max() < 6.0
    assert 0.2 < interior.mean() < 0.5
    assert 1.5 < interior.max() < 3.0


@pytest.mark.parametrize("bandwidth", [False, True])
def test_a_batch_clears_as_each_of_its_worlds_alone(bandwidth: bool) -> None:
    market = scarce(8)
    batch = clear(market, bandwidth=bandwidth)
    for index in range(WORLDS):
        alone = clear(market.world(index), bandwidth=bandwidth)
        for name in ("allocation", "charge", "unit_price", "points", "payment", "welfare"):
            np.testing.assert_allclose(
                getattr(batch, name)[index], getattr(alone, name), rtol=1e-12, atol=1e-12
            )


def test_several_leading_axes_are_allowed() -> None:
    market = scarce(9)
    fields = {field.name: getattr(market, field.name) for field in dataclasses.fields(Market)}
    folded = Market(
        **{name: f.reshape(3, 4, *f.shape[1:]) for name, f in fields.items() if f is not None}
    )
    np.testing.assert_array_equal(clear(folded).charge.reshape(WORLDS, 12), clear(market).charge)


@pytest.mark.parametrize("bandwidth", [False, True])
@pytest.mark.parametrize(
    ("num_users", "num_experts", "fields"),
    [
        pytest.param(0, 4, {}, id="no users"),
        pytest.param(5, 0, {}, id="no experts"),
        pytest.param(5, 4, {"topic": np.full(5, -1)}, id="no demand"),
        pytest.param(5, 4, {"capacity": np.zeros(4, dtype=int)}, id="no capacity"),
        pytest.param(5, 4, {"user_value": np.full((5, 4), -1.0)}, id="all values negative"),
    ],
)
def test_where_nobody_can_be_served_nobody_is_charged(
    num_users: int, num_experts: int, fields: dict[str, Any], bandwidth: bool
) -> None:
    market = random_market(10, num_users, num_experts, **fields)
    outcome = clear(market, bandwidth=bandwidth)
    assert outcome.allocation.shape == outcome.charge.shape == (WORLDS, num_users)
    assert (outcome.allocation == -1).all()
    assert not outcome.charge.any()
    assert not outcome.payment.any()
    np.testing.assert_array_equal(outcome.unit_price, market.unit_cost + market.cost_slope)


def test_no_band_serves_nobody_where_it_is_heeded() -> None:
    market = random_market(11, bandwidth_limit=np.zeros(EXPERTS))
    assert (clear(market).allocation == -1).all()
    assert (clear(market, bandwidth=False).allocation >= 0).any()


@pytest.mark.parametrize("bandwidth", [False, True])
def test_equals_fill_every_place_and_pay_all_they_have(bandwidth: bool) -> None:
    market = random_market(
        12,
        user_value=np.full((USERS, EXPERTS), 8.0),
        user_points=np.ones((USERS, EXPERTS)),
        unit_cost=np.ones(EXPERTS),
        cost_slope=np.ones(EXPERTS),
    )
    outcome = clear(market, bandwidth=bandwidth)
    assert ((outcome.allocation >= 0).sum(axis=-1) == EXPERTS).all()
    np.testing.assert_allclose(outcome.charge[outcome.allocation >= 0], 8.0)


def test_the_budget_is_ignored() -> None:
    market = random_market(13)
    poor = clear(dataclasses.replace(market, budget=np.zeros(WORLDS)))
    np.testing.assert_array_equal(poor.charge, clear(market).charge)
    assert poor.charge.any()


def test_a_solver_that_gives_up_is_reported_with_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(highs._OPTIONS, "simplex_iteration_limit", 1)
    with pytest.raises(
        MechanismError, match=r"shadow_price, world \(0,\): assignment of 12 users .* HiGHS says"
    ):
        clear(scarce(14))


def test_a_failing_program_is_reported_with_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    program = ShadowPriceProgram(12, EXPERTS)
    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(
        MechanismError, match=r"shadow_price, world \(0,\): assignment: InsufficientProgress"
    ):
        program.clear(scarce(14))


@pytest.mark.parametrize(
    "missing", ["user_value", "user_points", "capacity", "bandwidth_need", "bandwidth_limit"]
)
def test_a_market_without_what_the_program_needs_is_refused(missing: str) -> None:
    with pytest.raises(MarketError, match=f"shadow_price needs {missing}"):
        clear(random_market(15, **{missing: None}))


def test_bandwidth_is_yes_or_no() -> None:
    with pytest.raises(ValueError, match=r"shadow_price: bandwidth should be true or false, got 1"):
        mechanisms.make("shadow_price", bandwidth=1)
