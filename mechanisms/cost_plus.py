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
from mechanisms.supply import outcome_at_prices


@register("cost_plus")
@dataclass(frozen=True)
class CostPlus:
    """A cost-plus contract for each edge device: its reported cost, and what moves it to work.

    Program, for each world: effort is bought whole or not at all, at the least price whose best
    response is x_e = 1. The users' profit is greatest over 0 <= x <= 1 in

        maximise   sum_e D_e (v_e - kappa_e - slope_e) x_e    credits/slot

    which is decided device by device: the unit price is

        p_e = kappa_e + slope_e where that is at most v_e, else 0    credits/point

        D, v         demand, points/slot, and value, credits/point
        kappa, slope reported unit cost and cost slope, credits/point

    The cost of full effort is kappa + slope / 2 a point; the plus is slope / 2.

    Guarantee: an edge device that reports the truth earns slope / 2 a point of demand, or takes no
        part. Users gain v_e - p_e >= 0 from every point; they pay exactly the payments (balance 0).
        Against the greatest welfare, at effort clip((v - kappa) / slope, 0, 1), only devices with
        kappa < v < kappa + slope are missing, at D (v - kappa)^2 / (2 slope) < D slope / 2 each.
    Not incentive compatible: the price is what is reported. A device gains by a higher report as
        long as kappa + slope stays at most v, and by a higher kappa instead of slope not even its
        effort falls; nobody competes with it.
    Strategic side: edge devices. The users act as one. `Market.budget` is ignored.
    No experts, no demand, no value: nobody is paid.
    Source: cost-plus contracts, the case without incentives to save of Laffont and Tirole 1993, A
        Theory of Incentives in Procurement and Regulation, chapter 1. The cost model is this
        project's.
    """

    name: ClassVar[str] = "cost_plus"
    voluntary: ClassVar[bool] = True
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        individually_rational=frozenset({"edge_devices"}),
        budget_balanced=True,
    )

    def clear(self, market: Market) -> Outcome:
        """Post each device's price of full effort, or 0; status "closed_form"."""
        start = perf_counter()
        full_effort_price = market.unit_cost + market.cost_slope
        unit_price = np.where(full_effort_price <= market.value, full_effort_price, 0.0)
        return outcome_at_prices(
            market, unit_price, status="closed_form", solve_seconds=perf_counter() - start
        )
