"""Which claims a report contradicts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from mechanisms import AuditReport, Claims, Misreport

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
        effort="bought",
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
        (
            {"regret_max": {"edge_devices": 0.0, "users": 0.5}},
            "incentive compatibility of users.* 0.5 credits",
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
        ({"regret_max": {"edge_devices": 0.0}}, "incentive compatibility of users.* nan credits"),
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
        spotless(), regret_max={"edge_devices": 1e-4, "users": 0.0}, welfare_ratio=1 - 1e-4
    )
    assert len(mechanisms.violations(report, EVERYTHING)) == 2
    assert mechanisms.violations(report, EVERYTHING, tolerance=1e-3) == []
