"""One price for every point of quality, set by the users as Stackelberg leader."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.base import register
from mechanisms.budget import check_amount
from mechanisms.claims import Claims
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.posted_price import PostedPriceProgram
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver
from mechanisms.supply import outcome_at_prices

# Profits closer than this share of the money at stake count as equal: rounding must not choose a
# price.
_TIE = 1e-12


@register("posted_price")
@dataclass(frozen=True)
class PostedPrice:
    """Users post the one unit price that leaves them most; each edge device answers at its best.

    Program, for each world: maximise over p >= 0 the users' profit in credits/slot

        sum_e D_e (v_e - p) x_e(p),    x_e(p) = clip((p - kappa_e) / slope_e, 0, 1)

        p            unit price, credits/point, the same for all experts
        D, v         demand, points/slot, and value, credits/point
        kappa, slope reported `point_cost` and `point_slope`, credits/point

    With `solver` cvxpy it is solved piece by piece (`PostedPriceProgram`), to what Clarabel rounds,
    on markets of ordinary scale.

    With `price` (credits/point) that price is posted instead, whatever it leaves: then only the
    answers of the edge devices are decided, and neither optimum nor profit is claimed.

    Guarantee: a global optimum, and the lowest one where several are equal. x_e bends only at
        kappa_e and kappa_e + slope_e, so between neighbouring breakpoints the profit is a quadratic
        with leading coefficient -sum D_e / slope_e <= 0 over the experts whose effort grows there:
        concave on each piece, though not as a whole. The scan visits the best price of every piece.
        It is exact up to rounding, which grows with the ratio of the largest to the smallest slope;
        profits within 1e-12 of sum_e D_e (|v_e| + min(kappa_e + slope_e, max v)) count as equal.
        The program leaves fixed costs aside: where there are some, an edge device that they would
        make lose declines, and no optimum is claimed.
    No trade: where no price leaves a profit, also without experts or demand, the price is 0 and
        nobody takes part; 0 is the lowest price there is and its profit is always 0.
    Individual rationality: 0 effort is among the answers, so no edge device loses, whatever it
        reported. Where effort is enforced, it is ordered to give the best response to the price at
        the costs it reported, which it declines where it would lose.
    Budget: users pay exactly the payments (balance 0); `Market.budget` is *ignored*.
    Strategic side: edge devices choose their effort, given the price. The price follows their
        *reports*, which are believed, so the mechanism is not incentive compatible. The users act
        as one.
    Source: leader and follower after von Stackelberg (1934); one buyer posting one linear price is
        textbook monopsony. The cost model and the scan are this project's own. Golden answer: with
        kappa = 0, nobody at full effort and one value v, p = v / 2 and welfare is 3/4 of the
        optimum.
    """

    name: ClassVar[str] = "posted_price"
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        individually_rational=frozenset({"edge_devices"}),
        budget_balanced=True,
    )

    price: float | None = None
    solver: Solver = DIRECT

    def __post_init__(self) -> None:
        check_amount(self.name, "price", self.price)
        check_solver(self.name, self.solver)
        if self.price is not None and self.solver == CVXPY:
            raise ValueError(
                f"{self.name}: a price that is given is not solved for; leave out solver"
            )

    @cached_property
    def program(self) -> PostedPriceProgram:
        """The program in CVXPY."""
        return PostedPriceProgram()

    def clear(self, market: Market) -> Outcome:
        """Post the most profitable price, or the one given.

        The status is "closed_form"; by CVXPY, world by world, "optimal"; of a given price "given".

        Raises:
            MechanismError: by CVXPY, the solver gave no optimum.
        """
        start = perf_counter()
        if self.price is not None:
            price, status = np.full(market.batch_shape, float(self.price)), "given"
        elif self.solver == CVXPY:
            price, status = self.program.price(market), "optimal"
        else:
            price, status = most_profitable_price(market), "closed_form"
        unit_price = np.repeat(price[..., np.newaxis], market.num_experts, axis=-1)
        return outcome_at_prices(
            market, unit_price, status=status, solve_seconds=perf_counter() - start
        )


def most_profitable_price(market: Market) -> FloatArray:
    """Return the price (...) of `PostedPrice`, credits/point, by a scan over bends of supply.

    At distance t into the piece that starts at breakpoint b, where supply is sum_e D_e x_e = S +
    sigma t and the value bought sum_e D_e v_e x_e = V + nu t, the profit is V + nu t - (b + t)(S +
    sigma t), greatest at t = (nu - S - b sigma) / (2 sigma). All pieces of all worlds at once; O(E
    log E) a world.
    """
    unit_cost, cost_slope = market.point_cost, market.point_slope
    steepness = market.demand / cost_slope
    full_effort_price = unit_cost + cost_slope
    origin = np.zeros((*market.batch_shape, 1))

    # Left ends of the pieces: price 0, where there is no supply, then each expert's start and end
    # of supply.
    left = np.concatenate([origin, unit_cost, full_effort_price], axis=-1)
    bend = np.concatenate([origin, steepness, -steepness], axis=-1)
    value_steepness = steepness * market.value
    value_bend = np.concatenate([origin, value_steepness, -value_steepness], axis=-1)
    order = np.argsort(left, axis=-1)
    left = np.take_along_axis(left, order, axis=-1)
    sigma = np.cumsum(np.take_along_axis(bend, order, axis=-1), axis=-1)
    nu = np.cumsum(np.take_along_axis(value_bend, order, axis=-1), axis=-1)

    # The last piece, on which everything is bought, is cut to its left end: beyond it profit only
    # falls.
    width = np.diff(left, axis=-1, append=left[..., -1:])
    supply = np.concatenate([origin, np.cumsum(sigma * width, axis=-1)[..., :-1]], axis=-1)
    value = np.concatenate([origin, np.cumsum(nu * width, axis=-1)[..., :-1]], axis=-1)

    profit_slope = nu - supply - left * sigma
    # Where supply does not grow, profit falls with the price: the left end is best. Next to no
    # growth may put the vertex too far off for a float; it is clipped all the same.
    with np.errstate(over="ignore"):
        vertex = np.divide(profit_slope, 2 * sigma, out=np.zeros_like(sigma), where=sigma > 0)
    step = np.clip(vertex, 0.0, width)
    price = left + step
    profit = value + nu * step - price * (supply + sigma * step)

    # Nobody is paid more than the greatest value: an edge device that asks for more, however much,
    # must not make other profits look equal.
    ceiling = market.value.max(axis=-1, keepdims=True, initial=0.0)
    most = np.abs(market.value) + np.minimum(full_effort_price, ceiling)
    at_stake = (market.demand * most).sum(axis=-1, keepdims=True)
    as_good_as_best = profit >= profit.max(axis=-1, keepdims=True) - _TIE * at_stake
    return np.asarray(np.where(as_good_as_best, price, np.inf).min(axis=-1))
