"""The assignment of greatest welfare without bandwidth rows where each user reaches a few of many experts.

Two steps for a world, in memory for the pairs and not for U x E. First what is scarce: an expert with places for all
who gain more from it than from what they are sure of takes nothing away from anybody, so each of these users is sure of
it. Repeated until every expert that is still wanted is wanted by more users than it has places for, this leaves little
or nothing to decide where places abound. The rest is a bipartite graph of users and places, an edge a pair and place,
with a place of its own for each user that stands for what it is sure of; the full matching of least weight is found by
shortest augmenting paths (Jonker and Volgenant 1987, as `scipy.sparse.csgraph.min_weight_full_bipartite_matching`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mechanisms.market import FloatArray, IntArray


def within_capacity(net: FloatArray, candidates: IntArray, capacity: IntArray) -> IntArray:
    """The column (U,) that serves each user of one world at the optimum, -1 for none.

    Args:
        net: (U, C) net value of pairs, credits; those of 0 and less are not formed.
        candidates: (U, C) the expert of each pair.
        capacity: (E,) subtasks.
    """
    column, sure, wanted = _undisputed(net, candidates, capacity)
    if not wanted.any():
        return column
    user, own_column = np.nonzero(wanted)
    disputed, expert = np.unique(candidates[wanted], return_inverse=True)
    places = capacity[disputed]
    first_place = np.cumsum(places) - places
    # An edge for each place of a pair, counted from 0 within the pair.
    copies = places[expert]
    pair = np.repeat(np.arange(user.size), copies)
    place = np.arange(pair.size) - np.repeat(np.cumsum(copies) - copies, copies) + first_place[expert[pair]]
    gain = net[wanted] - sure[user]
    chosen = _heaviest_matching(user[pair], place, gain[pair], len(net), int(places.sum()))
    formed = chosen[user[pair]] == place
    column[user[pair[formed]]] = own_column[pair[formed]]
    return column


def _undisputed(
    net: FloatArray, candidates: IntArray, capacity: IntArray
) -> tuple[IntArray, FloatArray, NDArray[np.bool_]]:
    """What each user is sure of: its column (U,), -1 for none, and net value (U,); and the pairs (U, C) in dispute."""
    column, sure = np.full(len(net), -1), np.zeros(len(net))
    closed = capacity[candidates] == 0
    while True:
        wanted = (net > sure[:, np.newaxis]) & ~closed
        wishes = np.bincount(candidates[wanted], minlength=capacity.size)
        granted = wanted & (wishes <= capacity)[candidates]
        users = np.flatnonzero(granted.any(axis=-1))
        if not users.size:
            return column, sure, wanted
        value = np.where(granted[users], net[users], 0.0)
        column[users] = value.argmax(axis=-1)
        sure[users] = value.max(axis=-1)


def _heaviest_matching(user: IntArray, place: IntArray, gain: FloatArray, num_users: int, num_places: int) -> IntArray:
    """The place (U,) of each user in a matching of greatest gain; num_places + u where user u is better left alone.

    Args:
        user, place, gain: of each edge, gain > 0, by rising user.
        num_users: U.
        num_places: all places together.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    # Every user has a place of its own of gain 0, the last edge of its row, so that a full matching exists. Weights
    # begin above 0, which would be no edge.
    row = np.zeros(num_users + 1, dtype=np.int32)
    np.cumsum(np.bincount(user, minlength=num_users) + 1, out=row[1:])
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
