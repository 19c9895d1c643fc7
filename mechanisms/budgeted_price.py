"""A price for each edge device, such that what is bought is worth most and paid from a budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.base import register
from mechanisms.budget import budget_of, check_amount
from mechanisms.claims import Claims
from mechanisms.errors import MechanismError
from mechanisms.magnitudes import FARTHEST_ROUNDED
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.budgeted_price import BudgetedPriceProgram
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver
from mechanisms.supply import best_response, outcome_at_prices

_KEPT = 1e-10  # of a budget, by which sums may round above it
_LEAST = float(np.finfo(np.float64).tiny)  # credits; less has fewer digits
_LOST = 1e-3  # of a budget, by which the steps of prices may leave less paid
_STEPS = 8  # of prices: each is off by a few at most


@register("budgeted_price")
@dataclass(frozen=True)
class BudgetedPrice:
    """A unit price of its own for each edge device; together they are paid at most the budget.

    Program, for each world: maximise welfare, credits/slot, at the costs reported

        maximise   sum_e D_e ((v_e - kappa_e) x_e - slope_e x_e^2 / 2)
        subject to sum_e D_e (kappa_e + slope_e x_e) x_e <= B,   0 <= x_e <= 1

        x            effort, 0..1; the edge device's best response to the price p_e = kappa_e +
                     slope_e x_e, and to p_e = 0 where x_e = 0
        D, v         demand, points/slot, and value, credits/point
        kappa, slope reported `point_cost` and `point_slope`, credits/point
        B            budget, credits/slot: `budget`, or where that is None the market's own

    Convex, strictly in every x_e with demand, and never infeasible: x = 0 costs nothing. With
    `solver` cvxpy the program itself is solved (`BudgetedPriceProgram`), to what Clarabel rounds.

    Guarantee: the global optimum, exact up to rounding of prices. With mu >= 0 the multiplier of
        the budget,
        x_e = clip((v_e - kappa_e (1 + mu)) / (slope_e (1 + 2 mu)), 0, 1), see `efforts_within`.
        The program leaves fixed costs aside: where there are some, an edge device that they would
        make lose declines, its part of the budget is not spent, and no optimum is claimed.
    Budget: charges are the payments (balance 0) and at most B, as long as edge devices answer as
        they reported. One that is cheaper than it reported answers the price with more effort,
        which nothing here foresees.
        Where kappa is more than about 1e12 times slope x, no price in double precision spends the
        budget to 1e-3, and the clearing is refused.
    Individual rationality: 0 effort is among the answers, so no edge device loses, whatever it
        reported. Where effort is enforced, x_e is what is ordered; who would lose declines.
    No trade: with budget 0 effort and price are 0, also for experts without demand. Where the
        budget does not bind, effort is the best response to the value. An edge device that is worth
        no more than kappa gets 0.
    Strategic side: edge devices. Not incentive compatible: the price follows the reported cost, so
        reporting more than the truth pays until p_e = v_e. One edge device with kappa 1, slope 1
        and value 3 gains 1 credit a point.
    Source: the cost model and the program are this project's own; a convex program of one budget,
        solved by its multiplier (Boyd and Vandenberghe, Convex Optimization, section 5.5.3, as for
        water-filling).
    """

    name: ClassVar[str] = "budgeted_price"
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        individually_rational=frozenset({"edge_devices"}),
        budget_balanced=True,
        within_budget=True,
    )

    budget: float | None = None
    solver: Solver = DIRECT

    def __post_init__(self) -> None:
        check_amount(self.name, "budget", self.budget)
        check_solver(self.name, self.solver)

    @cached_property
    def program(self) -> BudgetedPriceProgram:
        """The program in CVXPY."""
        return BudgetedPriceProgram()

    def clear(self, market: Market) -> Outcome:
        """Set the prices of greatest welfare within the budget.

        The status is "closed_form"; by CVXPY, world by world, "optimal".

        Raises:
            MechanismError: by CVXPY, the solver gave no optimum; or prices in double precision do
                not spend the budget.
        """
        start = perf_counter()
        budget = budget_of(market, self.budget)
        if self.solver == CVXPY:
            return self.program.clear(replace(market, budget=budget))
        effort = efforts_within(budget, market)
        # Whoever is to give nothing is offered nothing: at the reported kappa an overstated one
        # would be paid in full.
        unit_price = np.where(effort > 0, market.point_cost + market.point_slope * effort, 0.0)
        unit_price = _answered(unit_price, effort, budget, market)
        return outcome_at_prices(
            market, unit_price, status="closed_form", solve_seconds=perf_counter() - start
        )


def _answered(
    unit_price: FloatArray, effort: FloatArray, budget: FloatArray, market: Market
) -> FloatArray:
    """Return prices (..., E) whose answers, as they round, are within the budget and spend it.

    An edge device answers (p - kappa) / slope: where kappa is far above slope x effort, the next
    price in double precision is a step in effort. Prices that pay too much are lowered by steps.

    Args:
        unit_price: (..., E) credits/point.
        effort: (..., E) that they are to have.
        budget: (...) credits/slot.
        market: costs as reported.

    Raises:
        MechanismError: what is paid is above the budget, or less than meant by 1e-3 of it.
    """

    def paid() -> FloatArray:
        answer = best_response(unit_price, market.point_cost, market.point_slope)
        return np.asarray((unit_price * market.demand * answer).sum(axis=-1))

    spent = paid()
    most = budget * (1 + _KEPT) + _LEAST
    partial = (effort > 0) & (effort < 1)
    for _ in range(_STEPS):
        above = spent > most
        if not above.any():
            break
        lower = np.nextafter(unit_price, 0.0)
        unit_price = np.where(partial & above[..., np.newaxis], lower, unit_price)
        spent = paid()
    # The budget, unless the best responses to the values cost less.
    wanted = best_response(market.value, market.point_cost, market.point_slope)
    price = market.point_cost + market.point_slope * wanted
    meant = np.minimum((price * market.demand * wanted).sum(axis=-1), budget)
    lost = (spent > most) | (spent < meant - _LOST * budget - _LEAST)
    for world in np.argwhere(lost)[:1]:
        index = tuple(world.tolist())
        kappa, slope, demand = (
            amounts[index][wanted[index] > 0]
            for amounts in (market.point_cost, market.point_slope, market.demand)
        )
        with np.errstate(all="ignore"):
            # An effort that rounds to 0 is at most what the budget buys at kappa.
            bought = np.fmin(budget[index] / (demand * kappa), 1.0)
            own = effort[index][wanted[index] > 0]
            ratio = np.nanmax(kappa / (slope * np.where(own > 0, own, bought)), initial=0.0)
        raise MechanismError(
            f"budgeted_price, world {index}: prices pay {spent[index]:.3g} credits where "
            f"{meant[index]:.3g} are due, with a budget of {budget[index]:.3g}: a unit cost is "
            f"{ratio:.1g} times what effort adds to the price, cost slope x effort; up to "
            f"{FARTHEST_ROUNDED:g} times are settled"
        )
    return unit_price


def efforts_within(budget: FloatArray, market: Market) -> FloatArray:
    """Return the efforts (..., E) of `BudgetedPrice` for a budget (...), credits/slot.

    In t = 1 / (1 + 2 mu), from 0 where mu is infinite to 1 where the budget does not bind, effort
    is linear: x_e = clip(((2 v_e - kappa_e) t - kappa_e) / (2 slope_e), 0, 1), which rounds by what
    a price does, however large the value is. So spending grows with t and is quadratic between the
    points at which some effort leaves 0 or reaches 1. Halving finds the piece in which it reaches
    the budget, the quadratic formula the place; the least t that spends it is taken. O(E log E) a
    world.
    """
    worlds, experts = prod(market.batch_shape), market.num_experts
    shape = (worlds, experts)
    unit_cost, cost_slope = market.point_cost.reshape(shape), market.point_slope.reshape(shape)
    demand, value = market.demand.reshape(shape), market.value.reshape(shape)
    limit = budget.reshape(worlds)
    least_pay, more_pay = demand * unit_cost, demand * cost_slope
    rise = 2 * value - unit_cost
    twice_slope = 2 * cost_slope
    growth = rise / twice_slope

    def effort_at(t: FloatArray) -> FloatArray:
        effort = (rise * t[:, np.newaxis] - unit_cost) / twice_slope
        return np.minimum(np.maximum(effort, 0.0), 1.0)

    def spending(effort: FloatArray) -> FloatArray:
        return np.einsum("ne,ne->n", least_pay + more_pay * effort, effort)

    # Effort leaves 0 at `starts` and reaches 1 at `full`; what does not happen up to t = 1 is put
    # there.
    bends = np.ones((2, *shape))
    with np.errstate(over="ignore"):
        bend = [unit_cost, unit_cost + twice_slope]
        np.divide(bend, rise, out=bends, where=value > unit_cost)
    starts, full = np.minimum(bends, 1.0, out=bends)
    ends = np.empty((worlds, 2 * experts + 2))
    ends[:, 0], ends[:, -1] = 0.0, 1.0
    ends[:, 1 : experts + 1], ends[:, experts + 1 : -1] = starts, full
    ends.sort(axis=-1)

    # The piece that ends first of all those that reach the limit by their end, or the last one.
    world = np.arange(worlds)
    first, last = np.ones(worlds, dtype=np.intp), np.full(worlds, 2 * experts + 1)
    for _ in range((2 * experts).bit_length()):
        middle = (first + last) // 2
        reached = spending(effort_at(ends[world, middle])) >= limit
        last = np.where(reached, middle, last)
        first = np.where(reached, first, np.minimum(middle + 1, last))
    left, right = ends[world, last - 1], ends[world, last]

    effort = effort_at(left)
    growing = np.where(
        (starts <= left[:, np.newaxis]) & (full >= right[:, np.newaxis]), growth, 0.0
    )
    unspent = np.maximum(limit - spending(effort), 0.0)
    linear = np.einsum("ne,ne->n", least_pay + 2 * more_pay * effort, growing)
    quadratic = np.einsum("ne,ne,ne->n", more_pay, growing, growing)
    divisor = linear + np.hypot(linear, 2 * np.sqrt(quadratic) * np.sqrt(unspent))
    # Next to no demand may put the place too far off for a float; it is cut to the piece all the
    # same.
    step = np.zeros(worlds)
    with np.errstate(over="ignore"):
        np.divide(2 * unspent, divisor, out=step, where=divisor > 0)
    return effort_at(np.minimum(left + step, right)).reshape(*market.batch_shape, experts)
