"""Admission of requests: by the places of experts, and by what the platform can still pay."""

import numpy as np

from envs.arrays import Bool, Float, Int


def by_places(cell: Int, requested: Bool, places: Float | float, lot: Float) -> Bool:
    """Return the requests that find a place, (N, R): at each expert those of the smallest lots.

    Args:
        cell: (N, R) the expert of each request, as in `per_expert`.
        requested: (N, R) which of them are requests at all.
        places: of all experts, or (N, R) of the expert of each request.
        lot: (N, R) lots.
    """
    queue = np.where(requested, cell, -1)  # what is no request queues apart
    order = np.lexsort((lot, queue), axis=-1)
    queue = np.take_along_axis(queue, order, axis=-1)
    place = np.arange(requested.shape[-1])
    is_head = np.diff(queue, axis=-1, prepend=-2) != 0
    head = np.maximum.accumulate(np.where(is_head, place, 0), axis=-1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, place - head, axis=-1)
    return requested & (rank < places)


def by_account(
    cell: Int,
    requested: Bool,
    places: Float,
    lot: Float,
    reserved: Float,
    taken: Float,
    account: Float,
) -> Bool:
    """Return the requests that find a place and are covered by their world's account, (N, R).

    They come in the order of their lots, whatever their expert. One that is not covered leaves the
    account to those behind it.

    Args:
        cell: (N, R) the expert of each request, as in `per_expert`.
        requested: (N, R) which of them are requests at all.
        places: (N, E) of each expert, infinite without a limit.
        lot: (N, R) lots.
        reserved: (N, R) most that each may cost, credits: what the account has to cover.
        taken: (N, R) what the account has less for those behind it, credits; usually the same.
        account: (N,) credits that can be paid in this slot.
    """
    world = np.arange(len(cell))
    left = account.copy()
    free = np.array(places, dtype=float).ravel()
    admitted = np.zeros(requested.shape, bool)
    for request in np.argsort(lot, axis=-1, kind="stable").T:
        at, amount = cell[world, request], reserved[world, request]
        takes = requested[world, request] & (amount <= left) & (free[at] > 0)
        admitted[world, request] = takes
        left -= taken[world, request] * takes
        free[at] -= takes
    return admitted
