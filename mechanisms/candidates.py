"""Sums and look-ups between fields of pairs and fields of experts.

A field of pairs is (..., U, C), one of experts (..., E). Where users list candidates, column c of a
user is of the expert `candidates[..., c]`, see `UserReports`; where they list none (None), C = E
and column e is of expert e. Leading axes are those of the market everywhere.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, IntArray

_Scalar = TypeVar("_Scalar", bound=np.generic)


def of_pairs(amounts: NDArray[_Scalar], candidates: IntArray | None) -> NDArray[_Scalar]:
    """Return the entry of `amounts` (..., E) at each pair's expert, shaped for (..., U, C)."""
    if candidates is None:
        return amounts[..., np.newaxis, :]
    return amounts.reshape(-1)[cells(candidates, amounts.shape[-1])]


def total(amounts: FloatArray, candidates: IntArray | None, num_experts: int) -> FloatArray:
    """Return the sum of `amounts` (..., U, C) over the pairs of each expert, (..., E)."""
    if candidates is None:
        return np.asarray(amounts.sum(axis=-2))
    shape = (*candidates.shape[:-2], num_experts)
    summed = np.bincount(
        cells(candidates, num_experts).ravel(),
        weights=amounts.ravel(),
        minlength=int(np.prod(shape)),
    )
    return summed.astype(np.float64).reshape(shape)


def greatest(amounts: FloatArray, candidates: IntArray | None, num_experts: int) -> FloatArray:
    """Return the greatest of `amounts` (..., U, C) at each expert, (..., E), or 0."""
    if candidates is None:
        return np.asarray(amounts.max(axis=-2, initial=0.0))
    found = np.zeros((*candidates.shape[:-2], num_experts))
    np.maximum.at(found.reshape(-1), cells(candidates, num_experts).ravel(), amounts.ravel())
    return found


def of_served(
    amounts: FloatArray, allocation: IntArray, candidates: IntArray | None = None
) -> FloatArray:
    """Return the entry of `amounts` (..., U, C) at each user's expert, (..., U), or 0.

    An expert that a user does not list serves it nothing.
    """
    if not amounts.shape[-1]:
        return np.zeros(allocation.shape)
    column = allocation if candidates is None else column_of(allocation, candidates)
    # Flat, because take_along_axis takes five times as long; -1 reads a neighbour, which is then
    # overwritten.
    row = np.arange(column.size).reshape(column.shape) * amounts.shape[-1]
    own = amounts.reshape(-1)[row + column]
    own[column < 0] = 0.0
    return own


def of_own_expert(
    amounts: FloatArray, allocation: IntArray, *, otherwise: float = 0.0
) -> FloatArray:
    """Return the entry of `amounts` (..., E) at each user's expert, (..., U).

    Leading axes of `amounts` broadcast to those of the allocation. A user who is not served has
    `otherwise`.
    """
    num_experts = amounts.shape[-1]
    if not num_experts:
        return np.full(allocation.shape, otherwise)
    amounts = np.broadcast_to(amounts, (*allocation.shape[:-1], num_experts))
    own = np.take_along_axis(amounts, np.maximum(allocation, 0), axis=-1)
    return np.where(allocation >= 0, own, otherwise)


def of_all_experts(
    amounts: FloatArray, candidates: IntArray | None, num_experts: int, *, elsewhere: float
) -> FloatArray:
    """Return `amounts` (..., U, C) with a column for every expert, (..., U, E).

    Experts that a user does not list have the amount `elsewhere`.
    """
    if candidates is None:
        return amounts
    wide = np.full((*amounts.shape[:-1], num_experts), elsewhere)
    np.put_along_axis(wide, candidates, amounts, axis=-1)
    return wide


def of_lists(amounts: FloatArray, candidates: IntArray | None) -> FloatArray:
    """Return the columns of `amounts` (..., U, E) that users list, (..., U, C)."""
    return amounts if candidates is None else np.take_along_axis(amounts, candidates, axis=-1)


def load(amounts: FloatArray, allocation: IntArray, num_experts: int) -> FloatArray:
    """Return the sum of `amounts` (..., U) over the users that each expert serves, (..., E)."""
    shape = (*allocation.shape[:-1], num_experts)
    cell = cells(allocation[..., np.newaxis], num_experts)[..., 0]
    served = allocation >= 0
    summed = np.bincount(cell[served], weights=amounts[served], minlength=int(np.prod(shape)))
    return summed.astype(np.float64).reshape(shape)


def column_of(allocation: IntArray, candidates: IntArray) -> IntArray:
    """Return the column of each user's expert in its list, (..., U); -1 for none and for others."""
    found = candidates == allocation[..., np.newaxis]
    if not found.shape[-1]:
        return np.full(found.shape[:-1], -1)
    return np.where(found.any(axis=-1), found.argmax(axis=-1), -1)


def expert_of(column: IntArray, candidates: IntArray | None) -> IntArray:
    """Return the expert of each user's `column` (..., U), -1 for none; inverse of `column_of`."""
    if candidates is None:
        return column
    if not candidates.shape[-1]:
        return np.full(column.shape, -1)
    expert = np.take_along_axis(candidates, np.maximum(column, 0)[..., np.newaxis], axis=-1)[..., 0]
    return np.where(column >= 0, expert, -1)


def cells(experts: IntArray, num_experts: int) -> IntArray:
    """Return the place of `experts` (..., U, C) in a flat field of experts."""
    worlds = experts.shape[:-2]
    if not worlds:
        return experts
    return experts + (np.arange(int(np.prod(worlds))) * num_experts).reshape(*worlds, 1, 1)
