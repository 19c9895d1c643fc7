"""The offer of a slot: prices, efforts and allocation in force."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float
from envs.candidates import Candidates
from envs.duty.terms import DutyTerms
from mechanisms import Allocation


@dataclass(frozen=True, eq=False)
class Offer:
    """Prices, efforts and allocation of N worlds, in force from one clearing to the next.

    Attributes:
        mechanism: name of the mechanism that made it.
        allocates: true where that mechanism allocates experts to users.
        free: true where edge devices serve at full effort for nothing.
        enforced: true where edge devices give `effort` or nothing, else they give what is best for
            them.
        unit_price: (N, E) paid to an edge device, credits a delivered point.
        effort: (N, E) effort of each edge device, 0..1: ordered, or its best response to the whole
            demand that the market was cleared with.
        allocation: the expert allocated to each user; none where the mechanism only prices.
        full_points: (N, U) points of full service at that expert, as the mechanism was told.
        margin: (N,) share of their charge that users pay on top, which the platform keeps.
        duty: what edge devices do beside serving; None where they have no duty.
    """

    mechanism: str
    allocates: bool
    free: bool
    enforced: bool
    unit_price: NDArray[np.float64]
    effort: NDArray[np.float64]
    allocation: Allocation
    full_points: NDArray[np.float64]
    margin: NDArray[np.float64]
    duty: DutyTerms | None

    @property
    def user_price(self) -> NDArray[np.float64]:
        """What users pay where no charge was agreed on, (N, E) credits a delivered point."""
        return self.unit_price * (1 + self.margin[:, None])

    @property
    def participates(self) -> Bool:
        """Edge devices of positive `effort`, (N, E)."""
        return self.effort > 0

    def revenue(self, points: Float, candidates: Candidates) -> Float:
        """Return what each candidate is paid for full effort, (..., N, U, C) credits.

        Args:
            points: (..., N, U, C) points of full effort.
            candidates: the experts of the columns.
        """
        return self._money(points, candidates, self.allocation.pair_price * self.full_points)

    def charge(self, points: Float, candidates: Candidates) -> Float:
        """Return what each user is charged for full effort, (..., N, U, C) credits.

        Arguments are those of `revenue`.
        """
        charge = self._money(points, candidates, self.allocation.charge)
        if self.margin.any():
            charge = charge * (1 + self.margin[:, None, None]).astype(charge.dtype)
        return charge

    def _money(self, points: Float, candidates: Candidates, of_allocated: Float) -> Float:
        """Return points at the unit price, or the part kept of what was agreed on."""
        money = candidates.of(self.unit_price.astype(np.float32)) * points
        if self.allocates:
            column = candidates.column(self.allocation.expert)
            world, user = np.nonzero(column >= 0)
            own = column[world, user]
            kept = kept_share(points[..., world, user, own], self.full_points[world, user])
            money[..., world, user, own] = of_allocated[world, user] * kept
        return money


def kept_share(points: Float, full: Float) -> Float:
    """Return the part of the service agreed on that is delivered at full effort, at most 1.

    Args:
        points: of full effort as delivered.
        full: of full effort as agreed on; broadcasts against them.
    """
    kept = np.divide(points, full, out=np.zeros_like(points), where=full > 0)
    return np.minimum(kept, 1)


def nobody(num_worlds: int, num_users: int) -> Allocation:
    """Return the allocation of no expert to any user."""
    nothing = np.zeros((num_worlds, num_users))
    return Allocation(np.full(nothing.shape, -1), nothing, nothing)
