"""The two ways in which a mechanism finds the same decision."""

from __future__ import annotations

from typing import Final, Literal, get_args

from mechanisms.registry import nearest

Solver = Literal["direct", "cvxpy"]
DIRECT: Final = "direct"  # a method of its own
CVXPY: Final = "cvxpy"  # its program in CVXPY


def check_solver(mechanism: str, solver: object) -> None:
    """Raise ValueError, naming the mechanism and the nearest name, unless there is such a way."""
    ways = get_args(Solver)
    if not isinstance(solver, str) or solver not in ways:
        raise ValueError(f"{mechanism}: no solver {solver!r}; {nearest(str(solver), ways)}")
