"""Equilibrium prices of a Fisher market in which a user wants one service and no more.

A pair's service s_ue is a share of a whole one. Each user has money 1, and a worth up to 1 counts
as it is, one above it as 1 + log(worth): what Nash welfare makes of users who may keep their money.
With f(w) = min(w, 1 + log(max(w, 1))), all in shares of a user's money,

    maximise   sum_u f(sum_e worth_ue s_ue) - sum_(u,e) asked_ue s_ue
    subject to sum_e s_ue <= 1                  dual: surplus_u
               sum_u s_ue <= capacity_e         dual: place_price_e
               sum_u need_ue s_ue <= 1          dual: band_price_e, need in shares of the band
               s >= 0

f is concave, and the least of its tangents: f(w) = min over 0 < pace <= 1 of pace w - log(pace),
at pace = min(1, 1 / w). So the optimum is found by linear programs with more and more tangents
(Kelley 1960), each begun where the last one ended. The multipliers of a user's tangents sum to 1;
the mean of their paces with these weights, put into the dual,

    minimise   sum_u (surplus_u - log(pace_u)) + sum_e (capacity_e place_price_e + band_price_e)
    subject to asked_ue + place_price_e + need_ue band_price_e + surplus_u >= pace_u worth_ue

is feasible, and bounds the distance from the optimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.candidates import of_pairs
from mechanisms.errors import MechanismError
from mechanisms.highs import GrowingProgram
from mechanisms.magnitudes import FARTHEST, check_magnitudes, least_lost

_TOLERANCE = 1e-8  # of the objective, in shares of it, or of the unit where that is more
_MAX_PROGRAMS = 40
# Places and band are more by this share: of all prices that clear a market, HiGHS then gives those
# at which what is sold costs least.
_SPARE = 1e-6


class Equilibrium(NamedTuple):
    """Services and prices of one world; prices in units of the money of a user."""

    share: FloatArray  # (U, C) of a whole service that a user buys
    place_price: FloatArray  # (E,) of a place
    band_price: FloatArray  # (E,) of the whole band
    pace: FloatArray  # (U,) share of a worth that the user bids, 0..1: the slope of f


class Traded(NamedTuple):
    """The pairs that trade, and limits; amounts in units of the money of a user."""

    trades: BoolArray  # (..., U, C)
    worth: FloatArray  # (..., U, C) of a whole service to the user; 1 where a pair does not trade
    asked: FloatArray  # (..., U, C) for a whole service, at most 1 and at most the worth; or 0
    need: FloatArray  # (..., U, C) share of the band that a whole service takes; or 0
    capacity: IntArray  # (..., E) whole services
    candidates: IntArray | None = None  # (..., U, C) as in `UserReports`

    def world(self, index: tuple[int, ...]) -> Traded:
        """Return what is traded at `index` along the leading axes."""
        candidates = None if self.candidates is None else self.candidates[index]
        return Traded(
            self.trades[index],
            self.worth[index],
            self.asked[index],
            self.need[index],
            self.capacity[index],
            candidates,
        )


def equilibrium(traded: Traded) -> Equilibrium:
    """Find the equilibrium of one world.

    Raises:
        MechanismError: HiGHS proved no optimum, or bids are too far apart for it.
    """
    if not traded.trades.any():
        return nothing_sold(traded)
    found = _solved(traded)
    price = price_of(traded, found)
    bid = found.pace[:, np.newaxis] * traded.worth
    surplus = np.where(traded.trades, bid - price, 0.0) * found.share
    covered = price + surplus.sum(axis=-1, keepdims=True)
    lost = least_lost(bid[traded.trades], covered[traded.trades])
    if lost is None:
        return found
    check_magnitudes(np.array([lost, 1.0]), _problem(traded), FARTHEST)
    return _solved(traded, lost)


def nothing_sold(traded: Traded) -> Equilibrium:
    """Return the equilibrium of one world in which no pair trades."""
    free = np.zeros(traded.capacity.size)
    return Equilibrium(np.zeros_like(traded.worth), free, free, np.ones(len(traded.worth)))


def price_of(traded: Traded, found: Equilibrium) -> FloatArray:
    """Return the price of a whole service in one world, (U, C) in units of a user's money."""
    place_price = of_pairs(found.place_price, traded.candidates)
    return traded.asked + place_price + traded.need * of_pairs(found.band_price, traded.candidates)


def _problem(traded: Traded) -> str:
    return f"a market of {len(traded.worth)} users and {traded.capacity.size} experts"


