"""The assignment of greatest welfare against enumeration, and against the same program in CVXPY."""

import dataclasses
from itertools import product
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from mechanisms import Market, MarketError, MechanismError, UserReports
from mechanisms.arrays import IntArray
from mechanisms.assignment import admitted, optimal_allocation, optimal_welfare
from mechanisms.candidates import load, of_served
from mechanisms.pairs import Band, Pairs, net_value, pairs_of
from mechanisms.reference.assignment import AssignmentProgram
from mechanisms.relaxation import relaxation

USERS, EXPERTS = 5, 4


def random_market(
    seed: int, num_users: int = USERS, num_experts: int = EXPERTS, **fields: Any
) -> Market:
    """Draw six worlds of scarce places and bands, idle users and pairs not worth forming."""
    rng = np.random.default_rng(seed)
    experts, each = (6, num_experts), (6, num_users, num_experts)
    drawn = {
        "unit_cost": rng.uniform(0.5, 3.0, experts),
        "cost_slope": rng.uniform(0.5, 1.5, experts),
        "demand": np.ones(experts),
        "value": np.full(experts, 3.8),
        "budget": np.ones(6),
        "capacity": rng.integers(0, 3, experts),
        "bandwidth_limit": rng.uniform(700.0, 1300.0, experts),
        "users": {
            "value": rng.uniform(-2.0, 8.0, each),
            "points": rng.uniform(0.0, 1.5, each),
            "bandwidth_need": rng.uniform(200.0, 1100.0, each),
            "topic": rng.integers(-1, 4, (6, num_users)),
        },
    }
    users = UserReports(**(drawn.pop("users") | fields.pop("users", {})))
    return Market(**(drawn | fields), users=users)


def best_by_enumeration(market: Market, bandwidth: bool) -> float:
    """The greatest welfare of all (E + 1)^U allocations of one world that keep the rows."""
    net = net_value(market)
    best = 0.0
    for allocation in product(range(-1, market.num_experts), repeat=market.num_users):
        served = [(u, e) for u, e in enumerate(allocation) if e >= 0]
        users, band = np.zeros(market.num_experts), np.zeros(market.num_experts)
        for u, e in served:
            users[e] += 1
            band[e] += market.users.bandwidth_need[u, e]
        if (users <= market.capacity).all() and (
            not bandwidth or (band <= market.bandwidth_limit).all()
        ):
            best = max(best, sum(net[u, e] for u, e in served))
    return best


def assert_feasible(allocation: IntArray, market: Market, bandwidth: bool) -> None:
    assert (
        load(np.ones(allocation.shape), allocation, market.num_experts) <= market.capacity
    ).all()
    if bandwidth:
        assert (
            load(of_served(market.users.bandwidth_need, allocation), allocation, market.num_experts)
            <= market.bandwidth_limit * (1 + 1e-8)
        ).all()
    assert (allocation[market.users.topic == -1] == -1).all()
    assert (of_served(net_value(market), allocation)[allocation >= 0] > 0).all()


