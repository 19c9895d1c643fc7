"""Whom users count on beside those seen of late: strangers whom the offer in force draws.

A new price moves users at once, and the loads of past slots tell of it late. Strangers
(`envs.strangers`) tell how many of the others would go to an expert at the offer in force if they
expected each other there.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from envs import poisson_load
from envs.arrays import Bool, Float
from envs.conditions import Conditions
from envs.experts import ExpertPool
from envs.laws import Laws
from envs.load_equilibrium import LoadEquilibrium
from envs.offer import Offer
from envs.prospects import expected_gain
from envs.state import State
from envs.strangers import Strangers, mean_gain

STRANGERS = 128  # of a world, about
TEMPERATURE = 0.05  # of their choices, as a share of their mean gain alone
FIRST_STEPS, MEETING_STEPS = 10, 3  # toward the equilibrium: at the first meeting, and at others
APART = 2.0  # ratio of two numbers of others that strangers evaluate one after the other


class Crowding:
    """Strangers of N worlds through an episode, and how many others they let expect.

    They meet the experts when there is a new offer, when experts of any world have moved, and every
    `market.interval` slots at least. They respond to each other some steps toward their equilibrium
    (`envs.load_equilibrium`), and one step more in a slot of a world where experts went up or down.
    Between two meetings their gains stand. So no action decides on what is drawn by lot, nor on
    when worlds meet: what an expert draws follows, but for rounding, from the prices, backlogs and
    availability of its own world so far in the episode.

    Attributes:
        drawn: (N, E) others that each expert draws at the offer in force.

    Args:
        conditions: of the slot in which they begin.
        offer: in force in it.
        rng: makes all draws.
        laws: of the worlds; None, or those of other worlds: made anew.
    """

    drawn: Float
    _offer: Offer | None

    def __init__(
        self,
        conditions: Conditions,
        offer: Offer,
        rng: np.random.Generator,
        laws: Laws | None = None,
    ) -> None:
        num_others = conditions.num_users - 1
        self._numbers = poisson_load.evaluated_numbers(num_others, APART)
        self._strangers = Strangers(conditions, STRANGERS, rng, laws)
        self._interval = conditions.config.market.slots_between(allocates=False)
        self._equilibrium = LoadEquilibrium(
            self._strangers, num_others, num_others * conditions.attraction
        )
        self._meet(conditions, offer)
        self._respond(np.ones_like(conditions.available), FIRST_STEPS)
        self._heed(conditions.available)

    def update(self, conditions: Conditions, offer: Offer) -> None:
        """Go on to a slot of the episode: the next one, or the same, which may have a new offer.

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
            self._respond(conditions.available, MEETING_STEPS)
        else:
            self._heed(conditions.available)

    def get_state(self) -> State:
        """Return copies of the strangers and of what they let expect."""
        return {
            "met": self._met,
            "gains": np.stack(self._gains),
            "closed": self._closed.copy(),
            "scale": self._scale.copy(),
            "available": self._available.copy(),
            "equilibrium": self._equilibrium.get_state(),
            "strangers": self._strangers.get_state(),
        }

    def set_state(self, state: State, pool: ExpertPool) -> None:
        """Go on from what `get_state` gave, with the pool of that time."""
        self._strangers.set_state(state["strangers"], pool)
        self._met, self._offer = state["met"], None
        self._gains, self._closed = list(state["gains"].copy()), state["closed"].copy()
        self._scale = state["scale"].copy()
        self._equilibrium.set_state(state["equilibrium"])
        self._find_reached()
        self._available = state["available"].copy()
        self.drawn = self._equilibrium.others(self._available & self._reached)

    def _meet(self, conditions: Conditions, offer: Offer) -> None:
        """Let the strangers meet all experts as if they were up."""
        everywhere = np.ones_like(conditions.available)
        met = self._strangers.meet(replace(conditions, available=everywhere), offer)
        self._met, self._offer = conditions.index, offer
        self._gains = poisson_load.evaluate(
            lambda load: expected_gain(met.conditions, met.offer, load), self._numbers
        )
        self._closed = np.isneginf(met.alone)
        self._scale = TEMPERATURE * mean_gain(met.alone)
        self._find_reached()
        self._equilibrium.restart()

    def _find_reached(self) -> None:
        """Find the experts that any stranger of the world can choose, (N, E)."""
        candidates, reach = self._strangers.candidates, ~self._closed
        if not candidates.listed:
            self._reached = np.any(reach, axis=1)
            return
        shape = len(reach), candidates.num_experts
        count = np.bincount(candidates.cell.ravel(), reach.ravel(), shape[0] * shape[1])
        self._reached = count.reshape(shape) > 0

    def _heed(self, available: Bool) -> None:
        """Let the strangers of worlds where experts went up or down respond to that, one step."""
        changed = (available != self._available).any(axis=-1)
        if changed.any():
            self._respond(available, 1, changed)

    def _respond(self, available: Bool, steps: int, worlds: Bool | None = None) -> None:
        """Let the strangers of some worlds, or all, respond to each other so many times."""
        gains = partial(poisson_load.mean, self._gains, self._numbers)
        up = available & self._reached
        for _ in range(steps):
            self._equilibrium.step(gains, self._closed, self._scale, up, worlds)
        self._available = available
        self.drawn = self._equilibrium.others(up)
