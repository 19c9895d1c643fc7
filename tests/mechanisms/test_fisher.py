"""The Fisher market: whole service, claims, and the same program in CVXPY."""

import dataclasses
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MarketError, MechanismError, Outcome, UserReports, fisher_equilibrium
from mechanisms.arrays import FloatArray
from mechanisms.candidates import load, of_served
from mechanisms.fisher import Fisher, trade_in
from mechanisms.fisher_equilibrium import Equilibrium, Traded, equilibrium, price_of
from mechanisms.pairs import net_value

WORLDS, USERS, EXPERTS = 8, 7, 5


def random_market(
    seed: int, num_users: int = USERS, num_experts: int = EXPERTS, **fields: Any
) -> Market:
    """Draw eight worlds with more and more money, in which users compete for the band.

    Some users are idle, some places closed.
    """
    rng = np.random.default_rng(seed)
    experts, each = (WORLDS, num_experts), (WORLDS, num_users, num_experts)
    drawn = {
        "unit_cost": rng.uniform(0.5, 3.0, experts),
        "cost_slope": rng.uniform(0.5, 1.5, experts),
        "demand": np.ones(experts),
        "value": np.full(experts, 3.8),
        "budget": np.linspace(4.0, 30.0, WORLDS),
        "capacity": rng.integers(0, 4, experts),
        "bandwidth_limit": np.full(num_experts, 1000.0),
        "users": {
            "value": rng.uniform(-1.0, 6.0, each),
            "points": rng.uniform(0.2, 0.4, each),
            "bandwidth_need": rng.uniform(200.0, 600.0, each),
            "topic": rng.integers(-1, 5, (WORLDS, num_users)),
        },
    }
    users = UserReports(**(drawn.pop("users") | fields.pop("users", {})))
    return Market(**(drawn | fields), users=users)


def clear(market: Market, **params: Any) -> Outcome:
    return mechanisms.make("fisher", **params).clear(market)


def utility(market: Market, outcome: Outcome) -> FloatArray:
    """Return the utility of users, credits: value at full effort, less the charge."""
    return of_served(market.users.value, outcome.allocation.expert) - outcome.allocation.charge


def reached(traded: Traded, found: Equilibrium) -> float:
    """Return what the program maximises."""
    value = (traded.worth * found.share).sum(axis=-1)
    counted = np.where(value > 1, 1 + np.log(np.maximum(value, 1)), value)
    return float(counted.sum() - (traded.asked * found.share).sum())


@pytest.mark.parametrize("seed", range(2))
def test_direct_method_and_program_agree(seed: int) -> None:
    market = random_market(seed)
    traded, _ = trade_in(market, None)
    program = Fisher(solver="cvxpy")
    paced = False
    for index in range(WORLDS):
        one = traded.world((index,))
        direct, reference = equilibrium(one), program.program.equilibrium(one)
        assert reached(one, direct) == pytest.approx(reached(one, reference), rel=1e-5)
        np.testing.assert_allclose(direct.pace, reference.pace, atol=1e-3)
        ours, theirs = (price_of(one, either)[one.trades] for either in (direct, reference))
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
        paced |= bool((direct.pace < 0.9).any())
    assert paced
    outcome, other = clear(market), program.clear(market)
    same = outcome.allocation.expert == other.allocation.expert
    assert same.mean() > 0.95  # of users who buy the same share of it, either is served
    np.testing.assert_allclose(
        outcome.allocation.charge[same], other.allocation.charge[same], atol=2e-3
    )
    assert outcome.status == other.status == "optimal"


