"""The Fisher market: conditions of equilibrium, known small markets, whole service, and the same
program in CVXPY.
"""

import dataclasses
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MarketError, MechanismError, Outcome, fisher_equilibrium
from mechanisms.assignment import net_value, pairs
from mechanisms.candidates import load, of_served
from mechanisms.fisher import trade
from mechanisms.fisher_equilibrium import equilibrium
from mechanisms.fisher_program import FisherProgram
from mechanisms.market import FloatArray

WORLDS, USERS, EXPERTS = 8, 7, 5


def random_market(
    seed: int, num_users: int = USERS, num_experts: int = EXPERTS, **fields: Any
) -> Market:
    """Eight worlds with more and more money, in which users compete for the band; some are idle,
    some places closed.
    """
    rng = np.random.default_rng(seed)
    experts, each = (WORLDS, num_experts), (WORLDS, num_users, num_experts)
    drawn = {
        "unit_cost": rng.uniform(0.5, 3.0, experts),
        "cost_slope": rng.uniform(0.5, 1.5, experts),
        "demand": np.ones(experts),
        "value": np.full(experts, 3.8),
        "budget": np.linspace(4.0, 30.0, WORLDS),
        "user_value": rng.uniform(-1.0, 6.0, each),
        "user_points": rng.uniform(0.2, 0.4, each),
        "capacity": rng.integers(0, 4, experts),
        "bandwidth_need": rng.uniform(200.0, 600.0, each),
        "bandwidth_limit": np.full(num_experts, 1000.0),
        "topic": rng.integers(-1, 5, (WORLDS, num_users)),
    }
    return Market(**(drawn | fields))


def clear(market: Market, **params: Any) -> Outcome:
    return mechanisms.make("fisher", **params).clear(market)


def utility(market: Market, outcome: Outcome) -> FloatArray:
    """Of users, credits: value of the service at full effort, less the charge."""
    return of_served(market.user_value, outcome.allocation) - outcome.charge


