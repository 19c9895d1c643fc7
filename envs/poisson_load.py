"""What follows from a load that is uncertain: the others are as many as by Poisson's law.

Where each of many others chooses an expert with a small probability, independently, their number is
nearly Poisson distributed (Le Cam 1960). Their work counts at its mean, as in `envs.prospects`.
"""

from collections.abc import Callable, Sequence
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from envs.arrays import Int

TAIL = 1e-6  # probability that may lie above the numbers of others that are told apart
APART = 1.5  # ratio of two numbers of others that are evaluated one after the other
VALUES_AT_ONCE = 150_000  # evaluated in one call: with more, arrays leave the cache
PROBABILITIES_AT_ONCE = 4_000_000  # held in memory
_LEAST_MEAN, _LARGEST_MEAN = 1e-30, 600.0  # as good as 0; whose exponential is well above 0
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
        self._of_load = of_load
        self._numbers = evaluated_numbers(most)
        self._values: list[Values] = []

    def expected(self, others: NDArray[np.floating]) -> Values:
        """Return the mean where the number of others is Poisson distributed, (N, U, C).

        What Poisson's law gives to more than there are counts as all of them.

        Args:
            others: mean number of others at each candidate, at least 0; broadcasts against
                (N, U, C).
        """
        needed = _needed(self._numbers, others)
        missing = needed[len(self._values) :]
        if missing.size:
            self._values += evaluate(self._of_load, missing)
        return _weighted(self._values, needed, others)


def evaluated_numbers(most: int, apart: float = APART) -> Int:
    """Return the numbers of others that are evaluated: 0, 1, 2, 3, 4, 6, 9, 14, ..., `most`.

    Args:
        most: number of others that there can be.
        apart: ratio of two numbers one after the other, where they are no neighbours.
    """
    numbers = [0]
    while numbers[-1] < most:
        numbers.append(min(max(numbers[-1] + 1, round(numbers[-1] * apart)), most))
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
    return _weighted(values, _needed(numbers, others), others)


def _weighted(values: Sequence[Values], numbers: Int, others: NDArray[np.floating]) -> Values:
    """Return the mean over these numbers, whatever more values there are."""
    weights = poisson_weights(others, numbers)
    total = values[0] * weights[0]
    product = np.empty_like(total)
    for value, weight in zip(values[1 : numbers.size], weights[1:], strict=True):
        total += np.multiply(value, weight, out=product)
    return total


def poisson_weights(others: NDArray[np.floating], numbers: Int) -> NDArray[np.float32]:
    """Return the weight of each number in the mean of what is linear between them, (L, ...).

    Where numbers follow each other it is the probability of Poisson's law.

    Args:
        others: mean of Poisson's law, at least 0.
        numbers: as in `mean`, L of them.
    """
    given = others.astype(np.float32, copy=False).ravel()
    linear, at_once = _linear(numbers), max(1, PROBABILITIES_AT_ONCE // max(int(numbers[-1]), 1))
    weights = np.empty((numbers.size, given.size), np.float32)
    for begin in range(0, given.size, at_once):
        part = slice(begin, begin + at_once)
        weights[:, part] = linear @ _law(given[part], int(numbers[-1]))
    weights[-1] += np.maximum(1 - weights.sum(axis=0), 0)
    return weights.reshape(numbers.size, *others.shape)


def _law(others: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return Poisson's probabilities of 0 to `most` - 1 for B means, (most, B)."""
    every = np.arange(most, dtype=np.float32)
    law = np.multiply.outer(every, np.log(np.maximum(others, np.float32(_LEAST_MEAN))))
    law -= others
    law -= gammaln(every + 1)[:, None]
    return np.exp(law, out=law)


def _linear(numbers: Int) -> NDArray[np.float32]:
    """Return by how much numbers L stand for 0 to the last but one, where linear, (L, last)."""
    every = np.arange(numbers[-1])
    low = np.searchsorted(numbers, every, side="right") - 1
    share = (every - numbers[low]) / (numbers[low + 1] - numbers[low]) if every.size else every
    matrix = np.zeros((numbers.size, every.size), np.float32)
    matrix[low, every] = 1 - share
    matrix[low + 1, every] += share
    return matrix


def _needed(numbers: Int, others: NDArray[np.floating]) -> Int:
    """Return the numbers up to the least that Poisson's law hardly exceeds for any mean."""
    most = most_others(float(others.max(initial=0.0)), int(numbers[-1]))
    return numbers[: np.searchsorted(numbers, most) + 1]


def most_others(mean: float, limit: int) -> int:
    """Return the least number that Poisson's law exceeds with at most `TAIL`, at most `limit`."""
    if mean > _LARGEST_MEAN:  # nobody has next to no probability; nearly all lie within six errors
        return min(limit, int(mean + 6 * sqrt(mean)) + 1)
    probability = below = exp(-mean)
    count = 0
    while count < limit and not 1 - below <= TAIL:  # all of them, should the mean be no number
        count += 1
        probability *= mean / count
        below += probability
    return count
