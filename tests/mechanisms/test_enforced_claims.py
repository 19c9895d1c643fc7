"""Claims of enforced effort, where work differs from points and there are fixed costs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from mechanisms import Effort, Market, UserReports
from mechanisms.auditing.utility import utilities
from mechanisms.effort import EFFORTS
from mechanisms.testing import draw_market


def sellers(seed: int, **fields: Any) -> Market:
    """Return markets of 7 edge devices, whose points take half to three times the work."""
    rng = np.random.default_rng(seed)
    shape = (30, 7)
    demand = rng.uniform(0.2, 1.0, shape)
    drawn = {
        "unit_cost": rng.uniform(0.5, 3.0, shape),
        "cost_slope": rng.uniform(0.5, 1.5, shape),
        "demand": demand,
        "value": rng.uniform(2.0, 8.0, shape),
        "budget": rng.uniform(0.5, 3.0, 30) * 4,
        "work": demand * rng.uniform(0.5, 3.0, shape),
        "fixed_cost": demand * rng.uniform(0.0, 0.8, shape) * (rng.random(shape) < 0.6),
        "effort": "enforced",
    }
    return Market(**(drawn | fields))


def of_menu_types(seed: int) -> Market:
    """Return the same where costs are multiples of the base cost of the default prior."""
    multiple = np.random.default_rng(seed).uniform(0.4, 2.0, (30, 7))
    return sellers(seed, unit_cost=1.75 * multiple, cost_slope=multiple)


def traders(seed: int) -> Market:
    """Return two topics, in which a unit of work is worth the same to a user everywhere.

    Points do not follow the work: experts of a topic have competences of their own.
    """
    rng = np.random.default_rng(seed)
    market = sellers(seed)
    pairs = (30, 9, 7)
    topic, expert_topic = rng.integers(-1, 2, (30, 9)), rng.integers(0, 2, (30, 7))
    work = rng.uniform(0.3, 2.0, pairs)
    users = UserReports(
        value=work * rng.uniform(0.0, 7.0, (30, 9, 1)),
        points=work * rng.uniform(0.3, 2.0, pairs),
        work=work,
        fixed_cost=rng.uniform(0.0, 1.5, pairs) * (rng.random(pairs) < 0.5),
        topic=topic,
    )
    capacity = rng.integers(0, 3, (30, 7))
    return replace(market, users=users, capacity=capacity, expert_topic=expert_topic)


CLAIMED: dict[str, Callable[[int], Market]] = {
    "contract": of_menu_types,
    "proportional_share": sellers,
    "double_auction": traders,
}


@pytest.mark.parametrize("name", CLAIMED)
def test_only_these_claim_nothing_where_effort_is_bought(name: str) -> None:
    assert mechanisms.make(name).claims.regimes == {"enforced"}
    for other in set(mechanisms.names()) - set(CLAIMED):
        assert mechanisms.make(other).claims.regimes == set(EFFORTS)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CLAIMED)
def test_the_truth_is_best_in_every_field_that_is_claimed_and_nobody_loses(
    name: str, seed: int
) -> None:
    mechanism = mechanisms.make(name)
    market = CLAIMED[name](seed)
    rng = np.random.default_rng(1)
    report = mechanisms.audit(mechanism, market, rng=rng, misreports=150)
    assert mechanisms.violations(report, mechanism.claims, tolerance=1e-9) == []
    for field in mechanism.claims.incentive_compatible:
        assert report.fields[field].max <= 1e-9
    assert 0.1 < report.participation["edge_devices"] < 0.9
    assert report.payments > 0


@pytest.mark.parametrize("name", CLAIMED)
def test_fixed_costs_make_some_decline_what_they_would_sell_without(name: str) -> None:
    market = CLAIMED[name](1)
    users = market.users
    if users is not None:
        users = replace(users, fixed_cost=np.zeros_like(users.fixed_cost))
    without = replace(market, fixed_cost=np.zeros_like(market.fixed_cost), users=users)
    sold = {
        part: mechanisms.make(name).clear(one).effort > 0
        for part, one in (("with", market), ("without", without))
    }
    assert (sold["without"] & ~sold["with"]).sum() > 3


@pytest.mark.parametrize("name", CLAIMED)
def test_where_effort_is_bought_lies_pay_and_nothing_is_contradicted(name: str) -> None:
    mechanism = mechanisms.make(name)
    market = replace(CLAIMED[name](2), effort="bought")
    report = mechanisms.audit(mechanism, market, rng=np.random.default_rng(0), misreports=100)
    assert report.effort == "bought"
    assert max(report.regret_max.values()) > 1e-3
    assert mechanisms.violations(report, mechanism.claims) == []
    # Who would lose declines all the same.
    assert report.min_utility["edge_devices"] >= -1e-9


def test_a_seller_that_lies_itself_into_a_trade_declines_it() -> None:
    # Asks 2 and 5 of the second and third; the first's is 6. By asking 1 it sells at 2, or at p,
    # below its cost, and would lose.
    users = UserReports(value=[[9.0] * 3, [8.0] * 3, [7.0] * 3], points=np.ones((3, 3)))
    truth = Market(
        [5.75, 1.75, 4.75], [0.5] * 3, [1.0] * 3, [9.0] * 3, 0.0, users=users, effort="enforced"
    )
    mechanism = mechanisms.make("double_auction")
    lied = truth.with_experts(truth.experts._replace(unit_cost=np.array([0.75, 1.75, 4.75])))
    outcome = mechanism.clear(lied)
    assert outcome.effort[0] == 1.0
    assert outcome.unit_price[0] < 6.0
    had = utilities(mechanism, truth, outcome)
    served = outcome.allocation_by("double_auction").expert.tolist().index(0)
    assert (had["edge_devices"][0], had["users"][served]) == (0.0, 0.0)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("listed", [None, 3])
def test_under_vcg_the_truth_is_best_for_users_in_the_fields_that_are_claimed(
    listed: int | None, effort: Effort
) -> None:
    vcg = mechanisms.make("vcg")
    for seed in range(3):
        market = draw_market(seed, users=8, experts=6, listed=listed, effort=effort)
        report = mechanisms.audit(vcg, market, rng=np.random.default_rng(seed), misreports=100)
        claims = vcg.claims.under(effort)
        assert mechanisms.violations(report, claims, tolerance=1e-9) == []
        for field in claims.incentive_compatible:
            assert report.fields[field].max <= 1e-9
        # What is not claimed does pay.
        assert report.fields["users.points_and_work"].max > 0.1
        assert report.fields["edge_devices.costs"].max > 0.1


def test_under_double_auction_lies_about_services_and_topics_pay() -> None:
    double_auction = mechanisms.make("double_auction")
    most: dict[str, float] = {}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        report = mechanisms.audit(double_auction, traders(seed), rng=rng, misreports=20)
        for name, field in report.fields.items():
            most[name] = max(field.max, most.get(name, 0.0))
    pays = {name for name, gain in most.items() if gain > 0.1}
    services = {"users.points", "users.work", "users.points_and_work"}
    assert pays == services | {"users.topic", "edge_devices.topic"}


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", [name for name in mechanisms.names() if name not in CLAIMED])
def test_all_others_keep_their_claims_in_both_regimes(name: str, effort: Effort) -> None:
    mechanism = mechanisms.make(name)
    for listed in (None, 3):
        market = draw_market(5, users=8, experts=5, listed=listed, effort=effort)
        rng = np.random.default_rng(0)
        fields = mechanism.claims.under(effort).incentive_compatible
        report = mechanisms.audit(
            mechanism, market, rng=rng, misreports=20, agents=2, fields=fields
        )
        assert mechanisms.violations(report, mechanism.claims) == []
        if name != "none":
            assert report.min_utility["edge_devices"] >= -1e-9
