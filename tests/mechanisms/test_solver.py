"""Every mechanism that has a program decides by it what it decides by its own method."""

from typing import Any

import numpy as np
import pytest

import mechanisms
from mechanisms import Effort, Market, Outcome
from mechanisms.assignment import optimal_welfare
from mechanisms.effort import EFFORTS
from mechanisms.testing import draw_market

BY_PROGRAM = [name for name in mechanisms.names() if hasattr(mechanisms.make(name), "solver")]


def objective(name: str, market: Market, outcome: Outcome) -> np.ndarray:
    """Return what the program of a mechanism maximises, or welfare where a rule follows it."""
    if name == "posted_price":
        # The program leaves aside who declines because of fixed costs.
        effort = mechanisms.best_response(outcome.unit_price, market.point_cost, market.point_slope)
        return (market.demand * (market.value - outcome.unit_price) * effort).sum(axis=-1)
    if name == "proportional_share":
        return outcome.points.sum(axis=-1)
    return outcome.welfare


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", BY_PROGRAM)
def test_the_program_decides_as_the_direct_path(name: str, effort: Effort) -> None:
    market = draw_market(11, effort=effort)
    # Without demand a price is of no consequence.
    market = market.with_demand(market.demand + 0.1, market.work + 0.1, market.fixed_cost)
    direct = mechanisms.make(name).clear(market)
    program = mechanisms.make(name, solver="cvxpy").clear(market)
    assert program.status == "optimal"
    rtol = 1e-4 if name == "contract" else 1e-6  # welfare is not what a menu maximises
    np.testing.assert_allclose(
        objective(name, market, program), objective(name, market, direct), rtol=rtol
    )
    theirs = direct.arrays()
    for array, ours in program.arrays().items():
        if name != "shadow_price" or array != "charge":  # its duals are not unique
            np.testing.assert_allclose(ours, theirs[array], atol=2e-3, err_msg=array)
    assert direct.payment.any()


def test_the_program_of_vcg_reaches_the_optimum_within_bandwidth() -> None:
    market = draw_market(12).world(slice(2))
    outcome = mechanisms.make("vcg", solver="cvxpy", bandwidth=True).clear(market)
    np.testing.assert_allclose(outcome.welfare, optimal_welfare(market, True), rtol=1e-6)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", BY_PROGRAM)
def test_a_program_is_audited_and_keeps_what_its_mechanism_claims(
    name: str, effort: Effort
) -> None:
    # On markets that meet no condition, so what is claimed under one is left out. To 1e-4: what a
    # solver rounds is a regret of that size.
    market = draw_market(13, effort=effort).world(slice(1))
    mechanism = mechanisms.make(name, solver="cvxpy")
    claims = mechanism.claims
    if claims.condition:
        claims = mechanisms.Claims(budget_balanced=claims.budget_balanced)
    report = mechanisms.audit(
        mechanism, market, rng=np.random.default_rng(0), misreports=3, agents=1
    )
    assert mechanisms.violations(report, claims, tolerance=1e-4) == []
    # Clarabel gives up on a few lies of costs or bands near 0 under fisher, and on no other.
    assert report.failed_clearings <= (0.01 * report.clearings if name == "fisher" else 0)


@pytest.mark.parametrize("name", BY_PROGRAM)
@pytest.mark.parametrize(
    ("solver", "words"),
    [
        ("cvxp", "did you mean 'cvxpy'"),
        ("simplex", "valid: direct, cvxpy"),
        (None, "no solver None"),
        (["cvxpy"], "no solver"),
    ],
)
def test_a_solver_that_there_is_not_is_answered_with_the_nearest(
    name: str, solver: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: no solver .*") as raised:
        mechanisms.make(name, solver=solver)
    assert words in str(raised.value)


def test_mechanisms_without_a_program_take_no_solver() -> None:
    for name in set(mechanisms.names()) - set(BY_PROGRAM):
        with pytest.raises(ValueError, match=f"mechanism '{name}' has no parameter 'solver'"):
            mechanisms.make(name, solver="cvxpy")


def test_a_given_price_is_not_solved_for() -> None:
    with pytest.raises(ValueError, match="posted_price: a price that is given is not solved for"):
        mechanisms.make("posted_price", price=2.0, solver="cvxpy")


@pytest.mark.parametrize("name", BY_PROGRAM)
def test_programs_are_compiled_once_for_each_size(name: str) -> None:
    mechanism: Any = mechanisms.make(name, solver="cvxpy")
    for experts in (4, 5, 4):
        mechanism.clear(draw_market(15, experts=experts).world(slice(2)))
    compiled = mechanism.program.compiled
    if name == "contract":  # a menu knows no experts
        assert len(compiled) == 1
    elif name == "budgeted_price":
        assert compiled(4) is not compiled(5)
        assert compiled(4) is compiled(4)
    else:
        assert len(compiled) == 2
