"""Search for the misreport that pays most, without a gradient, for many agents at once.

A report is a vector of D entries, see `auditing.lies`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray

# Misreports tried between two looks at which is the best so far; one call clears that many of an
# agent's.
ROUND = 5
# Share of the misreports that start from the best so far. The rest start from the truth, lest the
# search get stuck.
_FROM_BEST = 0.7
# Steps span this many powers of ten below an ordinary report, the smaller ones from the best so far
# only. All sizes are drawn throughout: a search that shrank its steps would depend on how much is
# still to be tried.
_DECADES_FROM_TRUTH, _DECADES_FROM_BEST = 1.0, 3.0
_WAYS = 6


@dataclass(frozen=True, eq=False)
class ReportSpace:
    """Reports that each of J agents may make.

    Attributes:
        truth: (J, D) the true report.
        first: (J, S, D) misreports tried before the search.
        low, high: (J, D) the market's own spread of such reports, from which redraws come.
        corner: (J, D) the report next to nothing: no cost, no value.
        least: (J, D) the least report tried; -inf where there is no limit.
        scale: (J,) size of an ordinary report, > 0: what steps are measured in.
        matters: (J, D) bool, entries worth singling out.
        searched: False where `first` is all that can be reported.
    """

    truth: FloatArray
    first: FloatArray
    low: FloatArray
    high: FloatArray
    corner: FloatArray
    least: FloatArray
    scale: FloatArray
    matters: BoolArray
    searched: bool = True

    @classmethod
    def of_few(cls, truth: FloatArray, first: FloatArray) -> Self:
        """Return the space of the reports `first`, and no others."""
        nothing = np.zeros(truth.shape)
        scale, matters = np.ones(len(truth)), np.ones(truth.shape, dtype=bool)
        return cls(truth, first, nothing, nothing, nothing, nothing, scale, matters, searched=False)


def most_profitable(
    gain: Callable[[FloatArray], FloatArray],
    space: ReportSpace,
    budget: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Return the best report found for each agent, (J, D), and its gain over the truth, (J,), >= 0.

    First come those of `space.first`, then, where it is searched, `budget` others. Of these a
    misreport starts from the truth or from the best report so far, which makes it a step of a
    local search from the worst case found. One entry, drawn at random, is moved in one way and all
    others in another: left as they are, redrawn from the market's spread, scaled up or down by a
    factor, shifted, each moved by noise of its own, or set to the corner. So all entries together,
    one alone, and all but one are tried, by small steps and large.

    A search is the beginning of the same search with a larger budget: under one seed a gain never
    falls as the budget grows.

    Args:
        gain: from (J, R, D) reports to the (J, R) utilities they bring, less that of the truth;
            -inf where unknown.
        space: what the agents may report.
        budget: misreports that the search tries for each agent.
        rng: draws the misreports.
    """
    best, best_gain = space.truth.copy(), np.zeros(len(space.truth))
    agents = np.arange(len(space.truth))

    def take(reports: FloatArray) -> None:
        gains = gain(reports)
        favourite = gains.argmax(axis=1)
        better = gains[agents, favourite] > best_gain
        best[better] = reports[agents, favourite][better]
        best_gain[better] = gains[agents, favourite][better]

    for tried in range(0, space.first.shape[1], ROUND):
        take(space.first[:, tried : tried + ROUND])
    for tried in range(0, budget if space.searched else 0, ROUND):
        take(_misreports(space, best, rng)[:, : budget - tried])
    return best, best_gain


def _misreports(space: ReportSpace, best: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw (J, ROUND, D) misreports.

    It is always a whole round, so that the stream of `rng` does not depend on the budget.
    """
    agents, entries = space.truth.shape
    once, each = (agents, ROUND, 1), (agents, ROUND, entries)
    from_best = rng.random(once) < _FROM_BEST
    start = np.where(from_best, best[:, np.newaxis], space.truth[:, np.newaxis])

    preference = rng.random(each) + space.matters[:, np.newaxis]
    one = preference == preference.max(axis=-1, keepdims=True)
    way = np.where(one, rng.integers(_WAYS, size=once), rng.integers(_WAYS, size=once))

    decades = rng.random(once) * np.where(from_best, _DECADES_FROM_BEST, _DECADES_FROM_TRUTH)
    step = 10.0**-decades * rng.standard_normal(once)
    size = space.scale[:, np.newaxis, np.newaxis]
    ways = [
        start,
        space.low[:, np.newaxis] + rng.random(each) * (space.high - space.low)[:, np.newaxis],
        start * np.exp(2 * step),
        start + size * step,
        start + size * np.abs(step) * rng.standard_normal(each),
        np.broadcast_to(space.corner[:, np.newaxis], each),
    ]
    return np.maximum(np.choose(way, ways), space.least[:, np.newaxis])
