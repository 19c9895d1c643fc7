"""The assignment of greatest welfare, exactly, with or without bandwidth rows.

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
mixed-integer, to proven optimality. How far apart bids may be, `mechanisms.magnitudes` says.
"""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.candidates import expert_of, load, of_served
from mechanisms.magnitudes import unit_of
from mechanisms.market import Market
from mechanisms.outcome import Allocation, Outcome
from mechanisms.pairs import Band, Pairs, overruns, pairs_of, possible
from mechanisms.relaxation import relaxation
from mechanisms.services import Services, services_of
from mechanisms.sparse_assignment import within_capacity
from mechanisms.supply import full_effort_price

_WHOLE_TOLERANCE = 1e-6  # a share of a user's service this close to 0 or 1 is 0 or 1


def optimal_welfare(market: Market, bandwidth: bool) -> FloatArray:
    """Return the greatest welfare of any assignment, (...) credits/slot, at reported costs.

    Raises:
        MarketError: users report nothing or, with `bandwidth`, the band is not known.
        MechanismError: a mixed-integer program was not solved to proven optimality.
    """
    pairs = pairs_of(market, "the welfare optimum", bandwidth=bandwidth)
    return of_served(pairs.net, optimal_allocation(pairs), pairs.candidates).sum(axis=-1)


def optimal_allocation(pairs: Pairs) -> IntArray:
    """Return the expert that serves each user at the welfare optimum, (..., U); -1 for none.

    Raises:
        MechanismError: a mixed-integer program was not solved to proven optimality.
    """
    pairs = possible(pairs)
    expert = _within_capacity(pairs)
    if pairs.band is None:
        return expert
    overrun = overruns(pairs, expert)
    for index in np.ndindex(overrun.shape[:-1]):
        if overrun[index].any():
            expert[index] = _within_band(pairs.world(index))
    return expert


def _within_capacity(pairs: Pairs) -> IntArray:
    if pairs.candidates is None:
        return _within_capacity_of_all(pairs.net, pairs.capacity)
    return expert_of(within_capacity(pairs.net, pairs.candidates, pairs.capacity), pairs.candidates)


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


def _within_band(pairs: Pairs) -> IntArray:
    """Return one world's optimal allocation (U,), by the relaxation if it is whole."""
    bids = pairs.net[pairs.net > 0]
    if unit_of(bids) < bids.max():
        # Beside the greatest bids a vertex is best only to what matters to the small ones.
        return _rounded(relaxation(pairs, whole=True).share, pairs)
    share = relaxation(pairs).share
    is_whole = np.minimum(share, 1 - share).max() <= _WHOLE_TOLERANCE
    if not is_whole or overruns(pairs, _rounded(share, pairs)).any():
        share = relaxation(pairs, whole=True).share
    return _rounded(share, pairs)


def _rounded(share: FloatArray, pairs: Pairs) -> IntArray:
    column = np.where(share.max(axis=-1) > 0.5, share.argmax(axis=-1), -1)
    return expert_of(column, pairs.candidates)


def admitted(wish: FloatArray, pairs: Pairs) -> IntArray:
    """Return an allocation (U,) of one world that keeps every row, by falling wish (U, C).

    Each wish that still fits is served. Wishes of 0 are none. Ties go to the first user, then its
    first column.
    """
    allocation = np.full(wish.shape[:-1], -1)
    places = pairs.capacity.copy()
    band = pairs.band
    if band is None:
        band = Band(np.zeros_like(wish), np.full(pairs.num_experts, np.inf))
    left = band.fits
    user, column = np.nonzero(wish > 0)
    expert = column if pairs.candidates is None else pairs.candidates[user, column]
    for pair in np.argsort(-wish[user, column], kind="stable"):
        u, e = user[pair], expert[pair]
        need = band.need[u, column[pair]]
        if allocation[u] >= 0 or not places[e] or need > left[e]:
            continue
        allocation[u] = e
        places[e] -= 1
        left[e] -= need
    return allocation


def outcome_at_full_effort(
    market: Market,
    pairs: Pairs,
    expert: IntArray,
    premium: FloatArray,
    *,
    mechanism: str,
    status: str,
    solve_seconds: float,
) -> Outcome:
    """Return the outcome at the least prices of full effort, the served paying their cost and more.

    Args:
        market: costs as reported.
        pairs: of this market.
        expert: (..., U) that serves the user, -1 for none.
        premium: (..., U) what a served user pays above the cost of serving it, credits.
        mechanism: that decided, for messages.
        status: see `Outcome.status`.
        solve_seconds: wall time of the decision.
    """
    services = services_of(market, expert, mechanism)
    due = of_served(pairs.cost, expert, pairs.candidates) + premium
    return outcome_of(
        walk_in_price(market),
        services,
        services.full_effort_price(market.effort),
        pairs,
        np.where(expert >= 0, due, 0.0),
        status,
        solve_seconds,
    )


def walk_in_price(market: Market) -> FloatArray:
    """Return the least price of full effort for a point of demand, (..., E) credits/point."""
    return full_effort_price(
        market.effort, market.point_cost, market.point_slope, market.fixed_point_cost
    )


def outcome_of(
    unit_price: FloatArray,
    services: Services,
    paid: FloatArray,
    pairs: Pairs,
    charge: FloatArray,
    status: str,
    solve_seconds: float,
) -> Outcome:
    """Return the outcome in which everybody who serves gives full effort.

    Args:
        unit_price: (..., E) for those who come to an expert unasked, credits/point.
        services: who serves whom.
        paid: (..., U) to the expert for serving this user, credits.
        pairs: of the market.
        charge: (..., U) from the user, credits.
        status: see `Outcome.status`.
        solve_seconds: wall time of the decision.
    """
    expert, num_experts = services.expert, pairs.num_experts
    return Outcome(
        unit_price=unit_price,
        effort=np.ones_like(unit_price),
        points=load(services.points, expert, num_experts),
        payment=load(paid, expert, num_experts),
        welfare=of_served(pairs.net, expert, pairs.candidates).sum(axis=-1),
        status=status,
        solve_seconds=solve_seconds,
        allocation=Allocation(expert, charge, services.per_point(paid)),
    )