@pytest.mark.parametrize("bandwidth", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_no_other_allocation_is_worth_more(seed: int, bandwidth: bool) -> None:
    market = random_market(seed)
    asked = pairs_of(market, "test", bandwidth=bandwidth)
    allocation = optimal_allocation(asked)
    assert_feasible(allocation, market, bandwidth)
    welfare = of_served(asked.net, allocation).sum(axis=-1)
    enumerated = [best_by_enumeration(market.world(index), bandwidth) for index in range(6)]
    np.testing.assert_allclose(welfare, enumerated, rtol=1e-9)
    np.testing.assert_array_equal(optimal_welfare(market, bandwidth), welfare)


def test_bandwidth_rows_bind_and_are_fractional_in_these_markets() -> None:
    market = random_market(0, num_users=12)
    asked = pairs_of(market, "test", bandwidth=True)
    assert (optimal_welfare(market, True) < optimal_welfare(market, False) - 0.1).any()
    shares = [relaxation(asked.world((index,))).share for index in range(6)]
    assert any(((share > 0.01) & (share < 0.99)).any() for share in shares)


@pytest.mark.parametrize("bandwidth", [False, True])
def test_the_whole_program_in_cvxpy_decides_the_same(bandwidth: bool) -> None:
    market = random_market(3, num_users=10, num_experts=6)
    program = AssignmentProgram(whole=True)
    asked = pairs_of(market, "test", bandwidth=bandwidth)
    allocation = optimal_allocation(asked)
    for index in range(6):
        share = program.solve(asked.world((index,))).share
        assert (asked.net[index] * share).sum() == pytest.approx(
            of_served(asked.net, allocation)[index].sum(), rel=1e-6
        )
        np.testing.assert_allclose(share.sum(axis=-1), allocation[index] >= 0, atol=1e-3)
        np.testing.assert_array_equal(
            share.argmax(axis=-1)[allocation[index] >= 0], allocation[index][allocation[index] >= 0]
        )


@pytest.mark.parametrize("bandwidth", [False, True])
def test_the_relaxed_program_in_cvxpy_decides_the_same(bandwidth: bool) -> None:
    market = random_market(4, num_users=10, num_experts=6)
    program = AssignmentProgram(whole=False)
    asked = pairs_of(market, "test", bandwidth=bandwidth)
    for index in range(6):
        world = asked.world((index,))
        vertex, interior = relaxation(world), program.solve(world)
        assert (world.net * vertex.share).sum() == pytest.approx(
            (world.net * interior.share).sum(), rel=1e-6
        )
        np.testing.assert_allclose(vertex.share, interior.share, atol=1e-3)


@pytest.mark.parametrize("bandwidth", [False, True])
def test_duals_of_either_solver_price_the_relaxed_optimum(bandwidth: bool) -> None:
    # Strong duality: what users gain over these prices, and what the prices bring in, is the
    # optimum.
    market = random_market(5, num_users=10, num_experts=6)
    program = AssignmentProgram(whole=False)
    asked = pairs_of(market, "test", bandwidth=bandwidth)
    for index in range(6):
        world = asked.world((index,))
        limit = np.zeros(6) if world.band is None else world.band.limit
        need = np.zeros((10, 6)) if world.band is None else world.band.need
        formed = (world.net > 0) & (world.capacity > 0) & (need <= (limit if bandwidth else np.inf))
        for found in (relaxation(world), program.solve(world)):
            gain = world.net - found.place_price - need * found.band_price
            users = np.where(formed, gain, 0.0).max(axis=-1).clip(min=0.0).sum()
            dual = users + found.place_price @ world.capacity + found.band_price @ limit
            assert dual == pytest.approx((world.net * found.share).sum(), rel=1e-6)


def test_a_batch_is_decided_as_each_of_its_worlds_alone() -> None:
    market = random_market(6, num_users=12)
    for bandwidth in (False, True):
        batch = optimal_allocation(pairs_of(market, "test", bandwidth=bandwidth))
        for index in range(6):
            alone = optimal_allocation(pairs_of(market.world(index), "test", bandwidth=bandwidth))
            np.testing.assert_array_equal(batch[index], alone)


def test_several_leading_axes_are_allowed() -> None:
    market = random_market(7)
    folded = market.reshaped(2, 3)
    for bandwidth in (False, True):
        np.testing.assert_array_equal(
            optimal_welfare(folded, bandwidth), optimal_welfare(market, bandwidth).reshape(2, 3)
        )


@pytest.mark.parametrize("bandwidth", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            {
                "users": {"value": np.full((USERS, EXPERTS), -1.0)},
            },
            id="all values negative",
        ),
        pytest.param(
            {
                "users": {
                    "value": np.zeros((USERS, EXPERTS)),
                    "points": np.zeros((USERS, EXPERTS)),
                },
            },
            id="0 net",
        ),
        pytest.param({"capacity": np.zeros(EXPERTS, dtype=int)}, id="no capacity"),
        pytest.param(
            {
                "users": {"topic": np.full(USERS, -1)},
            },
            id="no demand",
        ),
    ],
)
def test_where_nothing_is_worth_forming_nobody_is_served(
    fields: dict[str, Any], bandwidth: bool
) -> None:
    asked = pairs_of(random_market(8, **fields), "test", bandwidth=bandwidth)
    assert (optimal_allocation(asked) == -1).all()
    assert not relaxation(asked.world((0,))).share.any()


def test_without_band_only_users_who_need_none_are_served() -> None:
    need = np.ones((USERS, EXPERTS))
    need[0] = 0.0
    market = random_market(
        9,
        bandwidth_limit=np.zeros(EXPERTS),
        capacity=np.ones(EXPERTS, dtype=int),
        users={
            "bandwidth_need": need,
            "value": np.full((USERS, EXPERTS), 8.0),
            "topic": np.zeros(USERS, dtype=int),
        },
    )
    allocation = optimal_allocation(pairs_of(market, "test", bandwidth=True))
    assert (allocation[:, 0] >= 0).all()
    assert (allocation[:, 1:] == -1).all()


