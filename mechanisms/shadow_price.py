"""Prices of places and of band from the duals of the welfare program."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.assignment import admitted, optimal_allocation, outcome_at_full_effort
from mechanisms.base import register
from mechanisms.candidates import of_pairs, of_served
from mechanisms.claims import Claims
from mechanisms.errors import MechanismError
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.pairs import pairs_of
from mechanisms.reference.assignment import AssignmentProgram
from mechanisms.relaxation import relaxation
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver


@register("shadow_price")
@dataclass(frozen=True)
class ShadowPrice:
    """Users pay for a place, and with `bandwidth` for band, what one more would add to welfare.

    Program, for each world: the relaxed assignment of `mechanisms.assignment`,

        maximise   sum_(u,e) w_ue x_ue,    w_ue = V_ue - cost_ue,    credits
                   cost_ue = work_ue (kappa_e + slope_e / 2) + f_ue
        subject to sum_e x_ue <= 1              dual: surplus_u, credits
                   sum_u x_ue <= capacity_e     dual: place_price_e, credits a subtask
                   sum_u need_ue x_ue <= limit_e, with `bandwidth` only
                                                dual: band_price_e, credits/Hz
                   x >= 0

        V            `UserReports.value`: worth of full service to the user, credits
        work, f      `UserReports.work`, points, and `fixed_cost`, credits
        kappa, slope reported unit cost and cost slope, credits/point

    A user is served by e where x_ue >= 1/2. Half services and more are rounded up in falling order,
    and one that then finds no place or no band left is not served: every row is kept. A user served
    by e is charged

        cost_ue + place_price_e + need_ue band_price_e   credits

    the cost of serving it and the price of what it takes up. Experts get the least price of full
    effort for each user they serve, by the point: max(work_ue (kappa_e + slope_e), cost_ue) where
    effort is bought, cost_ue where it is enforced.

    Guarantee: nobody loses who reports the truth. x_ue > 0 makes the row of the pair tight in the
        dual, so a served user's utility, value less charge, is surplus_u >= 0, also where x is
        fractional; edge devices get at least their cost. So it is whether effort is bought or
        enforced, which moves what they get and nothing else. Where x is whole, as it
        always is without bandwidth rows, the allocation is of greatest welfare and no user would
        rather have another expert at its prices; elsewhere some welfare is lost. Without bandwidth
        rows the allocation is that of shortest augmenting paths, exact to the rounding of sums, and
        only the prices are the solver's; with them, HiGHS settles bids to 1e-4 of each.
    Not incentive compatible: users who compete for a place set its price. Duals are not unique
        either; HiGHS gives a vertex of them, not the least one, which without bandwidth rows would
        be `vcg`. With `solver` cvxpy Clarabel gives duals between the vertices, so charges
        differ; where the optimum itself is not unique it may find shares below 1/2, and then serves
        fewer.
    Strategic side: nobody. Users and edge devices are taken at their word. The platform's balance
        has either sign; `Market.budget` is ignored.
    No users, no experts, no capacity, no band, nothing worth serving: nobody is served or charged.
    Source: Koopmans and Beckmann 1957 for prices that sustain an assignment; the bandwidth rows are
        this project's.
    """

    bandwidth: bool = True
    solver: Solver = DIRECT

    name: ClassVar[str] = "shadow_price"
    allocates: ClassVar[bool] = True
    claims: ClassVar[Claims] = Claims(individually_rational=frozenset({"users", "edge_devices"}))

    def __post_init__(self) -> None:
        check_solver(self.name, self.solver)
        if not isinstance(self.bandwidth, bool):
            raise ValueError(
                f"{self.name}: bandwidth should be true or false, got {self.bandwidth!r}"
            )

    @cached_property
    def program(self) -> AssignmentProgram:
        """The program in CVXPY."""
        return AssignmentProgram(whole=False)

    def clear(self, market: Market) -> Outcome:
        """Assign and price, world by world; status "optimal".

        Raises:
            MarketError: users report nothing or, with `bandwidth`, the band is not known.
            MechanismError: the solver gave no optimum, or bids are too far apart for it.
        """
        start = perf_counter()
        pairs = pairs_of(market, self.name, bandwidth=self.bandwidth)
        find = self.program.solve if self.solver == CVXPY else relaxation
        # Without bandwidth rows the assignment is known to the rounding of sums, and optimal duals
        # sustain every optimum.
        by_paths = self.solver != CVXPY and not self.bandwidth
        expert = optimal_allocation(pairs) if by_paths else np.full(pairs.net.shape[:-1], -1)
        price = np.zeros_like(pairs.net)
        for index in np.ndindex(market.batch_shape):
            world = pairs.world(index)
            try:
                solved = find(world)
            except MechanismError as error:
                raise MechanismError(f"{self.name}, world {index}: {error}") from error
            if not by_paths:
                wish = np.where(solved.share >= 0.5 - 1e-6, solved.share, 0.0)
                expert[index] = admitted(wish, world)
            price[index] = of_pairs(solved.place_price, world.candidates)
            if world.band is not None:
                price[index] += world.band.need * of_pairs(solved.band_price, world.candidates)
        # No served user's price is above its net value, except by what the solver rounds.
        premium = of_served(np.minimum(price, pairs.net), expert, pairs.candidates)
        return outcome_at_full_effort(
            market,
            pairs,
            expert,
            premium,
            mechanism=self.name,
            status="optimal",
            solve_seconds=perf_counter() - start,
        )
