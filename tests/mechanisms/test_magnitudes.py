"""One bid far above the others: none is lost, against every assignment in exact fractions."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MechanismError, UserReports
from mechanisms.highs import maximise
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
        expert, charge, _ = mechanism.clear(one).allocation_by("vcg")
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
                expert, charge, _ = mechanism.clear(told).allocation_by("vcg")
                served = expert[user] >= 0
                gains.append((users.value[user, expert[user]] - charge[user]) * served)
            assert gains[1] <= gains[0] + 1e-6


def without_bands(value: Any, points: Any, capacity: list[int], **fields: Any) -> Market:
    """Return a market of kappa 0.7 and slope 0.2 in which all that is worth it fits the band."""
    experts = len(capacity)
    value = np.array(value)
    costs = {"unit_cost": np.full(experts, 0.7), "cost_slope": np.full(experts, 0.2)} | fields
    users = UserReports(value=value, points=points, bandwidth_need=np.ones(value.shape))
    limit = np.full(experts, 100.0)
    return Market(
        **costs,
        demand=np.ones(experts),
        value=np.ones(experts),
        budget=np.array(1.0),
        users=users,
        capacity=capacity,
        bandwidth_limit=limit,
    )


@pytest.mark.parametrize("bandwidth", [False, True])
@pytest.mark.parametrize("name", ["vcg", "shadow_price"])
def test_a_pair_that_breaks_even_up_to_rounding_is_no_bid(name: str, bandwidth: bool) -> None:
    even = without_bands([[4.0, 10.0], [3.0, 4.0]], [[5.0, 1.0], [1.0, 1.0]], [2, 2])
    assert even.users is not None
    assert 4.0 - 5.0 * (0.7 + 0.2 / 2) != 0.0  # though 4 = 5 x 0.8
    assert pairs_of(even, name, bandwidth=False).net[0, 0] == 0.0
    expert = mechanisms.make(name, bandwidth=bandwidth).clear(even).allocation_by(name).expert
    np.testing.assert_array_equal(expert, [1, 1])


def test_what_is_above_rounding_stays_as_it_is_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    value, points = rng.uniform(0.0, 2.0, (2, 40, 5))
    drawn = without_bands(value, points, [1] * 5)
    net = pairs_of(drawn, "vcg", bandwidth=False).net
    np.testing.assert_array_equal(net, value - points * (np.full(5, 0.7) + np.full(5, 0.2) / 2))


def test_bids_of_one_world_are_not_held_against_those_of_another() -> None:
    value = np.array([1e-3, 1e12]).reshape(2, 1, 1)
    reports = UserReports(value=value, points=np.full((2, 1, 1), 1e-6), bandwidth_need=value * 0)
    one = np.ones((2, 1))
    worlds = Market(one, one, one, one, np.ones(2), reports, one.astype(int))
    outcome = mechanisms.make("vcg").clear(worlds)
    np.testing.assert_array_equal(outcome.allocation_by("vcg").expert, [[0], [0]])


def test_a_world_whose_bids_are_too_far_apart_is_named() -> None:
    value = np.array([[[1.0], [1.0]], [[1.0], [1e14]]])
    reports = UserReports(value=value, points=value * 0, bandwidth_need=value * 0)
    one = np.ones((2, 1))
    worlds = Market(one, one, one, one, np.ones(2), reports, one.astype(int))
    with pytest.raises(MechanismError, match=r"vcg, world \(1,\): a bid of 1e\+14"):
        mechanisms.make("vcg").clear(worlds)


@pytest.mark.parametrize("forbidden_by", ["capacity", "band"])
def test_bids_for_what_can_never_be_served_are_not_counted(forbidden_by: str) -> None:
    value, need = np.array([[3.0, 1e14], [4.0, 1e14]]), np.ones((2, 2))
    capacity = [2, 0] if forbidden_by == "capacity" else [2, 2]
    if forbidden_by == "band":
        need[:, 1] = 101.0
    one = without_bands(value, np.ones((2, 2)), capacity)
    reports = UserReports(value=value, points=np.ones((2, 2)), bandwidth_need=need)
    for name in ("vcg", "shadow_price"):
        outcome = mechanisms.make(name, bandwidth=True).clear(Market(**one.arrays(), users=reports))
        np.testing.assert_array_equal(outcome.allocation_by(name).expert, [0, 0])


def test_vcg_charges_nobody_more_than_its_bid_beside_a_far_greater_one() -> None:
    value = np.array([[0.5, 3.5], [5e8, 25e8], [0.5, 3.5], [0.5, 2.5]])
    costs = {"unit_cost": np.full(2, 0.01), "cost_slope": np.full(2, 0.02)}
    one = without_bands(value, np.ones((4, 2)), [2, 0], **costs)
    expert, charge, _ = mechanisms.make("vcg").clear(one).allocation_by("vcg")
    assert (charge[expert >= 0] <= value[expert >= 0, expert[expert >= 0]]).all()


def test_shadow_price_without_bands_is_of_greatest_welfare_beside_a_far_greater_bid() -> None:
    points = [
        [0.002750076430854477, 0.377615989975912],
        [0.0070747946043585265, 0.06485128550801283],
    ]
    costs = {"unit_cost": np.full(2, 0.01), "cost_slope": np.full(2, 0.02)}
    one = without_bands([[250000.0, 250000.0], [2.5, 2.5]], points, [1, 2], **costs)
    outcome = mechanisms.make("shadow_price", bandwidth=False).clear(one)
    np.testing.assert_array_equal(outcome.allocation_by("shadow_price").expert, [0, 1])


def hard_for_the_dual_simplex() -> Market:
    """Return a market in which HiGHS's dual simplex method ends without a status."""
    value = [[3.5, 2.5, 1.5], [1.5, 3.5, 1.5], [1.5, 0.5, 0.5], [3.5e8, 2.5e8, 3.5e8]]
    points = [
        [0.05071335689947497, 0.316172111965257, 0.09943447720008425],
        [0.0371946692057816, 0.06241673027123511, 0.0822282165310402],
        [0.0015270757519140427, 0.18825471894397633, 0.004787157836013249],
        [0.7910337752252489, 0.05294476828382504, 0.007214878378495399],
    ]
    need = [
        [5.138517885988291, 10.501483316481382, 9.036982546231766],
        [5.413394646506982, 8.30216719881757, 5.028511000299933],
        [2.5322728307784166, 8.751394529882026, 18.03467908432149],
        [1.6924591388299406, 1.434423154627948, 8.93174620567427],
    ]
    costs = {"unit_cost": np.full(3, 0.01), "cost_slope": np.full(3, 0.02)}
    fields = without_bands(value, points, [2, 0, 1], **costs).arrays()
    limit = np.array([8.490717072740127, 13.376377988404919, 21.52930939738871])
    reports = UserReports(value=value, points=points, bandwidth_need=need)
    return Market(**fields | {"bandwidth_limit": limit}, users=reports)


def test_what_the_dual_simplex_gives_up_on_the_primal_one_settles() -> None:
    expert = mechanisms.make("shadow_price").clear(hard_for_the_dual_simplex())
    np.testing.assert_array_equal(expert.allocation_by("shadow_price").expert, [0, -1, 0, 2])


def test_what_neither_simplex_method_settles_is_told_with_the_ratio_and_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = iter([maximise])

    def first_only(*args: Any, **options: Any) -> Any:
        for method in found:
            return method(*args, **options)
        raise MechanismError("HiGHS says Not Set")

    monkeypatch.setattr("mechanisms.relaxation.maximise", first_only)
    with pytest.raises(
        MechanismError, match=r"shadow_price, world \(\): .*e\+08 times another .* up to 1e\+09"
    ):
        mechanisms.make("shadow_price").clear(hard_for_the_dual_simplex())
