"""Answers of edge devices to prices, their cost, and their worth to society.

Of the points an edge device could deliver at full effort (its demand D) it delivers the share x,
its effort. A price p a point earns it p x and effort costs it kappa x + slope x^2 / 2, both per
point of demand; any effort above 0 also costs what is fixed. The cost is this project's model,
strictly convex so that the answer is unique; it is taken from no paper. Arrays broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, Precision
from mechanisms.effort import Effort
from mechanisms.market import Market
from mechanisms.outcome import Outcome

# A loss up to this share of what is earned and borne together is what both round by.
_ROUNDING = 1e-12


def best_response(
    unit_price: NDArray[Precision] | float,
    unit_cost: NDArray[Precision] | float,
    cost_slope: NDArray[Precision] | float,
) -> NDArray[Precision]:
    """Return the effort, 0..1, that earns the edge device most, what is fixed left aside.

    x(p) = clip((p - kappa) / slope, 0, 1) maximises p x - kappa x - slope x^2 / 2 over 0 <= x <= 1.
    Supply starts above price kappa and is full from kappa + slope on. All arguments in
    credits/point.
    """
    return np.clip(np.subtract(unit_price, unit_cost) / cost_slope, 0.0, 1.0)


def cost(
    effort: NDArray[Precision] | float,
    unit_cost: NDArray[Precision] | float,
    cost_slope: NDArray[Precision] | float,
) -> NDArray[Precision]:
    """Return the cost of effort per point of demand, credits/point: kappa x + slope x^2 / 2."""
    return np.asarray(effort * (unit_cost + cost_slope * np.multiply(0.5, effort)))


def answer(
    price: NDArray[Precision],
    unit_cost: NDArray[Precision],
    cost_slope: NDArray[Precision],
    fixed_cost: NDArray[Precision] | float = 0.0,
    ordered: NDArray[Precision] | None = None,
    rounding: float = _ROUNDING,
) -> NDArray[Precision]:
    """Return the effort, 0..1, that edge devices give for a price: 0 where they would lose.

    Args:
        price: of full effort, credits/point, or credits where all that follows is.
        unit_cost: in the unit of the price; so the next two.
        cost_slope: > 0.
        fixed_cost: borne at any effort above 0.
        ordered: effort that they must give or decline; None for their best response.
        rounding: share of what is earned and borne together, up to which a loss is none.
    """
    effort = best_response(price, unit_cost, cost_slope) if ordered is None else ordered
    borne = cost(effort, unit_cost, cost_slope) + fixed_cost
    serves = price * effort * (1 + 2 * rounding) >= borne
    return np.where(serves, effort, 0.0)


def full_effort_price(
    effort: Effort,
    unit_cost: FloatArray,
    cost_slope: FloatArray,
    fixed_cost: FloatArray | float = 0.0,
    work: FloatArray | float = 1.0,
) -> FloatArray:
    """Return the least price at which an edge device gives full effort.

    Where effort is enforced it is the cost, work (kappa + slope / 2) + fixed_cost. Where it is
    bought, the best response must be full effort too: at least work (kappa + slope).

    Args:
        effort: as in `Market`.
        unit_cost: credits/point.
        cost_slope: credits/point.
        fixed_cost: in the unit of the result.
        work: points of a service, and the price is of the service; left out, it is of a point.
    """
    cost_of_it = work * (unit_cost + cost_slope / 2) + fixed_cost
    if effort == "enforced":
        return cost_of_it
    return np.maximum(work * (unit_cost + cost_slope), cost_of_it)


def welfare(
    effort: FloatArray,
    demand: FloatArray,
    value: FloatArray,
    unit_cost: FloatArray,
    cost_slope: FloatArray,
    fixed_cost: FloatArray | float = 0.0,
) -> FloatArray:
    """Return social welfare (...), credits/slot.

    It is sum_e D_e (v_e x_e - kappa_e x_e - slope_e x_e^2 / 2), less the fixed costs of those that
    deliver points; payments cancel out. Without fixed costs it is greatest at
    `best_response(value, unit_cost, cost_slope)`.

    Args:
        effort: (..., E), 0..1.
        demand: (..., E) points/slot.
        value: (..., E) credits/point.
        unit_cost: (..., E) credits/point, of demand: `Market.point_cost`.
        cost_slope: (..., E) credits/point, of demand: `Market.point_slope`.
        fixed_cost: (..., E) credits/slot.
    """
    gain = (demand * (value * effort - cost(effort, unit_cost, cost_slope))).sum(axis=-1)
    borne = np.where(demand * effort > 0, fixed_cost, 0.0).sum(axis=-1)
    return np.asarray(gain - borne)


def welfare_at(market: Market, effort: FloatArray) -> FloatArray:
    """Return `welfare` (...) of a market at efforts (..., E), credits/slot."""
    costs = market.point_cost, market.point_slope, market.fixed_cost
    return welfare(effort, market.demand, market.value, *costs)


def greatest_welfare(market: Market) -> FloatArray:
    """Return the greatest welfare (...) of a market by any prices, credits/slot.

    At a price of all that a point is worth, whoever adds to welfare serves, and serves best.
    """
    costs = market.point_cost, market.point_slope, market.fixed_point_cost
    return welfare_at(market, answer(market.value, *costs))


def outcome_at_prices(
    market: Market,
    unit_price: FloatArray,
    effort: FloatArray | None = None,
    *,
    status: str,
    solve_seconds: float,
) -> Outcome:
    """Return the outcome of prices alone, where users together pay the payments.

    Edge devices give the effort that `Market.effort` says, and none where they would lose.

    Args:
        market: costs as reported.
        unit_price: (..., E) credits/point.
        effort: (..., E) that edge devices must give where effort is enforced, 0..1; None for their
            best response. Where effort is bought they give that anyway.
        status: see `Outcome.status`.
        solve_seconds: wall time spent finding the prices.
    """
    given = answer(
        unit_price,
        market.point_cost,
        market.point_slope,
        market.fixed_point_cost,
        effort if market.effort == "enforced" else None,
    )
    return outcome_of_efforts(market, unit_price, given, status=status, solve_seconds=solve_seconds)


def outcome_of_efforts(
    market: Market,
    unit_price: FloatArray,
    effort: FloatArray,
    *,
    status: str,
    solve_seconds: float,
) -> Outcome:
    """Return the outcome of prices and efforts (..., E) that are given, whoever loses by them."""
    points = market.demand * effort
    return Outcome(
        unit_price=unit_price,
        effort=effort,
        points=points,
        payment=unit_price * points,
        welfare=welfare_at(market, effort),
        status=status,
        solve_seconds=solve_seconds,
    )
