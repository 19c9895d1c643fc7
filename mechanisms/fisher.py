"""Users with a budget each buy experts' bandwidth at the prices of a market equilibrium."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechanisms.assignment import Pairs, admitted, pairs
from mechanisms.base import register
from mechanisms.budget import budget_of, check_amount
from mechanisms.candidates import greatest, load, of_pairs, of_served
from mechanisms.claims import Claims
from mechanisms.errors import MechanismError
from mechanisms.fisher_equilibrium import Equilibrium, equilibrium
from mechanisms.market import FloatArray, IntArray, Market, Outcome

_ROUNDING = 1e-8  # what is dearer by this share of a user's money is still paid with all of it
# a smaller share of a user's money does not count as spent: it may be the solver's rounding
_SPENT = 1e-3

Solver = Callable[[FloatArray, FloatArray, IntArray | None], Equilibrium]


@register("fisher")
@dataclass(frozen=True)
class Fisher:
    """A Fisher market for bandwidth: users spend equal budgets where a credit buys most, and no
    expert sells at a loss.

    Pairs that trade: the user has a topic (where topics are given), the expert a place, 0 < need <=
    limit, service delivers points, and its value covers the least payment at which the expert works
    at full effort, user_value >= user_points (kappa + slope). Each of the users with such a pair
    has the money m = budget / how many they are.

    Program, for each world, in the logarithms z_e of the markup of the price P_e = R_e exp(z_e) of
    the whole band over its reserve, and y_u of the credits that buy the user a credit's worth:

        minimise   sum_e R_e exp(z_e) - m sum_u y_u    credits
        subject to y_u <= z_e - log(V_ue / R_e) for the pairs that trade,    y_u <= 0,    z_e >= 0

        V_ue = user_value_ue limit_e / need_ue     what the whole band would be worth to the user,
        credits R_e  = limit_e (kappa_e + slope_e) max_u (user_points_ue / need_ue)   reserve,
        credits, over pairs that trade

    The multipliers of the first rows are what u spends at e, credits. Optimality is equilibrium:
    users spend only where V_ue / P_e is greatest; one to whom a credit brings more than its worth
    there spends everything, nobody gets less; what is spent at e is at most P_e, and exactly that
    where P_e is above the reserve: the band is sold.

    Whole service: by falling spending, a user is allocated to an expert that it spends at if all it
    spends there and elsewhere covers its whole need at that expert's price, and if a place and the
    band are left. It is charged that,

        charge_u = P_e need_ue / limit_e <= m    credits

    and others nothing. The expert is paid these charges: unit_price_e = payment_e / points_e. One
    that sells nothing offers (kappa + slope) P_e / R_e, or kappa + slope where nobody asks.

    Guarantee: charges are the payments, and within the budget. Nobody loses: a served user has
        value charge_u V_ue / P_e >= charge_u; an edge device earns at least kappa + slope a point,
        as P_e >= R_e, so that full effort is its best response. Equilibrium prices exist and are
        unique. Not of greatest welfare: money decides, not value, and who can pay for only a part
        of its need buys nothing.
    Strategic side: nobody. All take prices as given; with few users, one gains by misreporting its
    values.
    No users, no experts, no budget, no place, no band, nothing worth its price: nobody is served or
    charged.
    Source: Cole, Devanur, Gkatzelis, Jain, Mai, Vazirani and Yazdanbod 2017, "Convex program
        duality, Fisher markets, and Nash social welfare", for the dual in logarithms and the
        quasi-linear program, y <= 0. Reserves and whole service are this project's.

    Attributes:
        budget: what users can spend together, credits/slot; None takes `Market.budget`.
    """

    budget: float | None = None

    name: ClassVar[str] = "fisher"
    voluntary: ClassVar[bool] = True
    allocates: ClassVar[bool] = True
    claims: ClassVar[Claims] = Claims(
        individually_rational=frozenset({"users", "edge_devices"}),
        budget_balanced=True,
        within_budget=True,
    )

    def __post_init__(self) -> None:
        check_amount(self.name, "budget", self.budget)

    def clear(self, market: Market) -> Outcome:
        """Find the equilibrium of all worlds at once and serve whole users; status "optimal"."""
        return clear_by(equilibrium, market, self.budget)


class Trade(NamedTuple):
    """What a Fisher market is made of, from what users and experts report."""

    trades: NDArray[np.bool_]  # (..., U, C)
    money: FloatArray  # (...) each user's, credits; 1 where nothing trades
    worth: FloatArray  # (..., U, C) of the whole band, credits; 1 where a pair does not trade
    reserve: (
        FloatArray  # (..., E) least price of the whole band, credits; `money` where nobody asks
    )


def trade(market: Market, asked: Pairs, budget: float | None) -> Trade:
    """See `Fisher`."""
    assert market.user_value is not None
    assert market.user_points is not None
    assert asked.need is not None
    assert asked.limit is not None
    limit = of_pairs(asked.limit, asked.candidates)
    full_effort_price = market.unit_cost + market.cost_slope
    total = budget_of(market, budget)
    trades = (market.user_points > 0) & (asked.need > 0) & (asked.need <= limit)
    trades &= (
        of_pairs(asked.capacity > 0, asked.candidates) & (total > 0)[..., np.newaxis, np.newaxis]
    )
    trades &= market.user_value >= market.user_points * of_pairs(
        full_effort_price, asked.candidates
    )
    if market.topic is not None:
        trades &= (market.topic >= 0)[..., np.newaxis]
    buyers = trades.any(axis=-1).sum(axis=-1)
    money = np.where(buyers > 0, total, 1.0) / np.maximum(buyers, 1)
    per_need = np.divide(limit, asked.need, out=np.zeros_like(asked.need), where=trades)
    points = greatest(market.user_points * per_need, asked.candidates, market.num_experts)
    reserve = np.where(points > 0, full_effort_price * points, money[..., np.newaxis])
    return Trade(trades, money, np.where(trades, market.user_value * per_need, 1.0), reserve)


def clear_by(solve: Solver, market: Market, budget: float | None) -> Outcome:
    """The outcome of `Fisher` at the equilibrium that `solve` finds, see
    `mechanisms.fisher_equilibrium.equilibrium`.

    Raises:
        MarketError: the market lacks what users report.
        MechanismError: `solve` found no equilibrium.
    """
    start = perf_counter()
    asked = pairs(market, Fisher.name, bandwidth=True)
    offered = trade(market, asked, budget)
    money = offered.money[..., np.newaxis]
    log_worth = np.full_like(offered.worth, -np.inf)
    reserve = of_pairs(offered.reserve, asked.candidates)
    np.log(offered.worth / reserve, out=log_worth, where=offered.trades)
    try:
        log_markup, spending = solve(log_worth, offered.reserve / money, asked.candidates)
    except MechanismError as error:
        raise MechanismError(f"fisher: {error}") from error

    markup = np.exp(np.maximum(log_markup, 0.0))
    assert asked.need is not None
    assert asked.limit is not None
    limit = of_pairs(asked.limit, asked.candidates)
    share = np.divide(asked.need, limit, out=np.zeros_like(asked.need), where=offered.trades)
    due = share * of_pairs(offered.reserve * markup, asked.candidates)
    spent = spending.sum(axis=-1) * money
    covered = (
        (spending > _SPENT) & (due <= (spent + _ROUNDING * money)[..., np.newaxis]) & offered.trades
    )
    wish = np.where(covered, spending, 0.0)
    allocation = np.full(spending.shape[:-1], -1)
    for index in np.ndindex(market.batch_shape):
        allocation[index] = admitted(wish[index], asked.world(index))

    due = np.minimum(due, money[..., np.newaxis])
    assert market.user_points is not None
    charge = of_served(due, allocation, asked.candidates)
    points = load(
        of_served(market.user_points, allocation, asked.candidates), allocation, market.num_experts
    )
    paid = load(charge, allocation, market.num_experts)
    unit_price = (market.unit_cost + market.cost_slope) * markup
    unit_price = np.divide(paid, points, out=unit_price, where=points > 0)
    return Outcome(
        unit_price=unit_price,
        effort=np.ones_like(unit_price),
        points=points,
        payment=unit_price * points,
        welfare=of_served(asked.net, allocation, asked.candidates).sum(axis=-1),
        status="optimal",
        solve_seconds=perf_counter() - start,
        charge=charge,
        allocation=allocation,
    )
