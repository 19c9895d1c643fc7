"""The program of `mechanisms.posted_price` in CVXPY, which the direct path is held to."""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter

import numpy as np

from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.posted_price import PostedPrice
from mechanisms.reference.program import compiled, solve
from mechanisms.supply import outcome_at_prices


class PostedPriceProgram:
    """The program of `PostedPrice` in CVXPY, piece by piece.

    On the piece lower <= p <= upper, with A the experts whose effort grows and F those at full
    effort,

        maximise   sum_(e in A) D_e ((v_e - kappa_e) x_e - slope_e x_e^2)
                   + sum_(e in F) D_e (v_e - p)
        subject to p = kappa_e + slope_e x_e for e in A,  lower <= p <= upper

    a convex quadratic program, compiled once with parameters for all pieces of all markets of the
    same size. CVXPY is imported on construction. It is for markets of ordinary scale: on pieces
    shorter than about 1e-6 of their price the solver's tolerance is the size of the piece.
    """

    def __init__(self, num_experts: int) -> None:
        import cvxpy as cp

        self._price = cp.Variable(name="price")
        effort = cp.Variable(num_experts, name="effort")
        # The first four are 0 outside A; slope is not, so that the equality holds effort at 0
        # there.
        self._margin = cp.Parameter(num_experts, name="margin")  # D (v - kappa)
        self._curvature = cp.Parameter(num_experts, nonneg=True, name="curvature")  # D slope
        self._grows = cp.Parameter(num_experts, nonneg=True, name="grows")  # 1
        self._start = cp.Parameter(num_experts, nonneg=True, name="start")  # kappa
        self._slope = cp.Parameter(num_experts, nonneg=True, name="slope")
        self._full_points = cp.Parameter(nonneg=True, name="full_points")  # sum of D over F
        self._lower = cp.Parameter(nonneg=True, name="lower")
        self._upper = cp.Parameter(nonneg=True, name="upper")
        profit = (
            self._margin @ effort
            - self._curvature @ cp.square(effort)
            - self._full_points * self._price
        )
        answers = self._grows * self._price == self._start + cp.multiply(self._slope, effort)
        within = [self._lower <= self._price, self._price <= self._upper]
        self._problem = compiled(
            cp.Problem(cp.Maximize(profit), [answers, *within]), PostedPrice.name
        )

    def clear(self, market: Market) -> Outcome:
        """Post prices as `PostedPrice.clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no optimum on a piece.
        """
        start = perf_counter()
        price = np.zeros(market.batch_shape)
        for index in np.ndindex(market.batch_shape):
            price[index] = self._solve(market.world(index))
        unit_price = np.repeat(price[..., np.newaxis], market.num_experts, axis=-1)
        return outcome_at_prices(
            market, unit_price, status="optimal", solve_seconds=perf_counter() - start
        )

    def _solve(self, market: Market) -> float:
        best_price, best_profit = 0.0, 0.0
        full_effort_price = market.unit_cost + market.cost_slope
        breakpoints = np.unique(np.concatenate([market.unit_cost, full_effort_price]))
        for lower, upper in pairwise(breakpoints.tolist()):
            price, profit = self._solve_piece(market, lower, upper)
            if profit > best_profit:
                best_price, best_profit = price, profit
        return best_price

    def _solve_piece(self, market: Market, lower: float, upper: float) -> tuple[float, float]:
        import cvxpy as cp

        middle = (lower + upper) / 2
        full = middle >= market.unit_cost + market.cost_slope
        grows = (middle > market.unit_cost) & ~full
        self._margin.value = market.demand * (market.value - market.unit_cost) * grows
        self._curvature.value = market.demand * market.cost_slope * grows
        self._grows.value = grows.astype(np.float64)
        self._start.value = market.unit_cost * grows
        self._slope.value = market.cost_slope
        self._full_points.value = (market.demand * full).sum()
        self._lower.value, self._upper.value = lower, upper
        profit = solve(self._problem, f"posted_price on the piece [{lower}, {upper}]", cp.CLARABEL)
        full_value = (market.demand * market.value * full).sum()
        return float(self._price.value), profit + float(full_value)
