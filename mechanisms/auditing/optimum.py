"""The greatest welfare that is possible at true costs and values, and the share of it reached."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.assignment import optimal_welfare
from mechanisms.base import Mechanism
from mechanisms.market import Market
from mechanisms.supply import greatest_welfare


def optimum(mechanism: Mechanism, truth: Market, bandwidth: bool | None = None) -> FloatArray:
    """Return the greatest welfare (...), credits/slot.

    It is that of any allocation where the mechanism allocates, else of any prices.

    Args:
        mechanism: that is measured.
        truth: true costs and values.
        bandwidth: True if an allocation keeps the bandwidth rows; None for as the mechanism does,
            which then has an attribute `bandwidth`.
    """
    if not mechanism.allocates:
        return greatest_welfare(truth)
    if bandwidth is None:
        bandwidth = bool(getattr(mechanism, "bandwidth", False))
    return optimal_welfare(truth, bandwidth=bandwidth)


def share_reached(welfare: FloatArray, greatest: FloatArray) -> float:
    """Return welfare over the greatest possible, both summed over markets.

    Of an optimum of 0 only 0 is a finite share: all of it.
    """
    reached, possible = float(welfare.sum()), float(greatest.sum())
    if possible > 0:
        return reached / possible
    return 1.0 if reached == 0 else -np.inf
