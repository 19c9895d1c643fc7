"""Welfare-maximising assignment in which each user pays what its presence costs the others."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import numpy as np

from mechanisms.assignment import Pairs, optimal_allocation, outcome_at_full_effort, pairs
from mechanisms.assignment_program import AssignmentProgram
from mechanisms.base import register
from mechanisms.candidates import cells, of_served
from mechanisms.claims import Claims
from mechanisms.errors import MechanismError
from mechanisms.market import FloatArray, IntArray, Market, Outcome


@register("vcg")
@dataclass(frozen=True)
class VCG:
    """Vickrey, Clarke and Groves: the assignment of greatest welfare, with Clarke payments.

    Program, for each world: the assignment of `mechanisms.assignment`, of welfare W = sum of w_ue
    over the pairs formed, credits/slot, where

        w_ue = user_value_ue - user_points_ue (kappa_e + slope_e / 2)

        user_value   what full service is worth to the user, credits
        user_points  what full service delivers, points
        kappa, slope reported unit cost and cost slope, credits/point

    subject to capacity and, with `bandwidth`, to the bandwidth rows. A user u served by e is
    charged the cost of serving it and what the others lose by its presence,

        charge_u = user_points_ue (kappa_e + slope_e / 2) + W(without u) - (W - w_ue)   credits

    and everybody else nothing. Experts get kappa + slope a point, the least price whose best
    response is full effort.

    Guarantee: the allocation is of greatest welfare, proven. A user's utility, value less charge,
        is W - W(without u): never negative; and as W(without u) does not depend on what u reports,
        a user does best by reporting its `user_value` truthfully, whatever others report (points
        and band are seen in delivery, not reported). An allocation that is not proven optimal would
        carry none of this, and is refused: `MechanismError`.
    Capacity only: every W(without u) follows from one assignment, by prices instead of U more
        (`least_prices`). With bandwidth rows it takes a program more for each served user: for
        studies, not for training.
    Edge devices earn slope / 2 a point above their cost, at full effort. The platform pays that
        much more than the costs which users bear, and keeps what they pay beyond: the balance has
        either sign. `Market.budget` is ignored.
    Strategic side: users. Edge devices are taken at their word: one could gain by reporting other
    costs.
    No users, no experts, no capacity, nothing worth serving: nobody is served or charged.
    Source: Vickrey 1961, Clarke 1971, Groves 1973; least prices as Clarke payments: Leonard 1983,
        Demange, Gale and Sotomayor 1986.
    """

    bandwidth: bool = False

    name: ClassVar[str] = "vcg"
    voluntary: ClassVar[bool] = True
    allocates: ClassVar[bool] = True
    claims: ClassVar[Claims] = Claims(
        strategic=frozenset({"users"}),
        incentive_compatible=frozenset({"users"}),
        individually_rational=frozenset({"users", "edge_devices"}),
        efficient=True,
    )

    def __post_init__(self) -> None:
        if not isinstance(self.bandwidth, bool):
            raise ValueError(f"vcg: bandwidth should be true or false, got {self.bandwidth!r}")

    def clear(self, market: Market) -> Outcome:
        """Assign and charge, in all worlds; status "optimal"."""
        start = perf_counter()
        asked = pairs(market, self.name, bandwidth=self.bandwidth)
        try:
            allocation = optimal_allocation(asked)
            loss = (
                _loss_by_removal(asked, allocation)
                if self.bandwidth
                else _loss_by_prices(asked, allocation)
            )
        except MechanismError as error:
            raise MechanismError(f"vcg: {error}") from error
        return outcome_at_full_effort(
            market, asked, allocation, loss, status="optimal", solve_seconds=perf_counter() - start
        )


def least_prices(asked: Pairs, allocation: IntArray) -> FloatArray:
    """The least prices (..., E), credits a subtask, at which an optimal assignment without
    bandwidth rows is stable.

    The price of an expert is what one more place there would add to welfare: the user who would
    gain most takes it and leaves its own place to another, and so on. Hence price_e = max(0, max_u
    w_ue - surplus_u), where surplus_u is what u has from its own expert above that one's price.
    Starting from 0, a round finds the gains of chains that are longer by one user; no chain that
    gains visits an expert twice, so there are E rounds at most.

    Args:
        asked: the pairs, without bandwidth rows.
        allocation: (..., U) an assignment of greatest welfare.
    """
    if asked.candidates is not None:
        return _least_prices_of_lists(asked, asked.candidates, allocation)
    net, num_experts = asked.net, asked.num_experts
    price = np.zeros((*net.shape[:-2], num_experts))
    if not net.size:
        return price
    # Users first: the greatest of a first axis is found five times as fast as that of a middle one.
    served = np.moveaxis(allocation >= 0, -1, 0)
    own = np.moveaxis(of_served(net, allocation), -1, 0)
    world = np.arange(price.size // num_experts).reshape(price.shape[:-1])
    cell = np.moveaxis(allocation, -1, 0) * served + world * num_experts  # of each user's price
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


def _least_prices_of_lists(asked: Pairs, candidates: IntArray, allocation: IntArray) -> FloatArray:
    """The same by pairs that gain, in the order of their experts: none is looked for among all
    users.
    """
    (num_users, listed), num_experts = asked.net.shape[-2:], asked.num_experts
    price = np.zeros(asked.capacity.shape)
    pair = np.flatnonzero(asked.net > 0)
    if not pair.size:
        return price
    cell = cells(candidates, num_experts).reshape(-1)[pair]
    by_expert = np.argsort(cell, kind="stable")
    expert, first = np.unique(cell[by_expert], return_index=True)
    pair = pair[by_expert]
    net, user = asked.net.reshape(-1)[pair], pair // listed
    served = allocation.ravel() >= 0
    own = of_served(asked.net, allocation, candidates).ravel()
    place = np.maximum(allocation.ravel(), 0) + np.arange(own.size) // num_users * num_experts
    flat = price.reshape(-1)
    for _ in range(num_experts):
        surplus = own - flat[place] * served
        risen = np.maximum(np.maximum.reduceat(net - surplus[user], first), 0.0)
        if (risen == flat[expert]).all():
            break
        flat[expert] = risen
    return price


def _loss_by_prices(asked: Pairs, allocation: IntArray) -> FloatArray:
    """What others lose by each served user, (..., U) credits: the price of its place."""
    price = least_prices(asked, allocation)
    if not asked.net.size:
        return np.zeros(allocation.shape)
    return np.take_along_axis(price, np.maximum(allocation, 0), axis=-1)


def _loss_by_removal(asked: Pairs, allocation: IntArray) -> FloatArray:
    """What others lose by each served user, (..., U) credits: the optimum without it, less what
    they have with it.
    """
    own = of_served(asked.net, allocation, asked.candidates)
    loss = np.zeros(allocation.shape)
    for index in np.ndindex(allocation.shape[:-1]):
        world, value = asked.world(index), own[index]
        for user in np.flatnonzero(allocation[index] >= 0):
            net = world.net.copy()
            net[user] = 0.0
            without = of_served(
                net, optimal_allocation(world._replace(net=net)), world.candidates
            ).sum()
            # Others keep what they have, or gain its place and not more: the rest is rounding.
            loss[(*index, user)] = np.clip(without - (value.sum() - value[user]), 0.0, value[user])
    return loss


class VCGProgram:
    """`VCG` by definition, in CVXPY: the assignment and U assignments without one user, whole, by
    branch and bound.

    Compiled once for a size. CVXPY is imported on construction; needs a user and an expert at
    least.
    """

    def __init__(self, num_users: int, num_experts: int, *, bandwidth: bool = False) -> None:
        self._bandwidth = bandwidth
        self._program = AssignmentProgram(num_users, num_experts, bandwidth=bandwidth, whole=True)

    def clear(self, market: Market) -> Outcome:
        """As `VCG.clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no proven optimum.
        """
        start = perf_counter()
        asked = pairs(market, VCG.name, bandwidth=self._bandwidth)
        allocation = np.full(asked.net.shape[:-1], -1)
        loss = np.zeros(allocation.shape)
        for index in np.ndindex(market.batch_shape):
            world = asked.world(index)
            chosen = self._program.solve(world).share > 0.5
            allocation[index] = np.where(chosen.any(axis=-1), chosen.argmax(axis=-1), -1)
            value = (world.net * chosen).sum(axis=-1)
            for user in range(market.num_users):
                net = world.net.copy()
                net[user] = 0.0
                without = (net * self._program.solve(world._replace(net=net)).share).sum()
                loss[(*index, user)] = without - (value.sum() - value[user])
        return outcome_at_full_effort(
            market, asked, allocation, loss, status="optimal", solve_seconds=perf_counter() - start
        )
