"""The equilibrium of users who know each other by their distribution alone.

It is a symmetric Bayesian equilibrium in the limit of many users: each responds, in expectation, to
a Poisson distributed number of others at every expert (a Poisson game, Myerson, International
Journal of Game Theory 1998).
"""

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from envs.prospects import expected_gain
from envs.strangers import Meeting, Strangers, mean_gain
from marl_moe.policies import poisson_load
from marl_moe.policies.base import Actions, register
from marl_moe.policies.heuristics import Heuristic, best_worthwhile
from marl_moe.policies.poisson_load import GainByLoad

DAMPING = 0.3, 0.6  # of the first step of an expert's load, and of any
SLOWER, FASTER = 0.5, 1.05  # times the damping, where a load turned round and where it went on
TEMPERATURE = 0.005  # of choices, as a share of strangers' mean gain alone
MAX_STEPS = 300


@register("mean_field")
class MeanField(Heuristic):
    """Best response to the loads that result if everybody responds so to these loads.

    The mean number of others at each expert, lambda, is a fixed point of

        lambda_e = (U - 1) P(a stranger chooses e),

    where a stranger (`envs.strangers`) draws an expert, or abandons, by a softmax of small
    temperature over its mean gains beside Poisson(lambda) others. Users draw by the same softmax
    with what they know of themselves: a logit equilibrium (McKelvey and Palfrey, Games and Economic
    Behavior 1995), which there is where users are alike too, and all would have the same expert.
    It is found in every slot by damped iteration from that of the slot before; the damping of each
    expert's load adapts (as step sizes in Rprop, Riedmiller and Braun 1993).

    Attributes:
        expected: (N, E) lambda in the last slot, users.
        residual: (N,) the greatest difference of both sides at any expert in the last slot, users.
        converged: (N,) worlds in which that is at most `tolerance`.

    Args:
        rng: draws the strangers, and what users choose.
        strangers: drawn for a world, about; at least as many as it has users.
        tolerance: residual at which the iteration ends, users.

    Raises:
        ValueError: `strangers` is below 1, or `tolerance` not above 0.
    """

    name = "mean_field"

    def __init__(
        self, rng: np.random.Generator, strangers: int = 512, tolerance: float = 0.05
    ) -> None:
        super().__init__(rng)
        if not isinstance(strangers, int) or strangers < 1:
            raise ValueError(f"strangers should be a number of users, at least 1, got {strangers}")
        if not tolerance > 0:
            raise ValueError(f"tolerance should be a number of users, above 0, got {tolerance}")
        self.strangers, self.tolerance = strangers, tolerance
        self.setting = f"strangers={strangers} tolerance={tolerance}"
        self.expected: NDArray[np.floating] = np.zeros((0, 0))
        self._drawn: Strangers | None = None

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        if slot.num_users == 1:
            self.residual = np.zeros(slot.num_worlds)
            self.converged = np.ones(slot.num_worlds, bool)
            self.expected = np.zeros((slot.num_worlds, slot.num_experts))
            return best_worthwhile(slot, slot.expected_gain(), self.rng)
        if self._drawn is not None and self._drawn.continues_to(slot.conditions):
            self._drawn.advance()
        else:
            laws = self._drawn.laws if self._drawn is not None else None
            self._drawn = Strangers(slot.conditions, self.strangers, self.rng, laws)
            self.expected = (slot.num_users - 1) * slot.conditions.attraction
        met = self._drawn.meet(slot.conditions, slot.offer)
        scale = np.maximum(TEMPERATURE * mean_gain(met.alone), np.float32(1e-9))
        self.expected = self._fixed_point(slot.num_users, self._drawn, met, scale)
        others = slot.conditions.candidates.of(self.expected.astype(np.float32))
        return self._drawn_response(slot, poisson_load.expected_gain(slot, others), scale)

    def _drawn_response(
        self, slot: Slot, gain: NDArray[np.float32], scale: NDArray[np.float32]
    ) -> Actions:
        """Draw what users choose by their softmax, as strangers do, (N, U)."""
        shape = *gain.shape[:2], 1
        scores = np.concatenate([gain, np.zeros(shape, np.float32)], axis=-1)
        scores = scores / scale[:, None, None] + self.rng.gumbel(size=scores.shape)
        drawn: Actions = np.where(slot.mask, scores, -np.inf).argmax(axis=-1)
        return drawn

    def _fixed_point(
        self, num_users: int, drawn: Strangers, met: Meeting, scale: NDArray[np.float32]
    ) -> NDArray[np.floating]:
        """Iterate from the mean number of others expected last until it is what strangers choose.

        Args:
            num_users: U.
            drawn: the strangers.
            met: their meeting with the experts of the slot.
            scale: (N,) temperature of choices, credits.

        Returns:
            (N, E) mean number of others at each expert.
        """
        others, candidates = self.expected, met.conditions.candidates
        gains = GainByLoad(
            lambda load: expected_gain(met.conditions, met.offer, load), num_users - 1
        )
        closed = np.isneginf(met.alone)
        damping, before = np.full(others.shape, DAMPING[0]), np.zeros(others.shape)
        for _ in range(MAX_STEPS):
            gain = gains.expected(candidates.of(others.astype(np.float32)))
            gain[closed] = -np.inf
            change = (num_users - 1) * drawn.shares(gain, scale) - others
            self.residual = np.abs(change).max(axis=-1)
            self.converged = self.residual <= self.tolerance
            turned = change * before < 0
            damping = np.minimum(damping * np.where(turned, SLOWER, FASTER), DAMPING[1])
            others, before = others + damping * change, change
            if self.converged.all():
                break
        return others
