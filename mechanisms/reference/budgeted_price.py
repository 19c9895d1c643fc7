"""The program of `mechanisms.budgeted_price` in CVXPY, which the direct path is held to."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.budgeted_price import BudgetedPrice
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.program import compiled, solve
from mechanisms.supply import outcome_at_prices


class BudgetedPriceProgram:
    """The program of `BudgetedPrice` in CVXPY, a second-order cone program.

    It is compiled once for markets of the same size. CVXPY is imported on
    construction.
    """

    def __init__(self, num_experts: int) -> None:
        import cvxpy as cp

        self._effort = cp.Variable(num_experts, name="effort")
        self._margin = cp.Parameter(num_experts, name="margin")  # D (v - kappa)
        self._least_pay = cp.Parameter(num_experts, nonneg=True, name="least_pay")  # D kappa
        self._root_more_pay = cp.Parameter(
            num_experts, nonneg=True, name="root_more_pay"
        )  # sqrt(D slope)
        self._budget = cp.Parameter(nonneg=True, name="budget")
        more_pay = cp.sum_squares(cp.multiply(self._root_more_pay, self._effort))
        welfare = self._margin @ self._effort - more_pay / 2
        within = [
            self._effort >= 0,
            self._effort <= 1,
            self._least_pay @ self._effort + more_pay <= self._budget,
        ]
        self._problem = compiled(cp.Problem(cp.Maximize(welfare), within), BudgetedPrice.name)

    def clear(self, market: Market) -> Outcome:
        """Set prices as `BudgetedPrice().clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no optimum.
        """
        start = perf_counter()
        effort = np.zeros_like(market.demand)
        for index in np.ndindex(market.batch_shape):
            effort[index] = self._solve(market.world(index))
        unit_price = market.unit_cost + market.cost_slope * effort
        return outcome_at_prices(
            market, unit_price, status="optimal", solve_seconds=perf_counter() - start
        )

    def _solve(self, market: Market) -> FloatArray:
        import cvxpy as cp

        self._margin.value = market.demand * (market.value - market.unit_cost)
        self._least_pay.value = market.demand * market.unit_cost
        self._root_more_pay.value = np.sqrt(market.demand * market.cost_slope)
        self._budget.value = market.budget
        solve(self._problem, f"budgeted_price within {market.budget} credits/slot", cp.CLARABEL)
        return np.clip(self._effort.value, 0.0, 1.0)
