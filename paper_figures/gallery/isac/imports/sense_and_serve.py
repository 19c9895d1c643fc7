"""A mechanism that pays edge devices for service and for their duty, out of one budget."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import ClassVar

import numpy as np

import mechanisms
from mechanisms import Claims, DutyOrder, outcome_at_prices
from mechanisms.budget import budget_of, check_amount

EFFORTS = np.linspace(0, 1, 21)  # that a price may ask for
HALVINGS = 50  # of the multiplier's range


@mechanisms.register("sense_and_serve")
@dataclass(frozen=True)
class SenseAndServe:
    """One price a point and one a unit of its duty for each edge device, within one budget.

    Program, for each world: choose of each edge device an effort x from 21 and a level k of its
    duty from K, to maximise

        sum_e kept_k D (v x - kappa x - slope x^2 / 2) + weight V achieved_k - cost_k

    subject to what is paid, sum_e kept_k D p x + r achieved_k <= budget, where p = kappa + slope x
    is the price at which x is the best response, and r the least price of a unit at which k is:

        r = max over j < k of (cost_k - cost_j + profit (kept_j - kept_k)) / (a_k - a_j)

    with a = achieved and profit = D slope x^2 / 2, what the edge device earns by all that is asked.
    A level that is best at no price is left out. Fixed costs are left aside; who would lose by them
    declines.

        D, v, kappa, slope  demand, value and reported costs of a point, as in `budgeted_price`
        kept, achieved, cost, V  of `Market.duties`: the share of D that the time left can serve,
            what a level achieves and costs, and the worth of a unit achieved

    What is achieved may grow with time first faster and then slower than in proportion, as Pd does,
    so no convex program states this. It is a knapsack of one choice an edge device, solved by the
    multiplier of its budget, which leaves at most what one choice is worth (Kellerer, Pferschy and
    Pisinger, Knapsack Problems, 2004, chapter 11): halving finds the least multiplier that keeps
    the budget, and what is left then buys, in order, what the one just below it would.

    Guarantee: within the budget, at reported costs. Without duties it is `budgeted_price`, of
        efforts on a grid.
    Strategic side: edge devices; prices follow reported costs, so it is not incentive compatible.

    Attributes:
        budget: credits/slot in place of the market's.
        weight: of the duty's worth beside the users'.
    """

    name: ClassVar[str] = "sense_and_serve"
    allocates: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"edge_devices"}),
        individually_rational=frozenset({"edge_devices"}),
        within_budget=True,
    )

    budget: float | None = None
    weight: float = 1.0

    def __post_init__(self):
        check_amount(self.name, "budget", self.budget)
        if self.weight is None:
            raise ValueError(f"{self.name}: weight should be a number, got None")
        check_amount(self.name, "weight", self.weight)

    def clear(self, market):
        """Decide prices and levels; the status is "multiplier"."""
        start = perf_counter()
        budget = budget_of(market, self.budget)
        options = Options.of(market, self.weight)
        chosen = options.within(budget)
        effort_at, level = np.divmod(chosen, options.levels)
        effort = EFFORTS[effort_at]
        price = np.where(effort > 0, market.point_cost + market.point_slope * effort, 0.0)
        duty = None
        if market.duties is not None:
            duty = DutyOrder(options.taken(options.duty_price, chosen), level)
        outcome = outcome_at_prices(
            market, price, effort, status="multiplier", solve_seconds=perf_counter() - start
        )
        return replace(outcome, duty=duty)


@dataclass(frozen=True)
class Options:
    """What can be agreed on with each edge device, (..., E, X K): efforts times levels.

    Attributes:
        levels: K.
        possible: the level is the best response at some price.
        worth: welfare, credits/slot.
        paid: credits/slot.
        duty_price: credits/unit.
    """

    levels: int
    possible: np.ndarray
    worth: np.ndarray
    paid: np.ndarray
    duty_price: np.ndarray

    @classmethod
    def of(cls, market, weight):
        """Return the options of a market, where duties have a weight."""
        shape = market.demand.shape
        kappa, slope = market.point_cost[..., None], market.point_slope[..., None]
        demand = market.demand[..., None]
        worth = demand * (market.value[..., None] * EFFORTS - kappa * EFFORTS)
        worth = worth - demand * slope * EFFORTS**2 / 2
        paid = demand * (kappa + slope * EFFORTS) * EFFORTS
        if market.duties is None:
            return cls(1, np.ones(worth.shape, bool), worth, paid, np.zeros(worth.shape))
        duties = market.duties
        levels = duties.share.shape[-1]
        profit = demand * slope * EFFORTS**2 / 2
        price = least_prices(duties, profit)
        achieved, kept = duties.achieved[..., None, :], duties.kept[..., None, :]
        worth = kept * worth[..., None] - duties.cost[..., None, :]
        worth = worth + weight * duties.value[..., None, None] * achieved
        possible = price < np.inf
        price = np.where(possible, price, 0.0)
        paid = kept * paid[..., None] + price * achieved
        flat = (*shape, len(EFFORTS) * levels)
        return cls(levels, *(array.reshape(flat) for array in (possible, worth, paid, price)))

    def taken(self, of_options, chosen):
        """Return the entries (..., E) of the options chosen."""
        return np.take_along_axis(of_options, chosen[..., None], axis=-1)[..., 0]

    def within(self, budget):
        """Return the options (..., E) of greatest welfare that are paid for by budgets (...)."""

        def spent(chosen):
            return self.taken(self.paid, chosen).sum(axis=-1)

        # By the weight 1 / (1 + multiplier), from 0, where nothing is paid, to 1.
        low, high = np.zeros(budget.shape), np.ones(budget.shape)
        free = self.best_at(high)
        bought, above = self.best_at(low), free
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            chosen = self.best_at(middle)
            keeps = spent(chosen) <= budget
            low, high = np.where(keeps, middle, low), np.where(keeps, high, middle)
            bought = np.where(keeps[..., None], chosen, bought)
            above = np.where(keeps[..., None], above, chosen)
        more = self.taken(self.paid, above) - self.taken(self.paid, bought)
        left = (budget - spent(bought))[..., None]
        bought = np.where(np.cumsum(np.maximum(more, 0.0), axis=-1) <= left, above, bought)
        return np.where((spent(free) <= budget)[..., None], free, bought)

    def best_at(self, weight):
        """Return the options that are best at a weight of welfare against payments, 0..1."""
        weight = weight[..., None, None]
        net = weight * self.worth - (1 - weight) * self.paid
        return np.argmax(np.where(self.possible, net, -np.inf), axis=-1)


def least_prices(duties, profit):
    """Return the least price of a unit at which each level is the best response.

    Args:
        duties: of the market.
        profit: (..., E, X) of serving all that is asked, credits/slot.

    Returns:
        (..., E, X, K) credits/unit; inf where there is none.
    """
    loss = duties.cost[..., None, :] - profit[..., None] * duties.kept[..., None, :]
    achieved = np.broadcast_to(duties.achieved[..., None, :], loss.shape)
    # ratio[k, j]: the price from which k, above j, earns as much as j.
    step = achieved[..., :, None] - achieved[..., None, :]
    rise = loss[..., :, None] - loss[..., None, :]
    ratio = np.divide(rise, step, out=np.full(step.shape, np.inf), where=step != 0)
    levels = np.arange(loss.shape[-1])
    below = levels[None, :] < levels[:, None]
    above = levels[None, :] > levels[:, None]
    least = np.where(below, ratio, 0.0).max(axis=-1, initial=0.0)
    most = np.where(above, ratio, np.inf).min(axis=-1, initial=np.inf)
    # Of levels that earn the same the least is chosen: a price has to be a little above that.
    enough = np.where(levels > 0, least * (1 + 1e-9) + 1e-12, 0.0)
    return np.where(enough <= most, enough, np.inf)
