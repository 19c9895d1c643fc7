"""Answers of edge devices to prices, their cost, and their worth to society.

Of the points an edge device could deliver at full effort (its demand D) it delivers the share x,
its effort. A price p a point earns it p x and effort costs it kappa x + slope x^2 / 2, both per
point of demand. The cost is this project's model, strictly convex so that the answer is unique; it
is taken from no paper. Arrays broadcast.
"""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.market import Market
from mechanisms.outcome import Outcome


def best_response(
    unit_price: FloatArray | float, unit_cost: FloatArray | float, cost_slope: FloatArray | float
) -> FloatArray:
    """Return the effort, 0..1, that earns the edge device most.

    x(p) = clip((p - kappa) / slope, 0, 1) maximises p x - kappa x - slope x^2 / 2 over 0 <= x <= 1.
    Supply starts above price kappa and is full from kappa + slope on. All arguments in
    credits/point.
    """
    return np.clip(np.subtract(unit_price, unit_cost) / cost_slope, 0.0, 1.0)


def cost(
    effort: FloatArray | float, unit_cost: FloatArray | float, cost_slope: FloatArray | float
) -> FloatArray:
    """Return the cost of effort per point of demand, credits/point: kappa x + slope x^2 / 2."""
    return np.asarray(effort * (unit_cost + cost_slope * np.multiply(0.5, effort)))


def welfare(
    effort: FloatArray,
    demand: FloatArray,
    value: FloatArray,
    unit_cost: FloatArray,
    cost_slope: FloatArray,
) -> FloatArray:
    """Return social welfare (...), credits/slot.

    It is sum_e D_e (v_e x_e - kappa_e x_e - slope_e x_e^2 / 2); payments cancel out. Arguments
    (..., E); it is greatest at `best_response(value, unit_cost, cost_slope)`.
    """
    return np.asarray(
        (demand * (value * effort - cost(effort, unit_cost, cost_slope))).sum(axis=-1)
    )


def outcome_at_prices(
    market: Market,
    unit_price: FloatArray,
    effort: FloatArray | None = None,
    *,
    status: str,
    solve_seconds: float,
) -> Outcome:
    """Return the outcome of prices alone, where users together pay the payments.

    Args:
        market: costs as reported.
        unit_price: (..., E) credits/point.
        effort: (..., E) that edge devices must give, 0..1; None for their best response.
        status: see `Outcome.status`.
        solve_seconds: wall time spent finding the prices.
    """
    if effort is None:
        effort = best_response(unit_price, market.unit_cost, market.cost_slope)
    points = market.demand * effort
    return Outcome(
        unit_price=unit_price,
        effort=effort,
        points=points,
        payment=unit_price * points,
        welfare=welfare(effort, market.demand, market.value, market.unit_cost, market.cost_slope),
        status=status,
        solve_seconds=solve_seconds,
    )
