"""An audit against numbers worked out by hand, and against what it promises of itself."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

import mechanisms
from mechanisms import AuditReport, Claims, Market, MarketError, Mechanism, MechanismError, Misreport, Outcome, regret
from mechanisms.utility import jain_index, utilities


@dataclass(frozen=True)
class Decreed:
    """Decides the same whatever is reported."""

    outcome: dict[str, Any]
    voluntary: bool = True
    allocates: bool = False
    budget: float | None = None
    name: str = "decreed"
    claims: ClassVar[Claims] = Claims()

    def clear(self, market: Market) -> Outcome:
        arrays = {name: np.array(array) for name, array in self.outcome.items()}
        everywhere = {name: np.broadcast_to(part, market.batch_shape + part.shape) for name, part in arrays.items()}
        return Outcome(**everywhere, welfare=np.zeros(market.batch_shape), status="decreed", solve_seconds=0.5)


@dataclass(frozen=True)
class Watched:
    """Passes everything to `inner`, keeps what it was asked, and gives no answer where `fails` says so."""

    inner: Mechanism
    asked: list[Market] = field(default_factory=list)
    fails: Callable[[Market], np.ndarray] = lambda market: np.zeros(market.batch_shape, dtype=bool)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def voluntary(self) -> bool:
        return self.inner.voluntary

    @property
    def allocates(self) -> bool:
        return self.inner.allocates

    @property
    def claims(self) -> Claims:
        return self.inner.claims

    def clear(self, market: Market) -> Outcome:
        self.asked.append(market)
        if self.fails(market).any():
            raise MechanismError("no answer")
        return self.inner.clear(market)


def prices_market(**fields: Any) -> Market:
    """Two edge devices of cost x + x^2 / 2 a point."""
    given: dict[str, Any] = {"unit_cost": [1, 1], "cost_slope": [1, 1], "demand": [2, 1], "value": [3, 3], "budget": 3}
    return Market(**(given | fields))


TWO_PRICES = Decreed({"unit_price": [2, 1.5], "effort": [1, 0.5], "points": [2, 0.5], "payment": [4, 0.75]})


def allocation_market(**fields: Any) -> Market:
    """Three users, two edge devices of one place each, a point each: serving costs 1.5 and 0.5 credits."""
    given: dict[str, Any] = {
        "unit_cost": [1, 0],
        "cost_slope": [1, 1],
        "demand": [9, 9],
        "value": [9, 9],
        "budget": 0,
        "user_value": [[5, 1], [4, 3], [2, 2]],
        "user_points": np.ones((3, 2)),
        "capacity": [1, 1],
    }
    return Market(**(given | fields))


TWO_SERVED = Decreed(
    {
        "unit_price": [2.0, 1.0],
        "effort": [1.0, 1.0],
        "points": [1.0, 1.0],
        "payment": [2.0, 1.0],
        "charge": [3.0, 1.0, 0.0],
        "allocation": [0, 1, -1],
    },
    allocates=True,
)


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
        user_value=rng.uniform(-1, 10, pairs),
        user_points=rng.uniform(0.5, 1, pairs),
        capacity=np.ones(market.unit_cost.shape, dtype=int),
    )


def audit(mechanism: Mechanism, market: Market, *, seed: int = 0, **options: Any) -> AuditReport:
    return mechanisms.audit(mechanism, market, rng=np.random.default_rng(seed), **options)


def without_clock(report: AuditReport) -> AuditReport:
    return replace(report, solve_seconds=0.0)


def test_prices_are_audited_as_by_hand() -> None:
    report = audit(TWO_PRICES, prices_market())
    assert report.min_utility == {"edge_devices": pytest.approx(1 * (1.5 * 0.5 - 0.5 - 0.125))}
    assert report.envy_max == {"edge_devices": pytest.approx(1 * (2 - 1.5) - 0.125)}
    assert report.jain == {"edge_devices": pytest.approx((1 + 0.125) ** 2 / (2 * (1 + 0.125**2)))}
    assert report.participation == {"edge_devices": 1.0}
    assert report.welfare == pytest.approx(2 * (3 - 1.5) + (1.5 - 0.5 - 0.125))
    assert report.welfare_ratio == pytest.approx(3.875 / (3 * 1.5))
    assert report.payments == pytest.approx(4.75)
    assert report.budget_excess_max == pytest.approx(4.75 - 3)
    assert (report.budget_balance, report.budget_balance_min) == (0, 0)
    assert (report.markets, report.solve_seconds) == (1, 0.5)
    assert report.regret_max == {"edge_devices": 0.0}


def test_an_allocation_is_audited_as_by_hand() -> None:
    report = audit(TWO_SERVED, allocation_market())
    assert report.min_utility == {"edge_devices": pytest.approx(2 - 1.5), "users": 0.0}
    # The second edge device would rather be paid 2 a point; the user who is not served rather have the second
    # expert, worth 2 to it, for 1.
    assert report.envy_max == {"edge_devices": pytest.approx((2 - 0.5) - (1 - 0.5)), "users": pytest.approx(2 - 1)}
    assert report.jain == {"edge_devices": pytest.approx(1.0), "users": pytest.approx((2 + 2) ** 2 / (3 * (4 + 4)))}
    assert report.participation == {"edge_devices": 1.0, "users": pytest.approx(2 / 3)}
    assert report.welfare == pytest.approx(5 + 3 - 1.5 - 0.5)
    assert report.welfare_ratio == pytest.approx(1.0)
    assert report.budget_balance == pytest.approx(4 - 3)
    assert report.budget_excess_max == pytest.approx(4.0)
    assert report.regret_max == {"edge_devices": 0.0, "users": 0.0}


@pytest.mark.parametrize(("bandwidth", "ratio"), [(False, 1.0), (True, 6 / 4)])
def test_welfare_is_compared_with_the_optimum_that_keeps_the_band_if_asked_to(bandwidth: bool, ratio: float) -> None:
    # The first user does not fit into the first expert's band: the best is then the second user there, the third here.
    band: dict[str, Any] = {"bandwidth_need": [[10, 1], [1, 1], [1, 1]], "bandwidth_limit": [5, 5]}
    report = audit(TWO_SERVED, allocation_market(**band), misreports=0, bandwidth=bandwidth)
    assert report.welfare_ratio == pytest.approx(ratio)


def test_an_edge_device_that_cannot_refuse_bears_the_cost_of_the_effort_it_is_told() -> None:
    report = audit(mechanisms.make("none"), prices_market())
    assert report.min_utility == {"edge_devices": -2 * 1.5}
    assert report.participation == {"edge_devices": 1.0}
    idle = replace(TWO_PRICES, voluntary=False, outcome=TWO_PRICES.outcome | {"effort": [1, 0]})
    assert audit(idle, prices_market()).participation == {"edge_devices": 0.5}


def test_a_voluntary_edge_device_answers_with_its_true_costs() -> None:
    # Told to give effort 0.5, both answer their prices 2 and 1.5 as they like best: with 1 and 0.5.
    report = audit(replace(TWO_PRICES, outcome=TWO_PRICES.outcome | {"effort": [0.5, 1]}), prices_market())
    assert report.welfare == pytest.approx(3.875)


def test_an_edge_device_that_would_not_work_at_its_own_price_envies_the_answer_it_would_give_to_a_better_one() -> None:
    # At price 0 the second of cost x^2 / 2 does nothing; at the first's, 1/2, it would give effort 1/2 for 3 points.
    nothing = {"effort": [0, 0], "points": [0, 0], "payment": [0, 0]}
    market = prices_market(unit_cost=[1, 0], demand=[2, 3])
    report = audit(Decreed({"unit_price": [0.5, 0]} | nothing), market)
    assert report.envy_max == {"edge_devices": pytest.approx(3 * (0.5 * 0.5 - 0.125))}
    assert report.participation == {"edge_devices": 0.0}


def test_who_takes_part_is_seen_from_true_answers() -> None:
    assert audit(TWO_PRICES, prices_market(unit_cost=[5, 1])).participation == {"edge_devices": 0.5}


def test_money_is_that_of_the_outcome_at_the_truth() -> None:
    market, vcg = random_users_market(10, 2, 4), mechanisms.make("vcg")
    outcome, report = vcg.clear(market), audit(vcg, market, misreports=0)
    assert report.budget_balance == pytest.approx(outcome.balance.mean())
    assert report.budget_balance_min == pytest.approx(outcome.balance.min())
    assert report.payments == pytest.approx(outcome.payment.sum() / 8)
    assert report.welfare == pytest.approx(outcome.welfare.mean())
    assert report.budget_balance_min < report.budget_balance


def test_the_worst_market_of_a_batch_is_told_beside_the_mean() -> None:
    report = audit(TWO_PRICES, prices_market(budget=[3.0, 1.0], demand=[[2, 1], [2, 3]]), misreports=0)
    assert report.budget_excess_max == pytest.approx(4.75 - 1)
    assert report.solve_seconds == 0.5 / 2
    assert report.min_utility == {"edge_devices": pytest.approx(0.125)}
    assert report.jain["edge_devices"] == pytest.approx(
        np.mean([1.125**2 / (2 * (1 + 0.125**2)), 1.375**2 / (2 * (1 + 0.375**2))])
    )
    # Both sums over the markets: the larger market counts more.
    assert report.welfare_ratio == pytest.approx((3.875 + 3 + 3 * 0.875) / (4.5 + 7.5))
    subsidised = replace(TWO_SERVED, outcome=TWO_SERVED.outcome | {"charge": [0.5, 1.0, 0.0]})
    assert audit(subsidised, allocation_market(), misreports=0).budget_balance_min == pytest.approx(-1.5)


def test_a_budget_of_the_mechanism_own_is_the_one_it_must_keep() -> None:
    assert audit(replace(TWO_PRICES, budget=10.0), prices_market()).budget_excess_max == pytest.approx(4.75 - 10)


@pytest.mark.parametrize(
    ("utility", "fairness"), [([1, 0, 0, 0], 0.25), ([2, 2, 2], 1), ([0, 0], 1), ([-1, 1], 0), ([3, 1], 16 / 20)]
)
def test_jain_index_of_known_shares(utility: list[float], fairness: float) -> None:
    assert jain_index(np.array(utility, dtype=float)) == pytest.approx(fairness)


@pytest.mark.parametrize(("demand", "voluntary", "ratio"), [(0.0, True, 1.0), (1.0, True, 1.0), (1.0, False, -np.inf)])
def test_where_nothing_is_worth_serving_only_no_welfare_is_all_of_the_optimum(
    demand: float, voluntary: bool, ratio: float
) -> None:
    market = prices_market(demand=[demand, demand], value=[0, 0])
    free = Decreed({name: [0, 0] for name in ("unit_price", "points", "payment")} | {"effort": [1, 1]}, voluntary)
    assert audit(free, market, misreports=0).welfare_ratio == ratio


def test_a_side_without_agents_is_left_out() -> None:
    none = np.zeros((3, 0))
    report = audit(mechanisms.make("posted_price"), Market(none, none, none, none, np.zeros(3)))
    assert (report.markets, report.regret_max, report.jain, report.welfare_ratio) == (3, {}, {}, 1.0)


@pytest.mark.parametrize("make_market", [random_market, random_users_market])
def test_a_lie_tells_of_one_agent_and_is_legal_in_both_directions(make_market: Callable[..., Market]) -> None:
    market = make_market(1)
    users = market.user_value is not None
    watched = Watched(TWO_SERVED if users else mechanisms.make("posted_price"))
    if users:
        outcome = {name: np.zeros(4) for name in ("unit_price", "effort", "points", "payment")}
        nobody: dict[str, Any] = {"charge": np.zeros(6), "allocation": np.full(6, -1)}
        watched = Watched(Decreed(outcome | nobody, allocates=True))
    audit(watched, market, misreports=60)
    changes = []
    for asked in watched.asked[1:]:
        costs = np.stack([asked.unit_cost - market.unit_cost, asked.cost_slope - market.cost_slope], axis=-1)
        liars = (costs != 0).any(axis=-1).sum(axis=-1)
        changes.append(costs[(costs != 0).any(axis=-1)])
        if users:
            assert asked.user_value is not None
            values = asked.user_value - market.user_value
            liars = liars + (values != 0).any(axis=-1).sum(axis=-1)
        assert liars.max() <= 1
        assert (asked.unit_cost >= 0).all()
        assert (asked.cost_slope > 0).all()
    lies = np.sign(np.concatenate(changes))
    for signs in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]:
        assert (lies == signs).all(axis=-1).any()


def test_a_user_lies_about_its_whole_row_one_entry_or_all_but_one() -> None:
    market = random_users_market(1)
    outcome = {name: np.zeros(4) for name in ("unit_price", "effort", "points", "payment")}
    nobody: dict[str, Any] = {"charge": np.zeros(6), "allocation": np.full(6, -1)}
    watched = Watched(Decreed(outcome | nobody, allocates=True))
    audit(watched, market, misreports=60)
    rows = [asked.user_value - market.user_value for asked in watched.asked if asked.user_value is not None]
    lies = np.concatenate([row.reshape(-1, market.num_experts) for row in rows])
    assert set(np.unique((lies != 0).sum(axis=-1))) >= {1, 3, 4}
    assert (lies > 0).any()
    assert (lies < 0).any()


@pytest.mark.parametrize("name", ["posted_price", "vcg"])
def test_the_same_seed_gives_the_same_report(name: str) -> None:
    market, mechanism = random_users_market(2, 3), mechanisms.make(name)
    first, second = (audit(mechanism, market, misreports=23, agents=2) for _ in range(2))
    assert without_clock(first) == without_clock(second)
    assert audit(mechanism, market, misreports=23, agents=2, seed=1).worst_misreport != first.worst_misreport


def test_regret_never_falls_as_the_budget_grows() -> None:
    market, posted_price = random_market(3, 4), mechanisms.make("posted_price")
    budgets = [0, 1, 4, 7, 20, 50, 51, 130]
    reports = [audit(posted_price, market, misreports=budget) for budget in budgets]
    means = [report.regret_mean["edge_devices"] for report in reports]
    maxima = [report.regret_max["edge_devices"] for report in reports]
    assert means == sorted(means)
    assert maxima == sorted(maxima)
    assert means[0] == maxima[0] == 0
    assert means[-1] > means[3] > 0
    assert [report.clearings for report in reports] == [4 + 16 * budget for budget in budgets]


@pytest.mark.parametrize("name", ["posted_price", "vcg"])
def test_the_worst_misreport_cleared_again_gains_what_is_told(name: str) -> None:
    market, mechanism = random_users_market(4, 2, 3), mechanisms.make(name)
    found = audit(mechanism, market, misreports=60).worst_misreport["edge_devices"]
    assert found.gain > 0.1
    truth = market.world(np.unravel_index(found.market, (2, 3)))  # type: ignore[arg-type]
    costs = {"unit_cost": truth.unit_cost.copy(), "cost_slope": truth.cost_slope.copy()}
    costs["unit_cost"][found.agent], costs["cost_slope"][found.agent] = found.report
    honest, lying = (
        utilities(mechanism, truth, mechanism.clear(asked))["edge_devices"][found.agent]
        for asked in (truth, replace(truth, **costs))
    )
    assert lying - honest == pytest.approx(found.gain, rel=1e-9)


def test_leading_axes_make_no_difference() -> None:
    market = random_market(5, 6)
    fields = {entry.name: getattr(market, entry.name) for entry in dataclasses.fields(market)}
    given = {name: array for name, array in fields.items() if array is not None}
    folded = Market(**{name: array.reshape(2, 3, *array.shape[1:]) for name, array in given.items()})
    posted_price = mechanisms.make("posted_price")
    reports = [without_clock(audit(posted_price, asked, misreports=20)) for asked in (market, folded)]
    assert reports[0] == reports[1]


def test_some_agents_are_drawn_from_each_market_none_twice() -> None:
    market, posted_price = random_market(6, 5), mechanisms.make("posted_price")
    few = audit(posted_price, market, misreports=10, agents=3)
    assert few.agents == {"edge_devices": 15}
    assert few.clearings == 5 + 15 * 10
    assert audit(posted_price, market, misreports=10, agents=99).agents == {"edge_devices": 20}
    watched = Watched(posted_price)
    audit(watched, market, misreports=50, agents=3)
    lied = (watched.asked[1].unit_cost != market.unit_cost.repeat(3, axis=0)[:, np.newaxis]).any(axis=1)
    for asked in watched.asked[2:]:
        lied |= (asked.unit_cost != market.unit_cost.repeat(3, axis=0)[:, np.newaxis]).any(axis=1)
    assert lied.reshape(5, 3, 4).any(axis=1).sum(axis=-1).tolist() == [3] * 5


def test_deviating_markets_are_cleared_many_at_a_time_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    market = random_market(7, 50)
    sizes = []
    for bound in (100, regret.CHUNK_ENTRIES):
        monkeypatch.setattr(regret, "CHUNK_ENTRIES", bound)
        watched = Watched(mechanisms.make("posted_price"))
        report = audit(watched, market, misreports=10)
        assert report.clearings == 50 + 200 * 10
        sizes.append(max(asked.unit_cost.size for asked in watched.asked[1:]))
    assert 0 < sizes[0] <= 100
    assert sizes[1] == 200 * regret.ROUND * 4


def test_failed_clearings_are_counted_and_a_market_that_fails_at_the_truth_is_not_measured() -> None:
    market = random_market(8, 4)
    unit_cost = market.unit_cost.copy()
    unit_cost[1, 0] = 9.0
    market = replace(market, unit_cost=unit_cost)
    watched = Watched(mechanisms.make("posted_price"), fails=lambda asked: asked.unit_cost.max(axis=-1) > 3.2)
    report = audit(watched, market, misreports=30)
    alone = [asked for asked in watched.asked if asked.batch_shape == ()]
    failed = sum(bool(watched.fails(asked)) for asked in alone)
    assert (report.markets, report.failed_clearings) == (3, failed)
    assert failed > 10
    assert report.clearings == 4 + 12 * 30
    assert report.worst_misreport["edge_devices"].report[0] <= 3.2
    # The other markets are measured as if the failed one were not there, and found by their place in the batch.
    keep = np.array([0, 2, 3])
    others = audit(
        watched, Market(**{name: array[keep] for name, array in regret.given_fields(market).items()}), misreports=30
    )
    assert others.welfare == report.welfare
    assert others.regret_mean == report.regret_mean
    place = others.worst_misreport["edge_devices"].market
    assert report.worst_misreport["edge_devices"].market == keep[place]


def test_the_outcome_of_a_market_that_failed_is_blank() -> None:
    market, vcg = random_users_market(8, 2, 3), mechanisms.make("vcg")
    bound = np.sort(market.unit_cost.max(axis=-1), axis=None)[3]
    counted = regret.Clearings(Watched(vcg, fails=lambda asked: asked.unit_cost.max(axis=-1) > bound))
    outcome, succeeded = counted.clear(market)
    assert (counted.total, counted.failed, succeeded.sum()) == (6, 2, 4)
    assert outcome is not None
    assert outcome.allocation is not None
    assert outcome.charge is not None
    assert (outcome.allocation[~succeeded] == -1).all()
    assert np.isnan(outcome.charge[~succeeded]).all()
    expected = vcg.clear(market)
    assert expected.allocation is not None
    assert expected.charge is not None
    assert (outcome.allocation[succeeded] == expected.allocation[succeeded]).all()
    assert outcome.charge[succeeded] == pytest.approx(expected.charge[succeeded])
    assert outcome.balance[succeeded] == pytest.approx(expected.balance[succeeded])


def test_where_nothing_clears_there_is_an_error_and_no_report() -> None:
    watched = Watched(mechanisms.make("posted_price"), fails=lambda asked: asked.unit_cost.max(axis=-1) >= 0)
    with pytest.raises(MechanismError, match="posted_price: not one of 4 markets"):
        audit(watched, random_market(9, 4))


def test_where_every_misreport_fails_nobody_gains() -> None:
    market = random_market(9)
    watched = Watched(
        mechanisms.make("posted_price"),
        fails=lambda asked: (
            (asked.unit_cost != market.unit_cost).any(-1) | (asked.cost_slope != market.cost_slope).any(-1)
        ),
    )
    report = audit(watched, market, misreports=20)
    assert report.regret_max == {"edge_devices": 0.0}
    assert report.failed_clearings > 60


@pytest.mark.parametrize(
    ("options", "message"),
    [({"misreports": -1}, "misreports = -1: must be >= 0"), ({"agents": 0}, "agents = 0: must be >= 1")],
)
def test_an_argument_below_its_limit_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit(mechanisms.make("none"), prices_market(), **options)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch \(0,\) holds no market"):
        audit(mechanisms.make("none"), random_market(0, 0))


def test_a_market_without_users_is_refused_by_a_mechanism_that_allocates() -> None:
    with pytest.raises(MarketError, match="vcg needs user_value"):
        audit(mechanisms.make("vcg"), prices_market())


EVERYTHING = Claims(
    strategic=frozenset({"edge_devices", "users"}),
    incentive_compatible=frozenset({"edge_devices", "users"}),
    individually_rational=frozenset({"edge_devices", "users"}),
    budget_balanced=True,
    within_budget=True,
    efficient=True,
)


def spotless() -> AuditReport:
    nobody = Misreport(0, 0, (0.0,), 0.0)
    return AuditReport(
        mechanism="saint",
        markets=1,
        regret_mean={"edge_devices": 0.0, "users": 0.0},
        regret_max={"edge_devices": 0.0, "users": 0.0},
        worst_misreport={"edge_devices": nobody, "users": nobody},
        min_utility={"edge_devices": 0.0, "users": 0.0},
        budget_balance=0.0,
        budget_balance_min=0.0,
        budget_excess_max=0.0,
        payments=0.0,
        welfare=0.0,
        welfare_ratio=1.0,
        jain={"edge_devices": 1.0, "users": 1.0},
        envy_max={"edge_devices": 0.0, "users": 0.0},
        participation={"edge_devices": 1.0, "users": 1.0},
        solve_seconds=0.0,
        misreports=1,
        agents={"edge_devices": 1, "users": 1},
        clearings=1,
        failed_clearings=0,
    )


def test_a_spotless_report_contradicts_nothing_and_a_bad_one_nothing_that_is_not_claimed() -> None:
    assert mechanisms.violations(spotless(), EVERYTHING) == []
    bad = replace(spotless(), welfare_ratio=0.5, budget_balance_min=-1.0, budget_excess_max=1.0)
    assert mechanisms.violations(bad, Claims()) == []


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (
            {"regret_max": {"edge_devices": 0.25, "users": 0.0}},
            "incentive compatibility of edge_devices.* 0.25 credits",
        ),
        ({"regret_max": {"edge_devices": 0.0, "users": 0.5}}, "incentive compatibility of users.* 0.5 credits"),
        ({"min_utility": {"edge_devices": -0.125, "users": 0.0}}, "rationality of edge_devices.* -0.125 credits"),
        ({"min_utility": {"edge_devices": 0.0, "users": -2.0}}, "rationality of users.* -2 credits"),
        ({"budget_balance_min": -0.75}, "budget balance.* -0.75 credits"),
        ({"budget_excess_max": 1.5}, "exceed it by 1.5 credits"),
        ({"welfare_ratio": 0.875}, "efficiency.* 0.875 of the optimum"),
        ({"welfare_ratio": 1.125}, "efficiency.* 1.125 of the optimum"),
        ({"welfare_ratio": np.nan}, "efficiency.* nan of the optimum"),
        ({"regret_max": {"edge_devices": 0.0}}, "incentive compatibility of users.* nan credits"),
    ],
)
def test_each_claim_that_is_contradicted_is_told_with_the_number(measured: dict[str, Any], words: str) -> None:
    found = mechanisms.violations(replace(spotless(), **measured), EVERYTHING)
    assert len(found) == 1
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found[0])
    assert found[0].startswith("saint claims ")


def test_a_difference_within_the_tolerance_is_rounding() -> None:
    report = replace(spotless(), regret_max={"edge_devices": 1e-4, "users": 0.0}, welfare_ratio=1 - 1e-4)
    assert len(mechanisms.violations(report, EVERYTHING)) == 2
    assert mechanisms.violations(report, EVERYTHING, tolerance=1e-3) == []
