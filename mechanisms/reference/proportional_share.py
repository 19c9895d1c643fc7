"""The program of `mechanisms.proportional_share` in CVXPY, which the direct path is held to."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from mechanisms.arrays import BoolArray
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.proportional_share import ProportionalShare, outcome_of, queue_of
from mechanisms.reference.program import compiled, solve


class ProportionalShareProgram:
    """The program of `ProportionalShare` in CVXPY, mixed-integer.

    With the sellers in the order of their costs, x_k = 1 where the k-th sells, and t = 1 / p for a
    price p,

        maximise   sum_k D_k x_k
        subject to x_1 >= x_2 >= ...,  sum_k D_k x_k <= B t,  t <= 1 / u_k where x_k = 1

    compiled once for markets of the same size and solved by HiGHS. CVXPY is imported on
    construction.
    """

    def __init__(self, num_experts: int) -> None:
        import cvxpy as cp

        self._sells = cp.Variable(num_experts, boolean=True, name="sells")
        inverse_price = cp.Variable(nonneg=True, name="inverse_price")
        self._points = cp.Parameter(num_experts, nonneg=True, name="points")
        self._is_seller = cp.Parameter(num_experts, nonneg=True, name="is_seller")
        self._budget = cp.Parameter(nonneg=True, name="budget")
        self._inverse_ask = cp.Parameter(num_experts, nonneg=True, name="inverse_ask")
        # Up to the highest inverse ask.
        self._slack = cp.Parameter(num_experts, nonneg=True, name="slack")
        constraints = [
            self._sells <= self._is_seller,
            self._sells[1:] <= self._sells[:-1],
            self._points @ self._sells <= self._budget * inverse_price,
            inverse_price <= self._inverse_ask + cp.multiply(self._slack, 1 - self._sells),
        ]
        problem = cp.Problem(cp.Maximize(self._points @ self._sells), constraints)
        self._problem = compiled(problem, ProportionalShare.name)

    def clear(self, market: Market) -> Outcome:
        """Decide who sells as `ProportionalShare().clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no optimum.
        """
        start = perf_counter()
        sells = np.zeros(market.demand.shape, dtype=bool)
        for index in np.ndindex(market.batch_shape):
            sells[index] = self._solve(market.world(index))
        return outcome_of(market, queue_of(market), sells, market.budget, "optimal", start)

    def _solve(self, market: Market) -> BoolArray:
        import cvxpy as cp

        queue = queue_of(market)
        self._points.value = np.diff(queue.points_so_far, prepend=0.0)
        self._is_seller.value = queue.is_seller.astype(np.float64)
        self._budget.value = market.budget
        self._inverse_ask.value = 1 / queue.ask
        self._slack.value = np.max(1 / queue.ask) - 1 / queue.ask
        name = f"proportional_share within {market.budget} credits/slot"
        # A warm start may end in a wrong answer that HiGHS calls optimal.
        solve(self._problem, name, cp.HIGHS, warm_start=False, mip_rel_gap=0.0)
        return np.asarray(self._sells.value > 0.5)
