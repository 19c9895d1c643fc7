"""The program of `mechanisms.budgeted_price` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.convex import ConvexMechanism, ConvexProgram, Given
from mechanisms.errors import MechanismError
from mechanisms.fields import first
from mechanisms.market import Market

_NOTHING = 1e-6  # an effort up to this is what the solver leaves of 0
_SETTLED = 3e-3  # from the best effort at the budget's multiplier, as far as an answer may be


class BudgetedPriceProgram(ConvexMechanism):
    """The program of `BudgetedPrice` in CVXPY, a second-order cone program.

    Of an expert without demand it decides nothing: its price is any that the solver leaves. What
    one brings that is worth 1e-5 of another may be less than the solver rounds; then its effort is
    not the best one, and the answer is refused.
    """

    name = "budgeted_price"

    def program(self, given: Given) -> ConvexProgram:
        """See `ConvexMechanism`."""
        import cvxpy as cp

        effort = cp.Variable(given.num_experts, name="effort")
        gain = given.derived("gain", lambda m: m.demand * (m.value - m.point_cost))
        pay = given.derived("pay", lambda m: m.demand * m.point_cost, nonneg=True)
        more_pay = given.derived("more_pay", lambda m: m.demand * m.point_slope, nonneg=True)
        rise = more_pay @ cp.square(effort)

        within_budget = pay @ effort + rise <= given.budget

        def unit_price(market: Market) -> FloatArray:
            dearer = 1.0 + max(0.0, float(within_budget.dual_value))
            growth = market.point_slope * (2 * dearer - 1)
            best = np.clip((market.value - market.point_cost * dearer) / growth, 0.0, 1.0)
            off = (np.abs(effort.value - best) > _SETTLED) & (market.demand > 0)
            if off.any():
                raise MechanismError(
                    f"{self.name}: what {first('demand', market.demand, off)} brings is too little "
                    "beside the other experts' for Clarabel to settle; solver: direct does"
                )
            bought = effort.value > _NOTHING
            price = market.point_cost + market.point_slope * effort.value
            return np.where(bought, price, 0.0)

        return ConvexProgram(
            cp.Maximize(gain @ effort - rise / 2),
            [within_budget, effort >= 0, effort <= 1],
            unit_price,
        )
