"""Clearings of many markets at once, those in which the solver gives no answer counted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import BoolArray
from mechanisms.base import Mechanism
from mechanisms.errors import MechanismError
from mechanisms.market import Market
from mechanisms.outcome import Outcome

# Entries a field, at most, of the markets that are cleared in one call: 8 MB of float64.
CHUNK_ENTRIES = 2**20


@dataclass
class Clearings:
    """Clears batches of markets with one mechanism and keeps count.

    Attributes:
        mechanism: that clears.
        total: markets cleared so far, failed ones included.
        failed: those in which the solver gave no answer.
    """

    mechanism: Mechanism
    total: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)

    def clear(self, market: Market) -> tuple[Outcome | None, BoolArray]:
        """Clear a batch, and where it fails market by market, to know which one it is.

        Returns:
            The outcome, NaN (-1 for an expert) where a market failed, None where all did; and the
            markets (...) that did not fail.
        """
        self.total += market.budget.size
        try:
            return self.mechanism.clear(market), np.ones(market.batch_shape, dtype=bool)
        except MechanismError:
            pass
        cleared: dict[tuple[int, ...], Outcome] = {}
        succeeded = np.zeros(market.batch_shape, dtype=bool)
        for index in np.ndindex(market.batch_shape):
            try:
                cleared[index] = self.mechanism.clear(market.world(index))
                succeeded[index] = True
            except MechanismError:
                self.failed += 1
        return _assembled(cleared, market.batch_shape) if cleared else None, succeeded


def _assembled(outcomes: dict[tuple[int, ...], Outcome], batch_shape: tuple[int, ...]) -> Outcome:
    """Return outcomes of single markets as one of the batch, NaN or -1 where there is none."""

    def blank(sample: NDArray[Any]) -> NDArray[Any]:
        missing = -1 if sample.dtype.kind == "i" else np.nan
        return np.full(batch_shape + sample.shape, missing, dtype=sample.dtype)

    batch = next(iter(outcomes.values())).map(blank)
    for index, outcome in outcomes.items():
        for name, array in outcome.arrays().items():
            batch.arrays()[name][index] = array
    return replace(batch, solve_seconds=sum(one.solve_seconds for one in outcomes.values()))


def markets_at_once(market: Market, copies: int) -> int:
    """Return how many markets of a batch are cleared in one call, with so many copies of each."""
    pairs = 0 if market.users is None else market.num_users * market.users.num_columns
    return max(1, CHUNK_ENTRIES // (copies * max(market.num_experts, pairs, 1)))
