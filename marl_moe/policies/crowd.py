"""A rule for users in a crowd: the gain expected at the loads that others may make."""

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from envs.strangers import Strangers, mean_gain
from marl_moe.policies.base import Actions, register
from marl_moe.policies.equilibrium import with_inertia
from marl_moe.policies.heuristics import Heuristic, setting_of

STRANGERS = 128  # drawn for a world, about
TEMPERATURE = 0.1  # of their choices, as a share of their mean gain alone


@register("crowd")
class Crowd(Heuristic):
    """Best response to a load of others that is Poisson distributed about what was seen of it.

    The mean number of others at expert e is

        (1 - a) (w load_e + (1 - w) recent_load_e) + a drawn_e

    where the loads are those of the last slot and of late, without the user itself, and drawn_e is
    how many of the others would choose e alone at the offer in force, by strangers
    (`envs.strangers`), who draw an expert, or abandon, by a softmax. The user stays with the expert
    that served it last while that gives at least `threshold` of the best gain, and otherwise, or
    with `response_probability`, takes the best.

    Attributes:
        scores: (N, U, C) what each candidate was worth in the last slot, credits; None before one.

    Args:
        rng: draws which users stay, strangers, and among experts that are equal.
        attraction: a, weight of what strangers let expect against what was seen, 0..1.
        last: w, weight of the last slot's load against the average over past slots, 0..1.
        threshold: least share of the best gain at which a user stays, 0..1.
        response_probability: probability of responding rather than staying, 0..1.

    Raises:
        ValueError: one of them lies outside 0..1.
    """

    name = "crowd"

    def __init__(
        self,
        rng: np.random.Generator,
        attraction: float = 0.3,
        last: float = 0.3,
        threshold: float = 0.8,
        response_probability: float = 0.2,
    ) -> None:
        super().__init__(rng)
        given = {
            "attraction": attraction,
            "last": last,
            "threshold": threshold,
            "response_probability": response_probability,
        }
        self.setting = setting_of(given, {})
        self.attraction, self.last = attraction, last
        self.threshold, self.response_probability = threshold, response_probability
        self.scores: NDArray[np.floating] | None = None
        self._strangers: Strangers | None = None

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        self.scores = self._worth(slot, self._others(slot))
        return with_inertia(slot, self.scores, self.threshold, self.response_probability, self.rng)

    def _worth(self, slot: Slot, others: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what each candidate is worth beside so many others, (N, U, C) credits."""
        return slot.gain_beside(others)

    def _others(self, slot: Slot) -> NDArray[np.floating]:
        """Return the mean number of others expected at each candidate, (N, U, C)."""
        conditions = slot.conditions
        seen = conditions.others_seen(self.last)
        if self.attraction == 0 or slot.num_users == 1:
            return (1 - self.attraction) * seen
        self._strangers = Strangers.at(conditions, STRANGERS, self.rng, self._strangers)
        alone = self._strangers.meet(conditions, slot.offer).alone
        share = self._strangers.shares(alone, TEMPERATURE * mean_gain(alone))
        drawn = conditions.candidates.of(((slot.num_users - 1) * share).astype(np.float32))
        return (1 - self.attraction) * seen + self.attraction * drawn
