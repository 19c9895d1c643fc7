"""A mechanism's own budget, in place of its market's."""

from __future__ import annotations

import numpy as np

from mechanisms.market import FloatArray, Market


def check_amount(mechanism: str, parameter: str, amount: float | None) -> None:
    """Raise ValueError, naming mechanism and parameter, unless `amount` is None or a finite number of at least 0."""
    if amount is not None and not 0 <= amount < np.inf:
        raise ValueError(f"{mechanism}: {parameter} should be a finite number of at least 0, got {amount}")


def budget_of(market: Market, own: float | None) -> FloatArray:
    """What can be spent in each world, (...) credits/slot: `own`, or where that is None `Market.budget`."""
    return market.budget if own is None else np.full(market.batch_shape, float(own))
