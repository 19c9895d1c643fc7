"""Effort of edge devices in answer to a price, and whether they serve at all.

For one subtask of w reference points, paid the unit price p for Q points at full effort, an edge
device that gives the effort x earns

    profit(x) = p Q x - w (kappa x + slope x^2 / 2) - f    credits

where f is what serving costs whatever the effort. Bought, it gives x = clip((p Q / w - kappa) /
slope, 0, 1), which is best for it; enforced, what the mechanism orders. It declines where that is 0
or loses. All arrays broadcast.
"""

from typing import NamedTuple

import numpy as np

from envs.arrays import Bool, Float

LEAST_POINTS = 1e-30  # of a subtask; less is none
# Of revenue and cost each, up to which a loss is rounding.
# Prices of just the cost come of reports in single precision.
ROUNDING = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-6}


class Answer(NamedTuple):
    """Answer of edge devices to a price, for each subtask."""

    effort: Float  # 0..1
    cost: Float  # of that effort, without what serving costs whatever it is, credits
    serves: Bool  # they do not decline


def answer(
    revenue: Float,
    reference_points: Float,
    unit_cost: Float,
    cost_slope: Float,
    fixed: Float | float,
    ordered: Float | None,
) -> Answer:
    """Return what edge devices answer.

    Args:
        revenue: p Q, credits at full effort.
        reference_points: w, points; 0 where there is no subtask, which is declined.
        unit_cost: true kappa, credits a reference point.
        cost_slope: true slope, credits a reference point.
        fixed: f, credits.
        ordered: effort that the mechanism orders; None where it is bought.
    """
    effort = ordered
    if effort is None:
        price = revenue * (1 / np.maximum(reference_points, LEAST_POINTS))
        price -= unit_cost
        price /= cost_slope
        effort = np.minimum(np.maximum(price, 0, out=price), 1, out=price)
    cost = cost_slope * (effort * 0.5)
    cost += unit_cost
    cost = cost * effort
    cost = cost * reference_points
    rounding = ROUNDING[np.dtype(revenue.dtype)]
    serves = revenue * effort * (1 + 2 * rounding) >= cost + fixed
    serves &= (effort > 0) & (reference_points > 0)
    return Answer(effort, cost, serves)
