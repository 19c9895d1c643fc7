"""Exhaustive grids of misreports: what the search of an audit is measured by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.auditing.clearings import Clearings
from mechanisms.auditing.edge_device_lies import LEAST_SLOPE
from mechanisms.auditing.lie import Lie
from mechanisms.auditing.misreports import ReportSpace
from mechanisms.auditing.regret import Agents, Regrets, search_regrets
from mechanisms.market import Market

COSTS, SLOPES = 24, 30  # 720 pairs of unit cost and cost slope
FACTORS = 120  # of all other fields of numbers
_MOST = 6.0  # times the truth


def grid_regrets(clearings: Clearings, truth: Market, lie: Lie, agents: Agents) -> Regrets:
    """Return what agents gain by the best misreport of a grid, which knows of no structure.

    Of costs the grid has 24 unit costs, from 0 evenly in their square root to the dearest that the
    audit tries first (6 times the true price of full effort, or what a point is worth), and for
    each 30 slopes, evenly in their logarithm from 1/1000 of the true one to 6 times kappa + slope.
    Of other fields of numbers it has 120 factors of all entries, evenly from 0 to 6; fields of few
    values have all of these in the audit as in the grid.

    Args:
        clearings: clears the markets with a misreport.
        truth: (N,) markets, true costs and values.
        lie: the field.
        agents: of its side.
    """
    rng = np.random.default_rng(0)  # from which nothing is drawn
    return search_regrets(clearings, truth, lie, agents, misreports=0, rng=rng, instead=_grid)


def _grid(lie: Lie, space: ReportSpace) -> ReportSpace:
    """Return the space of the reports of the grid alone."""
    if not space.searched:
        return space
    first = _of_costs(space) if lie.field == "costs" else _of_factors(space)
    return replace(space, first=first, searched=False)


def _of_factors(space: ReportSpace) -> FloatArray:
    """Return all factors of a report (J, S, D)."""
    factors = np.linspace(0.0, _MOST, FACTORS)
    return space.truth[:, np.newaxis] * factors[:, np.newaxis]


def _of_costs(space: ReportSpace) -> FloatArray:
    """Return all pairs of unit cost and slope (J, S, 2)."""
    own, dearest = space.truth, space.first.sum(axis=2).max(axis=1, keepdims=True)
    kappa = dearest * np.linspace(0.0, 1.0, COSTS) ** 2
    lowest, highest = LEAST_SLOPE * own[:, 1], _MOST * own.sum(axis=1)
    slope = np.geomspace(lowest, highest, SLOPES, axis=-1)
    pairs = np.stack(np.broadcast_arrays(kappa[:, :, np.newaxis], slope[:, np.newaxis, :]), axis=-1)
    return pairs.reshape(len(own), COSTS * SLOPES, 2)
