"""Welfare-maximising assignment in which each user pays what its presence costs the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.assignment import optimal_allocation, outcome_at_full_effort
from mechanisms.base import register
from mechanisms.candidates import cells, of_served
from mechanisms.claims import Claims
from mechanisms.errors import MechanismError
from mechanisms.magnitudes import FARTHEST_ROUNDED, check_magnitudes
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.pairs import Pairs, pairs_of, possible
from mechanisms.reference.assignment import AssignmentProgram
from mechanisms.solver import CVXPY, DIRECT, Solver, check_solver

_IN_VALUES = frozenset({"users.value", "users.points", "users.topic", "users.pending"})


@register("vcg")
@dataclass(frozen=True)
class VCG:
    """Vickrey, Clarke and Groves: the assignment of greatest welfare, with Clarke payments.

    Program, for each world: the assignment of `mechanisms.assignment`, of welfare W = sum of w_ue
    over the pairs formed, credits/slot, where

        w_ue = V_ue - cost_ue,    cost_ue = work_ue (kappa_e + slope_e / 2) + f_ue

        V            `UserReports.value`: worth of full service to the user, credits
        work, f      `UserReports.work`, points, and `fixed_cost`, credits
        kappa, slope reported unit cost and cost slope, credits/point

    subject to capacity and, with `bandwidth`, to the bandwidth rows. A user u served by e is
    charged the cost of serving it and what the others lose by its presence,

        charge_u = cost_ue + W(without u) - (W - w_ue)   credits

    and everybody else nothing. Experts get the least price of full effort for each user they serve,

        max(work_ue (kappa_e + slope_e), cost_ue)   credits where effort is bought,
        cost_ue                                     where it is enforced,

    by the point: divided by the points q_ue of the service. A pair that costs and delivers no point
    is not formed.

    Guarantee: the allocation is of greatest welfare, proven. A user's utility, value less charge,
        is W - W(without u): never negative; and as W(without u) does not depend on what u reports,
        a user does best by reporting V truthfully, whatever others report. What experts get enters
        neither, so this holds whether effort is bought or enforced. An allocation that is not
        proven optimal would carry none of this, and is refused: `MechanismError`.
    Fields that users report: beside values it is best to tell the truth about points, topic and
        whether one is pending. Points only divide what the expert gets: told too high, it is paid
        too little and gives less effort or none, and told too low no more than full effort; the
        charge stays, and is due for the effort given. Of a topic only matters whether there is one.
        Work is claimed where effort is enforced: told too low, its expert declines, and told too
        high it is a value told too low. Where effort is bought work told a little too low pays, as
        the price of full effort leaves the expert a margin. In both regimes points and work told
        too low in one proportion pay: the price of a point stays what the service takes, and the
        charge falls. With bandwidth rows a need of band told too low may pay: an expert that has
        not the band for all who are assigned to it may leave out another.
    Fields that edge devices report: none is claimed. A capacity or a band that is overstated pays
        where effort is bought, as an expert may choose among more users by whom it earns. Costs pay
        in both regimes: where effort is bought, kappa = 0 and slope + 2 kappa cost the same at full
        effort, so that the assignment stays, and raise the price by kappa a unit of work, which
        never loses.
    Capacity only: every W(without u) follows from one assignment, by prices instead of U more
        (`least_prices`). With bandwidth rows, or with `solver` cvxpy, it takes a program more for
        each served user: for studies, not for training.
    Edge devices and balance: where effort is bought they earn max(work_ue slope_e / 2 - f_ue, 0) by
        a user. The platform pays that much more than the costs which users bear, and keeps what
        they pay beyond: the balance has either sign. Where effort is enforced they get their cost,
        and the platform keeps W(without u) - (W - w_ue) >= 0 of each served user: the balance is
        never negative, but for rounding. No balance is claimed, since claims hold in every regime
        that they name. `Market.budget` is ignored.
    Strategic side: users. Edge devices are taken at their word.
    No users, no experts, no capacity, nothing worth serving: nobody is served or charged.
    Source: Vickrey 1961, Clarke 1971, Groves 1973; least prices as Clarke payments: Leonard 1983,
        Demange, Gale and Sotomayor 1986.
    """

    bandwidth: bool = False
    solver: Solver = DIRECT

    name: ClassVar[str] = "vcg"
    allocates: ClassVar[bool] = True
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"users"}),
        incentive_compatible=_IN_VALUES,
        individually_rational=frozenset({"users", "edge_devices"}),
        efficient=True,
        where_enforced=Claims(
            strategic=frozenset({"users"}),
            incentive_compatible=_IN_VALUES | {"users.work"},
            individually_rational=frozenset({"users", "edge_devices"}),
            budget_balanced=True,
            efficient=True,
        ),
    )

    def __post_init__(self) -> None:
        check_solver(self.name, self.solver)
        if not isinstance(self.bandwidth, bool):
            raise ValueError(
                f"{self.name}: bandwidth should be true or false, got {self.bandwidth!r}"
            )

    @cached_property
    def program(self) -> AssignmentProgram:
        """The program in CVXPY."""
        return AssignmentProgram(whole=True)

    def clear(self, market: Market) -> Outcome:
        """Assign and charge, in all worlds; status "optimal".

        Raises:
            MarketError: users report nothing or, with `bandwidth`, the band is not known.
            MechanismError: an allocation was not proven optimal, or bids are too far apart
                (`mechanisms.magnitudes`).
        """
        start = perf_counter()
        pairs = possible(pairs_of(market, self.name, bandwidth=self.bandwidth))
        bids = pairs.net.reshape(*market.batch_shape, prod(pairs.net.shape[-2:]))
        check_magnitudes(bids, self.name, FARTHEST_ROUNDED)
        try:
            best = self.program.allocation if self.solver == CVXPY else optimal_allocation
            expert = best(pairs)
            if self.bandwidth or self.solver == CVXPY:
                loss = _loss_by_removal(pairs, expert, best)
            else:
                loss = _loss_by_prices(pairs, expert)
        except MechanismError as error:
            raise MechanismError(f"{self.name}: {error}") from error
        return outcome_at_full_effort(
            market,
            pairs,
            expert,
            loss,
            mechanism=self.name,
            status="optimal",
            solve_seconds=perf_counter() - start,
        )


def least_prices(pairs: Pairs, expert: IntArray) -> FloatArray:
    """Return the least prices (..., E) at which an optimal assignment is stable, credits a subtask.

    It is the assignment without bandwidth rows. The price of an expert is what one more place there
    would add to welfare: the user who would gain most takes it and leaves its own place to another,
    and so on. Hence price_e = max(0, max_u w_ue - surplus_u), where surplus_u is what u has from
    its own expert above that one's price. Starting from 0, a round finds the gains of chains that
    are longer by one user; no chain that gains visits an expert twice, so there are E rounds at
    most.

    Args:
        pairs: without bandwidth rows.
        expert: (..., U) that serves the user, in an assignment of greatest welfare.
    """
    if pairs.candidates is not None:
        return _least_prices_of_lists(pairs, pairs.candidates, expert)
    net, num_experts = pairs.net, pairs.num_experts
    price = np.zeros((*net.shape[:-2], num_experts))
    if not net.size:
        return price
    # Users first: the greatest of a first axis is found five times as fast as that of a middle one.
    served = np.moveaxis(expert >= 0, -1, 0)
    own = np.moveaxis(of_served(net, expert), -1, 0)
    world = np.arange(price.size // num_experts).reshape(price.shape[:-1])
    cell = np.moveaxis(expert, -1, 0) * served + world * num_experts  # of each user's price
    net = np.ascontiguousarray(np.moveaxis(net, -2, 0))
    gain = np.empty_like(net)
    for _ in range(num_experts):
        surplus = own - price.reshape(-1)[cell] * served
        np.subtract(net, surplus[..., np.newaxis], out=gain)
        risen = gain.max(axis=0, initial=0.0)
        if (risen == price).all():
            break
        price = risen
    return price


def _least_prices_of_lists(pairs: Pairs, candidates: IntArray, expert: IntArray) -> FloatArray:
    """Return the same by pairs that gain, in the order of their experts.

    So no pair is looked for among all users.
    """
    (num_users, listed), num_experts = pairs.net.shape[-2:], pairs.num_experts
    price = np.zeros(pairs.capacity.shape)
    pair = np.flatnonzero(pairs.net > 0)
    if not pair.size:
        return price
    cell = cells(candidates, num_experts).reshape(-1)[pair]
    by_expert = np.argsort(cell, kind="stable")
    own_cell, first = np.unique(cell[by_expert], return_index=True)
    pair = pair[by_expert]
    net, user = pairs.net.reshape(-1)[pair], pair // listed
    served = expert.ravel() >= 0
    own = of_served(pairs.net, expert, candidates).ravel()
    place = np.maximum(expert.ravel(), 0) + np.arange(own.size) // num_users * num_experts
    flat = price.reshape(-1)
    for _ in range(num_experts):
        surplus = own - flat[place] * served
        risen = np.maximum(np.maximum.reduceat(net - surplus[user], first), 0.0)
        if (risen == flat[own_cell]).all():
            break
        flat[own_cell] = risen
    return price


def _loss_by_prices(pairs: Pairs, expert: IntArray) -> FloatArray:
    """Return what others lose by each served user, (..., U) credits: the price of its place."""
    price = least_prices(pairs, expert)
    if not pairs.net.size:
        return np.zeros(expert.shape)
    # No place is dearer than it is worth to whom it serves, except by what sums round.
    own = of_served(pairs.net, expert, pairs.candidates)
    return np.minimum(np.take_along_axis(price, np.maximum(expert, 0), axis=-1), own)


def _loss_by_removal(
    pairs: Pairs, expert: IntArray, best: Callable[[Pairs], IntArray]
) -> FloatArray:
    """Return what others lose by each served user, (..., U) credits.

    It is the optimum without the user, as `best` allocates it, less what the others have with it.
    """
    own = of_served(pairs.net, expert, pairs.candidates)
    loss = np.zeros(expert.shape)
    for index in np.ndindex(expert.shape[:-1]):
        world, value = pairs.world(index), own[index]
        for user in np.flatnonzero(expert[index] >= 0):
            net = world.net.copy()
            net[user] = 0.0
            others = best(world._replace(net=net))
            without = of_served(net, others, world.candidates).sum()
            # Others keep what they have, or gain its place and not more: the rest is rounding.
            loss[(*index, user)] = np.clip(without - (value.sum() - value[user]), 0.0, value[user])
    return loss
