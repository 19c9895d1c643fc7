"""The gain that a user expects of an expert which others choose too, as many as by Poisson's law.

Where each of many others chooses an expert with a small probability, independently, their number is
nearly Poisson distributed (Le Cam 1960). Their work counts at its mean, as in `envs.prospects`.
"""

from collections.abc import Callable
from math import exp

import numpy as np
from numpy.typing import NDArray

from envs import Slot

TAIL = 1e-3  # probability that may lie above the loads that are told apart
GAINS_AT_ONCE = 150_000  # evaluated in one call: with more, arrays leave the cache
Gains = NDArray[np.float32]


class GainByLoad:
    """Gains of pairs by the load of their experts, and their means over uncertain loads.

    Loads are evaluated as they are needed, each once.

    Args:
        gain: returns the gain of each pair at loads (..., 1, 1, 1), which count the user:
            (..., N, U, C) credits.
        most: number of others that there can be.
    """

    def __init__(self, gain: Callable[[NDArray[np.float32]], Gains], most: int) -> None:
        self._gain, self._most = gain, most
        self._beside: list[Gains] = []  # (N, U, C) by number of others

    def expected(self, others: NDArray[np.floating]) -> Gains:
        """Return the mean gain where the number of others is Poisson distributed.

        What Poisson's law gives to more than there are counts as all of them.

        Args:
            others: mean number of others at each candidate, at least 0; broadcasts against
                (N, U, C).

        Returns:
            (N, U, C) gains, credits.
        """
        most = most_others(float(others.max(initial=0.0)), self._most)
        self._evaluate(most)
        weights = poisson(others.astype(np.float32, copy=False), most)
        gain = self._beside[0] * weights[0]
        for count in range(1, most + 1):
            gain += self._beside[count] * weights[count]
        return gain

    def _evaluate(self, most: int) -> None:
        """Evaluate the gain beside up to `most` others."""
        while len(self._beside) <= most:
            first, pairs = len(self._beside), self._beside[0].size if self._beside else 0
            count = min(most + 1 - first, max(1, GAINS_AT_ONCE // pairs)) if pairs else 1
            load = np.arange(first + 1, first + 1 + count, dtype=np.float32)
            self._beside += list(self._gain(load[:, None, None, None]))


def expected_gain(slot: Slot, others: NDArray[np.floating]) -> Gains:
    """Return what users of a slot expect of candidates at an uncertain load, (N, U, C) credits.

    It is the mean of `Slot.expected_gain` over the number of others.

    Args:
        slot: the slot.
        others: mean number of others at each candidate, at least 0; broadcasts against (N, U, C).
    """
    return GainByLoad(slot.expected_gain, slot.num_users - 1).expected(others)


def poisson(mean: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return the probability of 0, ..., `most`, which stands for more too, (most + 1, ...).

    Args:
        mean: of Poisson's law, at least 0.
        most: the greatest number that is told apart.
    """
    probability = np.empty((most + 1, *mean.shape), np.float32)
    if most > 0:
        np.exp(-mean, out=probability[0])
    for count in range(1, most):
        np.multiply(probability[count - 1], mean * np.float32(1 / count), out=probability[count])
    probability[most] = np.maximum(1 - probability[:most].sum(axis=0), 0)
    return probability


def most_others(mean: float, limit: int) -> int:
    """Return the least number that Poisson's law exceeds with at most `TAIL`, at most `limit`."""
    probability = below = exp(-mean)
    count = 0
    while count < limit and 1 - below > TAIL:
        count += 1
        probability *= mean / count
        below += probability
    return count
