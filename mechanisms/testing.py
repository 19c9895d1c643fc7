"""Checks that hold for every mechanism, for use in the tests of whoever writes one.

    from mechanisms.testing import check_mechanism

    def test_my_mechanism_is_a_mechanism():
        check_mechanism(MyMechanism())

It is about shapes, batches and empty markets, with effort bought and enforced, and about claims,
which an audit tries to contradict. Those that need a condition are audited on markets that meet it:

    check_mechanism(MyMechanism(), markets=[my_markets])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.auditing.kept import check_claims
from mechanisms.base import Mechanism
from mechanisms.candidates import load, of_own_expert
from mechanisms.claims import Claims
from mechanisms.effort import EFFORTS
from mechanisms.errors import MarketError
from mechanisms.market import Market
from mechanisms.none import is_free
from mechanisms.outcome import Outcome, fault_of
from mechanisms.random_market import EXPERTS, LISTED, USERS, draw_market
from mechanisms.services import services_of
from mechanisms.supply import answer
from mechanisms.user_reports import UserReports

__all__ = ["check_mechanism", "draw_market"]

_ROUNDING = 1e-9


def check_mechanism(
    mechanism: Mechanism,
    *,
    rtol: float = 1e-7,
    unique_charges: bool = True,
    markets: Sequence[Market] = (),
    misreports: int = 30,
) -> None:
    """Check a mechanism on small random markets, and its claims on these and on `markets`.

    Args:
        mechanism: to be checked.
        rtol: relative tolerance, and absolute in credits, up to which decisions count as equal.
        unique_charges: False where several charges are right, so that an order of lists may matter.
        markets: batches on which claims are audited. Claims that have a `condition` are audited on
            these alone, which must meet it.
        misreports: number that the audit's search tries for each agent and field that is claimed,
            beyond the known ones; 0 leaves out incentives, which take long where each market is
            solved by a program.

    Raises:
        AssertionError: a check fails; the message says which.
    """
    check_description(mechanism)
    drawn = [
        draw_market(seed, listed=listed, effort=effort)
        for effort in EFFORTS
        for seed in range(2)
        for listed in (None, LISTED)
    ]
    for market in drawn:
        check_outcome(mechanism, market)
        check_batches(mechanism, market, rtol=rtol)
    check_empty_markets(mechanism)
    if mechanism.allocates:
        check_users_are_needed(mechanism)
        check_nobody_served(mechanism)
        check_lists(mechanism, rtol=rtol, unique_charges=unique_charges)
    else:
        check_users_are_ignored(mechanism)
    audited = list(markets)
    if not mechanism.claims.condition:
        audited += [draw_market(0, listed=n, effort=one) for one in EFFORTS for n in (None, LISTED)]
    check_claims(mechanism, audited, misreports=misreports, agents=1)


def check_description(mechanism: Mechanism) -> None:
    """Check that a mechanism says its name, what it does and what it claims."""
    _require(isinstance(mechanism.name, str) and bool(mechanism.name), "name is no word")
    _require(isinstance(mechanism.allocates, bool), "allocates is neither True nor False")
    _require(
        not hasattr(mechanism, "voluntary"),
        "voluntary is set, which nothing reads: Market.effort, in a world env.market.effort, says "
        "whether effort is bought or enforced",
    )
    _require(isinstance(mechanism.claims, Claims), "claims are no Claims")


def check_outcome(mechanism: Mechanism, market: Market) -> Outcome:
    """Clear a market and check shapes, sums and limits of the outcome, which is returned."""
    before = market.map(np.copy)
    outcome = mechanism.clear(market)
    _require_same_market(before, market)
    fault = fault_of(outcome, market, mechanism.allocates)
    _require(not fault, fault)
    for name, array in outcome.arrays().items():
        _require(np.isfinite(array).all(), f"{name} is not finite")
    effort = outcome.effort
    _require(((effort >= 0) & (effort <= 1)).all(), "effort is outside 0..1")
    _require(bool(outcome.status), "status is empty")
    _require(outcome.solve_seconds >= 0, "solve_seconds is negative")
    _require_same(outcome, mechanism.clear(market), 0.0, "a market cleared again")
    if mechanism.allocates:
        _check_allocation(mechanism, market, outcome)
        return outcome
    _require_close(outcome.payment, outcome.unit_price * outcome.points, "payment is not by points")
    _require_close(outcome.points, market.demand * effort, "points are not demand . effort")
    if not is_free(mechanism):
        answered = answer(
            outcome.unit_price,
            market.point_cost,
            market.point_slope,
            market.fixed_point_cost,
            None if market.effort == "bought" else effort,
        )
        words = "is bought and no best response" if market.effort == "bought" else "makes one lose"
        _require_close(effort, answered, f"effort {words}")
    return outcome


def _check_allocation(mechanism: Mechanism, market: Market, outcome: Outcome) -> None:
    """Check who serves whom, and that those who serve are paid for it, and do not lose."""
    effort = outcome.effort
    users = market.users_for(mechanism.name)
    expert, _, pair_price = outcome.allocation_by(mechanism.name)
    _require(expert.dtype == np.int64, "expert is no array of int64")
    _require(((expert >= -1) & (expert < market.num_experts)).all(), "expert is none of the market")
    _require((expert[users.topic < 0] == -1).all(), "an idle user is served")
    served = load(np.ones(expert.shape), expert, market.num_experts)
    _require((served <= market.capacity).all(), "an expert serves more than its capacity")
    if users.candidates is not None:
        listed = (users.candidates == expert[..., np.newaxis]).any(axis=-1)
        _require((listed | (expert == -1)).all(), "an expert serves a user that does not list it")
    services = services_of(market, expert, mechanism.name)
    own_effort = of_own_expert(effort, expert)
    points = services.points * own_effort
    _require_close(
        outcome.points,
        load(points, expert, market.num_experts),
        "points are not those of the users served",
    )
    _require_close(
        outcome.payment,
        load(pair_price * points, expert, market.num_experts),
        "payment is not by the points of the users served",
    )
    _require(not pair_price[expert < 0].any(), "there is a price for a user who is not served")
    if not is_free(mechanism):
        answered = services.answer(pair_price, None if market.effort == "bought" else own_effort)
        words = "is bought and no best response" if market.effort == "bought" else "makes one lose"
        _require_close(own_effort, answered, f"effort for a user {words}")


def check_batches(mechanism: Mechanism, market: Market, *, rtol: float) -> None:
    """Check that a batch clears as each market alone, and along any leading axes."""
    batch = mechanism.clear(market)
    for index in np.ndindex(market.batch_shape):
        alone = mechanism.clear(market.world(index))
        _require_same(batch.world(index), alone, rtol, f"market {index} alone")
    worlds = market.budget.size
    folded = check_outcome(mechanism, market.reshaped(2, worlds // 2))
    unfolded = folded.map(lambda array: array.reshape(worlds, *array.shape[2:]))
    _require_same(batch, unfolded, rtol, "two leading axes")
    for shape in ((0,), (2, 0)):
        nothing = market.world(slice(0)).reshaped(*shape)
        _require(check_outcome(mechanism, nothing).welfare.shape == shape, f"no batch {shape}")


def check_empty_markets(mechanism: Mechanism) -> None:
    """Check markets without experts, and without demand where the mechanism only prices."""
    outcome = check_outcome(mechanism, draw_market(2, experts=0))
    _require(not outcome.welfare.any(), "without experts there is welfare")
    if not mechanism.allocates:
        market = draw_market(3)
        outcome = check_outcome(mechanism, market.with_demand(np.zeros(market.demand.shape)))
        for name in ("points", "payment", "welfare"):
            _require(not getattr(outcome, name).any(), f"without demand there is {name}")


def check_users_are_needed(mechanism: Mechanism) -> None:
    """Check that a market in which users report nothing is refused."""
    try:
        mechanism.clear(replace(draw_market(4), users=None))
    except MarketError as error:
        _require(mechanism.name in str(error), f"the error does not name {mechanism.name}: {error}")
        return
    raise AssertionError(f"{mechanism.name} allocates in a market without users' reports")


def check_users_are_ignored(mechanism: Mechanism) -> None:
    """Check that a mechanism which only prices decides the same without users' reports."""
    for listed in (None, LISTED):
        market = draw_market(4, listed=listed)
        ours, theirs = mechanism.clear(market), mechanism.clear(replace(market, users=None))
        _require_same(ours, theirs, 0.0, "users who report nothing")


