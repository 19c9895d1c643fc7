"""The absence of a mechanism: edge devices serve for nothing, as in arXiv 2402.06942."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mechanisms.base import Mechanism, register
from mechanisms.claims import Claims
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.supply import outcome_of_efforts


@register("none")
@dataclass(frozen=True)
class FreeExperts:
    """Cooperative edge devices: full effort, no price, no payment, nobody is charged.

    Program: none. Unit price 0 credits/point, effort 1.
    Guarantee: all demand is served and the budget is never touched. Not individually rational: an
        edge device bears its cost unpaid, so welfare, which counts that cost, may be negative. It
        declines nothing: `Market.effort` changes nothing here.
    Strategic side: nobody. Reports do not matter.
    Source: the paper's own assumption (arXiv 2402.06942), where edge devices are not paid.
    """

    name: ClassVar[str] = "none"
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(budget_balanced=True, within_budget=True)

    def clear(self, market: Market) -> Outcome:
        """Serve all demand at price 0."""
        effort = np.ones_like(market.demand)
        return outcome_of_efforts(
            market, np.zeros_like(effort), effort, status="free", solve_seconds=0.0
        )


def is_free(mechanism: Mechanism) -> bool:
    """Return whether edge devices serve for nothing under a mechanism, at any cost: `none`."""
    return isinstance(mechanism, FreeExperts)
