"""Whom users count on beside those seen of late: strangers whom the offer in force draws.

A new price moves users at once, and the loads of past slots tell of it late. Strangers
(`envs.strangers`) tell how many of the others would go to an expert if each took the best one alone
at the offer in force.
"""

import numpy as np

from envs.arrays import Bool, Float
from envs.conditions import Conditions
from envs.laws import Laws
from envs.offer import Offer
from envs.state import State
from envs.strangers import TEMPERATURE, Strangers

STRANGERS = 64  # of a world, about


class Crowding:
    """Strangers of N worlds through an episode, and how many others they let expect.

    Attributes:
        drawn: (N, E) others that each expert draws at the offer in force, U - 1 times the share of
            strangers who gain most from it alone.

    Args:
        conditions: of the slot in which they begin.
        offer: in force in it.
        rng: makes all draws.
        laws: of the worlds.
    """

    drawn: Float
    _available: Bool

    def __init__(
        self, conditions: Conditions, offer: Offer, rng: np.random.Generator, laws: Laws
    ) -> None:
        self._strangers = Strangers(conditions, STRANGERS, rng, laws)
        self._meet(conditions, offer)

    def update(self, conditions: Conditions, offer: Offer, cleared: bool) -> None:
        """Find anew who is drawn where, if prices are new, other experts are up, or experts moved.

        Strangers then have their next subtasks.

        Args:
            conditions: of the slot.
            offer: in force in it.
            cleared: whether the offer is of a clearing since the last slot.
        """
        new = cleared and not offer.free
        up = conditions.available
        if new or not np.array_equal(up, self._available) or self._strangers.lost(conditions):
            self._strangers.advance()
            self._meet(conditions, offer)

    def get_state(self) -> State:
        """Return copies of the strangers and of what they let expect."""
        return {
            "drawn": self.drawn.copy(),
            "available": self._available.copy(),
            "strangers": self._strangers.get_state(),
        }

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        self.drawn, self._available = state["drawn"].copy(), state["available"].copy()
        self._strangers.set_state(state["strangers"], self.drawn.shape[1])

    def _meet(self, conditions: Conditions, offer: Offer) -> None:
        met = self._strangers.meet(conditions, offer)
        self.drawn = (conditions.num_users - 1) * met.shares(met.alone, TEMPERATURE)
        self._available = conditions.available