def test_a_need_of_more_than_the_band_is_not_met_in_part_either() -> None:
    asked = Pairs(
        net=np.array([[9.0], [1.0]]),
        cost=np.zeros((2, 1)),
        capacity=np.array([2]),
        band=Band(need=np.array([[1500.0], [800.0]]), limit=np.array([1000.0])),
    )
    assert relaxation(asked).share.tolist() == [[0.0], [1.0]]
    assert optimal_allocation(asked).tolist() == [-1, 0]


@pytest.mark.parametrize(("num_users", "num_experts"), [(0, 4), (5, 0), (0, 0)])
@pytest.mark.parametrize("bandwidth", [False, True])
def test_no_users_or_no_experts_gain_nothing(
    num_users: int, num_experts: int, bandwidth: bool
) -> None:
    market = random_market(10, num_users, num_experts)
    assert optimal_welfare(market, bandwidth).tolist() == [0.0] * 6
    assert optimal_allocation(pairs_of(market, "test", bandwidth=bandwidth)).shape == (6, num_users)


def test_a_batch_of_no_worlds_is_legal() -> None:
    market = random_market(11)
    none = market.world(slice(0))
    assert optimal_welfare(none, True).shape == (0,)


def test_equal_values_fill_every_place() -> None:
    market = random_market(
        12,
        unit_cost=np.ones(EXPERTS),
        cost_slope=np.ones(EXPERTS),
        capacity=np.ones(EXPERTS, dtype=int),
        users={
            "value": np.full((USERS, EXPERTS), 8.0),
            "points": np.ones((USERS, EXPERTS)),
            "topic": np.zeros(USERS, dtype=int),
        },
    )
    np.testing.assert_allclose(optimal_welfare(market, False), EXPERTS * (8.0 - 1.5))


def test_a_mixed_integer_program_stopped_short_of_proof_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mechanisms import highs

    market = random_market(14, num_users=16)
    assert np.isfinite(optimal_welfare(market, True)).all()
    monkeypatch.setitem(highs._OPTIONS, "mip_max_nodes", 0)
    with pytest.raises(
        MechanismError,
        match=r"assignment of 16 users to 4 experts within bandwidth: HiGHS says .*limit",
    ):
        optimal_welfare(market, True)


def test_a_program_whose_solver_fails_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    program = AssignmentProgram(whole=False)
    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(MechanismError, match=r"assignment of .* users to .*: InsufficientProgress"):
        program.solve(pairs_of(random_market(15), "test", bandwidth=True).world((0,)))


def test_the_greatest_wishes_that_fit_are_admitted() -> None:
    asked = Pairs(
        net=np.ones((4, 2)),
        cost=np.zeros((4, 2)),
        capacity=np.array([2, 1]),
        band=Band(
            need=np.array([[600.0, 1.0], [300.0, 1.0], [500.0, 1.0], [1.0, 1.0]]),
            limit=np.array([1000.0, 1000.0]),
        ),
    )
    wish = np.array([[0.9, 0.1], [0.5, 0.0], [0.8, 0.2], [0.4, 0.3]])
    # User 2 no longer fits beside user 0 at expert 0; user 1 takes the last place there, and user 3
    # the one elsewhere.
    assert admitted(wish, asked).tolist() == [0, 0, -1, 1]
    no_rows = asked._replace(band=None)
    assert admitted(wish, no_rows).tolist() == [0, -1, 0, 1]


def test_a_market_without_what_the_program_needs_is_refused() -> None:
    market = random_market(13)
    with pytest.raises(MarketError, match="the welfare optimum needs users"):
        optimal_welfare(dataclasses.replace(market, users=None), False)
    with pytest.raises(MarketError, match="the welfare optimum needs bandwidth_limit"):
        optimal_welfare(dataclasses.replace(market, bandwidth_limit=None), True)
    users = dataclasses.replace(market.users, bandwidth_need=None)
    with pytest.raises(MarketError, match=r"the welfare optimum needs users\.bandwidth_need"):
        optimal_welfare(dataclasses.replace(market, users=users), True)
