"""The assignment of greatest welfare where each user reaches a few of many experts.

It is the one without bandwidth rows. Two steps, in memory for the pairs and not for U x E. First
what is scarce: an expert with places for all who gain more from it than from what they are sure of
takes nothing away from anybody, so each of these users is sure of it. This is repeated until every
expert left is contested by more users than it has places for, and leaves little or nothing to
decide where places abound. The rest is a bipartite graph of users and places, an edge a pair and
place, with a place of its own for each user that stands for what it is sure of; the full matching
of least weight is found by shortest augmenting paths (Jonker and Volgenant 1987, as
`scipy.sparse.csgraph.min_weight_full_bipartite_matching`).
"""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.candidates import cells

# Worlds are decided together up to this many users: one by one takes long by itself, and the time
# of a matching grows with the square of what is in it, also of what does not hang together.
_USERS_AT_ONCE = 256


def within_capacity(net: FloatArray, candidates: IntArray, capacity: IntArray) -> IntArray:
    """Return the column (..., U) that serves each user at the optimum, -1 for none.

    Args:
        net: (..., U, C) net value of pairs, credits; those of 0 and less are not formed.
        candidates: (..., U, C) the expert of each pair.
        capacity: (..., E) subtasks.
    """
    (num_users, listed), num_experts = net.shape[-2:], capacity.shape[-1]
    column = np.full(net.shape[:-1], -1)
    if not net.size:
        return column
    net, candidates = net.reshape(-1, num_users, listed), candidates.reshape(-1, num_users, listed)
    capacity = capacity.reshape(-1, num_experts)
    at_once = max(1, _USERS_AT_ONCE // num_users)
    for start in range(0, len(net), at_once):
        # Users of several worlds in one row, and experts in another: no user lists an expert of
        # another world.
        part = slice(start, start + at_once)
        experts = cells(candidates[part], num_experts).reshape(-1, listed)
        found = _matched(net[part].reshape(-1, listed), experts, capacity[part].reshape(-1))
        column.reshape(-1, num_users)[part] = found.reshape(-1, num_users)
    return column


def _matched(net: FloatArray, experts: IntArray, capacity: IntArray) -> IntArray:
    column, sure, contested = _undisputed(net, experts, capacity)
    if not contested.any():
        return column
    user, own_column = np.nonzero(contested)
    disputed, expert = np.unique(experts[contested], return_inverse=True)
    places = capacity[disputed]
    first_place = np.cumsum(places) - places
    # An edge for each place of a pair, counted from 0 within the pair.
    copies = places[expert]
    pair = np.repeat(np.arange(user.size), copies)
    place = (
        np.arange(pair.size)
        - np.repeat(np.cumsum(copies) - copies, copies)
        + first_place[expert[pair]]
    )
    gain = net[contested] - sure[user]
    _, row = np.unique(user, return_inverse=True)
    chosen = _heaviest_matching(row[pair], place, gain[pair], int(places.sum()))
    formed = pair[chosen[row[pair]] == place]
    column[user[formed]] = own_column[formed]
    return column


def _undisputed(
    net: FloatArray, experts: IntArray, capacity: IntArray
) -> tuple[IntArray, FloatArray, BoolArray]:
    """Return what each user is sure of, and the pairs in dispute.

    Returns:
        The column (U,) that a user is sure of, -1 for none; its net value (U,); the pairs (U, C).
    """
    column, sure = np.full(len(net), -1), np.zeros(len(net))
    closed = capacity[experts] == 0
    while True:
        contested = (net > sure[:, np.newaxis]) & ~closed
        wishes = np.bincount(experts[contested], minlength=capacity.size)
        granted = contested & (wishes <= capacity)[experts]
        users = np.flatnonzero(granted.any(axis=-1))
        if not users.size:
            return column, sure, contested
        value = np.where(granted[users], net[users], 0.0)
        column[users] = value.argmax(axis=-1)
        sure[users] = value.max(axis=-1)


def _heaviest_matching(
    user: IntArray, place: IntArray, gain: FloatArray, num_places: int
) -> IntArray:
    """Return the place of each user in a matching of greatest gain.

    It is num_places + u where user u is better left alone.

    Args:
        user, place, gain: of each edge, gain > 0, by rising user, of whom everyone has one.
        num_places: all places together.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    # Every user has a place of its own of gain 0, the last edge of its row, so that a full matching
    # exists. Weights begin above 0, which would be no edge.
    num_users = int(user[-1]) + 1
    row = np.zeros(num_users + 1, dtype=np.int32)
    np.cumsum(np.bincount(user) + 1, out=row[1:])
    most = 2 * gain.max()
    weight = np.full(row[-1], most)
    column = np.empty(row[-1], dtype=np.int32)
    edge = np.arange(user.size) + user
    weight[edge] -= gain
    column[edge] = place
    column[row[1:] - 1] = num_places + np.arange(num_users)
    graph = csr_array((weight, column, row), shape=(num_users, num_places + num_users))
    matched, chosen = min_weight_full_bipartite_matching(graph)
    found = np.empty(num_users, dtype=np.int64)
    found[matched] = chosen
    return found
