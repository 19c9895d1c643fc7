"""Users with a budget each buy one service at the prices of a market equilibrium."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.assignment import admitted, outcome_of, walk_in_price
from mechanisms.base import register
from mechanisms.budget import budget_of, check_amount
from mechanisms.candidates import load, of_pairs, of_served
from mechanisms.claims import Claims
from mechanisms.errors import MechanismError
from mechanisms.fisher_equilibrium import Traded, equilibrium, price_of
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.pairs import pairs_of, payable
from mechanisms.reference.fisher import FisherProgram
from mechanisms.services import services_of
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver
from mechanisms.supply import full_effort_price

_BOUGHT = 1e-3  # a smaller share of a service does not count: it may be the solver's rounding
# Times a user's money: worth above counts as this much. It would tell only where the money buys
# less than a share of 1e-3.
_COUNTED = 1e3


@register("fisher")
@dataclass(frozen=True)
class Fisher:
    """A Fisher market with satiation: users with equal budgets, who want one service each.

    No expert sells at a loss: for a whole service it asks r_ue, the least payment for full effort,
    and what is scarce, its places and its band, costs more. Where effort is bought r_ue =
    max(work_ue (kappa_e + slope_e), cost_ue), so that full effort is its best response; where it is
    enforced r_ue = cost_ue, with cost_ue = work_ue (kappa_e + slope_e / 2) + fixed_cost_ue. Each
    user with a topic and a pair that could trade, 0 < q_ue, need <= limit, a place and V_ue >=
    r_ue, has the money m = budget / how many they are. It then trades where r_ue <= m.

    Program, for each world, in shares s_ue of a whole service, over the pairs that trade, with w_u
    = sum_e V_ue s_ue what user u gets:

        maximise   sum_u f(w_u) - sum_(u,e) r_ue s_ue    credits
        subject to sum_e s_ue <= 1: satiated             dual: surplus_u, credits
                   sum_u s_ue <= capacity_e              dual: place_price_e, credits a subtask
                   sum_u need_ue s_ue <= limit_e         dual: band_price_e, credits/Hz
                   s >= 0
        with       f(w) = w up to w = m, and m + m log(w / m) above

        V            `UserReports.value`: worth of full service to the user, credits
        q            `UserReports.points`: points that full service delivers
        work         `UserReports.work`: points; `fixed_cost`: credits

    f is m log(w + k) - k with the money k >= 0 that is best kept, but for a constant: Eisenberg and
    Gale's program of users who may keep their money. With pace_u = f'(w_u) = min(1, m / w_u) and

        price_ue = r_ue + place_price_e + need_ue band_price_e    credits a service

    optimality is equilibrium:

    - u bids pace_u V_ue and buys only where its bid exceeds the price by most. If that is more than
      0, it buys a whole service: its surplus_u, and it is satiated; if not, it buys where a credit
      buys most, nobody gets less than a credit's worth, and who gets more spends all m.
    - u spends sum_e price_ue s_ue = pace_u w_u - surplus_u <= m: a satiated user keeps its surplus.
      (That is what the multiplier of the row leaves unspent.)
    - a place or a band that has a price is sold out; users spend what experts ask and what that is
      worth together.

    With m >= V_ue everywhere all paces are 1: it is the assignment's relaxation, and prices are
    optimal in its dual; more money changes nothing. Of all such prices the cheapest are taken;
    without bandwidth rows these are then Clarke's, of V - r.

    Whole service: by falling share s_ue, and as far as places and band are left, users are served
    who buy more than 1/1000 there, and charged min(price_ue, m). Others are charged nothing. The
    expert is paid these charges, each by the points of its user. Who comes to it unasked pays the
    mean of them a point, and where nobody is served what a point of demand would be asked.

    Guarantee: charges are the payments, and within the budget. Nobody loses: a charge is at most
        pace_u V_ue; an edge device gets at least r_ue, for which it gives full effort. So it is
        whether effort is bought or enforced. Not of greatest welfare: money decides where it is
        short, and r_ue is more than cost_ue where effort is bought. Dual prices need not be unique.
    Strategic side: nobody. All take prices as given; with few users, one gains by misreporting its
        values.
    No users, no experts, no budget, no place, no band, nothing worth its price: nobody is served or
    charged.
    Source: Bei, Garg, Hoefer and Mehlhorn 2016, arXiv 1603.07210, for satiation. They cap utility,
        w_u <= c_u, and u then spends pace_u c_u where a credit buys most. Capped at the worth of
        its best service, u would buy two poor ones for a good one; here the service is capped,
        which is the same where a user values all alike. Users' demand is then what Garg, Tao and
        Vegh 2024, arXiv 2402.09994, call Gale demand, the best of f(w_u) less spending. Cole et al.
        2017, arXiv 1609.06654, for users who keep money; pacing: Conitzer et al. 2022,
        "Pacing equilibrium in first price auction markets". What experts ask, places and whole
        service are this project's.

    Attributes:
        budget: credits that users can spend together, credits/slot; None takes `Market.budget`.
        solver: `direct`, or `cvxpy`; world by world.
    """

    budget: float | None = None
    solver: Solver = DIRECT

    name: ClassVar[str] = "fisher"
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
        """Find the equilibria and serve whole users, world by world; status "optimal".

        Raises:
            MarketError: users report nothing, or the band is not known.
            MechanismError: no equilibrium was found, or bids are too far apart for it.
        """
        start = perf_counter()
        pairs = pairs_of(market, self.name, bandwidth=True)
        traded, money = trade_in(market, self.budget, self.name)
        find = self.program.equilibrium if self.solver == CVXPY else equilibrium
        expert = np.full(pairs.net.shape[:-1], -1)
        charge = np.zeros(expert.shape)
        for index in np.ndindex(market.batch_shape):
            one = traded.world(index)
            try:
                found = find(one)
            except MechanismError as error:
                raise MechanismError(f"{self.name}, world {index}: {error}") from error
            bought = np.where(one.trades & (found.share > _BOUGHT), found.share, 0.0)
            expert[index] = admitted(bought, pairs.world(index))
            # What is bought costs at least what is asked, at most its worth; the rest is rounding.
            most = np.maximum(np.minimum(one.worth, 1.0), one.asked)
            price = np.clip(price_of(one, found), one.asked, most)
            charge[index] = money[index] * of_served(price, expert[index], one.candidates)

        services = services_of(market, expert, self.name)
        points = load(services.points, expert, market.num_experts)
        unit_price = walk_in_price(market)
        paid = load(charge, expert, market.num_experts)
        # Not a rounding less than the price of full effort, which charges cover.
        mean = np.divide(paid, points, out=unit_price.copy(), where=points > 0)
        unit_price = np.maximum(unit_price, mean)
        seconds = perf_counter() - start
        return outcome_of(unit_price, services, charge, pairs, charge, "optimal", seconds)


def trade_in(
    market: Market, budget: float | None, mechanism: str = "fisher"
) -> tuple[Traded, FloatArray]:
    """Return who trades in a market, and the money (...) of each of these users; see `Fisher`.

    Raises:
        MarketError: users report nothing, or the band is not known.
    """
    market.check_band(mechanism)
    users = market.users_for(mechanism)
    limit = of_pairs(market.bandwidth_limit, users.candidates)
    asked = full_effort_price(
        market.effort,
        of_pairs(market.unit_cost, users.candidates),
        of_pairs(market.cost_slope, users.candidates),
        users.fixed_cost,
        users.work,
    )
    trades = (users.points > 0) & (users.bandwidth_need <= limit) & (users.value >= asked)
    trades &= payable(users.points, asked)
    trades &= of_pairs(market.capacity > 0, users.candidates) & (users.topic >= 0)[..., np.newaxis]
    buyers = trades.any(axis=-1).sum(axis=-1)
    total = budget_of(market, budget)
    money = np.where(total > 0, total, 1.0) / np.maximum(buyers, 1)
    trades &= (asked <= money[..., np.newaxis, np.newaxis]) & (total > 0)[
        ..., np.newaxis, np.newaxis
    ]
    # More than the best service is worth to anybody changes nothing.
    best = users.value.max(axis=(-2, -1), where=trades, initial=0.0)
    money = np.where(best > 0, np.minimum(money, best), money)
    unit = money[..., np.newaxis, np.newaxis]
    worth = np.where(trades, users.value, unit) / unit
    greatest = worth.max(axis=-1, keepdims=True, initial=1.0)
    worth *= np.minimum(greatest, _COUNTED) / greatest
    need = np.divide(
        users.bandwidth_need, limit, out=np.zeros_like(worth), where=trades & (limit > 0)
    )
    asked = np.where(trades, asked, 0.0) / unit
    return Traded(trades, worth, asked, need, market.capacity, users.candidates), money
