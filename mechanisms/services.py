"""Services of users by the experts that are allocated to them: their costs, and their effort."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.candidates import of_own_expert, of_served
from mechanisms.effort import Effort
from mechanisms.market import Market
from mechanisms.supply import answer, best_response, cost, full_effort_price


class Services(NamedTuple):
    """What serving each user takes of its expert, (..., U) each; of one who is not served, nothing.

    Attributes:
        expert: -1 for none.
        points: at full effort, points.
        work: at full effort, reference points.
        fixed_cost: at any effort above 0, credits.
        unit_cost: of the expert, credits/point of work.
        cost_slope: of the expert, credits/point of work.
    """

    expert: IntArray
    points: FloatArray
    work: FloatArray
    fixed_cost: FloatArray
    unit_cost: FloatArray
    cost_slope: FloatArray

    def full_effort_price(self, effort: Effort) -> FloatArray:
        """Return the least price of full effort for each user, credits; see `supply`."""
        return full_effort_price(
            effort, self.unit_cost, self.cost_slope, self.fixed_cost, self.work
        )

    def per_point(self, paid: FloatArray) -> FloatArray:
        """Return credits paid for full effort by the point, credits/point; 0 without points."""
        return np.divide(paid, self.points, out=np.zeros_like(paid), where=self.points > 0)

    def answer(self, pair_price: FloatArray, ordered: FloatArray | None) -> FloatArray:
        """Return the effort for each user, 0..1; 0 where the expert would lose.

        Args:
            pair_price: paid for a delivered point, credits/point.
            ordered: effort that it must give or decline; None for its best response.
        """
        price, unit_cost = pair_price * self.points, self.unit_cost * self.work
        takes_work = self.work > 0
        cost_slope = np.where(takes_work, self.cost_slope * self.work, 1.0)
        if ordered is None:
            # Service that takes no work costs no effort.
            ordered = np.where(takes_work, best_response(price, unit_cost, cost_slope), 1.0)
        effort = answer(
            price, unit_cost, np.where(takes_work, cost_slope, 0.0), self.fixed_cost, ordered
        )
        return np.where(self.expert >= 0, effort, 0.0)

    def cost(self, effort: FloatArray) -> FloatArray:
        """Return what the experts bear at an effort for each user, credits."""
        borne = self.work * cost(effort, self.unit_cost, self.cost_slope) + self.fixed_cost
        return np.where(effort > 0, borne, 0.0)

    def profit(self, pair_price: FloatArray, effort: FloatArray) -> FloatArray:
        """Return what the experts earn beyond their costs by each user, credits."""
        return pair_price * self.points * effort - self.cost(effort)


def services_of(market: Market, expert: IntArray, mechanism: str) -> Services:
    """Return the services of an allocation.

    Args:
        market: costs; its leading axes broadcast against those of the allocation.
        expert: (..., U) that serves the user, -1 for none.
        mechanism: for messages.

    Raises:
        MarketError: users report nothing.
    """
    users = market.users_for(mechanism)
    return Services(
        expert,
        of_pairs_served(market, users.points, expert),
        of_pairs_served(market, users.work, expert),
        of_pairs_served(market, users.fixed_cost, expert),
        of_own_expert(market.unit_cost, expert),
        of_own_expert(market.cost_slope, expert),
    )


def of_pairs_served(market: Market, amounts: FloatArray, expert: IntArray) -> FloatArray:
    """Return the entry of amounts (..., U, C) at each user's expert (..., U), or 0.

    Leading axes of the amounts broadcast to those of the allocation.
    """
    candidates = None if market.users is None else market.users.candidates
    amounts = np.broadcast_to(amounts, (*expert.shape, amounts.shape[-1]))
    return of_served(amounts, expert, candidates)
