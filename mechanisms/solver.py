"""The two ways in which a mechanism finds the same decision."""

from __future__ import annotations

from mechanisms.registry import nearest

DIRECT, CVXPY = "direct", "cvxpy"  # a method of its own; its program in CVXPY


def check_solver(mechanism: str, solver: object) -> None:
    """Raise ValueError, naming the mechanism and the nearest name, unless there is such a way."""
    if not isinstance(solver, str) or solver not in (DIRECT, CVXPY):
        raise ValueError(
            f"{mechanism}: no solver {solver!r}; {nearest(str(solver), (DIRECT, CVXPY))}"
        )
