"""How far apart the bids of a market may be, so that a solver still settles the small ones.

Solvers keep to tolerances that are the same for all numbers of a program, 1e-7 where these are
about 1. Beside a bid that is 1e7 times another's, that other one would be nothing.
"""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.errors import MechanismError

FARTHEST = 1e9  # of two bids, one over the other, that HiGHS settles; tried up to here
FARTHEST_ROUNDED = 1e12  # the same of sums in double precision: 1e-4 of the lesser one is left
_ORDINARY = 1e4  # up to here all are settled in shares of the greatest
_LOST = 1e-4  # of a bid, by which the prices of what it takes may fall short of it


def check_magnitudes(bids: FloatArray, problem: str, farthest: float) -> None:
    """Check that the greatest bid of a world is at most `farthest` times its least.

    Args:
        bids: (..., pairs) credits; of 0 and less are none.
        problem: name of what is solved, for messages.
        farthest: the ratio that is allowed.

    Raises:
        MechanismError: it is more; the message names both, and the limit.
    """
    greatest = bids.max(axis=-1, initial=0.0)
    least = bids.min(axis=-1, initial=np.inf, where=bids > 0)
    for world in np.argwhere(greatest > farthest * least)[:1]:
        index = tuple(world.tolist())
        where = f", world {index}" if index else ""
        most, other = greatest[index], least[index]
        raise MechanismError(
            f"{problem}{where}: a bid of {most:.3g} credits is {most / other:.1g} times another "
            f"of {other:.3g}: bids up to {farthest:g} times apart are settled"
        )


def unit_of(bids: FloatArray) -> float:
    """Return what to divide bids (pairs,) > 0 by, so that a solver settles each of them."""
    greatest, least = float(bids.max()), float(bids.min())
    return greatest if greatest <= _ORDINARY * least else least


def least_lost(bids: FloatArray, price: FloatArray) -> float | None:
    """Return the least bid that dual prices do not settle, None where all are.

    At the optimum of a linear program the prices of the rows of a pair cover its bid. Where they
    fall short by 1e-4 of that bid itself, it may be left out wrongly.

    Args:
        bids: (pairs,) credits, > 0.
        price: (pairs,) of all that a pair takes, its user's surplus among them, credits.
    """
    lost = bids[bids - price > _LOST * bids]
    return float(lost.min()) if lost.size else None
