"""Work and fixed cost of a point of demand, where a market counts costs by work."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.errors import MarketError
from mechanisms.fields import first

# Work and fixed cost a point are cut to this, and work to its inverse: so every cost is finite, and
# every slope above 0.
_FARTHEST = 1e150


def work_per_point(work: FloatArray, demand: FloatArray) -> FloatArray:
    """Return reference points of work a point of demand, (..., E); 1 without demand."""
    if work is demand:
        return np.ones_like(demand)
    return np.clip(_per_point(work, demand, otherwise=1.0), 1 / _FARTHEST, _FARTHEST)


def fixed_cost_per_point(fixed_cost: FloatArray, demand: FloatArray) -> FloatArray:
    """Return the fixed cost of a point of demand at full effort, (..., E); 0 without demand."""
    return np.minimum(_per_point(fixed_cost, demand, otherwise=0.0), _FARTHEST)


def check_work(work: FloatArray, demand: FloatArray) -> None:
    """Raise MarketError where there is demand without work: its effort would cost nothing."""
    if work is demand:
        return
    missing = (work == 0) & (demand > 0)
    if missing.any():
        raise MarketError(
            f"{first('work', work, missing)}: must be > 0 points/slot where there is demand"
        )


def _per_point(amounts: FloatArray, demand: FloatArray, otherwise: float) -> FloatArray:
    quotient = np.full(demand.shape, otherwise)
    # Demand next to nothing gives a quotient too large for a float, which is then cut.
    with np.errstate(over="ignore"):
        np.divide(amounts, demand, out=quotient, where=demand > 0)
    return quotient
