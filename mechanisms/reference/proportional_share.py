"""The program of `mechanisms.proportional_share` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray
from mechanisms.program import Compiled, Program


class ProportionalShareProgram:
    """The program of `ProportionalShare` in CVXPY, mixed-integer.

    With the sellers in the order of their costs, x_k = 1 where the k-th sells, and t = 1 / p for a
    price p,

        maximise   sum_k D_k x_k
        subject to x_1 >= x_2 >= ...,  sum_k D_k x_k <= B t,  t <= 1 / u_k where x_k = 1

    compiled once for markets of the same size and solved by HiGHS.
    """

    def __init__(self) -> None:
        self.compiled = Compiled(_program)

    def sells(
        self, is_seller: BoolArray, ask: FloatArray, points_so_far: FloatArray, budget: FloatArray
    ) -> BoolArray:
        """Return who sells (..., E), in the order of a queue, world by world.

        Args:
            is_seller: (..., E) as in `Queue`; so the next two.
            ask: (..., E) credits/point.
            points_so_far: (..., E) points/slot.
            budget: (...) credits/slot.

        Raises:
            MechanismError: the solver gave no optimum.
        """
        sells = np.zeros(is_seller.shape, dtype=bool)
        for index in np.ndindex(budget.shape):
            if not is_seller[index].any():
                continue
            inverse_ask = 1 / ask[index]
            found = self.compiled(ask.shape[-1]).solve(
                f" within {budget[index]} credits/slot",
                points=np.diff(points_so_far[index], prepend=0.0),
                is_seller=is_seller[index],
                budget=budget[index],
                inverse_ask=inverse_ask,
                slack=inverse_ask.max() - inverse_ask,
            )
            sells[index] = found["sells"] > 0.5
        return sells


def _program(num_experts: int) -> Program:
    import cvxpy as cp

    sells = cp.Variable(num_experts, boolean=True, name="sells")
    inverse_price = cp.Variable(nonneg=True, name="inverse_price")
    points = cp.Parameter(num_experts, nonneg=True, name="points")
    is_seller = cp.Parameter(num_experts, nonneg=True, name="is_seller")
    budget = cp.Parameter(nonneg=True, name="budget")
    inverse_ask = cp.Parameter(num_experts, nonneg=True, name="inverse_ask")
    slack = cp.Parameter(num_experts, nonneg=True, name="slack")  # up to the highest inverse ask
    constraints = [
        sells <= is_seller,
        points @ sells <= budget * inverse_price,
        inverse_price <= inverse_ask + cp.multiply(slack, 1 - sells),
    ]
    if num_experts > 1:
        constraints.append(sells[1:] <= sells[:-1])
    return Program(
        "proportional_share",
        cp.Maximize(points @ sells),
        constraints,
        {"sells": sells},
        solver="HIGHS",
    )
