"""Convex programs in CVXPY: compiled once, checked to be so, solved or explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mechanisms.errors import MechanismError

if TYPE_CHECKING:
    import cvxpy as cp


def compiled(problem: cp.Problem, name: str) -> cp.Problem:
    """Return the problem, if CVXPY need compile it only once for all parameters.

    Raises:
        ValueError: it is not disciplined parametrised convex (DPP).
    """
    if not problem.is_dcp(dpp=True):
        raise ValueError(
            f"{name}: the program is not DPP, CVXPY would compile it anew for each market"
        )
    return problem


def solve(problem: cp.Problem, name: str, solver: str, **options: Any) -> float:
    """Solve and return the optimal objective.

    Args:
        problem: with the values of its parameters set.
        name: what is solved, for messages: mechanism and problem.
        solver: CVXPY's name of it.
        **options: passed on to the solver.

    Raises:
        MechanismError: the solver failed, or stopped short of an optimum.
    """
    import cvxpy as cp

    try:
        problem.solve(solver=solver, **options)
    except cp.error.SolverError as error:
        raise MechanismError(f"{name}: {error}") from error
    if problem.status != cp.OPTIMAL:
        raise MechanismError(f"{name}: {solver} says {problem.status}")
    return float(problem.value)
