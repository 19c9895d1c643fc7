"""The outcome that a mechanism decides for a market."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.candidates import of_own_expert
from mechanisms.duty import DutyOrder
from mechanisms.errors import MechanismError
from mechanisms.market import Market, OfArray

_ARRAYS = ("unit_price", "effort", "points", "payment", "welfare")


class Allocation(NamedTuple):
    """Service of the users, decided by a mechanism that allocates.

    Attributes:
        expert: (..., U) the expert that serves the user, -1 for none.
        charge: (..., U) from the user for service at full effort, credits/slot; effort x costs it
            the share x of that.
        pair_price: (..., U) paid to the expert for a point delivered to this user, credits/point; 0
            for none.
    """

    expert: IntArray
    charge: FloatArray
    pair_price: FloatArray


@dataclass(frozen=True, eq=False)
class Outcome:
    """Prices, efforts and payments decided for a market, with the market's leading axes.

    Edge devices are paid by the point. Where a mechanism only prices, payment = unit_price .
    points; where it allocates, payment is the sum of pair_price . points over the users that the
    expert serves, the points as delivered at its effort.

    Attributes:
        unit_price: (..., E) paid for a delivered point, credits/point; where users are allocated,
            for the points of those who come to an expert unasked.
        effort: (..., E) of each edge device, 0..1: its best response at reported costs where effort
            is bought, what is ordered where it is enforced (`Market.effort`); 0 is not taking part.
        points: (..., E) delivered, points/slot: demand . effort, or where users are allocated the
            points of those whom the expert serves, times effort.
        payment: (..., E) to the expert, credits/slot.
        welfare: (...) value less reported cost, credits/slot.
        status: one word for the whole clearing: "free", "closed_form", "optimal" ...
        solve_seconds: wall time of the decision.
        allocation: experts and charges of the users; None where a mechanism only prices, and users
            together pay exactly the payments.
        duty: prices and levels of duties, which are paid for beside `payment`; None where the
            mechanism pays for none.
    """

    unit_price: FloatArray
    effort: FloatArray
    points: FloatArray
    payment: FloatArray
    welfare: FloatArray
    status: str
    solve_seconds: float
    allocation: Allocation | None = None
    duty: DutyOrder | None = None

    @property
    def balance(self) -> FloatArray:
        """Charges less payments (...), credits/slot: kept by the platform, or if < 0 added."""
        paid = self.payment.sum(axis=-1)
        if self.allocation is None:
            return np.asarray(paid - paid)
        # Who is served by nobody pays all that it is charged, if anything.
        share = of_own_expert(self.effort, self.allocation.expert, otherwise=1.0)
        return np.asarray((self.allocation.charge * share).sum(axis=-1) - paid)

    def allocation_by(self, mechanism: str) -> Allocation:
        """Return the allocation, for an outcome of a mechanism that allocates.

        Raises:
            MechanismError: there is none; the message names the mechanism.
        """
        if self.allocation is None:
            raise MechanismError(f"{mechanism} allocates, and its outcome has no allocation")
        return self.allocation

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by name, those of an allocation by its own names."""
        arrays = {name: np.asarray(getattr(self, name)) for name in _ARRAYS}
        if self.allocation is not None:
            arrays |= self.allocation._asdict()
        if self.duty is not None:
            arrays |= {f"duty_{name}": array for name, array in self.duty._asdict().items()}
        return arrays

    def map(self, function: OfArray) -> Outcome:
        """Return the outcome that `function` makes of every array."""
        arrays: dict[str, Any] = {
            name: np.asarray(function(array)) for name, array in self.arrays().items()
        }
        if self.allocation is not None:
            parts = [arrays.pop(name) for name in Allocation._fields]
            arrays["allocation"] = Allocation(*parts)
        if self.duty is not None:
            arrays["duty"] = DutyOrder(arrays.pop("duty_price"), arrays.pop("duty_level"))
        return replace(self, **arrays)

    def world(self, index: int | IntArray | tuple[int, ...]) -> Outcome:
        """Return the outcome of the market or markets at `index` along the leading axes."""
        return self.map(lambda array: array[index])


def fault_of(outcome: object, market: Market, allocates: bool) -> str:
    """Return in words what is wrong with the form of an outcome for a market, "" if nothing is.

    Args:
        outcome: what a mechanism decided.
        market: the market that it was given.
        allocates: whether the mechanism says that it allocates.
    """
    if not isinstance(outcome, Outcome):
        return f"clear should return an Outcome, got {type(outcome).__name__}"
    if allocates != (outcome.allocation is not None):
        word = "allocates, and gives no" if allocates else "does not allocate, and gives an"
        return f"{word} allocation"
    each, worlds = market.demand.shape, market.batch_shape
    shapes = dict.fromkeys(("unit_price", "effort", "points", "payment"), each)
    shapes |= {"welfare": worlds}
    if allocates:
        shapes |= dict.fromkeys(Allocation._fields, (*worlds, market.num_users))
    if outcome.duty is not None:
        if market.duties is None:
            return "decides of duties, and the market has none"
        shapes |= dict.fromkeys(("duty_price", "duty_level"), each)
        level, count = np.asarray(outcome.duty.level), market.duties.share.shape[-1]
        if level.dtype.kind != "i" or ((level < 0) | (level >= count)).any():
            return f"duty_level should hold whole numbers in 0..{count - 1}"
        if (np.asarray(outcome.duty.price) < 0).any():
            return "duty_price should be at least 0"
    for name, array in outcome.arrays().items():
        if array.shape != shapes[name]:
            return f"{name} has shape {array.shape}, expected {shapes[name]}"
    return ""
