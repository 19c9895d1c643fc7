"""Points bought at one price from a budget, of edge devices whose best report is the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.base import register
from mechanisms.budget import budget_of, check_amount
from mechanisms.claims import Claims
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.proportional_share import ProportionalShareProgram
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver
from mechanisms.supply import outcome_at_prices


@register("proportional_share")
@dataclass(frozen=True)
class ProportionalShare:
    """Budget-feasible procurement: the cheapest sell all their points at a price they do not set.

    Sellers are the edge devices with demand whose cost at full effort, u_e = kappa_e + slope_e / 2
    and the fixed cost of a point, is at most their value (the reserve). In the order of u_e, ties
    in that of their index, sell the longest prefix that a common price may pay from the budget:

        maximise   sum_(e sells) D_e
        subject to u_e <= B / sum_(i sells) D_i for all e that sell,
                   nobody sells before one that is cheaper
        price      p = min(B / sum_(i sells) D_i, u of the next seller);  p_e = min(p, v_e)

        D, v         demand, points/slot, and value, credits/point
        kappa, slope reported `point_cost` and `point_slope`, credits/point
        B            budget, credits/slot: `budget`, or where that is None the market's own

    Those that sell give effort 1 and get p_e a point; all others give 0, at price 0. With `solver`
    cvxpy the prefix is found by a mixed-integer program (`ProportionalShareProgram`).

    Guarantee: reporting the true costs is best for an edge device, whatever others report. As u_k
        rises and B / (D_1 + ... + D_k) falls with k, the prefix S ends at the first seller that
        breaks the bound. One that sells does so with any report up to p_e, and set and price stay
        the same: it and all before it keep the bound, and the next one breaks it as before. With a
        report above p_e it does not sell: above B / D_S it breaks the bound; above u of the next
        seller it stands behind that one, which breaks it; above v_e it is no seller. So p_e is its
        critical report, which its own report does not move, and it sells exactly where it costs
        less than that (Myerson, Optimal Auction Design, 1981).
    Individual rationality: u_e <= p_e for all that sell.
    Budget: charges are the payments (balance 0) and at most p D_S <= B.
    No trade: where the cheapest seller alone costs more than B / D, with budget 0 or without
        sellers, nobody sells. One seller alone gets B / D, at most its value: without the reserve
        this would know no bound.
    Strategic side: edge devices; only kappa + slope / 2 of their report matters, and whether they
        are available: both are claimed, and no field is left by which a lie could pay. Work, demand
        and fixed cost are known to the platform, and only add to u_e and scale it, so all of this
        holds with them.
    Enforced only: those that sell must give effort 1, which a price below kappa + slope would not
        be answered with. Where effort is bought they give their best response to p_e instead: then
        a lower report may be paid more, and nothing is claimed.
    Points: at least half of what B buys of sellers paid no more than their cost, less half of the
        next seller's: of those beyond the prefix each point costs at least u of the next seller,
        more than B / (D_S + D of the next).
    Source: Singer, Budget Feasible Mechanisms (FOCS 2010, arXiv 1002.2334), with points for values;
        the reserve is this project's own.
    """

    name: ClassVar[str] = "proportional_share"
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        incentive_compatible=frozenset({"edge_devices.costs", "edge_devices.available"}),
        individually_rational=frozenset({"edge_devices"}),
        budget_balanced=True,
        within_budget=True,
        regimes=frozenset({"enforced"}),
    )

    budget: float | None = None
    solver: Solver = DIRECT

    def __post_init__(self) -> None:
        check_amount(self.name, "budget", self.budget)
        check_solver(self.name, self.solver)

    @cached_property
    def program(self) -> ProportionalShareProgram:
        """The program in CVXPY."""
        return ProportionalShareProgram()

    def clear(self, market: Market) -> Outcome:
        """Decide who sells at what price, in every world at once.

        The status is "closed_form"; by CVXPY, world by world, "optimal".

        Raises:
            MechanismError: by CVXPY, the solver gave no optimum.
        """
        start = perf_counter()
        budget = budget_of(market, self.budget)
        queue = queue_of(market)
        if self.solver == CVXPY:
            sells = self.program.sells(queue.is_seller, queue.ask, queue.points_so_far, budget)
            status = "optimal"
        else:
            sells = queue.is_seller & (queue.ask * queue.points_so_far <= budget[..., np.newaxis])
            status = "closed_form"
        unit_price, effort = _settled(market, queue, sells, budget)
        return outcome_at_prices(
            market, unit_price, effort, status=status, solve_seconds=perf_counter() - start
        )


class Queue(NamedTuple):
    """Edge devices in the order in which they may sell; (..., E) each."""

    order: IntArray  # index of the edge device at this place
    is_seller: BoolArray  # those that are not stand at the end
    ask: FloatArray  # its cost of a point at full effort, credits/point
    points_so_far: FloatArray  # of it and all before it, points/slot


def queue_of(market: Market) -> Queue:
    """Return the edge devices by cost at full effort, then index; those that cannot sell last."""
    ask = market.full_cost
    is_seller = (market.demand > 0) & (ask <= market.value)
    order = np.argsort(np.where(is_seller, ask, np.inf), axis=-1, kind="stable")
    points_so_far = np.cumsum(np.take_along_axis(market.demand, order, axis=-1), axis=-1)
    is_seller = np.take_along_axis(is_seller, order, axis=-1)
    return Queue(order, is_seller, np.take_along_axis(ask, order, axis=-1), points_so_far)


def _settled(
    market: Market, queue: Queue, sells: BoolArray, budget: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return unit price and effort (..., E) where the first of the queue sell.

    Args:
        market: costs as reported.
        queue: of this market.
        sells: (..., E) those that sell, a prefix of the queue.
        budget: (...) credits/slot.
    """
    # Behind the last seller of the prefix the first who is still a seller sets an upper bound, if
    # there is one.
    points = np.max(np.where(sells, queue.points_so_far, 0.0), axis=-1, initial=0.0)
    next_ask = np.min(
        np.where(queue.is_seller & ~sells, queue.ask, np.inf), axis=-1, initial=np.inf
    )
    with np.errstate(over="ignore"):
        fair_share = np.divide(budget, points, out=np.zeros_like(points), where=points > 0)
    price = np.minimum(fair_share, next_ask)[..., np.newaxis]
    sold = np.zeros(market.demand.shape, dtype=bool)
    np.put_along_axis(sold, queue.order, sells, axis=-1)
    return np.where(sold, np.minimum(price, market.value), 0.0), sold.astype(np.float64)