def one_expert(value: float, need: float, budget: float, num_users: int = 1) -> Market:
    """Users alike, 0.5 points each, and an expert of 1000 Hz that asks 2 credits a point."""
    each = np.ones((num_users, 1))
    return Market(
        [1.0],
        [1.0],
        [1.0],
        [3.8],
        budget,
        value * each,
        0.5 * each,
        [num_users],
        need * each,
        np.array([1000.0]),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_conditions_of_equilibrium_hold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth, reserve = rng.uniform(0.0, 3.0, (40, 9, 6)), rng.uniform(0.05, 3.0, (40, 6))
    worth[rng.random(worth.shape) < 0.4] = -np.inf
    log_markup, spending = equilibrium(worth, reserve)
    price, spent = reserve * np.exp(log_markup), spending.sum(axis=-1)
    bang = np.exp(
        worth - log_markup[:, np.newaxis]
    )  # value for a credit, so far as it is worth at least the credit
    best = bang.max(axis=-1, initial=1.0)
    assert (log_markup >= 0).all()
    assert (spending >= 0).all()
    assert (spent <= 1 + 1e-7).all()
    where = spending > 1e-6
    np.testing.assert_allclose(
        bang[where], np.broadcast_to(best[..., np.newaxis], bang.shape)[where], rtol=1e-4
    )
    np.testing.assert_allclose(spent[best > 1 + 1e-4], 1.0, atol=1e-6)
    revenue = spending.sum(axis=-2)
    assert (revenue <= price + 1e-6).all()
    sold = log_markup > 1e-4
    np.testing.assert_allclose(revenue[sold], price[sold], rtol=1e-5)
    # All three states of a user and both of an expert occur: the conditions were put to the test.
    assert sold.any()
    assert (~sold).any()
    assert (spent < 0.9).any()
    assert ((spending > 1e-3).sum(axis=-1) > 1).any()


@pytest.mark.parametrize(
    ("budget", "price"),
    [
        pytest.param(1.5, 2.5, id="too little money for the reserve"),
        pytest.param(4.0, 4.0, id="all money for the whole band"),
        pytest.param(90.0, 15.0, id="no more than it is worth"),
    ],
)
def test_a_user_alone_pays_what_it_has_between_the_reserve_and_the_worth(
    budget: float, price: float
) -> None:
    # 0.5 points at 2 credits take 400 Hz, so the band of 1000 Hz sells from 2.5 on, and is worth 6
    # x 2.5 to the user.
    outcome = clear(one_expert(value=6.0, need=400.0, budget=budget))
    assert outcome.allocation.tolist() == [0]
    np.testing.assert_allclose(outcome.charge, [price * 0.4], rtol=1e-6)
    np.testing.assert_allclose(outcome.unit_price, [price * 0.4 / 0.5], rtol=1e-6)


def test_who_can_pay_for_only_a_part_of_its_need_buys_nothing() -> None:
    outcome = clear(one_expert(value=6.0, need=400.0, budget=0.99))
    assert outcome.allocation.tolist() == [-1]
    assert not outcome.charge.any()
    np.testing.assert_allclose(outcome.unit_price, [2.0])


@pytest.mark.parametrize("budget", np.linspace(1.1, 5.0, 9))
def test_a_need_of_the_whole_band_takes_all_money_and_not_a_rounding_more(budget: float) -> None:
    outcome = clear(one_expert(value=6.0, need=1000.0, budget=budget))
    assert outcome.allocation.tolist() == [0]
    np.testing.assert_allclose(outcome.charge, [budget], rtol=1e-7)
    assert outcome.charge[0] <= budget


def test_users_alike_share_the_band_at_a_price_of_all_their_money() -> None:
    outcome = clear(one_expert(value=9.0, need=250.0, budget=8.0, num_users=4))
    assert outcome.allocation.tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(outcome.charge, 2.0)
    np.testing.assert_allclose(outcome.unit_price, [8.0 / 2.0])


def test_a_fisher_market_known_by_hand() -> None:
    # Two users with a credit each. Both like the first good; the second user likes the other one
    # half as much, the first not at all. All money on the first good would give a price of 2: the
    # second user then has 1/2 a credit there and 1/2 : p at the other, and moves until p1 = 2 p2,
    # with p1 + p2 = 2.
    worth = np.log(np.array([[20.0, 1e-3], [20.0, 10.0]]))
    reserve = np.array([1e-3, 1e-3])
    log_markup, spending = equilibrium(worth - np.log(reserve), reserve)
    np.testing.assert_allclose(reserve * np.exp(log_markup), [4 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(spending, [[1.0, 0.0], [1 / 3, 2 / 3]], atol=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_direct_method_and_program_agree(seed: int) -> None:
    market = random_market(seed)
    asked = pairs(market, "test", bandwidth=True)
    offered = trade(market, asked, None)
    reserve = offered.reserve / offered.money[:, None]
    worth = np.full_like(offered.worth, -np.inf)
    np.log(offered.worth / offered.reserve[:, None], out=worth, where=offered.trades)

    def objective(log_markup: FloatArray) -> FloatArray:
        least = np.minimum((log_markup[:, None] - worth).min(axis=-1), 0.0)
        return (reserve * np.exp(log_markup)).sum(axis=-1) - least.sum(axis=-1)

    program = FisherProgram(USERS, EXPERTS)
    direct, reference = equilibrium(worth, reserve), program.equilibrium(worth, reserve)
    np.testing.assert_allclose(
        objective(direct.log_markup), objective(reference.log_markup), rtol=1e-6
    )
    np.testing.assert_allclose(direct.log_markup, reference.log_markup, atol=1e-3)
    np.testing.assert_allclose(direct.spending, reference.spending, atol=1e-3)
    assert (direct.log_markup > 0.1).any()
    ours, theirs = clear(market), program.clear(market)
    np.testing.assert_array_equal(ours.allocation, theirs.allocation)
    np.testing.assert_allclose(ours.charge, theirs.charge, atol=1e-3)
    assert ours.status == theirs.status == "optimal"


@pytest.mark.parametrize("seed", range(3))
def test_nobody_loses_and_the_users_pay_the_payments_within_the_budget(seed: int) -> None:
    market = random_market(seed)
    outcome = clear(market)
    assert (outcome.allocation >= 0).sum() > WORLDS
    assert (utility(market, outcome) >= -1e-7).all()
    assert (utility(market, outcome) > 0.1).any()
    np.testing.assert_allclose(outcome.balance, 0.0, atol=1e-12)
    np.testing.assert_array_equal(outcome.payment, outcome.unit_price * outcome.points)
    assert (outcome.charge.sum(axis=-1) <= market.budget).all()
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
        load(np.ones(outcome.allocation.shape), outcome.allocation, market.num_experts)
        <= market.capacity
    ).all()
    assert (
        load(
            of_served(market.bandwidth_need, outcome.allocation),
            outcome.allocation,
            market.num_experts,
        )
        <= market.bandwidth_limit * (1 + 1e-8)
    ).all()
    assert (outcome.allocation[market.topic == -1] == -1).all()
    net = of_served(net_value(market), outcome.allocation)
    assert (net[outcome.allocation >= 0] > 0).all()
    np.testing.assert_allclose(outcome.welfare, net.sum(axis=-1))
    np.testing.assert_allclose(
        outcome.points,
        load(
            of_served(market.user_points, outcome.allocation),
            outcome.allocation,
            market.num_experts,
        ),
    )


def test_counting_in_another_currency_changes_no_decision() -> None:
    market, factor = random_market(3), 7.0
    names = ("unit_cost", "cost_slope", "value", "budget", "user_value")
    other = clear(
        dataclasses.replace(market, **{name: factor * getattr(market, name) for name in names})
    )
    outcome = clear(market)
    np.testing.assert_array_equal(other.allocation, outcome.allocation)
    np.testing.assert_allclose(other.charge, factor * outcome.charge, rtol=1e-6)
    np.testing.assert_allclose(other.unit_price, factor * outcome.unit_price, rtol=1e-6)


def test_a_given_budget_replaces_that_of_the_market() -> None:
    market = random_market(4)
    given = clear(market, budget=9.0)
    asked = clear(dataclasses.replace(market, budget=np.full(WORLDS, 9.0)))
    np.testing.assert_array_equal(given.charge, asked.charge)
    assert not np.array_equal(given.charge, clear(market).charge)


def test_a_batch_clears_as_each_of_its_worlds_alone() -> None:
    market = random_market(5)
    batch = clear(market)
    for index in range(WORLDS):
        alone = clear(market.world(index))
        np.testing.assert_array_equal(batch.allocation[index], alone.allocation)
        for name in ("charge", "unit_price", "points", "payment", "welfare"):
            np.testing.assert_allclose(
                getattr(batch, name)[index], getattr(alone, name), rtol=1e-9, atol=1e-9
            )


def test_several_leading_axes_are_allowed() -> None:
    market = random_market(6)
    fields = {field.name: getattr(market, field.name) for field in dataclasses.fields(Market)}
    folded = Market(
        **{name: f.reshape(2, 4, *f.shape[1:]) for name, f in fields.items() if f is not None}
    )
    outcome = clear(folded)
    np.testing.assert_allclose(
        outcome.charge.reshape(WORLDS, USERS), clear(market).charge, rtol=1e-9
    )
    assert outcome.balance.shape == (2, 4)


@pytest.mark.parametrize(
    ("num_users", "num_experts", "fields"),
    [
        pytest.param(0, 4, {}, id="no users"),
        pytest.param(5, 0, {}, id="no experts"),
        pytest.param(5, 4, {"topic": np.full(5, -1)}, id="no demand"),
        pytest.param(5, 4, {"budget": np.zeros(())}, id="no budget"),
        pytest.param(5, 4, {"capacity": np.zeros(4, dtype=int)}, id="no places"),
        pytest.param(5, 4, {"bandwidth_limit": np.zeros(4)}, id="no band"),
        pytest.param(5, 4, {"bandwidth_need": np.zeros((5, 4))}, id="no need of band"),
        pytest.param(5, 4, {"user_points": np.zeros((5, 4))}, id="no points"),
        pytest.param(5, 4, {"user_value": np.full((5, 4), -1.0)}, id="all values negative"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_where_nobody_can_be_served_nobody_is_charged(
    num_users: int, num_experts: int, fields: dict[str, Any]
) -> None:
    market = random_market(7, num_users, num_experts, **fields)
    outcome = clear(market)
    assert outcome.allocation.shape == outcome.charge.shape == (WORLDS, num_users)
    assert (outcome.allocation == -1).all()
    assert not outcome.charge.any()
    assert not outcome.payment.any()
    assert outcome.welfare.tolist() == [0.0] * WORLDS
    np.testing.assert_allclose(outcome.unit_price, market.unit_cost + market.cost_slope)


def test_worlds_with_and_without_money_clear_together() -> None:
    market = random_market(8, budget=np.array([0.0, 20.0] * 4))
    outcome = clear(market)
    assert (outcome.allocation[::2] == -1).all()
    assert (outcome.allocation[1::2] >= 0).any(axis=-1).all()


def test_equals_are_all_served_where_there_is_room_and_pay_the_same() -> None:
    market = random_market(
        9,
        unit_cost=np.ones(EXPERTS),
        cost_slope=np.ones(EXPERTS),
        user_value=np.full((USERS, EXPERTS), 6.0),
        user_points=np.full((USERS, EXPERTS), 0.4),
        bandwidth_need=np.full((USERS, EXPERTS), 250.0),
        capacity=np.full(EXPERTS, 2),
        topic=np.zeros(USERS, dtype=int),
    )
    outcome = clear(market)
    # Seven users spread all their money evenly over five bands, or the reserve of 4 x 2 x 0.4
    # credits a band is more.
    price = np.maximum(market.budget / EXPERTS, 3.2)
    served = price / 4 <= market.budget / USERS
    assert 0 < served.sum() < WORLDS
    np.testing.assert_array_equal((outcome.allocation >= 0).all(axis=-1), served)
    np.testing.assert_allclose(
        outcome.charge[served], (price[served] / 4)[:, None] * np.ones(USERS), rtol=1e-5
    )


def test_a_user_with_many_points_a_hertz_raises_the_reserve_only_if_it_could_pay() -> None:
    market = one_expert(value=6.0, need=400.0, budget=4.0, num_users=2)
    points = np.array([[0.5], [2.0]])
    could = clear(dataclasses.replace(market, user_points=points))
    could_not = clear(
        dataclasses.replace(market, user_points=points, user_value=np.array([[6.0], [3.9]]))
    )
    assert could.allocation.tolist() == [
        -1,
        -1,
    ]  # the reserve of 2 x 2 x 2.5 takes 4 of 2 credits for 400 Hz
    assert could_not.allocation.tolist() == [0, -1]
    np.testing.assert_allclose(could_not.charge, [1.6, 0.0], rtol=1e-6)


def test_a_market_without_equilibrium_in_time_is_reported_with_its_worlds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fisher_equilibrium, "_MAX_STEPS", 3)
    with pytest.raises(
        MechanismError, match=r"fisher: no equilibrium after 3 steps in the worlds \[\(0,\), \(1,\)"
    ):
        clear(random_market(10))


def test_a_step_that_cannot_be_taken_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def singular(*args: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(np.linalg, "solve", singular)
    with pytest.raises(
        MechanismError, match="fisher: no step towards an equilibrium: Singular matrix"
    ):
        clear(random_market(10))


def test_a_failing_program_is_reported_with_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    program = FisherProgram(USERS, EXPERTS)
    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(
        MechanismError, match=r"fisher: the market of world \(0,\): InsufficientProgress"
    ):
        program.clear(random_market(10))


@pytest.mark.parametrize(
    "missing", ["user_value", "user_points", "capacity", "bandwidth_need", "bandwidth_limit"]
)
def test_a_market_without_what_users_report_is_refused(missing: str) -> None:
    with pytest.raises(MarketError, match=f"fisher needs {missing}"):
        clear(random_market(11, **{missing: None}))


@pytest.mark.parametrize("budget", [-1.0, np.inf, np.nan])
def test_a_budget_that_nobody_can_have_is_refused(budget: float) -> None:
    with pytest.raises(
        ValueError, match=r"fisher: budget should be a finite number in 0\.\.1e\+09, got"
    ):
        mechanisms.make("fisher", budget=budget)
