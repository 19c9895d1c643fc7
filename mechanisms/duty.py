"""Duties of edge devices beside serving, such as sensing: what they achieve, cost and leave.

A duty takes time in which the edge device does not serve. The platform may pay for what is
achieved, at a price a unit; the edge device then spends the share of its time that earns it most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.errors import MarketError
from mechanisms.fields import frozen

OfArray = Callable[[NDArray[Any]], NDArray[Any]]


class DutyOrder(NamedTuple):
    """What a mechanism decides of duties.

    Attributes:
        price: (..., E) paid for a unit achieved, credits/unit, >= 0.
        level: (..., E) which of `Duties.share` each is to spend; where effort is bought, its best
            response at reported costs.
    """

    price: FloatArray
    level: IntArray


@dataclass(frozen=True, eq=False)
class Duties:
    """What each edge device achieves with K shares of a slot's time, the least of them first.

    The first share is what it owes in any case. After construction every array is read-only.

    Attributes:
        share: (..., E, K) shares of the slot, ascending.
        achieved: (..., E, K) what each share achieves, in units of the duty, ascending.
        cost: (..., E, K) what it costs the edge device, credits/slot, >= 0; the platform knows it.
        kept: (..., E, K) share of what is asked of it that it can serve in the time left, 0..1.
        value: (..., E) worth of a unit achieved, credits/unit.

    Raises:
        MarketError: a shape that does not fit, an entry that is not finite or outside its limits.
    """

    share: FloatArray
    achieved: FloatArray
    cost: FloatArray
    kept: FloatArray
    value: FloatArray

    def __post_init__(self) -> None:
        shape = np.shape(self.share)
        if len(shape) < 2 or not shape[-1]:
            raise MarketError(f"duties.share has shape {shape}: must be (..., E, K), K at least 1")
        for name, array in self.arrays().items():
            due = shape[:-1] if name == "value" else shape
            if array.shape != due:
                raise MarketError(f"duties.{name} has shape {array.shape}: must be {due}")
            if not np.isfinite(array).all():
                raise MarketError(f"duties.{name}: must be finite")
            object.__setattr__(self, name, frozen(np.array(array, np.float64)))
        for name, low, high in (("share", 0, 1), ("kept", 0, 1), ("cost", 0, np.inf)):
            array = getattr(self, name)
            if ((array < low) | (array > high)).any():
                raise MarketError(f"duties.{name}: must be in {low}..{high:g}")
        for name in ("share", "achieved"):
            if (np.diff(getattr(self, name), axis=-1) < 0).any():
                raise MarketError(f"duties.{name}: must ascend along the last axis")

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading axes, () for a single market."""
        return self.value.shape[:-1]

    def check_experts(self, num_experts: int) -> None:
        """Raise MarketError where these are duties of other experts than `num_experts`."""
        if self.value.shape[-1] != num_experts:
            raise MarketError(
                f"duties are of {self.value.shape[-1]} experts: must be of {num_experts}"
            )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    def map(self, function: OfArray) -> Duties:
        """Return the duties that `function` makes of every array; see `Market.map`."""
        return Duties(**{name: function(array) for name, array in self.arrays().items()})

    def earned(self, price: FloatArray, profit: FloatArray) -> FloatArray:
        """Return what each share earns an edge device, (..., E, K) credits/slot.

        Args:
            price: (..., E) credits/unit.
            profit: (..., E) what it earns by all that is asked of it, credits/slot.
        """
        return price[..., None] * self.achieved - self.cost + profit[..., None] * self.kept

    def answer(self, price: FloatArray, profit: FloatArray) -> IntArray:
        """Return the level (..., E) that earns most, the least of several; see `earned`."""
        return np.argmax(self.earned(price, profit), axis=-1)

    def at(self, level: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return share, what is achieved, and cost (..., E) at levels (..., E)."""
        place = level[..., None]
        share, achieved, cost = (
            np.take_along_axis(array, place, axis=-1)[..., 0]
            for array in (self.share, self.achieved, self.cost)
        )
        return share, achieved, cost
