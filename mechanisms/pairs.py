"""Pairs of users and experts that may be assigned: net values, costs, places and bands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.candidates import load, of_pairs, of_served
from mechanisms.market import Market

# A band is kept up to this share of it, which is more than sums round by and what the solver keeps
# a row to.
_BAND_TOLERANCE = 1e-8
DEAREST = 1e300  # credits/point, that a price may be
# Of value and cost together: what decimal numbers, sum, product and difference round by.
_BREAKS_EVEN = 4 * float(np.finfo(np.float64).eps)


class Band(NamedTuple):
    """Bandwidth rows of an assignment."""

    need: FloatArray  # (..., U, C) Hz
    limit: FloatArray  # (..., E) Hz

    @property
    def fits(self) -> FloatArray:
        """Band up to which an expert is not overrun, (..., E) Hz."""
        return self.limit * (1 + _BAND_TOLERANCE)


class Pairs(NamedTuple):
    """Values, costs and limits that decide an assignment, for worlds along any leading axes."""

    net: FloatArray  # (..., U, C) net value, credits
    cost: FloatArray  # (..., U, C) of serving at full effort, what is fixed too, as reported
    capacity: IntArray  # (..., E) subtasks
    band: Band | None = None  # None without bandwidth rows
    candidates: IntArray | None = None  # (..., U, C) as in `UserReports`

    @property
    def num_experts(self) -> int:
        """Number of experts, E."""
        return self.capacity.shape[-1]

    def world(self, index: tuple[int, ...]) -> Pairs:
        """Return the pairs at `index` along the leading axes."""
        band = self.band
        if band is not None:
            band = Band(band.need[index], band.limit[index])
        candidates = None if self.candidates is None else self.candidates[index]
        return Pairs(self.net[index], self.cost[index], self.capacity[index], band, candidates)


def pairs_of(market: Market, mechanism: str, *, bandwidth: bool) -> Pairs:
    """Read the pairs of a market, at costs work (kappa + slope / 2) + fixed cost, credits.

    A pair that breaks even up to rounding has net value 0; so has one of cost and no points, since
    no price of a point pays for it.

    Raises:
        MarketError: users report nothing or, with `bandwidth`, the band is not known; the message
            names `mechanism`.
    """
    users = market.users_for(mechanism)
    band = None
    if bandwidth:
        market.check_band(mechanism)
        band = Band(users.bandwidth_need, market.bandwidth_limit)
    of_work = market.unit_cost + market.cost_slope / 2
    cost = users.work * of_pairs(of_work, users.candidates)
    has_fixed_costs = bool(users.fixed_cost.any())
    if has_fixed_costs:
        cost += users.fixed_cost
    net = users.value - cost
    rounding = np.abs(users.value)
    rounding += cost
    rounding *= _BREAKS_EVEN
    net *= (np.abs(net) > rounding) & (users.topic >= 0)[..., np.newaxis]
    if has_fixed_costs or users.work is not users.points:
        net *= payable(users.points, cost)
    return Pairs(net, cost, market.capacity, band, users.candidates)


def payable(points: FloatArray, cost: FloatArray) -> BoolArray:
    """Return which pairs (..., U, C) a price of a point can pay for: those of points, or no cost.

    A price beyond `DEAREST` is none: so few points round to nothing.
    """
    with np.errstate(over="ignore"):
        return np.asarray(cost <= DEAREST * points)


def net_value(market: Market) -> FloatArray:
    """Return what serving a pair is worth to society, (..., U, C) credits.

    It is value - work (kappa + slope / 2) - fixed cost, what is subtracted being the reported cost
    of full effort; 0 for users without a topic.

    Raises:
        MarketError: users report nothing.
    """
    return pairs_of(market, "a net value", bandwidth=False).net


def overruns(pairs: Pairs, expert: IntArray) -> BoolArray:
    """Return the experts (..., E) whose band an allocation (..., U) overruns."""
    if pairs.band is None:
        return np.zeros(pairs.capacity.shape, dtype=bool)
    need = of_served(pairs.band.need, expert, pairs.candidates)
    return load(need, expert, pairs.num_experts) > pairs.band.fits


def possible(pairs: Pairs) -> Pairs:
    """Return the same with net value 0 for pairs that the band forbids even alone.

    So it is for those of experts without capacity.
    """
    has_places = pairs.capacity > 0
    if not has_places.all():
        pairs = pairs._replace(net=pairs.net * of_pairs(has_places, pairs.candidates))
    if pairs.band is None:
        return pairs
    fits = pairs.band.need <= of_pairs(pairs.band.fits, pairs.candidates)
    return pairs._replace(net=pairs.net * fits)
