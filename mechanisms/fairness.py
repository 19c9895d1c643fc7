"""Fairness of a division, in one number."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray


def jain_index(utility: FloatArray) -> FloatArray:
    """Return Jain's index (sum u)^2 / (n sum u^2) over the last axis.

    It is 1/n where one has all, and 1 where all have as much or nothing. It is meant for
    utilities >= 0; where some are negative it may fall to 0. Source: Jain, Chiu, Hawe (1984).
    """
    squares = (utility**2).sum(axis=-1) * utility.shape[-1]
    return np.divide(
        utility.sum(axis=-1) ** 2, squares, out=np.ones_like(squares), where=squares > 0
    )
