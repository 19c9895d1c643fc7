"""One bid far above the others: none is lost, against every assignment in exact fractions."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MechanismError, UserReports
from mechanisms.pairs import Pairs, pairs_of

USERS, EXPERTS = 5, 2


def market(seed: int, giants: int, ratio: float) -> Market:
    """Draw a market of scarce bands, in which the first users bid `ratio` times the others."""
    rng = np.random.default_rng(seed)
    value = rng.uniform(3.0, 8.0, (USERS, EXPERTS))
    value[:giants] *= ratio
    return Market(
        unit_cost=rng.uniform(0.5, 2.0, EXPERTS),
        cost_slope=rng.uniform(0.5, 1.5, EXPERTS),
        demand=np.ones(EXPERTS),
        value=np.full(EXPERTS, 4.0),
        budget=np.array(10.0),
        users=UserReports(
            value=value,
            points=rng.uniform(0.2, 1.0, (USERS, EXPERTS)),
            bandwidth_need=rng.uniform(300.0, 800.0, (USERS, EXPERTS)),
        ),
        capacity=np.full(EXPERTS, USERS),
        bandwidth_limit=np.full(EXPERTS, 1000.0),
    )


def welfare(pairs: Pairs, expert: tuple[int, ...]) -> Fraction:
    terms = (Fraction(float(pairs.net[u, e])) for u, e in enumerate(expert) if e >= 0)
    return sum(terms, Fraction(0))


def greatest(pairs: Pairs) -> Fraction:
    """Return the welfare of the best of all assignments, without rounding."""
    assert pairs.band is not None
    best = Fraction(0)
    for expert in product(range(-1, EXPERTS), repeat=USERS):
        need = np.zeros(EXPERTS)
        for user, at in enumerate(expert):
            if at >= 0:
                need[at] += pairs.band.need[user, at]
        if (need <= pairs.band.fits).all():
            best = max(best, welfare(pairs, expert))
    return best


@pytest.mark.parametrize("giants", [1, 2])
@pytest.mark.parametrize("ratio", [1e3, 1e7, 1e8])
@pytest.mark.parametrize("solver", ["direct", "cvxpy"])
def test_vcg_with_bands_serves_as_is_best_whatever_one_bids(
    solver: str, ratio: float, giants: int
) -> None:
    mechanism = mechanisms.make("vcg", bandwidth=True, solver=solver)
    for seed in range(2):
        one = market(seed, giants, ratio)
        pairs = pairs_of(one, "vcg", bandwidth=True)
        expert, charge = mechanism.clear(one).allocation_by("vcg")
        assert float(greatest(pairs) - welfare(pairs, tuple(expert))) < 1e-6
        # Clarke's payment of each honest user, as exactly
        for user in np.flatnonzero(expert >= 0):
            net = pairs.net.copy()
            net[user] = 0.0
            without = greatest(pairs._replace(net=net))
            others = welfare(pairs, tuple(expert)) - Fraction(float(pairs.net[user, expert[user]]))
            due = float(without - others) + float(pairs.cost[user, expert[user]])
            assert charge[user] == pytest.approx(due, abs=1e-5)


@pytest.mark.parametrize("ratio", [1e7, 1e8])
def test_shadow_price_serves_who_fits_beside_a_user_who_bids_far_more(ratio: float) -> None:
    one = market(0, 0, 1.0)
    users = one.users_for("shadow_price")
    value = users.value.copy()
    value[0] *= ratio
    small = UserReports(value=value, points=users.points, bandwidth_need=users.bandwidth_need / 10)
    fields = one.arrays() | {"users": small}
    outcome = mechanisms.make("shadow_price").clear(Market(**fields))
    assert (outcome.allocation_by("shadow_price").expert >= 0).all()


@pytest.mark.parametrize(
    ("name", "parameters", "ratio"),
    [
        ("vcg", {"bandwidth": True}, 1e12),
        ("vcg", {"bandwidth": True, "solver": "cvxpy"}, 1e12),
        ("vcg", {}, 1e14),
        ("shadow_price", {}, 1e12),
        ("shadow_price", {"solver": "cvxpy"}, 1e9),
    ],
)
def test_bids_that_are_too_far_apart_are_told_with_their_ratio_and_the_limit(
    name: str, parameters: dict[str, Any], ratio: float
) -> None:
    mechanism = mechanisms.make(name, **parameters)
    with pytest.raises(
        MechanismError, match=rf"{name}.* times another .* up to (1e\+\d+|10000) times"
    ):
        mechanism.clear(market(2, 1, ratio))


def test_needs_of_next_to_nothing_lose_nobody() -> None:
    one = market(1, 0, 1.0)
    users = one.users_for("vcg")
    for seed in range(6):
        rng = np.random.default_rng(seed)
        need = users.bandwidth_need * 10.0 ** -rng.integers(0, 11, users.bandwidth_need.shape)
        reports = UserReports(value=users.value, points=users.points, bandwidth_need=need)
        tiny = Market(**one.arrays(), users=reports)
        pairs = pairs_of(tiny, "vcg", bandwidth=True)
        expert = mechanisms.make("vcg", bandwidth=True).clear(tiny).allocation_by("vcg").expert
        assert float(greatest(pairs) - welfare(pairs, tuple(expert))) < 1e-9


@pytest.mark.parametrize("ratio", [1e3, 1e14])
def test_an_edge_device_that_asks_for_far_more_does_not_move_the_posted_price(
    ratio: float,
) -> None:
    one = market(0, 0, 1.0)
    costs = {"unit_cost": np.array([0.7, 1.3 * ratio]), "cost_slope": np.array([0.9, ratio])}
    alone = {"unit_cost": np.array([0.7]), "cost_slope": np.array([0.9])}
    without = Market(**alone, demand=np.ones(1), value=np.full(1, 4.0), budget=np.array(1.0))
    beside = Market(**one.arrays() | costs)
    mechanism = mechanisms.make("posted_price")
    expected = mechanism.clear(without).unit_price[0]
    assert expected > 0
    np.testing.assert_allclose(mechanism.clear(beside).unit_price, expected, rtol=1e-9)


@pytest.mark.parametrize("budget", [1e6, 1e9])
def test_a_budget_far_above_what_bands_are_worth_serves_as_a_large_one_does(budget: float) -> None:
    one = market(0, 0, 1.0)
    large, huge = (mechanisms.make("fisher", budget=b) for b in (2e3, budget))
    right, found = (m.clear(one).allocation_by("fisher") for m in (large, huge))
    assert (right.expert >= 0).any()
    np.testing.assert_array_equal(found.expert, right.expert)
    np.testing.assert_allclose(found.charge, right.charge, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "field"), [("budgeted_price", "demand"), ("posted_price", "cost_slope")]
)
def test_what_clarabel_does_not_settle_is_refused(name: str, field: str) -> None:
    rng = np.random.default_rng(0)
    fields = {
        "unit_cost": rng.uniform(0.5, 2.0, 4),
        "cost_slope": rng.uniform(0.5, 1.5, 4),
        "demand": rng.uniform(0.2, 1.0, 4),
        "value": rng.uniform(3.0, 5.0, 4),
        "budget": np.array(2.0),
    }
    fields[field][0] *= 1e-7
    with pytest.raises(MechanismError, match=name):
        mechanisms.make(name, solver="cvxpy").clear(Market(**fields))


@pytest.mark.parametrize("factor", [1e4, 1e7, 1e8])
def test_a_lie_of_any_size_gains_a_user_of_vcg_nothing(factor: float) -> None:
    mechanism = mechanisms.make("vcg", bandwidth=True)
    for seed in range(3):
        truth = market(seed, 0, 1.0)
        users = truth.users_for("vcg")
        for user in range(USERS):
            gains = []
            for lie in (1.0, factor):
                value = users.value.copy()
                value[user] *= lie
                reports = UserReports(
                    value=value, points=users.points, bandwidth_need=users.bandwidth_need
                )
                told = Market(**truth.arrays(), users=reports)
                expert, charge = mechanism.clear(told).allocation_by("vcg")
                served = expert[user] >= 0
                gains.append((users.value[user, expert[user]] - charge[user]) * served)
            assert gains[1] <= gains[0] + 1e-6
