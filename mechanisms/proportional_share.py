"""As many points as a budget buys at one price, from edge devices whose best report is the truth."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechanisms.base import register
from mechanisms.budget import budget_of, check_amount
from mechanisms.claims import Claims
from mechanisms.market import FloatArray, IntArray, Market, Outcome
from mechanisms.program import compiled, solve
from mechanisms.supply import welfare


@register("proportional_share")
@dataclass(frozen=True)
class ProportionalShare:
    """Budget-feasible procurement: the cheapest edge devices sell all their points, at a price that
    they do not set.

    Sellers are the edge devices with demand whose cost at full effort, u_e = kappa_e + slope_e / 2,
    is at most their value (the reserve). In the order of u_e, ties in that of their index, sell the
    longest prefix that a common price may pay from the budget:

        maximise   sum_(e sells) D_e   subject to   u_e <= B / sum_(i sells) D_i   for all e that
                                                    sell, nobody sells before one that is cheaper
        price      p = min(B / sum_(i sells) D_i, u of the next seller);  p_e = min(p, v_e)

        D, v         demand, points/slot, and value, credits/point
        kappa, slope reported unit cost and cost slope, credits/point
        B            budget, credits/slot: `budget`, or where that is None the market's own

    Those that sell give effort 1 and get p_e a point; all others give 0, at price 0.

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
    No trade: where the cheapest seller alone asks more than B / D, with budget 0 or without
        sellers, nobody sells. One seller alone gets B / D, at most its value: without the reserve
        this would know no bound.
    Strategic side: edge devices; only kappa + slope / 2 of their report matters. They must then
        give effort 1, which a price below kappa + slope would not be answered with.
    Points: at least half of what B buys of sellers paid no more than their cost, less half of the
        next seller's: of those beyond the prefix each point costs at least u of the next seller,
        more than B / (D_S + D of the next).
    Source: Singer, Budget Feasible Mechanisms (FOCS 2010, arXiv 1002.2334), with points for values;
        the reserve is this project's own.
    """

    name: ClassVar[str] = "proportional_share"
    voluntary: ClassVar[bool] = False
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        incentive_compatible=frozenset({"edge_devices"}),
        individually_rational=frozenset({"edge_devices"}),
        budget_balanced=True,
        within_budget=True,
    )

    budget: float | None = None

    def __post_init__(self) -> None:
        check_amount(self.name, "budget", self.budget)

    def clear(self, market: Market) -> Outcome:
        """Who sells at what price, in every world at once; status "closed_form"."""
        start = perf_counter()
        budget = budget_of(market, self.budget)
        queue = _queue(market)
        sells = queue.is_seller & (queue.ask * queue.points_so_far <= budget[..., np.newaxis])
        return _outcome(market, queue, sells, budget, "closed_form", start)


class _Queue(NamedTuple):
    """The edge devices in the order in which they may sell; (..., E) each."""

    order: IntArray  # which edge device stands here
    is_seller: NDArray[np.bool_]  # all who are not stand at the end
    ask: FloatArray  # its cost of a point at full effort, credits/point
    points_so_far: FloatArray  # of it and all before it, points/slot


def _queue(market: Market) -> _Queue:
    ask = market.unit_cost + market.cost_slope / 2
    is_seller = (market.demand > 0) & (ask <= market.value)
    order = np.argsort(np.where(is_seller, ask, np.inf), axis=-1, kind="stable")
    points_so_far = np.cumsum(np.take_along_axis(market.demand, order, axis=-1), axis=-1)
    is_seller = np.take_along_axis(is_seller, order, axis=-1)
    return _Queue(order, is_seller, np.take_along_axis(ask, order, axis=-1), points_so_far)


def _outcome(
    market: Market,
    queue: _Queue,
    sells: NDArray[np.bool_],
    budget: FloatArray,
    status: str,
    start: float,
) -> Outcome:
    """The outcome where the first of the queue sell; `start` is when the solution began, in
    seconds.
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
    effort = sold.astype(np.float64)
    unit_price = np.where(sold, np.minimum(price, market.value), 0.0)
    return Outcome(
        unit_price=unit_price,
        effort=effort,
        points=market.demand * effort,
        payment=unit_price * (market.demand * effort),
        welfare=welfare(effort, market.demand, market.value, market.unit_cost, market.cost_slope),
        status=status,
        solve_seconds=perf_counter() - start,
    )


class ProportionalShareProgram:
    """Who sells, by a mixed-integer program in CVXPY: what the scan is held to.

    With the sellers in the order of their costs, x_k = 1 where the k-th sells, and t = 1 / p for a
    price p,

        maximise sum_k D_k x_k  subject to  x_1 >= x_2 >= ...,  sum_k D_k x_k <= B t,  t <= 1 / u_k
        where x_k = 1

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
        self._slack = cp.Parameter(
            num_experts, nonneg=True, name="slack"
        )  # up to the highest inverse ask
        constraints = [
            self._sells <= self._is_seller,
            self._sells[1:] <= self._sells[:-1],
            self._points @ self._sells <= self._budget * inverse_price,
            inverse_price <= self._inverse_ask + cp.multiply(self._slack, 1 - self._sells),
        ]
        problem = cp.Problem(cp.Maximize(self._points @ self._sells), constraints)
        self._problem = compiled(problem, ProportionalShare.name)

    def clear(self, market: Market) -> Outcome:
        """As `ProportionalShare().clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no optimum.
        """
        start = perf_counter()
        sells = np.zeros(market.demand.shape, dtype=bool)
        for index in np.ndindex(market.batch_shape):
            sells[index] = self._solve(market.world(index))
        return _outcome(market, _queue(market), sells, market.budget, "optimal", start)

    def _solve(self, market: Market) -> NDArray[np.bool_]:
        import cvxpy as cp

        queue = _queue(market)
        self._points.value = np.diff(queue.points_so_far, prepend=0.0)
        self._is_seller.value = queue.is_seller.astype(np.float64)
        self._budget.value = market.budget
        self._inverse_ask.value = 1 / queue.ask
        self._slack.value = np.max(1 / queue.ask) - 1 / queue.ask
        name = f"proportional_share within {market.budget} credits/slot"
        # A warm start may end in a wrong answer that HiGHS calls optimal.
        solve(self._problem, name, cp.HIGHS, warm_start=False, mip_rel_gap=0.0)
        return np.asarray(self._sells.value > 0.5)
