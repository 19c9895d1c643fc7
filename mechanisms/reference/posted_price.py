"""The program of `mechanisms.posted_price` in CVXPY, which the direct path is held to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray
from mechanisms.errors import MechanismError
from mechanisms.market import Market
from mechanisms.program import Compiled, Program

FARTHEST = 1e5  # of the slopes of costs, one over another


class PostedPriceProgram:
    """The program of `PostedPrice` in CVXPY, piece by piece.

    On the piece lower <= p <= upper, with A the experts whose effort grows and F those at full
    effort,

        maximise   sum_(e in A) D_e ((v_e - kappa_e) x_e - slope_e x_e^2)
                   + sum_(e in F) D_e (v_e - p)
        subject to p = kappa_e + slope_e x_e for e in A,  lower <= p <= upper

    a convex quadratic program, compiled once with parameters for all pieces of all markets of the
    same size. A market of E experts has up to 2 E - 1 pieces. It is for markets of ordinary scale:
    on pieces shorter than about 1e-6 of their price the solver's tolerance is the size of the
    piece.
    """

    def __init__(self) -> None:
        self.compiled = Compiled(_program)

    def price(self, market: Market) -> FloatArray:
        """Return the price (...) as `most_profitable_price`, credits/point, world by world.

        Raises:
            MechanismError: the solver gave no optimum on a piece.
        """
        price = np.zeros(market.batch_shape)
        for index in np.ndindex(market.batch_shape):
            price[index] = self._best(market.world(index))
        return price

    def _best(self, market: Market) -> float:
        slope = market.point_slope[market.demand > 0]
        if slope.size and slope.max() > FARTHEST * slope.min():
            raise MechanismError(
                f"posted_price: a cost_slope is {slope.max() / slope.min():.1g} times another: "
                f"Clarabel settles up to {FARTHEST:g}; solver: direct does beyond"
            )
        best_price, best_profit = 0.0, 0.0
        full_effort_price = market.point_cost + market.point_slope
        breakpoints = np.unique(np.concatenate([market.point_cost, full_effort_price]))
        for lower, upper in pairwise(breakpoints.tolist()):
            if not (_grows(market, lower, upper) & (market.demand > 0)).any():
                continue  # a higher price buys no more: the piece before holds the best price
            price, profit = self._best_on(market, lower, upper)
            if profit > best_profit:
                best_price, best_profit = price, profit
        return best_price

    def _best_on(self, market: Market, lower: float, upper: float) -> tuple[float, float]:
        grows = _grows(market, lower, upper)
        full = lower >= market.point_cost + market.point_slope
        found = self.compiled(market.num_experts).solve(
            f" on the piece [{lower}, {upper}]",
            margin=market.demand * (market.value - market.point_cost) * grows,
            curvature=market.demand * market.point_slope * grows,
            grows=grows,
            start=market.point_cost * grows,
            slope=market.point_slope,
            full_points=(market.demand * full).sum(),
            lower=lower,
            upper=upper,
        )
        full_value = (market.demand * market.value * full).sum()
        return float(found["price"]), float(found["profit"] + full_value)


def _grows(market: Market, lower: float, upper: float) -> BoolArray:
    """Return the experts (E,) whose effort grows on a piece between neighbouring breakpoints."""
    start = market.point_cost
    return np.asarray((lower >= start) & (upper <= start + market.point_slope))


def _program(num_experts: int) -> Program:
    import cvxpy as cp

    price = cp.Variable(name="price")
    effort = cp.Variable(num_experts, name="effort")
    # The first four are 0 outside A; slope is not, so that the equality holds effort at 0 there.
    margin = cp.Parameter(num_experts, name="margin")  # D (v - kappa)
    curvature = cp.Parameter(num_experts, nonneg=True, name="curvature")  # D slope
    grows = cp.Parameter(num_experts, nonneg=True, name="grows")  # 1
    start = cp.Parameter(num_experts, nonneg=True, name="start")  # kappa
    slope = cp.Parameter(num_experts, nonneg=True, name="slope")
    full_points = cp.Parameter(nonneg=True, name="full_points")  # sum of D over F
    lower = cp.Parameter(nonneg=True, name="lower")
    upper = cp.Parameter(nonneg=True, name="upper")
    profit = margin @ effort - curvature @ cp.square(effort) - full_points * price
    answers = grows * price == start + cp.multiply(slope, effort)
    return Program(
        "posted_price",
        cp.Maximize(profit),
        [answers, lower <= price, price <= upper],
        {"price": price, "profit": profit},
    )
