"""The equilibrium of users who know each other by their distribution alone."""

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from envs.load_equilibrium import LoadEquilibrium
from envs.poisson_load import ByLoad
from envs.prospects import expected_gain
from envs.strangers import LEAST_SCALE, Strangers, mean_gain
from marl_moe.policies.base import Actions, register
from marl_moe.policies.heuristics import Heuristic, best_worthwhile

TEMPERATURE = 0.005  # of choices, as a share of strangers' mean gain alone
MAX_STEPS = 300


@register("mean_field")
class MeanField(Heuristic):
    """Best response to the loads that result if everybody responds so to these loads.

    The mean number of others at each expert is that of `envs.load_equilibrium` at a small
    temperature, found in every slot from that of the slot before. Users draw by the strangers'
    softmax, with what they know of themselves.

    Attributes:
        expected: (N, E) mean number of others at each expert in the last slot.
        residual: (N,) the greatest difference, at any expert, of the load before the iteration's
            last step and the strangers' response to it, users.
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
        self._before: Strangers | None = None
        self._equilibrium: LoadEquilibrium | None = None

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        if slot.num_users == 1:
            self.residual = np.zeros(slot.num_worlds)
            self.converged = np.ones(slot.num_worlds, bool)
            self.expected = np.zeros((slot.num_worlds, slot.num_experts))
            return best_worthwhile(slot, slot.expected_gain(), self.rng)
        num_others = slot.num_users - 1
        strangers = Strangers.at(slot.conditions, self.strangers, self.rng, self._before)
        if self._equilibrium is None or strangers is not self._before:
            first = num_others * slot.conditions.attraction
            self._equilibrium = LoadEquilibrium(strangers, num_others, first)
        self._before = strangers
        met = strangers.meet(slot.conditions, slot.offer)
        scale = np.maximum(TEMPERATURE * mean_gain(met.alone), np.float32(LEAST_SCALE))
        gains = ByLoad(lambda load: expected_gain(met.conditions, met.offer, load), num_others)
        closed, available = np.isneginf(met.alone), slot.conditions.available
        self._equilibrium.restart()
        for _ in range(MAX_STEPS):
            change = self._equilibrium.step(gains.expected, closed, scale, available)
            self.residual = np.abs(change).max(axis=-1)
            self.converged = self.residual <= self.tolerance
            if self.converged.all():
                break
        self.expected = self._equilibrium.others(available)
        others = slot.conditions.candidates.of(self.expected.astype(np.float32))
        return self._drawn_response(slot, slot.gain_beside(others), scale)

    def _drawn_response(
        self, slot: Slot, gain: NDArray[np.float32], scale: NDArray[np.float32]
    ) -> Actions:
        """Draw what users choose by their softmax, as strangers do, (N, U)."""
        shape = *gain.shape[:2], 1
        scores = np.concatenate([gain, np.zeros(shape, np.float32)], axis=-1)
        scores = scores / scale[:, None, None] + self.rng.gumbel(size=scores.shape)
        drawn: Actions = np.where(slot.mask, scores, -np.inf).argmax(axis=-1)
        return drawn
