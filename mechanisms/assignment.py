"""Who is served by whom: the assignment of greatest welfare, with or without bandwidth rows,
exactly.

Variables x[u, e] in {0, 1}: expert e serves user u. With w_ue the net value of the pair, in
credits,

    maximise   sum_(u,e) w_ue x_ue
    subject to sum_e x_ue <= 1                  for every user
               sum_u x_ue <= capacity_e         for every expert, subtasks
               sum_u need_ue x_ue <= limit_e    for every expert, Hz: the bandwidth rows

Pairs of net value <= 0 are never formed, nor any whose need alone is more than the band. Without
bandwidth rows the relaxation 0 <= x <= 1 has whole vertices, and shortest augmenting paths find the
optimum (Crouse 2016, as `scipy.optimize.linear_sum_assignment`; where users list candidates, as in
`mechanisms.sparse_assignment`). With them three programs are tried, each of which is exact where it
answers: without the rows, if that answer keeps them; relaxed, if its vertex is whole;
mixed-integer, to proven optimality.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.candidates import expert_of, load, of_pairs, of_served
from mechanisms.highs import maximise
from mechanisms.market import FloatArray, IntArray, Market, Outcome
from mechanisms.sparse_assignment import within_capacity

# A band is kept up to this share of it, which is more than sums round by and what the solver keeps
# a row to.
_BAND_TOLERANCE = 1e-8
_WHOLE_TOLERANCE = 1e-6  # a share of a user's service this close to 0 or 1 is 0 or 1


class Pairs(NamedTuple):
    """What an assignment is decided by, for worlds along any leading axes."""

    net: FloatArray  # (..., U, C) net value, credits
    cost: FloatArray  # (..., U, C) of serving at full effort, credits, as reported
    capacity: IntArray  # (..., E) subtasks
    need: FloatArray | None  # (..., U, C) Hz; None without bandwidth rows
    limit: FloatArray | None  # (..., E) Hz; None without bandwidth rows
    candidates: IntArray | None = (
        None  # (..., U, C) the expert of each pair; None where C = E and it is the column
    )

    @property
    def num_experts(self) -> int:
        """E."""
        return self.capacity.shape[-1]

    def world(self, index: tuple[int, ...]) -> Pairs:
        """Those at `index` along the leading axes."""
        need, limit, candidates = (
            None if array is None else array[index]
            for array in (self.need, self.limit, self.candidates)
        )
        return Pairs(
            self.net[index], self.cost[index], self.capacity[index], need, limit, candidates
        )


class Relaxation(NamedTuple):
    """An optimal vertex of the relaxed program of one world, and its duals."""

    share: FloatArray  # (U, C) of each pair's service, 0..1
    place_price: FloatArray  # (E,) dual of capacity, credits a subtask
    band_price: FloatArray  # (E,) dual of bandwidth, credits/Hz; 0 without bandwidth rows


def pairs(market: Market, mechanism: str, *, bandwidth: bool) -> Pairs:
    """Read the pairs of a market.

    Raises:
        MarketError: user_value, user_points, capacity or, with `bandwidth`, the band is not given;
            `mechanism` is who needs it.
    """
    market.require(mechanism, "user_value", "user_points", "capacity")
    if bandwidth:
        market.require(mechanism, "bandwidth_need", "bandwidth_limit")
    assert market.user_value is not None
    assert market.user_points is not None
    assert market.capacity is not None
    cost = market.user_points * of_pairs(
        market.unit_cost + market.cost_slope / 2, market.candidates
    )
    net = market.user_value - cost
    if market.topic is not None:
        net *= (market.topic >= 0)[..., np.newaxis]
    need, limit = (market.bandwidth_need, market.bandwidth_limit) if bandwidth else (None, None)
    return Pairs(net, cost, market.capacity, need, limit, market.candidates)


def net_value(market: Market) -> FloatArray:
    """What serving a pair is worth to society, (..., U, C) credits.

    user_value - user_points x (kappa + slope / 2), the latter the reported cost of full effort; 0
    for users without a topic where topics are given.

    Raises:
        MarketError: user_value, user_points or capacity is not given.
    """
    return pairs(market, "a net value", bandwidth=False).net


def optimal_welfare(market: Market, bandwidth: bool) -> FloatArray:
    """The greatest welfare of any assignment, (...) credits/slot, at reported costs and values.

    Raises:
        MarketError: a field that the program needs is not given.
        MechanismError: a mixed-integer program was not solved to proven optimality.
    """
    asked = pairs(market, "the welfare optimum", bandwidth=bandwidth)
    return of_served(asked.net, optimal_allocation(asked), asked.candidates).sum(axis=-1)


def optimal_allocation(asked: Pairs) -> IntArray:
    """The expert that serves each user at the welfare optimum, (..., U); -1 for none.

    Raises:
        MechanismError: a mixed-integer program was not solved to proven optimality.
    """
    asked = possible(asked)
    allocation = _within_capacity(asked)
    if asked.need is None or asked.limit is None:
        return allocation
    need = of_served(asked.need, allocation, asked.candidates)
    overrun = load(need, allocation, asked.num_experts) > asked.limit * (1 + _BAND_TOLERANCE)
    for index in np.ndindex(overrun.shape[:-1]):
        if overrun[index].any():
            allocation[index] = _within_band(asked.world(index))
    return allocation


def possible(asked: Pairs) -> Pairs:
    """The same with net value 0 for pairs that the band forbids even alone."""
    if asked.need is None or asked.limit is None:
        return asked
    fits = asked.need <= of_pairs(asked.limit * (1 + _BAND_TOLERANCE), asked.candidates)
    return asked._replace(net=asked.net * fits)


def _within_capacity(asked: Pairs) -> IntArray:
    if asked.candidates is None:
        return _within_capacity_of_all(asked.net, asked.capacity)
    return expert_of(within_capacity(asked.net, asked.candidates, asked.capacity), asked.candidates)


def _within_capacity_of_all(net: FloatArray, capacity: IntArray) -> IntArray:
    from scipy.optimize import linear_sum_assignment

    num_users = net.shape[-2]
    places = min(int(capacity.max(initial=0)), num_users)
    if not places or not net.size:
        return np.full(net.shape[:-1], -1)
    # A column a place. What is worth nothing and places that are closed cost 0, like being left
    # out.
    loss = -np.maximum(net, 0.0)
    if places == 1:
        loss *= (capacity > 0)[..., np.newaxis, :]
    else:
        is_open = np.arange(places) < capacity[..., np.newaxis]
        loss = (loss[..., np.newaxis] * is_open[..., np.newaxis, :, :]).reshape(*net.shape[:-1], -1)
    column = np.full((loss.size // (num_users * loss.shape[-1]), num_users), -1)
    for row, table in zip(column, loss.reshape(-1, *loss.shape[-2:]), strict=True):
        user, place = linear_sum_assignment(table)
        row[user] = place
    column = column.reshape(net.shape[:-1])
    return np.where(of_served(loss, column) < 0, column // places, -1)


def _within_band(asked: Pairs) -> IntArray:
    """One world's optimal allocation (U,), by the relaxation or, where that is fractional,
    mixed-integer.
    """
    share = relaxation(asked).share
    if np.minimum(share, 1 - share).max() > _WHOLE_TOLERANCE:
        share = relaxation(asked, whole=True).share
    return expert_of(
        np.where(share.max(axis=-1) > 0.5, share.argmax(axis=-1), -1), asked.candidates
    )


def relaxation(asked: Pairs, *, whole: bool = False) -> Relaxation:
    """Solve the relaxed program of one world by the simplex method, or with `whole` the program
    itself.

    Raises:
        MechanismError: HiGHS did not prove an optimum.
    """
    asked = possible(asked)
    num_users, num_experts = len(asked.net), asked.num_experts
    share, place_price, band_price = (
        np.zeros_like(asked.net),
        np.zeros(num_experts),
        np.zeros(num_experts),
    )
    user, column = np.nonzero((asked.net > 0) & of_pairs(asked.capacity > 0, asked.candidates))
    expert = column if asked.candidates is None else asked.candidates[user, column]
    if not user.size:
        return Relaxation(share, place_price, band_price)
    rows, coefficients = [user, num_users + expert], [np.ones(user.size), np.ones(user.size)]
    limits = [np.ones(num_users), asked.capacity.astype(np.float64)]
    if asked.need is not None and asked.limit is not None:
        # Rows in shares of the band and an objective in shares of the greatest value: all numbers
        # are about 1.
        band = np.where(asked.limit > 0, asked.limit, 1.0)
        rows.append(num_users + num_experts + expert)
        coefficients.append(asked.need[user, column] / band[expert])
        limits.append((asked.limit > 0).astype(np.float64))
    scale = asked.net[user, column].max()
    found = maximise(
        asked.net[user, column] / scale,
        np.stack(rows, axis=-1),
        np.stack(coefficients, axis=-1),
        np.concatenate(limits),
        f"assignment of {num_users} users to {num_experts} "
        f"experts{'' if asked.need is None else ' within bandwidth'}",
        whole=whole,
        # Where lists crowd the dual method takes up to 16 times as long; elsewhere a fifth to a
        # half.
        from_nothing=asked.candidates is not None and not whole,
    )
    share[user, column] = found.decision
    place_price = scale * found.dual[num_users : num_users + num_experts]
    if asked.need is not None:
        band_price = scale * found.dual[num_users + num_experts :] / band
    return Relaxation(share, place_price, band_price)


def admitted(wish: FloatArray, asked: Pairs) -> IntArray:
    """An allocation (U,) of one world that keeps every row, by falling wish (U, C): each that still
    fits is served.

    Wishes of 0 are none. Ties go to the first user, then its first column.
    """
    allocation = np.full(wish.shape[:-1], -1)
    places = asked.capacity.copy()
    band = None if asked.limit is None else asked.limit * (1 + _BAND_TOLERANCE)
    user, column = np.nonzero(wish > 0)
    expert = column if asked.candidates is None else asked.candidates[user, column]
    for pair in np.argsort(-wish[user, column], kind="stable"):
        u, e = user[pair], expert[pair]
        need = 0.0 if asked.need is None else asked.need[u, column[pair]]
        if allocation[u] >= 0 or not places[e] or (band is not None and need > band[e]):
            continue
        allocation[u] = e
        places[e] -= 1
        if band is not None:
            band[e] -= need
    return allocation


def outcome_at_full_effort(
    market: Market,
    asked: Pairs,
    allocation: IntArray,
    premium: FloatArray,
    *,
    status: str,
    solve_seconds: float,
) -> Outcome:
    """The outcome where experts get the least price of full effort, and the served pay what serving
    costs and more.

    Args:
        market: costs as reported.
        asked: the pairs of this market.
        allocation: (..., U) expert, -1 for none.
        premium: (..., U) what a served user pays above the cost of serving it, credits.
        status: see `Outcome.status`.
        solve_seconds: wall time of the decision.
    """
    assert market.user_points is not None
    unit_price = market.unit_cost + market.cost_slope
    points = load(
        of_served(market.user_points, allocation, asked.candidates), allocation, market.num_experts
    )
    return Outcome(
        unit_price=unit_price,
        effort=np.ones_like(unit_price),
        points=points,
        payment=unit_price * points,
        welfare=of_served(asked.net, allocation, asked.candidates).sum(axis=-1),
        status=status,
        solve_seconds=solve_seconds,
        charge=np.where(
            allocation >= 0, of_served(asked.cost, allocation, asked.candidates) + premium, 0.0
        ),
        allocation=allocation,
    )
