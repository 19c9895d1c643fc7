"""VCG against its definition, second prices, least prices from a linear program, and misreports."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import mechanisms
from mechanisms import Market, MarketError, MechanismError, Outcome, highs
from mechanisms.assignment import net_value, optimal_welfare, pairs
from mechanisms.candidates import load, of_served
from mechanisms.market import FloatArray
from mechanisms.vcg import VCGProgram, least_prices

WORLDS, USERS, EXPERTS = 12, 8, 6


def random_market(
    seed: int, num_users: int = USERS, num_experts: int = EXPERTS, **fields: Any
) -> Market:
    """Twelve worlds with values up to 10 and fewer places than users."""
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


def clear(market: Market, **params: Any) -> Outcome:
    return mechanisms.make("vcg", **params).clear(market)


def utility(market: Market, outcome: Outcome) -> FloatArray:
    """Of users, credits: value of the service at full effort, less the charge."""
    return of_served(market.user_value, outcome.allocation) - outcome.charge


def scarce(seed: int) -> Market:
    """Some experts with two or three places, some with none; idle users; pairs not worth forming."""
    rng = np.random.default_rng(seed)
    return random_market(
        seed,
        num_users=11,
        user_value=rng.uniform(-4.0, 10.0, (WORLDS, 11, EXPERTS)),
        capacity=rng.integers(0, 4, (WORLDS, EXPERTS)),
        topic=rng.integers(-1, 3, (WORLDS, 11)),
    )


@pytest.mark.parametrize("market", [random_market(0), scarce(1), random_market(2, num_users=4)])
def test_charges_are_what_the_others_lose(market: Market) -> None:
    outcome = clear(market)
    net = net_value(market)
    optimum = optimal_welfare(market, False)
    np.testing.assert_allclose(outcome.welfare, optimum)
    for user in range(market.num_users):
        absent = market.user_value.copy()
        absent[:, user] = -1.0
        without = optimal_welfare(dataclasses.replace(market, user_value=absent), False)
        np.testing.assert_allclose(utility(market, outcome)[:, user], optimum - without, atol=1e-9)
    assert (outcome.allocation >= 0).any()
    assert (of_served(net, outcome.allocation)[outcome.allocation >= 0] > 0).all()


def test_with_one_place_each_clarke_payments_are_the_least_dual_prices() -> None:
    market = random_market(3)
    outcome, net = clear(market), net_value(market)
    for world in range(WORLDS):
        # Least sum of prices among dual optima: prices, surpluses >= 0, price_e + surplus_u >=
        # w_ue, at the optimum.
        rows = np.zeros((USERS * EXPERTS, EXPERTS + USERS))
        for u in range(USERS):
            for e in range(EXPERTS):
                rows[u * EXPERTS + e, [e, EXPERTS + u]] = -1.0
        found = linprog(
            np.concatenate([np.ones(EXPERTS), np.zeros(USERS)]),
            A_ub=rows,
            b_ub=-net[world].ravel(),
            A_eq=np.ones((1, EXPERTS + USERS)),
            b_eq=[outcome.welfare[world]],
        )
        prices = least_prices(
            pairs(market.world(world), "test", bandwidth=False), outcome.allocation[world]
        )
        np.testing.assert_allclose(prices, found.x[:EXPERTS], atol=1e-7)
        user = np.flatnonzero(outcome.allocation[world] >= 0)
        expert = outcome.allocation[world, user]
        paid = outcome.charge[world, user] - (market.user_value - net)[world, user, expert]
        np.testing.assert_allclose(paid, prices[expert], atol=1e-9)


@pytest.mark.parametrize("places", [1, 2, 3])
def test_equal_places_cost_the_first_value_that_got_none(places: int) -> None:
    # Vickrey: with k places, the k highest of 5 bids win and pay the (k + 1)-th.
    bids = np.array([3.0, 9.0, 1.0, 7.0, 4.0])
    none = np.zeros(1)
    market = Market(
        none, none + 1, none, none, 0.0, bids[:, None], np.zeros((5, 1)), np.array([places])
    )
    outcome = clear(market)
    winners = np.argsort(-bids)[:places]
    assert sorted(np.flatnonzero(outcome.charge)) == sorted(winners)
    np.testing.assert_allclose(outcome.charge[winners], np.sort(bids)[::-1][places])


def test_without_scarcity_users_pay_the_cost_of_serving_them_and_no_more() -> None:
    market = random_market(4, capacity=np.full(EXPERTS, USERS))
    outcome = clear(market)
    cost = of_served(market.user_value - net_value(market), outcome.allocation)
    np.testing.assert_allclose(outcome.charge, cost, atol=1e-9)
    np.testing.assert_array_equal(outcome.allocation >= 0, (net_value(market) > 0).any(axis=-1))


@pytest.mark.parametrize("bandwidth", [False, True])
def test_the_program_in_cvxpy_charges_the_same(bandwidth: bool) -> None:
    market = random_market(5, num_users=6, num_experts=4, capacity=np.array([1, 2, 1, 0])).world(
        slice(0, 4)
    )
    direct = clear(market, bandwidth=bandwidth)
    program = VCGProgram(6, 4, bandwidth=bandwidth)
    reference = program.clear(market)
    np.testing.assert_allclose(direct.welfare, reference.welfare, rtol=1e-6)
    np.testing.assert_array_equal(direct.allocation, reference.allocation)
    np.testing.assert_allclose(direct.charge, reference.charge, atol=1e-3)
    assert direct.status == reference.status == "optimal"


@pytest.mark.parametrize(("bandwidth", "users", "misreports"), [(False, 8, 25), (True, 4, 3)])
def test_no_misreport_of_values_gains_anything(
    bandwidth: bool, users: int, misreports: int
) -> None:
    market, rng = random_market(6), np.random.default_rng(6)
    if bandwidth:
        market = dataclasses.replace(market, capacity=np.full(EXPERTS, 2)).world(slice(0, 2))
    truthful = utility(market, clear(market, bandwidth=bandwidth))
    changed = 0
    for user in range(users):
        for trial in range(misreports):
            lie = market.user_value.copy()
            told = lie[:, user]
            drawn = rng.uniform(0.0, 10.0, told.shape)
            lie[:, user] = [
                drawn,
                told * rng.uniform(0.0, 3.0),
                told + rng.normal(0.0, 1.0, told.shape),
            ][trial % 3]
            outcome = clear(dataclasses.replace(market, user_value=lie), bandwidth=bandwidth)
            got = utility(market, outcome)[:, user]
            assert (got <= truthful[:, user] + 1e-6).all()
            changed += int((got < truthful[:, user] - 1e-6).sum())
    assert changed > 0


@pytest.mark.parametrize("bandwidth", [False, True])
def test_nobody_who_tells_the_truth_loses(bandwidth: bool) -> None:
    market = scarce(7)
    outcome = clear(market, bandwidth=bandwidth)
    assert (utility(market, outcome) >= -1e-9).all()
    cost = outcome.points * (market.unit_cost + market.cost_slope / 2)
    np.testing.assert_allclose(outcome.payment - cost, outcome.points * market.cost_slope / 2)
    answer = mechanisms.best_response(outcome.unit_price, market.unit_cost, market.cost_slope)
    np.testing.assert_allclose(answer, outcome.effort)
    assert (outcome.effort == 1).all()


@pytest.mark.parametrize("bandwidth", [False, True])
def test_welfare_is_the_optimum_and_is_what_all_gain_together(bandwidth: bool) -> None:
    market = scarce(8)
    outcome = clear(market, bandwidth=bandwidth)
    np.testing.assert_allclose(outcome.welfare, optimal_welfare(market, bandwidth))
    experts = (outcome.payment - outcome.points * (market.unit_cost + market.cost_slope / 2)).sum(
        axis=-1
    )
    np.testing.assert_allclose(
        utility(market, outcome).sum(axis=-1) + experts + outcome.balance, outcome.welfare
    )
    np.testing.assert_allclose(
        outcome.points,
        load(
            of_served(market.user_points, outcome.allocation),
            outcome.allocation,
            market.num_experts,
        ),
    )
    np.testing.assert_array_equal(outcome.payment, outcome.unit_price * outcome.points)


def test_the_band_is_kept_only_where_it_is_asked_for() -> None:
    market = random_market(9, capacity=np.full(EXPERTS, 3)).world(slice(0, 4))
    within, without = clear(market, bandwidth=True), clear(market)
    assert (
        load(
            of_served(market.bandwidth_need, within.allocation),
            within.allocation,
            market.num_experts,
        )
        <= 1000.0 * (1 + 1e-8)
    ).all()
    assert (
        load(
            of_served(market.bandwidth_need, without.allocation),
            without.allocation,
            market.num_experts,
        )
        > 1000.0
    ).any()
    assert (within.welfare <= without.welfare + 1e-9).all()


@pytest.mark.parametrize("bandwidth", [False, True])
def test_a_batch_clears_as_each_of_its_worlds_alone(bandwidth: bool) -> None:
    market = scarce(10)
    batch = clear(market, bandwidth=bandwidth)
    for index in range(WORLDS):
        alone = clear(market.world(index), bandwidth=bandwidth)
        for name in ("allocation", "charge", "unit_price", "points", "payment", "welfare"):
            np.testing.assert_allclose(
                getattr(batch, name)[index], getattr(alone, name), rtol=1e-12, atol=1e-12
            )


def test_several_leading_axes_are_allowed() -> None:
    market = scarce(11)
    fields = {field.name: getattr(market, field.name) for field in dataclasses.fields(Market)}
    folded = Market(
        **{name: f.reshape(3, 4, *f.shape[1:]) for name, f in fields.items() if f is not None}
    )
    np.testing.assert_array_equal(clear(folded).charge.reshape(WORLDS, 11), clear(market).charge)
    assert clear(folded).balance.shape == (3, 4)


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
    market = random_market(12, num_users, num_experts, **fields)
    outcome = clear(market, bandwidth=bandwidth)
    assert outcome.allocation.shape == outcome.charge.shape == (WORLDS, num_users)
    assert (outcome.allocation == -1).all()
    assert not outcome.charge.any()
    assert not outcome.payment.any()
    assert outcome.welfare.tolist() == [0.0] * WORLDS
    np.testing.assert_array_equal(outcome.unit_price, market.unit_cost + market.cost_slope)


@pytest.mark.parametrize("bandwidth", [False, True])
def test_equals_who_compete_pay_all_they_have(bandwidth: bool) -> None:
    market = random_market(
        13,
        user_value=np.full((USERS, EXPERTS), 8.0),
        user_points=np.ones((USERS, EXPERTS)),
        unit_cost=np.ones(EXPERTS),
        cost_slope=np.ones(EXPERTS),
    )
    outcome = clear(market, bandwidth=bandwidth)
    assert ((outcome.allocation >= 0).sum(axis=-1) == EXPERTS).all()
    np.testing.assert_allclose(outcome.charge[outcome.allocation >= 0], 8.0)


def test_no_band_serves_nobody_where_it_is_heeded() -> None:
    market = random_market(14, bandwidth_limit=np.zeros(EXPERTS))
    assert (clear(market, bandwidth=True).allocation == -1).all()
    assert (clear(market).allocation >= 0).any()


def test_the_budget_is_ignored() -> None:
    market = random_market(15)
    poor = clear(dataclasses.replace(market, budget=np.zeros(WORLDS)))
    np.testing.assert_array_equal(poor.charge, clear(market).charge)
    assert poor.charge.any()


def test_an_allocation_not_proven_optimal_is_not_called_vcg(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = random_market(16, num_users=16, capacity=np.full(EXPERTS, 2)).world(slice(0, 2))
    assert clear(market, bandwidth=True).status == "optimal"
    monkeypatch.setitem(highs._OPTIONS, "mip_max_nodes", 0)
    with pytest.raises(MechanismError, match=r"vcg: assignment of 16 users .* HiGHS says .*limit"):
        clear(market, bandwidth=True)
    assert clear(market).status == "optimal"


@pytest.mark.parametrize("missing", ["user_value", "user_points", "capacity"])
def test_a_market_without_the_users_reports_is_refused(missing: str) -> None:
    with pytest.raises(MarketError, match=f"vcg needs {missing}"):
        clear(random_market(17, **{missing: None}))


def test_the_band_is_needed_only_with_bandwidth_rows() -> None:
    market = random_market(18, bandwidth_limit=None)
    assert clear(market).allocation.shape == (WORLDS, USERS)
    with pytest.raises(MarketError, match="vcg needs bandwidth_limit"):
        clear(market, bandwidth=True)


def test_bandwidth_is_yes_or_no() -> None:
    with pytest.raises(ValueError, match=r"vcg: bandwidth should be true or false, got 'yes'"):
        mechanisms.make("vcg", bandwidth="yes")
