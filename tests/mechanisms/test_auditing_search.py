"""Audits of random markets: misreports tried and found, and clearings that fail."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from mechanisms import AuditReport, Market, Mechanism, MechanismError, Outcome, UserReports
from mechanisms.auditing import clearings
from mechanisms.auditing.clearings import Clearings
from mechanisms.auditing.misreports import ROUND
from mechanisms.auditing.utility import utilities
from tests.mechanisms.wrapped import Wrapped


@dataclass(frozen=True)
class Watched(Wrapped):
    """A mechanism that keeps the markets it is given, and fails where `fails` says so."""

    asked: list[Market] = field(default_factory=list)
    fails: Callable[[Market], np.ndarray] = lambda market: np.zeros(market.batch_shape, dtype=bool)

    def clear(self, market: Market) -> Outcome:
        self.asked.append(market)
        if self.fails(market).any():
            raise MechanismError("no answer")
        return self.inner.clear(market)


def random_market(seed: int, *batch_shape: int, num_experts: int = 4) -> Market:
    rng = np.random.default_rng(seed)
    shape = (*batch_shape, num_experts)
    return Market(
        unit_cost=rng.uniform(0.5, 3.0, shape),
        cost_slope=rng.uniform(0.5, 1.5, shape),
        demand=rng.uniform(0.2, 1.0, shape),
        value=np.full(shape, 3.8),
        budget=np.full(batch_shape, 4.0),
    )


def random_users_market(seed: int, *batch_shape: int) -> Market:
    rng = np.random.default_rng(seed)
    market = random_market(seed, *batch_shape)
    pairs = (*batch_shape, 6, market.num_experts)
    return replace(
        market,
        capacity=np.ones(market.unit_cost.shape, dtype=int),
        users=UserReports(value=rng.uniform(-1, 10, pairs), points=rng.uniform(0.5, 1, pairs)),
    )


def audit(mechanism: Mechanism, market: Market, *, seed: int = 0, **options: Any) -> AuditReport:
    return mechanisms.audit(mechanism, market, rng=np.random.default_rng(seed), **options)


def without_clock(report: AuditReport) -> AuditReport:
    return replace(report, solve_seconds=0.0)


def test_money_is_that_of_the_outcome_at_the_truth() -> None:
    market, vcg = random_users_market(10, 2, 4), mechanisms.make("vcg")
    outcome, report = vcg.clear(market), audit(vcg, market, misreports=0)
    assert report.budget_balance == pytest.approx(outcome.balance.mean())
    assert report.budget_balance_min == pytest.approx(outcome.balance.min())
    assert report.payments == pytest.approx(outcome.payment.sum() / 8)
    assert report.welfare == pytest.approx(outcome.welfare.mean())
    assert report.budget_balance_min < report.budget_balance


def agents_that_lie(asked: Market, truth: Market) -> np.ndarray:
    """Return of how many agents the reports in each market are not true."""
    edge_devices = sum(
        getattr(asked, name) != getattr(truth, name)
        for name in ("unit_cost", "cost_slope", "capacity", "bandwidth_limit", "expert_topic")
    )
    liars = (edge_devices > 0).sum(axis=-1)
    if asked.users is not None and truth.users is not None:
        liars = liars + (asked.users.topic != truth.users.topic).sum(axis=-1)
        pairs = sum(
            getattr(asked.users, name) != getattr(truth.users, name)
            for name in ("value", "points", "work", "bandwidth_need")
        )
        liars = liars + (pairs > 0).any(axis=-1).sum(axis=-1)
    return liars


@pytest.mark.parametrize("make_market", [random_market, random_users_market])
def test_a_lie_tells_of_one_agent_and_is_legal_in_both_directions(
    make_market: Callable[..., Market],
) -> None:
    market = make_market(1)
    watched = Watched(mechanisms.make("posted_price" if market.users is None else "vcg"))
    audit(watched, market, misreports=60)
    changes = []
    for asked in watched.asked[1:]:
        assert agents_that_lie(asked, market).max() <= 1
        costs = np.stack(
            [asked.unit_cost - market.unit_cost, asked.cost_slope - market.cost_slope], axis=-1
        )
        changes.append(costs[(costs != 0).any(axis=-1)])
        assert (asked.unit_cost >= 0).all()
        assert (asked.cost_slope > 0).all()
    lies = np.sign(np.concatenate(changes))
    for signs in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]:
        assert (lies == signs).all(axis=-1).any()


def test_a_user_lies_about_its_whole_row_one_entry_or_all_but_one() -> None:
    market = random_users_market(1)
    watched = Watched(mechanisms.make("vcg"))
    audit(watched, market, misreports=60)
    rows = [asked.users.value - market.users.value for asked in watched.asked]
    lies = np.concatenate([row.reshape(-1, market.num_experts) for row in rows])
    assert set(np.unique((lies != 0).sum(axis=-1))) >= {1, 3, 4}
    assert (lies > 0).any()
    assert (lies < 0).any()


@pytest.mark.parametrize("name", ["posted_price", "vcg"])
def test_the_same_seed_gives_the_same_report(name: str) -> None:
    market, mechanism = random_users_market(2, 3), mechanisms.make(name)
    first, second = (audit(mechanism, market, misreports=23, agents=2) for _ in range(2))
    assert without_clock(first) == without_clock(second)
    assert audit(mechanism, market, misreports=23, agents=2, seed=1).fields != first.fields


def test_regret_never_falls_as_the_budget_grows() -> None:
    market, posted_price = random_market(3, 4), mechanisms.make("posted_price")
    budgets = [0, 1, 4, 7, 20, 50, 51, 130]
    reports = [audit(posted_price, market, misreports=budget) for budget in budgets]
    means = [report.regret_mean["edge_devices"] for report in reports]
    maxima = [report.regret_max["edge_devices"] for report in reports]
    assert means == sorted(means)
    assert maxima == sorted(maxima)
    assert means[-1] > means[0] > 0
    # Lies that are known beforehand come first, whatever the number of others.
    first = reports[0].clearings
    assert first > 4 + 16
    assert [report.clearings for report in reports] == [first + 16 * budget for budget in budgets]


@pytest.mark.parametrize("name", ["posted_price", "vcg"])
def test_the_worst_misreport_cleared_again_gains_what_is_told(name: str) -> None:
    market, mechanism = random_users_market(4, 2, 3), mechanisms.make(name)
    found = audit(mechanism, market, misreports=60).fields["edge_devices.costs"].worst
    assert found.gain > 0.1
    truth = market.world(np.unravel_index(found.market, (2, 3)))  # type: ignore[arg-type]
    costs = {"unit_cost": truth.unit_cost.copy(), "cost_slope": truth.cost_slope.copy()}
    costs["unit_cost"][found.agent], costs["cost_slope"][found.agent] = found.report
    honest, lying = (
        utilities(mechanism, truth, mechanism.clear(asked))["edge_devices"][found.agent]
        for asked in (truth, replace(truth, **costs))
    )
    assert lying - honest == pytest.approx(found.gain, rel=1e-9)


@pytest.mark.parametrize("field", ["users.points", "users.work", "users.points_and_work"])
def test_a_user_that_misreports_a_service_gains_what_is_told(field: str) -> None:
    market, mechanism = random_users_market(4, 6), mechanisms.make("vcg")
    found = audit(mechanism, market, misreports=60).fields[field].worst
    truth = market.world(found.market)
    told = {}
    for name in field.removeprefix("users.").split("_and_"):
        told[name] = getattr(truth.users, name).copy()
        own = told[name][found.agent] if "_and_" in field else 1.0
        told[name][found.agent] = own * np.array(found.report)
    told.setdefault("work", truth.users.work)
    lied = replace(truth, users=replace(truth.users, **told))
    honest, lying = (
        utilities(mechanism, truth, mechanism.clear(asked))["users"][found.agent]
        for asked in (truth, lied)
    )
    assert lying - honest == pytest.approx(found.gain, rel=1e-9, abs=1e-12)
    assert (found.gain > 0.1) == (field != "users.points")


def test_leading_axes_make_no_difference() -> None:
    market = random_market(5, 6)
    folded = market.reshaped(2, 3)
    posted_price = mechanisms.make("posted_price")
    reports = [
        without_clock(audit(posted_price, asked, misreports=20)) for asked in (market, folded)
    ]
    assert reports[0] == reports[1]


def test_some_agents_are_drawn_from_each_market_none_twice() -> None:
    market, posted_price = random_market(6, 5), mechanisms.make("posted_price")
    few = audit(posted_price, market, misreports=10, agents=3)
    assert few.agents == {"edge_devices": 15}
    # All but one misreport are cleared: who withdraws has nothing.
    assert few.clearings == 5 + 15 * (few.misreports["edge_devices"] - 1)
    assert audit(posted_price, market, misreports=10, agents=99).agents == {"edge_devices": 20}
    watched = Watched(posted_price)
    audit(watched, market, misreports=50, agents=3)
    lied = (watched.asked[1].unit_cost != market.unit_cost.repeat(3, axis=0)[:, np.newaxis]).any(
        axis=1
    )
    for asked in watched.asked[2:]:
        lied |= (asked.unit_cost != market.unit_cost.repeat(3, axis=0)[:, np.newaxis]).any(axis=1)
    assert lied.reshape(5, 3, 4).any(axis=1).sum(axis=-1).tolist() == [3] * 5


def test_deviating_markets_are_cleared_many_at_a_time_within_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = random_market(7, 50)
    sizes = []
    for bound in (100, clearings.CHUNK_ENTRIES):
        monkeypatch.setattr(clearings, "CHUNK_ENTRIES", bound)
        watched = Watched(mechanisms.make("posted_price"))
        report = audit(watched, market, misreports=10)
        assert report.clearings == 50 + 200 * (report.misreports["edge_devices"] - 1)
        sizes.append(max(asked.unit_cost.size for asked in watched.asked[1:]))
    assert 0 < sizes[0] <= 100
    assert sizes[1] == 200 * ROUND * 4


def test_failed_clearings_are_counted_and_a_market_that_fails_at_the_truth_is_left_out() -> None:
    market = random_market(8, 4)
    unit_cost = market.unit_cost.copy()
    unit_cost[1, 0] = 9.0
    market = replace(market, unit_cost=unit_cost)
    watched = Watched(
        mechanisms.make("posted_price"), fails=lambda asked: asked.unit_cost.max(axis=-1) > 3.2
    )
    report = audit(watched, market, misreports=30)
    alone = [asked for asked in watched.asked if asked.batch_shape == ()]
    failed = sum(bool(watched.fails(asked)) for asked in alone)
    assert (report.markets, report.failed_clearings) == (3, failed)
    assert failed > 10
    assert report.clearings == 4 + 12 * (report.misreports["edge_devices"] - 1)
    assert report.worst_misreport("edge_devices").report[0] <= 3.2
    # The other markets are measured as if the failed one were not there, and found by their place
    # in the batch.
    keep = np.array([0, 2, 3])
    others = audit(
        watched,
        market.world(keep),
        misreports=30,
    )
    assert others.welfare == report.welfare
    assert others.regret_mean == report.regret_mean
    place = others.worst_misreport("edge_devices").market
    assert report.worst_misreport("edge_devices").market == keep[place]


def test_the_outcome_of_a_market_that_failed_is_blank() -> None:
    market, vcg = random_users_market(8, 2, 3), mechanisms.make("vcg")
    bound = np.sort(market.unit_cost.max(axis=-1), axis=None)[3]
    counted = Clearings(Watched(vcg, fails=lambda asked: asked.unit_cost.max(axis=-1) > bound))
    outcome, succeeded = counted.clear(market)
    assert (counted.total, counted.failed, succeeded.sum()) == (6, 2, 4)
    assert outcome is not None
    assert (outcome.allocation.expert[~succeeded] == -1).all()
    assert np.isnan(outcome.allocation.charge[~succeeded]).all()
    expected = vcg.clear(market)
    assert (outcome.allocation.expert[succeeded] == expected.allocation.expert[succeeded]).all()
    assert outcome.allocation.charge[succeeded] == pytest.approx(
        expected.allocation.charge[succeeded]
    )
    assert outcome.balance[succeeded] == pytest.approx(expected.balance[succeeded])


def test_where_nothing_clears_there_is_an_error_and_no_report() -> None:
    watched = Watched(
        mechanisms.make("posted_price"), fails=lambda asked: asked.unit_cost.max(axis=-1) >= 0
    )
    with pytest.raises(MechanismError, match="posted_price: not one of 4 markets"):
        audit(watched, random_market(9, 4))


def test_where_every_misreport_fails_nobody_gains() -> None:
    market = random_market(9)
    watched = Watched(
        mechanisms.make("posted_price"),
        fails=lambda asked: (
            (asked.unit_cost != market.unit_cost).any(-1)
            | (asked.cost_slope != market.cost_slope).any(-1)
        ),
    )
    report = audit(watched, market, misreports=20)
    assert report.regret_max == {"edge_devices": 0.0}
    assert report.failed_clearings > 60


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch \(0,\) holds no market"):
        audit(mechanisms.make("none"), random_market(0, 0))
