"""Each edge device is paid its own price of full effort, where a point is worth that."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.base import register
from mechanisms.claims import Claims
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.supply import full_effort_price, outcome_at_prices


@register("cost_plus")
@dataclass(frozen=True)
class CostPlus:
    """A cost-plus contract for each edge device: its reported cost, and what moves it to work.

    Program, for each world: effort is bought whole or not at all, at the least price r_e of full
    effort. The users' profit is greatest over 0 <= x <= 1 in

        maximise   sum_e D_e (v_e - r_e) x_e    credits/slot

    which is decided device by device: the unit price is

        p_e = r_e where that is at most v_e, else 0    credits/point
        r_e = max(kappa_e + slope_e, full cost_e) where effort is bought, so that the best response
              is x_e = 1; full cost_e where it is enforced

        D, v         demand, points/slot, and value, credits/point
        kappa, slope reported `point_cost` and `point_slope`, credits/point
        full cost    kappa + slope / 2 and the fixed cost of a point

    Where effort is bought and nothing is fixed, the plus is slope / 2; where it is enforced there
    is none.

    Guarantee: an edge device that reports the truth earns r_e less the full cost a point of demand,
        or takes no part. Users gain v_e - p_e >= 0 from every point; they pay exactly the payments
        (balance 0). Where effort is bought and nothing is fixed, against the greatest welfare, at
        effort clip((v - kappa) / slope, 0, 1), only devices with kappa < v < kappa + slope are
        missing, at D (v - kappa)^2 / (2 slope) < D slope / 2 each.
    Not incentive compatible: the price is what is reported. A device gains by a higher report as
        long as r_e stays at most v, and where effort is bought by a higher kappa instead of slope
        not even its effort falls; nobody competes with it.
    Strategic side: edge devices. The users act as one. `Market.budget` is ignored.
    No experts, no demand, no value: nobody is paid.
    Source: cost-plus contracts, the case without incentives to save of Laffont and Tirole 1993, A
        Theory of Incentives in Procurement and Regulation, chapter 1. The cost model is this
        project's.
    """

    name: ClassVar[str] = "cost_plus"
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        individually_rational=frozenset({"edge_devices"}),
        budget_balanced=True,
    )

    def clear(self, market: Market) -> Outcome:
        """Post each device's price of full effort, or 0; status "closed_form"."""
        start = perf_counter()
        price = full_effort_price(
            market.effort, market.point_cost, market.point_slope, market.fixed_point_cost
        )
        buys = price <= market.value
        return outcome_at_prices(
            market,
            np.where(buys, price, 0.0),
            buys.astype(np.float64),
            status="closed_form",
            solve_seconds=perf_counter() - start,
        )