def _solved(traded: Traded, unit: float = 1.0) -> Equilibrium:
    """Return the equilibrium, found with amounts in shares of `unit`."""
    num_users, num_experts = len(traded.worth), traded.capacity.size
    user, column = np.nonzero(traded.trades)
    expert = column if traded.candidates is None else traded.candidates[user, column]
    worth, money = traded.worth[user, column] / unit, 1.0 / unit
    asked, need = traded.asked[user, column] / unit, traded.need[user, column]
    greatest = np.zeros(num_users)
    np.maximum.at(greatest, user, worth)
    poor = np.flatnonzero(greatest > money)  # all others count their worth as it is
    is_poor = (greatest > money)[user]
    tangents = _Tangents(user, worth, poor, num_users)

    row = np.stack([user, num_users + expert, num_users + num_experts + expert], axis=-1)
    ones = np.ones(user.size)
    spare = np.concatenate([traded.capacity, np.ones(num_experts)]) * (1 + _SPARE)
    program = GrowingProgram(
        np.where(is_poor, 0.0, worth) - asked,
        row,
        np.stack([ones, ones, need], axis=-1),
        np.concatenate([np.ones(num_users), spare]),
        _problem(traded),
        num_free=poor.size,
    )
    least = np.minimum(1.0, money / np.maximum(greatest[poor], money))
    power = np.repeat((0.0, 0.25, 0.5, 0.75, 1.0), poor.size)
    everybody = np.tile(np.arange(poor.size), 5)
    tangents.add_to(program, everybody, least[everybody] ** power, money)

    for _ in range(_MAX_PROGRAMS):
        optimum = program.solve()
        share, dual = optimum.decision[: user.size], optimum.dual
        pace = tangents.mean_pace(dual[num_users + 2 * num_experts :])
        value = np.bincount(user, worth * share, num_users)
        counted = np.where(
            value > money, money + money * np.log(np.maximum(value, money) / money), value
        )
        reached = counted.sum() - asked @ share
        fixed = np.concatenate([np.ones(num_users), spare])
        bound = dual[: fixed.size] @ fixed - money * np.log(pace).sum()
        if bound - reached <= _TOLERANCE * max(1.0, bound):
            break
        tangent = money / np.maximum(value[poor], money)
        new = np.flatnonzero(np.abs(tangent / pace[poor] - 1) > _TOLERANCE)
        tangents.add_to(program, new, tangent[new], money)
    else:
        raise MechanismError(
            f"{_problem(traded)}: {bound - reached:.2g} short of an optimum of {bound:.6g} after "
            f"{_MAX_PROGRAMS} programs"
        )
    whole = np.zeros_like(traded.worth)
    whole[user, column] = share
    prices = unit * dual[num_users : num_users + 2 * num_experts]
    return Equilibrium(whole, prices[:num_experts], prices[num_experts:], pace)


class _Tangents:
    """Tangents of f as rows of a program: bound_u - pace worth_u @ s_u <= -money log(pace).

    Args:
        user: of each pair, rising.
        worth: of each pair.
        poor: users who have a free column, the bound of what they count.
        num_users: of all.
    """

    def __init__(self, user: IntArray, worth: FloatArray, poor: IntArray, num_users: int) -> None:
        self._worth, self._poor, self._num_users = worth, poor, num_users
        self._first = np.searchsorted(user, poor)
        self._pairs = np.searchsorted(user, poor, side="right") - self._first
        self._of_user = np.zeros(0, dtype=np.int64)
        self._pace = np.zeros(0)

    def add_to(
        self, program: GrowingProgram, which: IntArray, pace: FloatArray, money: float
    ) -> None:
        """Add a tangent for each of the poor users `which` at its pace."""
        if not which.size:
            return
        pairs = self._pairs[which]
        length = pairs + 1  # the pairs of the user, then its free column
        start = np.cumsum(length) - length
        column = np.arange(length.sum()) + np.repeat(self._first[which] - start, length)
        is_pair = np.ones(column.size, dtype=bool)
        is_pair[start + pairs] = False
        coefficient = np.ones(column.size)
        coefficient[is_pair] = -np.repeat(pace, pairs) * self._worth[column[is_pair]]
        column[~is_pair] = self._worth.size + which
        program.add(start, column, coefficient, -money * np.log(pace))
        self._of_user = np.append(self._of_user, self._poor[which])
        self._pace = np.append(self._pace, pace)

    def mean_pace(self, weight: FloatArray) -> FloatArray:
        """Return the mean pace of each user's tangents, (U,); 1 of users without."""
        mean = np.ones(self._num_users)
        sums = np.bincount(self._of_user, weight * self._pace, self._num_users)
        mean[self._poor] = sums[self._poor]
        return mean
