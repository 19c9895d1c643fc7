"""Linear and mixed-integer programs handed to the HiGHS solver as arrays.

No modelling layer stands in between.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.errors import MechanismError

# Presolve is off: on assignments it takes longer than it saves, from 8 x 30 to 64 x 300.
_OPTIONS: dict[str, bool | float | str] = {
    "output_flag": False,
    "parallel": "off",
    "presolve": "off",
    "primal_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-9,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.0,
}
_PRIMAL = 4  # HiGHS's number of the primal simplex method


class Optimum(NamedTuple):
    """The decisions of a proven optimum, and its duals.

    A dual is what one more unit of a row's limit would add to the objective.
    """

    decision: FloatArray  # (columns,)
    dual: FloatArray  # (rows,), >= 0; without meaning where decisions are whole


def maximise(
    objective: FloatArray,
    row: IntArray,
    coefficient: FloatArray,
    limits: FloatArray,
    problem: str,
    *,
    whole: bool = False,
    from_nothing: bool = False,
) -> Optimum:
    """Maximise objective @ x subject to rows @ x <= limits and x >= 0; a vertex.

    Every x occurs in the same number of rows, k. Tolerances are absolute, 1e-9 for rows and 1e-7
    for duals: scale the numbers to about 1.

    Args:
        objective: (columns,).
        row: (columns, k) rows that a column occurs in, rising.
        coefficient: (columns, k) its factor in each of these rows.
        limits: (rows,).
        problem: name of what is solved, for messages.
        whole: every x is 0 or 1.
        from_nothing: by the primal simplex method, which starts at x = 0, instead of the dual one.

    Raises:
        MechanismError: HiGHS did not prove an optimum. A good answer that is not proven best does
            not count.
    """
    import highspy

    program = _program(objective, row, coefficient, limits)
    program.col_upper_ = np.full(objective.size, 1.0 if whole else np.inf)
    if whole:
        program.integrality_ = [highspy.HighsVarType.kInteger] * objective.size
    solver = _solver()
    if whole:
        # Without it HiGHS 1.16 calls answers optimal that are not, where coefficients are 1e-7.
        solver.setOptionValue("presolve", "on")
    if from_nothing:
        solver.setOptionValue("simplex_strategy", _PRIMAL)
    solver.passModel(program)
    return _optimum(solver, problem)


class GrowingProgram:
    """The same program with further columns, free and worth 1 each, and rows that are added.

    Each solve but the first starts from the optimum before, by the dual simplex method.

    Args:
        objective, row, coefficient, limits, problem: as for `maximise`.
        num_free: number of columns that are added behind the others; they may be negative, occur in
            no row yet, and count 1 in the objective. Rows that bound them must be added first.
    """

    def __init__(
        self,
        objective: FloatArray,
        row: IntArray,
        coefficient: FloatArray,
        limits: FloatArray,
        problem: str,
        *,
        num_free: int,
    ) -> None:
        self._problem = problem
        self._solver = _solver()
        self._solver.setOptionValue("dual_feasibility_tolerance", 1e-9)
        self._solver.passModel(_program(objective, row, coefficient, limits, num_free))

    def add(
        self, start: IntArray, column: IntArray, coefficient: FloatArray, limits: FloatArray
    ) -> None:
        """Add rows @ x <= limits.

        Args:
            start: (rows,) place of each row's first entry among those of all.
            column: (entries,) of each entry.
            coefficient: (entries,) of each entry.
            limits: (rows,).
        """
        below = np.full(limits.size, -np.inf)
        places, columns = start.astype(np.int32), column.astype(np.int32)
        self._solver.addRows(limits.size, below, limits, column.size, places, columns, coefficient)

    def solve(self) -> Optimum:
        """Return the optimum with the rows so far.

        Raises:
            MechanismError: HiGHS did not prove an optimum.
        """
        return _optimum(self._solver, self._problem)


def _program(
    objective: FloatArray,
    row: IntArray,
    coefficient: FloatArray,
    limits: FloatArray,
    num_free: int = 0,
) -> Any:
    import highspy

    program, columns = highspy.HighsLp(), objective.size + num_free
    program.sense_ = highspy.ObjSense.kMaximize
    program.num_col_, program.num_row_ = columns, limits.size
    program.col_cost_ = np.concatenate([objective, np.ones(num_free)])
    program.col_lower_ = np.repeat([0.0, -np.inf], [objective.size, num_free])
    program.col_upper_ = np.full(columns, np.inf)
    program.row_lower_ = np.full(limits.size, -np.inf)
    program.row_upper_ = limits
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    start = np.arange(0, row.size + 1, row.shape[-1], dtype=np.int32)
    matrix.start_ = np.append(start, np.full(num_free, row.size, dtype=np.int32))
    matrix.index_, matrix.value_ = row.ravel().astype(np.int32), coefficient.ravel()
    return program


def _solver() -> Any:
    from highspy import _core

    # The class behind highspy.Highs, which prints a line on construction, before it can be told not
    # to.
    solver = _core._Highs()
    for option, setting in _OPTIONS.items():
        solver.setOptionValue(option, setting)
    return solver


def _optimum(solver: Any, problem: str) -> Optimum:
    import highspy

    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise MechanismError(f"{problem}: HiGHS says {solver.modelStatusToString(status)}")
    solution = solver.getSolution()
    return Optimum(np.array(solution.col_value), np.abs(solution.row_dual))
