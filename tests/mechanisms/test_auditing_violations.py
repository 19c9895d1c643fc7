"""Which claims a report contradicts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
import mechanisms.testing
from mechanisms import AuditReport, Claims, FieldRegret, Misreport
from mechanisms.effort import EFFORTS, Effort

EVERYTHING = Claims(
    strategic=frozenset({"edge_devices", "users"}),
    incentive_compatible=frozenset({"edge_devices", "users"}),
    individually_rational=frozenset({"edge_devices", "users"}),
    budget_balanced=True,
    within_budget=True,
    efficient=True,
)


def regret(**fields: float) -> dict[str, FieldRegret]:
    """Return the greatest regret by side and field, "users__value" for "users.value"."""
    found = {}
    for name, most in fields.items():
        field = name.replace("__", ".")
        found[field] = FieldRegret(most, most, 1, np.nan, Misreport(field, 0, 0, (0.0,), most))
    return found


def spotless() -> AuditReport:
    return AuditReport(
        mechanism="saint",
        effort="bought",
        unsearched=frozenset(),
        markets=1,
        fields=regret(edge_devices__costs=0.0, users__value=0.0, users__points=0.0),
        regret_mean={"edge_devices": 0.0, "users": 0.0},
        regret_max={"edge_devices": 0.0, "users": 0.0},
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
        misreports={"edge_devices": 1, "users": 2},
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
            {"fields": regret(edge_devices__costs=0.25, users__value=0.0)},
            "compatibility of edge_devices, .* 0.25 credits.* misreport of edge_devices.costs",
        ),
        (
            {"fields": regret(edge_devices__costs=0.0, users__value=0.25, users__points=0.5)},
            "compatibility of users, .* 0.5 credits.* misreport of users.points",
        ),
        (
            {"min_utility": {"edge_devices": -0.125, "users": 0.0}},
            "rationality of edge_devices.* -0.125 credits",
        ),
        (
            {"min_utility": {"edge_devices": 0.0, "users": -2.0}},
            "rationality of users.* -2 credits",
        ),
        ({"budget_balance_min": -0.75}, "budget balance.* -0.75 credits"),
        ({"budget_excess_max": 1.5}, "exceed it by 1.5 credits"),
        ({"welfare_ratio": 0.875}, "efficiency.* 0.875 of the optimum"),
        ({"welfare_ratio": 1.125}, "efficiency.* 1.125 of the optimum"),
        ({"welfare_ratio": np.nan}, "efficiency.* nan of the optimum"),
        (
            {"fields": regret(edge_devices__costs=0.0), "agents": {"edge_devices": 1}},
            "compatibility of users, and no users were measured in these markets",
        ),
    ],
)
def test_each_claim_that_is_contradicted_is_told_with_the_number(
    measured: dict[str, Any], words: str
) -> None:
    found = mechanisms.violations(replace(spotless(), **measured), EVERYTHING)
    assert len(found) == 1
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found[0])
    assert found[0].startswith("saint claims ")


@pytest.mark.parametrize(("users", "experts"), [(2, 0), (0, 2), (0, 0)])
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", mechanisms.names())
@pytest.mark.filterwarnings("error")
def test_markets_without_a_side_are_audited_and_claims_on_it_are_not_supported(
    name: str, effort: Effort, users: int, experts: int
) -> None:
    mechanism = mechanisms.make(name)
    market = mechanisms.testing.draw_market(0, users=users, experts=experts, effort=effort)
    rng = np.random.default_rng(0)
    report = mechanisms.audit(mechanism, market, rng=rng, misreports=5, grid_markets=1)
    sides = {"edge_devices": experts} | ({"users": users} if mechanism.allocates else {})
    assert set(report.agents) == {side for side, number in sides.items() if number}
    if not (users and experts):
        assert not mechanism.allocates or report.welfare == 0

    claims = mechanism.claims.under(effort)
    claimed = {one.partition(".")[0] for one in claims.incentive_compatible}
    claimed |= claims.individually_rational
    says = mechanisms.violations(report, mechanism.claims)
    assert not any("nan" in line for line in says)
    for side in sides:
        absent = [
            line for line in says if f"no {side.replace('_', ' ')} were measured in these" in line
        ]
        assert bool(absent) == (side in claimed and not sides[side])


def test_where_effort_is_bought_nothing_contradicts_claims_of_enforced_effort() -> None:
    claims = replace(EVERYTHING, regimes=frozenset({"enforced"}))
    bad = replace(spotless(), welfare_ratio=0.5, budget_balance_min=-1.0)
    assert mechanisms.violations(bad, claims) == []
    assert len(mechanisms.violations(replace(bad, effort="enforced"), claims)) == 2


def test_claims_of_a_regime_that_there_is_not_are_refused() -> None:
    with pytest.raises(ValueError, match="regimes has 'forced', should be among 'bought', 'enfor"):
        Claims(regimes=frozenset({"forced"}))


def test_a_difference_within_the_tolerance_is_rounding() -> None:
    report = replace(
        spotless(),
        fields=regret(edge_devices__costs=1e-4, users__value=0.0),
        welfare_ratio=1 - 1e-4,
    )
    assert len(mechanisms.violations(report, EVERYTHING)) == 2
    assert mechanisms.violations(report, EVERYTHING, tolerance=1e-3) == []


def test_a_field_that_is_claimed_is_contradicted_by_its_own_lies_alone() -> None:
    claims = Claims(incentive_compatible=frozenset({"users.value"}))
    points = replace(spotless(), fields=regret(users__value=0.0, users__points=2.0))
    assert mechanisms.violations(points, claims) == []
    value = replace(spotless(), fields=regret(users__value=2.0, users__points=0.0))
    assert len(mechanisms.violations(value, claims)) == 1


def test_a_field_that_nobody_has_to_report_contradicts_nothing() -> None:
    claims = Claims(incentive_compatible=frozenset({"users.bandwidth_need"}))
    assert mechanisms.violations(spotless(), claims) == []


def test_where_effort_is_enforced_other_claims_may_take_their_place() -> None:
    more = Claims(incentive_compatible=frozenset({"users.points"}))
    claims = Claims(where_enforced=more)
    bad = replace(spotless(), fields=regret(users__points=2.0))
    assert mechanisms.violations(bad, claims) == []
    assert len(mechanisms.violations(replace(bad, effort="enforced"), claims)) == 1
    assert claims.under("bought") is claims
    assert claims.under("enforced") is more


@pytest.mark.parametrize("claimed", ["users.valu", "experts", "costs"])
def test_a_field_that_nobody_reports_cannot_be_claimed(claimed: str) -> None:
    with pytest.raises(ValueError, match=f"incentive_compatible has '{claimed}'"):
        Claims(incentive_compatible=frozenset({claimed}))


def test_a_claim_on_a_field_that_was_not_searched_is_not_supported() -> None:
    market = mechanisms.testing.draw_market(1, effort="enforced")
    claims = Claims(incentive_compatible=frozenset({"edge_devices.costs"}))

    def says(*fields: str) -> list[str]:
        rng = np.random.default_rng(0)
        cost_plus = mechanisms.make("cost_plus")
        report = mechanisms.audit(cost_plus, market, rng=rng, misreports=5, fields=fields)
        return mechanisms.violations(report, claims)

    assert "one gains" in says("edge_devices.costs")[0]
    assert says("edge_devices.topic") == [
        "cost_plus claims incentive compatibility of edge_devices.costs, and edge_devices.costs "
        "was not searched"
    ]
    with pytest.raises(ValueError, match=r"fields has 'edge_devices\.cost'; did you mean"):
        says("edge_devices.cost")
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="fields should be a set of names, got 'users'"):
        mechanisms.audit(mechanisms.make("cost_plus"), market, rng=rng, fields="users")


@pytest.mark.parametrize("key", ["strategic", "individually_rational"])
def test_a_side_that_there_is_not_is_answered_with_the_nearest(key: str) -> None:
    with pytest.raises(ValueError, match=f"claims: {key} has 'user'; did you mean 'users'"):
        Claims(**{key: frozenset({"user"})})
