"""A mechanism's own budget, in place of its market's."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.market import Market

LARGEST = 1e9  # credits, of a parameter: sums and squares of such numbers are still finite


def check_amount(mechanism: str, parameter: str, amount: object) -> None:
    """Raise ValueError unless `amount` is None or a number in 0..`LARGEST`.

    The message names mechanism and parameter.
    """
    if amount is None:
        return
    if (
        isinstance(amount, bool)
        or not isinstance(amount, int | float | np.number)
        or not 0 <= amount <= LARGEST
    ):
        raise ValueError(
            f"{mechanism}: {parameter} should be a finite number in 0..{LARGEST:g}, got {amount!r}"
        )


def budget_of(market: Market, own: float | None) -> FloatArray:
    """Return the budget of each world, (...) credits/slot: `own`, or where None `Market.budget`."""
    return market.budget if own is None else np.full(market.batch_shape, float(own))
