"""An audit against numbers worked out by hand."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

import mechanisms
from mechanisms import (
    Allocation,
    AuditReport,
    Claims,
    Market,
    MarketError,
    Mechanism,
    Outcome,
    UserReports,
)
from mechanisms.effort import EFFORTS
from mechanisms.fairness import jain_index


@dataclass(frozen=True)
class Decreed:
    """Decides the same whatever is reported."""

    outcome: dict[str, Any]
    allocates: bool = False
    budget: float | None = None
    name: str = "decreed"
    claims: ClassVar[Claims] = Claims()

    def clear(self, market: Market) -> Outcome:
        everywhere: dict[str, Any] = {}
        for name, array in self.outcome.items():
            part = np.array(array)
            everywhere[name] = np.broadcast_to(part, market.batch_shape + part.shape)
        if self.allocates:
            everywhere["allocation"] = Allocation(
                *(everywhere.pop(name) for name in Allocation._fields)
            )
        return Outcome(
            **everywhere, welfare=np.zeros(market.batch_shape), status="decreed", solve_seconds=0.5
        )


def prices_market(**fields: Any) -> Market:
    """Two edge devices of cost x + x^2 / 2 a point."""
    given: dict[str, Any] = {
        "unit_cost": [1, 1],
        "cost_slope": [1, 1],
        "demand": [2, 1],
        "value": [3, 3],
        "budget": 3,
    }
    return Market(**(given | fields))


TWO_PRICES = Decreed(
    {"unit_price": [2, 1.5], "effort": [1, 0.5], "points": [2, 0.5], "payment": [4, 0.75]}
)


def allocation_market(**fields: Any) -> Market:
    """Return three users and two edge devices of one place each.

    A pair has a point, and serving it costs 1.5 or 0.5 credits.
    """
    given: dict[str, Any] = {
        "unit_cost": [1, 0],
        "cost_slope": [1, 1],
        "demand": [9, 9],
        "value": [9, 9],
        "budget": 0,
        "capacity": [1, 1],
        "users": {"value": [[5, 1], [4, 3], [2, 2]], "points": np.ones((3, 2))},
    }
    users = UserReports(**(given.pop("users") | fields.pop("users", {})))
    return Market(**(given | fields), users=users)


TWO_SERVED = Decreed(
    {
        "unit_price": [2.0, 1.0],
        "effort": [1.0, 1.0],
        "points": [1.0, 1.0],
        "payment": [2.0, 1.0],
        "charge": [3.0, 1.0, 0.0],
        "expert": [0, 1, -1],
        "pair_price": [2.0, 1.0, 0.0],
    },
    allocates=True,
)


def audit(mechanism: Mechanism, market: Market, *, seed: int = 0, **options: Any) -> AuditReport:
    return mechanisms.audit(mechanism, market, rng=np.random.default_rng(seed), **options)


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
    # The second edge device would rather be paid 2 a point; the user who is not served rather have
    # the second expert, worth 2 to it, for 1.
    assert report.envy_max == {
        "edge_devices": pytest.approx((2 - 0.5) - (1 - 0.5)),
        "users": pytest.approx(2 - 1),
    }
    assert report.jain == {
        "edge_devices": pytest.approx(1.0),
        "users": pytest.approx((2 + 2) ** 2 / (3 * (4 + 4))),
    }
    assert report.participation == {"edge_devices": 1.0, "users": pytest.approx(2 / 3)}
    assert report.welfare == pytest.approx(5 + 3 - 1.5 - 0.5)
    assert report.welfare_ratio == pytest.approx(1.0)
    assert report.budget_balance == pytest.approx(4 - 3)
    assert report.budget_excess_max == pytest.approx(4.0)
    assert report.regret_max == {"edge_devices": 0.0, "users": 0.0}


@pytest.mark.parametrize(("bandwidth", "ratio"), [(False, 1.0), (True, 6 / 4)])
def test_welfare_is_compared_with_the_optimum_that_keeps_the_band_if_asked_to(
    bandwidth: bool, ratio: float
) -> None:
    # The first user does not fit into the first expert's band: the best is then the second user
    # there, the third here.
    band: dict[str, Any] = {
        "bandwidth_limit": [5, 5],
        "users": {"bandwidth_need": [[10, 1], [1, 1], [1, 1]]},
    }
    report = audit(TWO_SERVED, allocation_market(**band), misreports=0, bandwidth=bandwidth)
    assert report.welfare_ratio == pytest.approx(ratio)


def test_a_free_edge_device_bears_the_cost_of_the_effort_it_is_told() -> None:
    for effort in EFFORTS:
        report = audit(mechanisms.make("none"), prices_market(effort=effort))
        assert report.min_utility == {"edge_devices": -2 * 1.5}
        assert report.participation == {"edge_devices": 1.0}


def test_where_effort_is_enforced_an_edge_device_gives_what_is_ordered_or_declines() -> None:
    idle = replace(TWO_PRICES, outcome=TWO_PRICES.outcome | {"effort": [1, 0]})
    market = prices_market(effort="enforced")
    assert audit(idle, market).participation == {"edge_devices": 0.5}
    # Full effort costs 1.5 a point, which is the second's price: it earns nothing by it and serves.
    told = replace(TWO_PRICES, outcome=TWO_PRICES.outcome | {"effort": [0.5, 1]})
    report = audit(told, market)
    assert report.min_utility == {"edge_devices": 0.0}
    assert report.welfare == pytest.approx(2 * (1.5 - 0.625) + (3 - 1.5))
    # At a true cost a little above, it declines.
    dearer = audit(told, prices_market(effort="enforced", unit_cost=[1, 1.01]))
    assert dearer.min_utility == {"edge_devices": 0.0}
    assert dearer.participation == {"edge_devices": 0.5}


def test_an_edge_device_that_its_fixed_cost_would_make_lose_declines() -> None:
    # The first earns 2 (2 - 1.5) = 1 by its points, the second 0.125.
    for effort in EFFORTS:
        report = audit(TWO_PRICES, prices_market(fixed_cost=[0.5, 0.2], effort=effort))
        assert report.participation == {"edge_devices": 0.5}
        assert report.min_utility == {"edge_devices": 0.0}
        assert report.welfare == pytest.approx(2 * (3 - 1.5) - 0.5)
        # The optimum counts fixed costs too: both serve in full.
        assert report.welfare_ratio == pytest.approx(2.5 / (2.5 + 1.5 - 0.2))


def test_costs_are_counted_by_work() -> None:
    # With twice the points for the same work a point costs half: both give full effort.
    market = prices_market(work=[1, 0.5])
    report = audit(TWO_PRICES, market)
    assert report.welfare == pytest.approx(3 * (3 - 0.75))
    assert report.min_utility == {"edge_devices": pytest.approx(1 * (1.5 - 0.75))}


def test_a_user_whose_edge_device_declines_gets_nothing_and_pays_nothing() -> None:
    # The second edge device is paid 1, and bears 0.5 and what is fixed.
    fixed = {"fixed_cost": [[0, 0], [0, 0.6], [0, 0]]}
    for effort in EFFORTS:
        report = audit(TWO_SERVED, allocation_market(users=fixed, effort=effort), misreports=0)
        assert report.participation == {"edge_devices": 0.5, "users": pytest.approx(1 / 3)}
        assert report.min_utility == {"edge_devices": 0.0, "users": 0.0}
        assert report.welfare == pytest.approx(5 - 1.5)


def test_a_service_of_less_work_costs_less() -> None:
    report = audit(TWO_SERVED, allocation_market(users={"work": np.full((3, 2), 0.5)}))
    assert report.min_utility["edge_devices"] == pytest.approx(1 - 0.25)
    assert report.welfare == pytest.approx(5 + 3 - 0.75 - 0.25)


def test_where_effort_is_bought_an_edge_device_answers_with_its_true_costs() -> None:
    # Told to give effort 0.5, both answer their prices 2 and 1.5 as they like best: with 1 and 0.5.
    report = audit(
        replace(TWO_PRICES, outcome=TWO_PRICES.outcome | {"effort": [0.5, 1]}), prices_market()
    )
    assert report.welfare == pytest.approx(3.875)


def test_an_idle_edge_device_envies_its_own_best_answer_to_the_price_of_another() -> None:
    # At price 0 the second of cost x^2 / 2 does nothing; at the first's, 1/2, it would give effort
    # 1/2 for 3 points.
    nothing = {"effort": [0, 0], "points": [0, 0], "payment": [0, 0]}
    market = prices_market(unit_cost=[1, 0], demand=[2, 3])
    report = audit(Decreed({"unit_price": [0.5, 0]} | nothing), market)
    assert report.envy_max == {"edge_devices": pytest.approx(3 * (0.5 * 0.5 - 0.125))}
    assert report.participation == {"edge_devices": 0.0}


def test_who_takes_part_is_seen_from_true_answers() -> None:
    assert audit(TWO_PRICES, prices_market(unit_cost=[5, 1])).participation == {"edge_devices": 0.5}


def test_the_worst_market_of_a_batch_is_told_beside_the_mean() -> None:
    report = audit(
        TWO_PRICES, prices_market(budget=[3.0, 1.0], demand=[[2, 1], [2, 3]]), misreports=0
    )
    assert report.budget_excess_max == pytest.approx(4.75 - 1)
    assert report.solve_seconds == 0.5 / 2
    assert report.min_utility == {"edge_devices": pytest.approx(0.125)}
    assert report.jain["edge_devices"] == pytest.approx(
        np.mean([1.125**2 / (2 * (1 + 0.125**2)), 1.375**2 / (2 * (1 + 0.375**2))])
    )
    # Both sums over the markets: the larger market counts more.
    assert report.welfare_ratio == pytest.approx((3.875 + 3 + 3 * 0.875) / (4.5 + 7.5))
    subsidised = replace(TWO_SERVED, outcome=TWO_SERVED.outcome | {"charge": [0.5, 1.0, 0.0]})
    assert audit(subsidised, allocation_market(), misreports=0).budget_balance_min == pytest.approx(
        -1.5
    )


def test_a_budget_of_the_mechanism_own_is_the_one_it_must_keep() -> None:
    assert audit(
        replace(TWO_PRICES, budget=10.0), prices_market()
    ).budget_excess_max == pytest.approx(4.75 - 10)


@pytest.mark.parametrize(
    ("utility", "fairness"),
    [([1, 0, 0, 0], 0.25), ([2, 2, 2], 1), ([0, 0], 1), ([-1, 1], 0), ([3, 1], 16 / 20)],
)
def test_jain_index_of_known_shares(utility: list[float], fairness: float) -> None:
    assert jain_index(np.array(utility, dtype=float)) == pytest.approx(fairness)


@pytest.mark.parametrize(
    ("demand", "price", "ratio"), [(0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (1.0, 2.0, -np.inf)]
)
def test_where_nothing_is_worth_serving_only_no_welfare_is_all_of_the_optimum(
    demand: float, price: float, ratio: float
) -> None:
    market = prices_market(demand=[demand, demand], value=[0, 0])
    amounts = {name: [demand * price] * 2 for name in ("points", "payment")}
    paid = Decreed({"unit_price": [price, price], "effort": [1, 1]} | amounts)
    assert audit(paid, market, misreports=0).welfare_ratio == ratio


def test_a_side_without_agents_is_left_out() -> None:
    none = np.zeros((3, 0))
    report = audit(mechanisms.make("posted_price"), Market(none, none, none, none, np.zeros(3)))
    assert (report.markets, report.regret_max, report.jain, report.welfare_ratio) == (
        3,
        {},
        {},
        1.0,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"misreports": -1}, "misreports = -1: must be >= 0"),
        ({"agents": 0}, "agents = 0: must be >= 1"),
    ],
)
def test_an_argument_below_its_limit_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit(mechanisms.make("none"), prices_market(), **options)


def test_a_market_without_users_is_refused_by_a_mechanism_that_allocates() -> None:
    with pytest.raises(MarketError, match="vcg needs users, which this market does not give"):
        audit(mechanisms.make("vcg"), prices_market())
