"""Users with a budget each buy experts' bandwidth at the prices of a market equilibrium."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray
from mechanisms.assignment import admitted, outcome_of, points_served
from mechanisms.base import register
from mechanisms.budget import budget_of, check_amount
from mechanisms.candidates import greatest, load, of_pairs, of_served
from mechanisms.claims import Claims
from mechanisms.errors import MechanismError
from mechanisms.fisher_equilibrium import equilibrium
from mechanisms.market import Market
from mechanisms.outcome import Allocation, Outcome
from mechanisms.pairs import pairs_of
from mechanisms.reference.fisher import FisherProgram
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver

_ROUNDING = 1e-8  # what is dearer by this share of a user's money is still paid with all of it
# A smaller share of what a user spends does not count: it may be the solver's rounding.
_SPENT = 1e-3

_PLENTY = 100.0  # of what all bands are worth: with more, what is spent is lost in the rounding


@register("fisher")
@dataclass(frozen=True)
class Fisher:
    """A Fisher market for bandwidth: users spend equal budgets where a credit buys most.

    No expert sells at a loss. Pairs that trade: the user has a topic, the expert a place,
    0 < need <= limit, service delivers points, and its value covers the least payment at which the
    expert works at full effort, V_ue >= q_ue (kappa_e + slope_e). Each of the users with such a
    pair has the money m = budget / how many they are; of far more than all bands are worth, only
    that.

    Program, for each world, in the logarithms z_e of the markup of the price P_e = R_e exp(z_e) of
    the whole band over its reserve, and y_u of the credits that buy the user a credit's worth:

        minimise   sum_e R_e exp(z_e) - m sum_u y_u    credits
        subject to y_u <= z_e - log(W_ue / R_e) for the pairs that trade,    y_u <= 0,    z_e >= 0

        V            `UserReports.value`: worth of full service to the user, credits
        q            `UserReports.points`: points that full service delivers
        W_ue = V_ue limit_e / need_ue              worth of the whole band to the user, credits
        R_e = limit_e (kappa_e + slope_e) max_u (q_ue / need_ue)
                                                   reserve, credits, over pairs that trade

    The multipliers of the first rows are what u spends at e, credits. Optimality is equilibrium:
    users spend only where W_ue / P_e is greatest; one to whom a credit brings more than its worth
    there spends everything, nobody gets less; what is spent at e is at most P_e, and exactly that
    where P_e is above the reserve: the band is sold.

    Whole service: by falling spending, a user is allocated to an expert that it spends at if all it
    spends there and elsewhere covers its whole need at that expert's price, and if a place and the
    band are left. It is charged that,

        charge_u = P_e need_ue / limit_e <= m    credits

    and others nothing. The expert is paid these charges: unit_price_e = payment_e / points_e. One
    that sells nothing offers (kappa + slope) P_e / R_e, or kappa + slope where no pair trades.

    Guarantee: charges are the payments, and within the budget. Nobody loses: a served user has
        value charge_u W_ue / P_e >= charge_u; an edge device earns at least kappa + slope a point,
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
        budget: credits that users can spend together, credits/slot; None takes `Market.budget`.
        solver: `direct`, all worlds at once, or `cvxpy`, world by world.
    """

    budget: float | None = None
    solver: Solver = DIRECT

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
        check_solver(self.name, self.solver)

    @cached_property
    def program(self) -> FisherProgram:
        """The program in CVXPY."""
        return FisherProgram()

    def clear(self, market: Market) -> Outcome:
        """Find the equilibria and serve whole users; status "optimal".

        Raises:
            MarketError: users report nothing, or the band is not known.
            MechanismError: no equilibrium was found.
        """
        start = perf_counter()
        pairs = pairs_of(market, self.name, bandwidth=True)
        offered = trade_in(market, self.budget, self.name)
        money = offered.money[..., np.newaxis]
        log_worth = np.full_like(offered.worth, -np.inf)
        reserve = of_pairs(offered.reserve, pairs.candidates)
        np.log(offered.worth / reserve, out=log_worth, where=offered.trades)
        find = self.program.equilibrium if self.solver == CVXPY else equilibrium
        try:
            log_markup, spending = find(log_worth, offered.reserve / money, pairs.candidates)
        except MechanismError as error:
            raise MechanismError(f"{self.name}: {error}") from error

        markup = np.exp(np.maximum(log_markup, 0.0))
        due = offered.share * of_pairs(offered.reserve * markup, pairs.candidates)
        spent = spending.sum(axis=-1) * money
        covered = due <= (spent + _ROUNDING * money)[..., np.newaxis]
        spent_in_all = np.minimum(spending.sum(axis=-1, keepdims=True), 1.0)
        covered &= (spending > _SPENT * spent_in_all) & offered.trades
        wish = np.where(covered, spending, 0.0)
        expert = np.full(spending.shape[:-1], -1)
        for index in np.ndindex(market.batch_shape):
            expert[index] = admitted(wish[index], pairs.world(index))

        due = np.minimum(due, money[..., np.newaxis])
        charge = of_served(due, expert, pairs.candidates)
        points = points_served(market, pairs, expert, self.name)
        paid = load(charge, expert, market.num_experts)
        unit_price = (market.unit_cost + market.cost_slope) * markup
        unit_price = np.divide(paid, points, out=unit_price, where=points > 0)
        seconds = perf_counter() - start
        return outcome_of(unit_price, points, pairs, Allocation(expert, charge), "optimal", seconds)


class Trade(NamedTuple):
    """Pairs, money and reserves of a Fisher market, from what users and experts report."""

    trades: BoolArray  # (..., U, C)
    money: FloatArray  # (...) each user's, credits; 1 where nothing trades
    worth: FloatArray  # (..., U, C) of the whole band, credits; 1 where a pair does not trade
    share: FloatArray  # (..., U, C) of the band that is needed; 0 where a pair does not trade
    reserve: FloatArray  # (..., E) of the whole band, credits; `money` where no pair trades


def trade_in(market: Market, budget: float | None, mechanism: str = "fisher") -> Trade:
    """Return who trades in a market, with what money and at what reserve; see `Fisher`.

    Raises:
        MarketError: users report nothing, or the band is not known.
    """
    market.check_band(mechanism)
    users = market.users_for(mechanism)
    need, limit = users.bandwidth_need, of_pairs(market.bandwidth_limit, users.candidates)
    full_effort_price = market.unit_cost + market.cost_slope
    total = budget_of(market, budget)
    trades = (users.points > 0) & (need > 0) & (need <= limit)
    trades &= of_pairs(market.capacity > 0, users.candidates)
    trades &= (total > 0)[..., np.newaxis, np.newaxis]
    trades &= users.value >= users.points * of_pairs(full_effort_price, users.candidates)
    trades &= (users.topic >= 0)[..., np.newaxis]
    buyers = trades.any(axis=-1).sum(axis=-1)
    money = np.where(buyers > 0, total, 1.0) / np.maximum(buyers, 1)
    per_need = np.divide(limit, need, out=np.zeros_like(need), where=trades)
    share = np.divide(need, limit, out=np.zeros_like(need), where=trades)
    worth = users.value * per_need
    # Nobody can spend more than each band at the most that it is worth to anybody.
    enough = greatest(worth, users.candidates, market.num_experts).sum(axis=-1)
    money = np.where((buyers > 0) & (money > _PLENTY * enough), enough, money)
    points = greatest(users.points * per_need, users.candidates, market.num_experts)
    reserve = np.where(points > 0, full_effort_price * points, money[..., np.newaxis])
    return Trade(trades, money, np.where(trades, worth, 1.0), share, reserve)
