"""Sums over the requests of each expert."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float, Int


def per_expert(cell: Int, amount: NDArray, shape: tuple[int, int]) -> Float:
    """Sum amounts over the requests of each expert.

    Args:
        cell: (N, R) the expert of each request, as a flat index into (N, E): world * E + expert.
        amount: (N, R).
        shape: (N, E).

    Returns:
        (N, E) sums.
    """
    total = np.bincount(cell.ravel(), amount.ravel(), minlength=shape[0] * shape[1])
    return total.reshape(shape).astype(float, copy=False)


def of_cells(amount: float | NDArray, cell: Int) -> float | NDArray:
    """Return a quantity of experts at each request: one number, or (N, R) where experts differ.

    Args:
        amount: a number, or (N, E).
        cell: (N, R) as in `per_expert`.
    """
    return amount if isinstance(amount, float) else amount.take(cell)


def each_per_expert(cell: Int, amounts: Sequence[NDArray], shape: tuple[int, int]) -> Float:
    """Return what `per_expert` returns of several amounts (N, R), at once: (len(amounts), N, E)."""
    experts = shape[0] * shape[1]
    cells = np.arange(len(amounts))[:, None] * experts + cell.ravel()
    weights = np.stack(amounts).ravel()
    total = np.bincount(cells.ravel(), weights, len(amounts) * experts)
    return total.astype(float, copy=False).reshape(-1, *shape)
