"""Whom users count on beside those seen of late: strangers whom the offer in force draws.

A new price moves users at once, and the loads of past slots tell of it late. Strangers
(`envs.strangers`) tell how many of the others would go to an expert if each took the best one alone
at the offer in force.
"""

from dataclasses import replace

import numpy as np

from envs.arrays import Bool, Float
from envs.conditions import Conditions
from envs.experts import ExpertPool
from envs.laws import Laws
from envs.offer import Offer
from envs.state import State
from envs.strangers import TEMPERATURE, Strangers, mean_gain

STRANGERS = 64  # of a world, about


class Crowding:
    """Strangers of N worlds through an episode, and how many others they let expect.

    They meet the experts when there is a new offer, when experts have moved, and every
    `market.interval` slots at least. Between two meetings their gains stand, and only who of them
    would go where follows from which experts are up. So nothing that is drawn depends on actions,
    and nothing in one world on another.

    Attributes:
        drawn: (N, E) others that each expert draws at the offer in force, U - 1 times the share of
            strangers who would choose it alone.

    Args:
        conditions: of the slot in which they begin.
        offer: in force in it.
        rng: makes all draws.
        laws: of the worlds; None: made anew.
        count: strangers of a world, about.
    """

    drawn: Float
    _offer: Offer | None

    def __init__(
        self,
        conditions: Conditions,
        offer: Offer,
        rng: np.random.Generator,
        laws: Laws | None = None,
        count: int = STRANGERS,
    ) -> None:
        self._strangers = Strangers(conditions, count, rng, laws)
        self._interval = conditions.config.market.slots_between(allocates=False)
        self._num_others = conditions.num_users - 1
        self._meet(conditions, offer)

    @property
    def laws(self) -> Laws:
        """The laws of the worlds."""
        return self._strangers.laws

    def go_on(self, conditions: Conditions, offer: Offer) -> bool:
        """Go on to a slot, if it is this one or the next of the episode and has the same experts.

        Args:
            conditions: of the slot.
            offer: in force in it.

        Returns:
            Whether it is; otherwise the strangers are those of another episode.
        """
        if not self._strangers.go_on(conditions):
            return False
        if self._offer is None:  # a state was restored, which is of this offer
            self._offer = offer
        due = conditions.index - self._met >= self._interval
        if due or offer is not self._offer or self._strangers.lost(conditions):
            self._meet(conditions, offer)
        elif not np.array_equal(conditions.available, self._available):
            self._count(conditions.available)
        return True

    def get_state(self) -> State:
        """Return copies of the strangers and of what they let expect."""
        return {
            "met": self._met,
            "alone": self._alone.copy(),
            "available": self._available.copy(),
            "strangers": self._strangers.get_state(),
        }

    def set_state(self, state: State, pool: ExpertPool) -> None:
        """Go on from what `get_state` gave, with the pool of that time."""
        self._strangers.set_state(state["strangers"], pool)
        self._met, self._alone, self._offer = state["met"], state["alone"].copy(), None
        self._count(state["available"].copy())

    def _meet(self, conditions: Conditions, offer: Offer) -> None:
        """Let the strangers meet all experts as if they were up."""
        everywhere = np.ones_like(conditions.available)
        met = self._strangers.meet(replace(conditions, available=everywhere), offer)
        self._met, self._alone, self._offer = conditions.index, met.alone, offer
        self._count(conditions.available)

    def _count(self, available: Bool) -> None:
        """Count who would go where among the experts that are up."""
        self._available = available
        up = self._strangers.candidates.of(available)
        gain = np.where(up, self._alone, np.float32(-np.inf))
        scale = TEMPERATURE * mean_gain(self._alone)
        self.drawn = self._num_others * self._strangers.shares(gain, scale)
