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

    def into(self, policy: Policy, slot: Slot) -> Arrays:
        """Return how a policy that has just acted in a slot values what its users may do.

        Of candidates it is (N, U, C), of abandoning (N, U); without what it does not tell.
        """
        told: Arrays = {}
        for name, of_actions in (("probability", self.probabilities), ("q", self.values)):
            found = None if of_actions is None else of_actions(slot)
            if found is not None:
                shown = np.where(slot.mask, found, np.nan)
                told |= {name: shown[..., :-1], f"abandon_{name}": shown[..., -1]}
        scores, may = getattr(policy, "scores", None), slot.mask[..., :-1]
        if (
            isinstance(scores, np.ndarray)
            and scores.shape == may.shape
            and scores.dtype.kind == "f"
        ):
            told["score"] = np.where(may, scores, np.nan)
        return told
