"""The program of `mechanisms.budgeted_price` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.convex import ConvexMechanism, ConvexProgram, Given
from mechanisms.market import Market

_NOTHING = 1e-6  # an effort up to this is what the solver leaves of 0


class BudgetedPriceProgram(ConvexMechanism):
    """The program of `BudgetedPrice` in CVXPY, a second-order cone program.

    Of an expert without demand it decides nothing: its price is any that the solver leaves.
    """

    name = "budgeted_price"

    def program(self, given: Given) -> ConvexProgram:
        """See `ConvexMechanism`."""
        import cvxpy as cp

        effort = cp.Variable(given.num_experts, name="effort")
        gain = given.derived("gain", lambda m: m.demand * (m.value - m.unit_cost))
        pay = given.derived("pay", lambda m: m.demand * m.unit_cost, nonneg=True)
        more_pay = given.derived("more_pay", lambda m: m.demand * m.cost_slope, nonneg=True)
        rise = more_pay @ cp.square(effort)

        def unit_price(market: Market) -> FloatArray:
            bought = effort.value > _NOTHING
            price = market.unit_cost + market.cost_slope * effort.value
            return np.where(bought, price, 0.0)

        return ConvexProgram(
            cp.Maximize(gain @ effort - rise / 2),
            [pay @ effort + rise <= given.budget, effort >= 0, effort <= 1],
            unit_price,
        )