@pytest.mark.parametrize("seed", range(3))
def test_nobody_loses_and_the_users_pay_the_payments_within_the_budget(seed: int) -> None:
    market = random_market(seed)
    outcome = clear(market)
    assert (outcome.allocation.expert >= 0).sum() > WORLDS
    assert (utility(market, outcome) >= -1e-7).all()
    assert (utility(market, outcome) > 0.1).any()
    np.testing.assert_allclose(outcome.balance, 0.0, atol=1e-12)
    np.testing.assert_allclose(outcome.payment, outcome.unit_price * outcome.points, rtol=1e-12)
    assert (outcome.allocation.charge.sum(axis=-1) <= market.budget).all()
    least = market.unit_cost + market.cost_slope
    assert (outcome.unit_price >= least * (1 - 1e-9)).all()
    assert (outcome.unit_price > least * 1.01).any()
    answer = mechanisms.best_response(outcome.unit_price, market.unit_cost, market.cost_slope)
    np.testing.assert_allclose(answer, outcome.effort)


@pytest.mark.parametrize("seed", range(3))
def test_places_and_bands_are_kept_and_points_and_welfare_are_those_of_the_served(
    seed: int,
) -> None:
    market = random_market(seed)
    outcome = clear(market)
    assert (
        load(
            np.ones(outcome.allocation.expert.shape), outcome.allocation.expert, market.num_experts
        )
        <= market.capacity
    ).all()
    assert (
        load(
            of_served(market.users.bandwidth_need, outcome.allocation.expert),
            outcome.allocation.expert,
            market.num_experts,
        )
        <= market.bandwidth_limit * (1 + 1e-8)
    ).all()
    assert (outcome.allocation.expert[market.users.topic == -1] == -1).all()
    net = of_served(net_value(market), outcome.allocation.expert)
    assert (net[outcome.allocation.expert >= 0] > 0).all()
    np.testing.assert_allclose(outcome.welfare, net.sum(axis=-1))
    np.testing.assert_allclose(
        outcome.points,
        load(
            of_served(market.users.points, outcome.allocation.expert),
            outcome.allocation.expert,
            market.num_experts,
        ),
    )


def test_counting_in_another_currency_changes_no_decision() -> None:
    market, factor = random_market(3), 7.0
    names = ("unit_cost", "cost_slope", "value", "budget")
    scaled = {name: factor * getattr(market, name) for name in names}
    users = dataclasses.replace(market.users, value=factor * market.users.value)
    other = clear(dataclasses.replace(market, **scaled, users=users))
    outcome = clear(market)
    np.testing.assert_array_equal(other.allocation.expert, outcome.allocation.expert)
    np.testing.assert_allclose(
        other.allocation.charge, factor * outcome.allocation.charge, rtol=1e-6
    )
    np.testing.assert_allclose(other.unit_price, factor * outcome.unit_price, rtol=1e-6)


def test_a_given_budget_replaces_that_of_the_market() -> None:
    market = random_market(4)
    given = clear(market, budget=9.0)
    asked = clear(dataclasses.replace(market, budget=np.full(WORLDS, 9.0)))
    np.testing.assert_array_equal(given.allocation.charge, asked.allocation.charge)
    assert not np.array_equal(given.allocation.charge, clear(market).allocation.charge)


