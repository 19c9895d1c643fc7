"""Linear and mixed-integer programs handed to the HiGHS solver as arrays.

No modelling layer stands in between.
"""

from __future__ import annotations

from typing import NamedTuple

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
    from highspy import _core

    program = highspy.HighsLp()
    program.sense_ = highspy.ObjSense.kMaximize
    program.num_col_, program.num_row_ = objective.size, limits.size
    program.col_cost_ = objective
    program.col_lower_ = np.zeros(objective.size)
    program.col_upper_ = np.full(objective.size, 1.0 if whole else np.inf)
    program.row_lower_ = np.full(limits.size, -np.inf)
    program.row_upper_ = limits
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.start_ = np.arange(0, row.size + 1, row.shape[-1], dtype=np.int32)
    matrix.index_, matrix.value_ = row.ravel().astype(np.int32), coefficient.ravel()
    if whole:
        program.integrality_ = [highspy.HighsVarType.kInteger] * objective.size

    # The class behind highspy.Highs, which prints a line on construction, before it can be told not
    # to.
    solver = _core._Highs()
    for option, setting in _OPTIONS.items():
        solver.setOptionValue(option, setting)
    if whole:
        # Without it HiGHS 1.16 calls answers optimal that are not, where coefficients are 1e-7.
        solver.setOptionValue("presolve", "on")
    if from_nothing:
        solver.setOptionValue("simplex_strategy", _PRIMAL)
    solver.passModel(program)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise MechanismError(f"{problem}: HiGHS says {solver.modelStatusToString(status)}")
    solution = solver.getSolution()
    return Optimum(np.array(solution.col_value), np.abs(solution.row_dual))
