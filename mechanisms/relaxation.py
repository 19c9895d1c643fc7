"""The relaxed assignment of one world, solved by HiGHS, with its duals; or the whole program."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.errors import MechanismError
from mechanisms.highs import Optimum, maximise
from mechanisms.magnitudes import FARTHEST, check_magnitudes, least_lost, unit_of
from mechanisms.pairs import Pairs, possible


class Relaxation(NamedTuple):
    """An optimal vertex of the relaxed program of one world, and its duals."""

    share: FloatArray  # (U, C) of each pair's service, 0..1
    place_price: FloatArray  # (E,) dual of capacity, credits a subtask
    band_price: FloatArray  # (E,) dual of bandwidth, credits/Hz; 0 without bandwidth rows


def relaxation(pairs: Pairs, *, whole: bool = False) -> Relaxation:
    """Solve the relaxed program of one world by the simplex method, or with `whole` the program.

    Raises:
        MechanismError: HiGHS did not prove an optimum, or bids are too far apart for it.
    """
    pairs = possible(pairs)
    num_users, num_experts = len(pairs.net), pairs.num_experts
    share = np.zeros_like(pairs.net)
    place_price, band_price = np.zeros(num_experts), np.zeros(num_experts)
    user, column = np.nonzero(pairs.net > 0)
    expert = column if pairs.candidates is None else pairs.candidates[user, column]
    if not user.size:
        return Relaxation(share, place_price, band_price)
    problem = f"assignment of {num_users} users to {num_experts} experts"
    rows, coefficients = [user, num_users + expert], [np.ones(user.size), np.ones(user.size)]
    limits = [np.ones(num_users), pairs.capacity.astype(np.float64)]
    limit = np.ones(num_experts)
    if pairs.band is not None:
        # Rows in shares of the band and an objective in shares of the greatest value: all numbers
        # are about 1.
        problem += " within bandwidth"
        limit = np.where(pairs.band.limit > 0, pairs.band.limit, 1.0)
        rows.append(num_users + num_experts + expert)
        coefficients.append(pairs.band.need[user, column] / limit[expert])
        limits.append((pairs.band.limit > 0).astype(np.float64))
    net = pairs.net[user, column]
    row, coefficient = np.stack(rows, axis=-1), np.stack(coefficients, axis=-1)
    scale = net.max()
    if whole:
        check_magnitudes(net, problem, FARTHEST)
        scale = unit_of(net)

    # Where lists crowd the dual method takes up to 16 times as long; elsewhere a fifth to a half.
    by_primal = pairs.candidates is not None and not whole

    def solved(scale: float, from_nothing: bool) -> Optimum:
        return maximise(
            net / scale,
            row,
            coefficient,
            np.concatenate(limits),
            problem,
            whole=whole,
            from_nothing=from_nothing,
        )

    found = solved(scale, by_primal)
    if not whole:
        lost = least_lost(net, scale * (found.dual[row] * coefficient).sum(axis=-1))
        if lost is not None:
            check_magnitudes(np.array([lost, scale]), problem, FARTHEST)
            scale = lost
            try:
                found = solved(scale, by_primal)
            except MechanismError:
                try:  # The other method gives up on other programs.
                    found = solved(scale, not by_primal)
                except MechanismError as error:
                    most = net.max()
                    raise MechanismError(
                        f"{error}; a bid of {most:.3g} credits is {most / lost:.1g} times another "
                        f"of {lost:.3g}: most bids up to {FARTHEST:g} times apart are settled"
                    ) from error
    share[user, column] = found.decision
    place_price = scale * found.dual[num_users : num_users + num_experts]
    if pairs.band is not None:
        band_price = scale * found.dual[num_users + num_experts :] / limit
    return Relaxation(share, place_price, band_price)