def test_a_batch_clears_as_each_of_its_worlds_alone_to_nine_digits() -> None:
    market = random_market(5)
    batch = clear(market)
    for index in range(WORLDS):
        alone = clear(market.world(index))
        np.testing.assert_array_equal(batch.allocation.expert[index], alone.allocation.expert)
        amounts = batch.world(index).arrays()
        for name in ("charge", "unit_price", "points", "payment", "welfare"):
            np.testing.assert_allclose(amounts[name], alone.arrays()[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("num_users", "num_experts", "fields"),
    [
        pytest.param(0, 4, {}, id="no users"),
        pytest.param(5, 0, {}, id="no experts"),
        pytest.param(
            5,
            4,
            {
                "users": {"topic": np.full(5, -1)},
            },
            id="no demand",
        ),
        pytest.param(5, 4, {"budget": np.zeros(())}, id="no budget"),
        pytest.param(5, 4, {"capacity": np.zeros(4, dtype=int)}, id="no places"),
        pytest.param(5, 4, {"bandwidth_limit": np.zeros(4)}, id="no band"),
        pytest.param(
            5,
            4,
            {
                "users": {"points": np.zeros((5, 4))},
            },
            id="no points",
        ),
        pytest.param(
            5,
            4,
            {
                "users": {"value": np.full((5, 4), -1.0)},
            },
            id="all values negative",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_where_nobody_can_be_served_nobody_is_charged(
    num_users: int, num_experts: int, fields: dict[str, Any]
) -> None:
    market = random_market(7, num_users, num_experts, **fields)
    outcome = clear(market)
    assert outcome.allocation.expert.shape == outcome.allocation.charge.shape == (WORLDS, num_users)
    assert (outcome.allocation.expert == -1).all()
    assert not outcome.allocation.charge.any()
    assert not outcome.payment.any()
    assert outcome.welfare.tolist() == [0.0] * WORLDS
    np.testing.assert_allclose(outcome.unit_price, market.unit_cost + market.cost_slope)


def test_worlds_with_and_without_money_clear_together() -> None:
    market = random_market(8, budget=np.array([0.0, 20.0] * 4))
    outcome = clear(market)
    assert (outcome.allocation.expert[::2] == -1).all()
    assert (outcome.allocation.expert[1::2] >= 0).any(axis=-1).all()


def test_equals_are_all_served_where_there_is_room_and_pay_the_same() -> None:
    market = random_market(
        9,
        unit_cost=np.ones(EXPERTS),
        cost_slope=np.ones(EXPERTS),
        capacity=np.full(EXPERTS, 2),
        users={
            "value": np.full((USERS, EXPERTS), 6.0),
            "points": np.full((USERS, EXPERTS), 0.4),
            "bandwidth_need": np.full((USERS, EXPERTS), 250.0),
            "topic": np.zeros(USERS, dtype=int),
        },
    )
    outcome = clear(market)
    # Nothing is scarce: all pay the 0.8 credits that are asked for 0.4 points, if they have them.
    served = market.budget / USERS >= 0.8
    assert 0 < served.sum() < WORLDS
    np.testing.assert_array_equal((outcome.allocation.expert >= 0).all(axis=-1), served)
    np.testing.assert_array_equal((outcome.allocation.expert >= 0).any(axis=-1), served)
    charge = np.where(served, 0.8, 0.0)[:, np.newaxis]
    np.testing.assert_allclose(outcome.allocation.charge, np.repeat(charge, USERS, axis=1))


def test_a_market_without_equilibrium_in_time_is_reported_with_its_world(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fisher_equilibrium, "_MAX_PROGRAMS", 1)
    with pytest.raises(
        MechanismError,
        match=r"fisher, world \(0,\): a market of 7 users and 5 experts: .* short of an optimum of "
        r".* after 1 programs",
    ):
        clear(random_market(10, budget=np.full(WORLDS, 12.0)))


def test_a_failing_program_is_reported_with_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    program = Fisher(solver="cvxpy")
    assert program.clear(random_market(10)).status == "optimal"
    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(
        MechanismError, match=r"fisher, world \(0,\): the market: InsufficientProgress"
    ):
        program.clear(random_market(10))


@pytest.mark.parametrize("budget", [-1.0, np.inf, np.nan])
def test_a_budget_that_nobody_can_have_is_refused(budget: float) -> None:
    with pytest.raises(
        ValueError, match=r"fisher: budget should be a finite number in 0\.\.1e\+09, got"
    ):
        mechanisms.make("fisher", budget=budget)


def test_a_market_without_what_users_report_is_refused() -> None:
    with pytest.raises(MarketError, match="fisher needs bandwidth_limit"):
        clear(random_market(11, bandwidth_limit=None))
    with pytest.raises(MarketError, match=r"fisher needs users\.bandwidth_need"):
        clear(random_market(11, users={"bandwidth_need": None}))
