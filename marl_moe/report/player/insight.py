"""Insight into a policy: the probability, the Q value or the score that it gives each action."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from marl_moe.policies.base import Policy
from marl_moe.report.player.slots import Arrays

OfActions = Callable[[Slot], NDArray[np.float32] | None]


@dataclass(frozen=True)
class Insight:
    """What is known of how a policy values actions.

    Attributes:
        probabilities: of a learned policy: maps a slot to the probability of each action,
            (N, U, C + 1), or to None where it has none.
        values: of its critics: maps a slot to Q of each action, (N, U, C + 1) credits.
    """

    probabilities: OfActions | None = None
    values: OfActions | None = None

    def before(self, slot: Slot) -> Arrays:
        """Return what networks make of a slot: of candidates (N, U, C), of abandoning (N, U)."""
        told: Arrays = {}
        for name, of_actions in (("probability", self.probabilities), ("q", self.values)):
            found = None if of_actions is None else of_actions(slot)
            if found is not None:
                shown = np.where(slot.mask, found, np.nan)
                told |= {name: shown[..., :-1], f"abandon_{name}": shown[..., -1]}
        return told

    def after(self, policy: Policy, slot: Slot) -> Arrays:
        """Return the scores by which a policy has just acted in a slot, where it keeps any."""
        scores = getattr(policy, "scores", None)
        shape = slot.mask[..., :-1].shape
        if not isinstance(scores, np.ndarray) or scores.shape != shape or scores.dtype.kind != "f":
            return {}
        return {"score": np.where(slot.mask[..., :-1], scores, np.nan)}
