"""The load that users expect of experts: those seen of late, and those whom the offer draws."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float
from envs.conditions import Conditions

WEIGHT = 0.6  # of those drawn, against those seen of late


def expected_others(conditions: Conditions, drawn: Float) -> NDArray[np.float32]:
    """Return the mean number of others that each user expects at each candidate, (N, U, C).

    Args:
        conditions: of the slot.
        drawn: (N, E) others whom the offer draws to each expert (`envs.crowding`).
    """
    seen = conditions.others_seen()
    attracted: NDArray[np.float32] = conditions.candidates.of(drawn.astype(np.float32))
    return seen + np.float32(WEIGHT) * (attracted - seen)


def over_poisson(
    of_load: Callable[[NDArray[np.float32]], NDArray], others: NDArray[np.float32], most: int
) -> NDArray:
    """Return the mean of what follows from a load where the others are Poisson distributed.

    It is Gauss quadrature with two nodes, the zeros lambda + 1/2 -+ sqrt(lambda + 1/4) of the
    second Charlier polynomial (Szego, Orthogonal Polynomials, section 2.81): exact for polynomials
    of degree 3.

    Args:
        of_load: maps loads (2, N, U, C), which count the user, to values of that shape.
        others: lambda, mean number of others, (N, U, C).
        most: number of others that there can be, at least the means; a node above counts as that,
            and weights keep the mean.
    """
    middle, apart = others + np.float32(0.5), np.sqrt(others + np.float32(0.25))
    nodes = np.clip(np.stack([middle - apart, middle + apart]), 0, most)
    upper = (others - nodes[0]) / np.maximum(nodes[1] - nodes[0], np.float32(1e-6))
    low, high = of_load(1 + nodes)
    return low + upper * (high - low)
