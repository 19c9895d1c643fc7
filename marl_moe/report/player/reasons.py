"""Reasons of the action mask: why a user may not choose an expert, and why it has nothing to send.

They split the mask of `envs.slot.open_to` into its parts, in the order in which it is made.
"""

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from envs.arrays import Bool
from envs.requests import RequestQueue
from envs.traced_requests import Requests

# Of a pair, bit i: all that hold. With none of them, and something to send, the expert is open.
PAIRS = {
    "not available": "the expert is down in this slot",
    "battery empty": "it has nothing left to answer with, whether it is down or not",
    "out of coverage": "the SNR is below the least",
    "priced out": "at its price the edge device serves nobody",
    "declines": "the edge device serves, but not this subtask: at its price it would lose by it, "
    "or deliver no point, as where the answer comes too late",
}
# Of a user: the first that holds.
SENDS, NO_REQUEST, AT_HOME, REFUSED, NO_ENERGY, NO_CREDITS = range(6)
USERS = (
    "has a subtask to send",
    "has no request in this slot",
    "runs all of its request on its own device",
    "had its request refused: a private subtask needs a device that computes, and it has none",
    "has no energy left to spend",
    "has no credits left to spend",
)


def of_pairs(slot: Slot) -> NDArray[np.uint8]:
    """Return what closes each pair, (N, U, C) bits of `PAIRS`.

    Users that have nothing to send, or may not, have only what holds of any subtask.
    """
    conditions, offer = slot.conditions, slot.offer
    candidates, covered = conditions.candidates, conditions.links.covered
    down = candidates.of(~conditions.available)
    left_j = conditions.batteries.left_j
    empty = np.zeros_like(down) if left_j is None else candidates.of(left_j <= 0)
    uncovered = np.zeros_like(down) if covered is None else ~covered
    parts = [down & ~empty, empty, uncovered]
    if not offer.free:
        takes_part = candidates.of(offer.participates)
        declines = (slot.effort <= 0) & conditions.transfers[..., None]
        # Of two devices that give no effort, one that takes part says so of this subtask alone.
        parts += [declines & ~takes_part, declines & takes_part]
    bits = np.zeros(slot.effort.shape, np.uint8)
    for place, part in enumerate(parts):
        bits |= part.astype(np.uint8) << place
    return bits


def of_users(slot: Slot, requests: Requests) -> NDArray[np.uint8]:
    """Return what each user has to send in a slot, (N, U) of `USERS`.

    Args:
        slot: the slot about to be played.
        requests: of its world, in that slot.
    """
    conditions = slot.conditions
    pending = conditions.subtasks.pending
    idle = np.full(pending.shape, NO_REQUEST)
    if isinstance(requests, RequestQueue):  # a trace does not tell
        idle[requests.active] = AT_HOME
    idle[requests.refused] = REFUSED
    spent = np.full(pending.shape, SENDS)
    for left, state in (
        (conditions.budgets.credits, NO_CREDITS),
        (conditions.budgets.energy_j, NO_ENERGY),
    ):
        if left is not None:
            spent[left <= 0] = state
    return np.where(pending, spent, idle).astype(np.uint8)


def open_pairs(bits: NDArray[np.uint8], states: NDArray[np.uint8]) -> Bool:
    """Return the pairs that these reasons leave open, (..., U, C)."""
    return (bits == 0) & (states == SENDS)[..., None]
