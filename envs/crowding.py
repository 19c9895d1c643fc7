"""Whom users count on beside those seen of late: strangers whom the offer in force draws.

A new price moves users at once, and the loads of past slots tell of it late. Strangers
(`envs.strangers`) tell how many of the others would go to an expert if each chose for itself alone
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

    They meet the experts when there is a new offer, when experts of any world have moved, and every
    `market.interval` slots at least. Between two meetings their gains stand, and only who of them
    would go where follows from which experts are up. So no action decides on what is drawn by lot,
    nor on when worlds meet: what is drawn to an expert follows from prices, backlogs and
    availability of its own world.

    Attributes:
        drawn: (N, E) others that each expert draws at the offer in force, U - 1 times the share of
            strangers who would choose it alone.

    Args:
        conditions: of the slot in which they begin.
        offer: in force in it.
        rng: makes all draws.
        laws: of the worlds; None, or those of other worlds: made anew.
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

    def continues_to(self, conditions: Conditions) -> bool:
        """Return whether a slot is the next one of the episode, with the same experts."""
        return self._strangers.continues_to(conditions)

    def update(self, conditions: Conditions, offer: Offer) -> None:
        """Go on to a slot of the episode, the next one or the same as it is now.

        Args:
            conditions: of the slot.
            offer: in force in it.
        """
        if self._strangers.continues_to(conditions):
            self._strangers.advance()
        if self._offer is None:  # a state was restored, which is of this offer
            self._offer = offer
        due = conditions.index - self._met >= self._interval
        if due or offer is not self._offer or self._strangers.lost(conditions):
            self._meet(conditions, offer)
        elif not np.array_equal(conditions.available, self._available):
            self._count(conditions.available)

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