def check_nobody_served(mechanism: Mechanism) -> None:
    """Check that nobody is served, charged or paid where nobody can be served."""
    for listed in (None, LISTED):
        market = draw_market(5, listed=listed)
        users = market.users_for(mechanism.name)
        closed = np.zeros(EXPERTS, dtype=int)
        cases = {
            "no users": draw_market(5, users=0, listed=listed),
            "no experts": draw_market(5, experts=0, listed=None if listed is None else 0),
            "no capacity": replace(market, capacity=closed),
            "no topic": replace(market, users=replace(users, topic=np.full(USERS, -1))),
            "no value": replace(market, users=replace(users, value=np.full_like(users.value, -1))),
        }
        if listed is not None:
            cases["empty lists"] = draw_market(5, listed=0)
        for case, one in cases.items():
            outcome = check_outcome(mechanism, one)
            expert, charge, _ = outcome.allocation_by(mechanism.name)
            _require((expert == -1).all(), f"{case}, and somebody is served")
            _require(not charge.any(), f"{case}, and somebody is charged")
            _require(not outcome.payment.any(), f"{case}, and somebody is paid")
            _require(not outcome.welfare.any(), f"{case}, and there is welfare")


def check_lists(mechanism: Mechanism, *, rtol: float, unique_charges: bool) -> None:
    """Check that lists of all experts, in any order, change nothing."""
    some_are_served = False
    for seed in range(6, 9):
        market = draw_market(seed, listed=EXPERTS)
        users = market.users_for(mechanism.name)
        order = np.argsort(users.arrays()["candidates"], axis=-1)
        fields = {}
        for name in ("value", "points", "bandwidth_need", "work", "fixed_cost"):
            fields[name] = np.take_along_axis(getattr(users, name), order, axis=-1)
        without = UserReports(**fields, topic=users.topic)
        ours, theirs = mechanism.clear(market), mechanism.clear(replace(market, users=without))
        allocation = ours.allocation_by(mechanism.name)
        if not unique_charges:
            charge = theirs.allocation_by(mechanism.name).charge
            ours = replace(ours, allocation=allocation._replace(charge=charge))
        _require_same(ours, theirs, max(rtol, 1e-5), "lists of all experts")
        some_are_served |= bool((allocation.expert >= 0).any())
    _require(some_are_served, "in no market is anybody served")


def _require(holds: object, words: str) -> None:
    if not holds:
        raise AssertionError(words)


def _require_close(ours: FloatArray, theirs: FloatArray, words: str) -> None:
    _require(np.allclose(ours, theirs, rtol=_ROUNDING, atol=_ROUNDING), words)


def _require_same(ours: Outcome, theirs: Outcome, rtol: float, words: str) -> None:
    """Require that two outcomes decide the same."""
    others = theirs.arrays()
    for name, array in ours.arrays().items():
        if array.dtype.kind == "i":
            same = np.array_equal(array, others[name])
        else:
            same = np.allclose(array, others[name], rtol=rtol, atol=rtol, equal_nan=True)
        _require(same, f"{words}: {name} is not the same")


def _require_same_market(before: Market, after: Market) -> None:
    """Require that no array of a market was written to."""
    pairs = [(before.arrays(), after.arrays())]
    if before.users is not None and after.users is not None:
        pairs.append((before.users.arrays(), after.users.arrays()))
    for ours, theirs in pairs:
        for name, array in ours.items():
            _require(np.array_equal(array, theirs[name]), f"{name} of the market was written to")
