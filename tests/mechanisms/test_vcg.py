"""VCG against its definition, second prices, least prices from a linear program, and misreports."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import mechanisms
from mechanisms import Market, MarketError, MechanismError, Outcome, UserReports, highs
from mechanisms.arrays import FloatArray
from mechanisms.assignment import optimal_welfare
from mechanisms.candidates import load, of_served
from mechanisms.pairs import net_value, pairs_of
from mechanisms.vcg import least_prices

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


def clear(market: Market, **params: Any) -> Outcome:
    return mechanisms.make("vcg", **params).clear(market)


def utility(market: Market, outcome: Outcome) -> FloatArray:
    """Return the utility of users, credits: value at full effort, less the charge."""
    return of_served(market.users.value, outcome.allocation.expert) - outcome.allocation.charge


def scarce(seed: int) -> Market:
    """Draw experts with 0 to 3 places, idle users and pairs not worth forming."""
    rng = np.random.default_rng(seed)
    return random_market(
        seed,
        num_users=11,
        capacity=rng.integers(0, 4, (WORLDS, EXPERTS)),
        users={
            "value": rng.uniform(-4.0, 10.0, (WORLDS, 11, EXPERTS)),
            "topic": rng.integers(-1, 3, (WORLDS, 11)),
        },
    )


@pytest.mark.parametrize("market", [random_market(0), scarce(1), random_market(2, num_users=4)])
def test_charges_are_what_the_others_lose(market: Market) -> None:
    outcome = clear(market)
    net = net_value(market)
    optimum = optimal_welfare(market, False)
    np.testing.assert_allclose(outcome.welfare, optimum)
    for user in range(market.num_users):
        absent = market.users.value.copy()
        absent[:, user] = -1.0
        without = optimal_welfare(
            dataclasses.replace(market, users=dataclasses.replace(market.users, value=absent)),
            False,
        )
        np.testing.assert_allclose(utility(market, outcome)[:, user], optimum - without, atol=1e-9)
    assert (outcome.allocation.expert >= 0).any()
    assert (of_served(net, outcome.allocation.expert)[outcome.allocation.expert >= 0] > 0).all()


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
            pairs_of(market.world(world), "test", bandwidth=False), outcome.allocation.expert[world]
        )
        np.testing.assert_allclose(prices, found.x[:EXPERTS], atol=1e-7)
        user = np.flatnonzero(outcome.allocation.expert[world] >= 0)
        expert = outcome.allocation.expert[world, user]
        paid = (
            outcome.allocation.charge[world, user] - (market.users.value - net)[world, user, expert]
        )
        np.testing.assert_allclose(paid, prices[expert], atol=1e-9)


@pytest.mark.parametrize("places", [1, 2, 3])
def test_equal_places_cost_the_first_value_that_got_none(places: int) -> None:
    # Vickrey: with k places, the k highest of 5 bids win and pay the (k + 1)-th.
    bids = np.array([3.0, 9.0, 1.0, 7.0, 4.0])
    none = np.zeros(1)
    users = UserReports(bids[:, None], np.zeros((5, 1)))
    market = Market(none, none + 1, none, none, 0.0, users, capacity=[places])
    outcome = clear(market)
    winners = np.argsort(-bids)[:places]
    assert sorted(np.flatnonzero(outcome.allocation.charge)) == sorted(winners)
    np.testing.assert_allclose(outcome.allocation.charge[winners], np.sort(bids)[::-1][places])


def test_without_scarcity_users_pay_the_cost_of_serving_them_and_no_more() -> None:
    market = random_market(4, capacity=np.full(EXPERTS, USERS))
    outcome = clear(market)
    cost = of_served(market.users.value - net_value(market), outcome.allocation.expert)
    np.testing.assert_allclose(outcome.allocation.charge, cost, atol=1e-9)
    np.testing.assert_array_equal(
        outcome.allocation.expert >= 0, (net_value(market) > 0).any(axis=-1)
    )


@pytest.mark.parametrize("bandwidth", [False, True])
def test_the_program_in_cvxpy_charges_the_same(bandwidth: bool) -> None:
    market = random_market(5, num_users=6, num_experts=4, capacity=np.array([1, 2, 1, 0])).world(
        slice(0, 4)
    )
    direct = clear(market, bandwidth=bandwidth)
    reference = clear(market, bandwidth=bandwidth, solver="cvxpy")
    np.testing.assert_allclose(direct.welfare, reference.welfare, rtol=1e-6)
    np.testing.assert_array_equal(direct.allocation.expert, reference.allocation.expert)
    np.testing.assert_allclose(direct.allocation.charge, reference.allocation.charge, atol=1e-3)
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
            lie = market.users.value.copy()
            told = lie[:, user]
            drawn = rng.uniform(0.0, 10.0, told.shape)
            lie[:, user] = [
                drawn,
                told * rng.uniform(0.0, 3.0),
                told + rng.normal(0.0, 1.0, told.shape),
            ][trial % 3]
            outcome = clear(
                dataclasses.replace(market, users=dataclasses.replace(market.users, value=lie)),
                bandwidth=bandwidth,
            )
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
            of_served(market.users.points, outcome.allocation.expert),
            outcome.allocation.expert,
            market.num_experts,
        ),
    )
    # Services take as much work as they bring points: an expert is paid the same by each.
    np.testing.assert_allclose(outcome.payment, outcome.unit_price * outcome.points, rtol=1e-12)


def test_the_band_is_kept_only_where_it_is_asked_for() -> None:
    market = random_market(9, capacity=np.full(EXPERTS, 3)).world(slice(0, 4))
    within, without = clear(market, bandwidth=True), clear(market)
    assert (
        load(
            of_served(market.users.bandwidth_need, within.allocation.expert),
            within.allocation.expert,
            market.num_experts,
        )
        <= 1000.0 * (1 + 1e-8)
    ).all()
    assert (
        load(
            of_served(market.users.bandwidth_need, without.allocation.expert),
            without.allocation.expert,
            market.num_experts,
        )
        > 1000.0
    ).any()
    assert (within.welfare <= without.welfare + 1e-9).all()


@pytest.mark.parametrize("bandwidth", [False, True])
def test_equals_who_compete_pay_all_they_have(bandwidth: bool) -> None:
    market = random_market(
        13,
        unit_cost=np.ones(EXPERTS),
        cost_slope=np.ones(EXPERTS),
        users={"value": np.full((USERS, EXPERTS), 8.0), "points": np.ones((USERS, EXPERTS))},
    )
    outcome = clear(market, bandwidth=bandwidth)
    assert ((outcome.allocation.expert >= 0).sum(axis=-1) == EXPERTS).all()
    np.testing.assert_allclose(outcome.allocation.charge[outcome.allocation.expert >= 0], 8.0)


def test_no_band_serves_nobody_where_it_is_heeded() -> None:
    market = random_market(14, bandwidth_limit=np.zeros(EXPERTS))
    assert (clear(market, bandwidth=True).allocation.expert == -1).all()
    assert (clear(market).allocation.expert >= 0).any()


def test_the_budget_is_ignored() -> None:
    market = random_market(15)
    poor = clear(dataclasses.replace(market, budget=np.zeros(WORLDS)))
    np.testing.assert_array_equal(poor.allocation.charge, clear(market).allocation.charge)
    assert poor.allocation.charge.any()


def test_an_allocation_not_proven_optimal_is_not_called_vcg(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = random_market(16, num_users=16, capacity=np.full(EXPERTS, 2)).world(slice(0, 2))
    assert clear(market, bandwidth=True).status == "optimal"
    monkeypatch.setitem(highs._OPTIONS, "mip_max_nodes", 0)
    with pytest.raises(MechanismError, match=r"vcg: assignment of 16 users .* HiGHS says .*limit"):
        clear(market, bandwidth=True)
    assert clear(market).status == "optimal"


def test_bandwidth_is_yes_or_no() -> None:
    with pytest.raises(ValueError, match=r"vcg: bandwidth should be true or false, got 'yes'"):
        mechanisms.make("vcg", bandwidth="yes")


@pytest.mark.parametrize("bandwidth", [False, True])
def test_where_nobody_is_served_the_least_prices_of_full_effort_are_offered(
    bandwidth: bool,
) -> None:
    for closed in ({"users": {"topic": np.full(USERS, -1)}}, {"capacity": np.zeros(EXPERTS, int)}):
        market = random_market(12, **closed)
        outcome = clear(market, bandwidth=bandwidth)
        assert (outcome.allocation.expert == -1).all()
        np.testing.assert_array_equal(outcome.unit_price, market.unit_cost + market.cost_slope)


def test_an_expert_of_unknown_capacity_has_one_place() -> None:
    given, left_out = clear(random_market(17)), clear(random_market(17, capacity=None))
    np.testing.assert_array_equal(given.allocation.charge, left_out.allocation.charge)


def test_the_band_is_needed_only_with_bandwidth_rows() -> None:
    market = random_market(18, bandwidth_limit=None)
    assert clear(market).allocation.expert.shape == (WORLDS, USERS)
    with pytest.raises(MarketError, match="vcg needs bandwidth_limit"):
        clear(market, bandwidth=True)
    market = random_market(18, users={"bandwidth_need": None})
    assert clear(market).allocation.expert.shape == (WORLDS, USERS)
    with pytest.raises(MarketError, match=r"vcg needs users\.bandwidth_need"):
        clear(market, bandwidth=True)
