"""What follows from a load that is uncertain: the others are as many as by Poisson's law.

Where each of many others chooses an expert with a small probability, independently, their number is
nearly Poisson distributed (Le Cam 1960). Their work counts at its mean, as in `envs.prospects`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from envs.arrays import Int

TAIL = 1e-6  # probability that may lie above the numbers of others that are told apart
APART = 1.5  # greatest ratio of two numbers that are evaluated one after the other, above 2
VALUES_AT_ONCE = 150_000  # evaluated in one call: with more, arrays leave the cache
_LARGEST_MEAN = 64.0  # up to which the probability of nobody is well within single precision
Values = NDArray[np.floating]
OfLoad = Callable[[NDArray[np.float32]], Values]


class ByLoad:
    """What pairs get at a load of their experts, and its mean over uncertain loads.

    It is evaluated beside `evaluated_numbers` of others, as they are needed, each once.

    Args:
        of_load: returns what all pairs get at loads (..., 1, 1, 1), which count the user:
            (..., N, U, C).
        most: number of others that there can be.
    """

    def __init__(self, of_load: OfLoad, most: int) -> None:
        self._of_load, self._most = of_load, most
        self._numbers = evaluated_numbers(most)
        self._values: list[Values] = []

    def expected(self, others: NDArray[np.floating]) -> Values:
        """Return the mean where the number of others is Poisson distributed, (N, U, C).

        What Poisson's law gives to more than there are counts as all of them.

        Args:
            others: mean number of others at each candidate, at least 0; broadcasts against
                (N, U, C).
        """
        most = most_others(float(others.max(initial=0.0)), self._most)
        needed = self._numbers[: np.searchsorted(self._numbers, most) + 1]
        missing = needed[len(self._values) :]
        if missing.size:
            self._values += evaluate(self._of_load, missing)
        return mean(self._values[: needed.size], needed, others)


def evaluated_numbers(most: int) -> Int:
    """Return the numbers of others that are evaluated, 0, 1, 2, 3, 4, 6, 9, 14, ..., `most`."""
    numbers = [0]
    while numbers[-1] < most:
        numbers.append(min(max(numbers[-1] + 1, round(numbers[-1] * APART)), most))
    return np.array(numbers)


def evaluate(of_load: OfLoad, numbers: Int) -> list[Values]:
    """Return what pairs get beside so many others, (N, U, C) for each number."""
    first = of_load(np.full((1, 1, 1, 1), numbers[0] + 1, np.float32))
    values, at_once = list(first), max(1, VALUES_AT_ONCE // max(first.size, 1))
    for begin in range(1, len(numbers), at_once):
        load = (numbers[begin : begin + at_once] + 1).astype(np.float32)
        values += list(of_load(load[:, None, None, None]))
    return values


def mean(values: Sequence[Values], numbers: Int, others: NDArray[np.floating]) -> Values:
    """Return the mean over Poisson's law, (N, U, C).

    Args:
        values: (N, U, C) beside each number of others.
        numbers: of others, ascending from 0. Between two of them the value counts as linear, and
            more than the last as the last.
        others: mean of Poisson's law, at least 0; broadcasts against (N, U, C).
    """
    weights = poisson_weights(others, numbers)
    total = values[0] * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total += value * weight
    return total


def poisson_weights(others: NDArray[np.floating], numbers: Int) -> NDArray[np.float32]:
    """Return the weight of each number in the mean of what is linear between them, (L, ...).

    Where numbers follow each other it is the probability of Poisson's law.

    Args:
        others: mean of Poisson's law, at least 0.
        numbers: as in `mean`, L of them.
    """
    others = others.astype(np.float32, copy=False)
    weights = np.zeros((len(numbers), *others.shape), np.float32)
    small = float(others.max(initial=0.0)) <= _LARGEST_MEAN
    probability = np.exp(-others)
    for place, (low, high) in enumerate(pairwise(numbers)):
        for number in range(low, high):
            if not small:
                probability = _probability(others, number)
            elif number > 0:
                probability = probability * others * np.float32(1 / number)
            share = np.float32((number - low) / (high - low))  # of the number above
            weights[place] += probability * (1 - share) if share else probability
            if share:
                weights[place + 1] += probability * share
    weights[-1] += np.maximum(1 - weights.sum(axis=0), 0)
    return weights


def _probability(others: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Return Poisson's probability of a number by its logarithm, for means of any size."""
    wide = np.maximum(others.astype(float), 1e-30)
    return np.exp(number * np.log(wide) - wide - gammaln(number + 1)).astype(np.float32)


def most_others(mean: float, limit: int) -> int:
    """Return the least number that Poisson's law exceeds with at most `TAIL`, at most `limit`."""
    probability = below = exp(-mean)
    count = 0
    while count < limit and 1 - below > TAIL:
        count += 1
        probability *= mean / count
        below += probability
    return count
