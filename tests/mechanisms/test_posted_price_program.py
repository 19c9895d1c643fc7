"""The scan against the same program in CVXPY, solved piece by piece by an interior-point method."""

import dataclasses

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from mechanisms import Market, MechanismError, Outcome
from mechanisms.posted_price import PostedPrice

EXPERTS = 8


@pytest.fixture(scope="module")
def program() -> PostedPrice:
    """One compiled program for all tests: a parameter that is not updated would show."""
    return PostedPrice(solver="cvxpy")


def random_market(seed: int, num_worlds: int) -> Market:
    rng = np.random.default_rng(seed)
    shape = (num_worlds, EXPERTS)
    return Market(
        unit_cost=rng.uniform(0.0, 3.0, shape),
        cost_slope=rng.uniform(0.2, 3.0, shape),
        demand=rng.uniform(0.0, 2.0, shape) * (rng.random(shape) < 0.8),
        value=rng.uniform(1.0, 6.0, shape),
        budget=np.zeros(num_worlds),
    )


def users_profit(market: Market, outcome: Outcome) -> np.ndarray:
    return (market.value * outcome.points - outcome.payment).sum(axis=-1)


@pytest.mark.parametrize("seed", range(4))
def test_scan_and_program_agree(seed: int, program: PostedPrice) -> None:
    market = random_market(seed, num_worlds=8)
    scan = mechanisms.make("posted_price").clear(market)
    reference = program.clear(market)
    np.testing.assert_allclose(
        users_profit(market, scan), users_profit(market, reference), rtol=1e-6
    )
    np.testing.assert_allclose(scan.unit_price, reference.unit_price, atol=1e-3)
    np.testing.assert_allclose(scan.effort, reference.effort, atol=1e-3)
    assert (scan.effort > 0).any(axis=-1).all()
    assert reference.status == "optimal"


def test_scan_and_program_agree_that_no_trade_pays(program: PostedPrice) -> None:
    market = random_market(9, num_worlds=1)
    market = dataclasses.replace(market, value=market.unit_cost - 0.1)
    assert not program.clear(market).effort.any()
    assert not mechanisms.make("posted_price").clear(market).effort.any()


def test_a_failing_solver_is_reported_with_the_piece(
    program: PostedPrice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(MechanismError, match=r"posted_price on the piece \[.*InsufficientProgress"):
        program.clear(random_market(0, num_worlds=1))


def test_an_answer_short_of_optimal_is_refused(
    program: PostedPrice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cp.Problem, "solve", lambda self, **options: None)
    monkeypatch.setattr(cp.Problem, "status", cp.OPTIMAL_INACCURATE)
    with pytest.raises(MechanismError, match="optimal_inaccurate"):
        program.clear(random_market(0, num_worlds=1))
