"""Convex programs in CVXPY: compiled once for each size, checked to be so, solved or explained."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from mechanisms.arrays import FloatArray
from mechanisms.errors import MechanismError
from mechanisms.registry import nearest

if TYPE_CHECKING:
    import cvxpy as cp

Built = TypeVar("Built")
# Options of solvers where nothing else is said. With a quadratic objective Clarabel stops short of
# an optimum in about one of 200 markets of a budget; with it made a cone none of 600 failed.
DEFAULTS: dict[str, dict[str, Any]] = {
    "CLARABEL": {"use_quad_obj": False},
    "HIGHS": {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0},
}
_SHOWN = 120  # characters of an expression that a message quotes


class Compiled(Generic[Built]):
    """Programs that differ by their size alone: built when first asked for, and kept.

    Pickles and copies hold none and build their own.

    Args:
        build: makes the program of a size; what it takes is what calls are given.
    """

    def __init__(self, build: Callable[..., Built]) -> None:
        self._build = build
        self._built: dict[tuple[Hashable, ...], Built] = {}

    def __call__(self, *size: Hashable) -> Built:
        """Return the program of that size."""
        if size not in self._built:
            self._built[size] = self._build(*size)
        return self._built[size]

    def __len__(self) -> int:
        """Return how many sizes were built so far."""
        return len(self._built)

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the programs, which hold solvers and cannot be pickled."""
        return {"_build": self._build, "_built": {}}


class Program:
    """A program with named parameters, which CVXPY compiles once for all their values.

    CVXPY is imported on construction.

    Args:
        name: of the mechanism, for messages.
        objective: `cvxpy.Maximize` or `cvxpy.Minimize`.
        constraints: of CVXPY.
        answers: what is read from a solution, by name: of an expression its value, of a constraint
            its dual.
        solver: CVXPY's name of it.
        options: passed on to the solver, beside those of `DEFAULTS`.

    Attributes:
        problem: CVXPY's.
        solver: CVXPY's name of it.
        options: passed to `cvxpy.Problem.solve`.

    Raises:
        ValueError: the program is not disciplined parametrised convex (DPP), so that CVXPY would
            compile it anew for each market; or there is no such solver.
    """

    def __init__(
        self,
        name: str,
        objective: cp.Objective,
        constraints: Sequence[cp.Constraint],
        answers: Mapping[str, cp.Expression | cp.Constraint],
        *,
        solver: str = "CLARABEL",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        import cvxpy as cp

        self.problem = cp.Problem(objective, list(constraints))
        self._name, self.solver = name, solver
        # From the last answer some solvers go elsewhere than from nothing, and CVXPY's HiGHS calls
        # some assignments optimal that are not.
        defaults = {"warm_start": False} | DEFAULTS.get(solver, {})
        self.options = defaults | dict(options or {})
        self._answers = dict(answers)
        self._parameters = {one.name(): one for one in self.problem.parameters()}
        if solver not in cp.installed_solvers():
            raise ValueError(f"{name}: no solver {solver!r}; {nearest(solver, _solvers())}")
        _check_compiles_once(name, self.problem)

    def solve(self, where: str, **parameters: ArrayLike) -> dict[str, FloatArray]:
        """Return the answers at an optimum.

        Args:
            where: what is solved, for messages; begins with a space or a comma, or is empty.
            **parameters: values of the program's parameters; those left out keep theirs.

        Raises:
            MechanismError: the solver failed, or stopped short of an optimum.
        """
        import cvxpy as cp

        for name, value in parameters.items():
            self._parameters[name].value = np.asarray(value, dtype=np.float64)
        try:
            self.problem.solve(solver=self.solver, **self.options)
        except cp.error.SolverError as error:
            raise MechanismError(f"{self._name}{where}: {error}") from error
        if self.problem.status != cp.OPTIMAL:
            raise MechanismError(f"{self._name}{where}: {self.solver} says {self.problem.status}")
        return {name: value_of(answer) for name, answer in self._answers.items()}


def value_of(answer: cp.Expression | cp.Constraint) -> FloatArray:
    """Return the value of an expression, or the dual of a constraint, at the last solution."""
    import cvxpy as cp

    value = answer.dual_value if isinstance(answer, cp.Constraint) else answer.value
    return np.asarray(value, dtype=np.float64)


def _solvers() -> list[str]:
    import cvxpy as cp

    return sorted(cp.installed_solvers())


def _check_compiles_once(name: str, problem: cp.Problem) -> None:
    """Raise ValueError, naming the part, unless the problem is DPP."""
    if problem.is_dcp(dpp=True):
        return
    parts = {"the objective": problem.objective}
    parts |= {f"constraint {i}": one for i, one in enumerate(problem.constraints)}
    for part, expression in parts.items():
        if expression.is_dcp(dpp=True):
            continue
        says = str(expression)
        says = says if len(says) <= _SHOWN else f"{says[:_SHOWN]} ..."
        if expression.is_dcp():
            raise ValueError(
                f"{name}: {part} of the program is convex but not DPP, CVXPY would compile it anew "
                f"for each market; make a product of parameters one parameter: {says}"
            )
        raise ValueError(f"{name}: {part} of the program is not convex (DCP): {says}")
