"""Limits of experts, places and band, that bind when they deliver, whatever was told of them."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.candidates import cells, load, of_own_expert
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.services import of_pairs_served

_ROUNDING = 1e-9  # share of a limit, up to which it is not exceeded


def keeps(mechanism: str, truth: Market, outcome: Outcome, limit: str) -> bool:
    """Return whether nothing is allocated beyond a limit of experts, "capacity" or "band".

    A mechanism that goes beyond it has not asked for it, and nothing depends on what is told of it.
    """
    expert = outcome.allocation_by(mechanism).expert
    users = truth.users_for(mechanism)
    if limit == "capacity":
        return bool(
            (load(np.ones(expert.shape), expert, truth.num_experts) <= truth.capacity).all()
        )
    need = load(of_pairs_served(truth, users.bandwidth_need, expert), expert, truth.num_experts)
    return bool((need <= truth.bandwidth_limit * (1 + _ROUNDING)).all())


def fits(
    truth: Market, expert: IntArray, effort: FloatArray, profit: FloatArray, binds: frozenset[str]
) -> BoolArray:
    """Return the users (..., U) whom experts serve: those they earn most by, while they fit.

    It ends at the first that does not, so that what a lie about a limit gains is not overstated.
    """
    users = truth.users_for("an audit of limits")
    cell = cells(expert[..., np.newaxis], truth.num_experts)[..., 0]
    serves = np.flatnonzero((expert >= 0) & (effort > 0))
    order = serves[np.lexsort((-profit.ravel()[serves], cell.ravel()[serves]))]
    fits = np.zeros(expert.size, dtype=bool)
    fits[order] = True
    limits: dict[str, tuple[FloatArray, FloatArray]] = {
        "capacity": (np.ones(expert.shape), truth.capacity.astype(np.float64)),
        "band": (of_pairs_served(truth, users.bandwidth_need, expert), truth.bandwidth_limit),
    }
    first = np.diff(cell.ravel()[order], prepend=-1) != 0
    for name in binds:
        need, limit = limits[name]
        taken = need.ravel()[order].cumsum()
        before = np.where(first, taken - need.ravel()[order], 0.0)
        taken = taken - np.maximum.accumulate(before)
        fits[order] &= taken <= of_own_expert(limit, expert).ravel()[order] * (1 + _ROUNDING)
    return fits.reshape(expert.shape)
