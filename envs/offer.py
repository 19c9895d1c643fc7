"""The offer of a slot: prices, efforts and allocation in force."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float, Int
from envs.candidates import Candidates
from mechanisms import Allocation


@dataclass(frozen=True, eq=False)
class Offer:
    """Prices, efforts and allocation of N worlds, in force from one clearing to the next.

    Attributes:
        mechanism: name of the mechanism that made it.
        allocates: true where that mechanism allocates experts to users.
        unit_price: (N, E) paid to an edge device, credits a delivered point.
        effort: (N, E) effort of each edge device, 0..1.
        cost_per_point: (N, E) true cost at that effort of a point deliverable at full effort,
            credits.
        participates: (N, E) edge devices of positive effort.
        allocation: the expert allocated to each user; none where the mechanism only prices.
    """

    mechanism: str
    allocates: bool
    unit_price: NDArray[np.float64]
    effort: NDArray[np.float64]
    cost_per_point: NDArray[np.float64]
    participates: Bool
    allocation: Allocation

    def charge(self, expert: Int, cell: Int, points: Float) -> Float:
        """Charge users for points that they were served.

        A user pays the unit price of each delivered point, or the charge of its allocation where
        the allocated expert served it.

        Args:
            expert: (N, U) the expert that served each user.
            cell: (N, U) the same as a flat index into (N, E).
            points: (N, U) points served, at full effort.

        Returns:
            (N, U) charges, credits.
        """
        by_point = (self.unit_price * self.effort).take(cell) * points
        if not self.allocates:
            return by_point
        allocated = (expert == self.allocation.expert) & (points > 0)
        return np.where(allocated, self.allocation.charge, by_point)

    def charges(self, points: Float, candidates: Candidates) -> Float:
        """Return the charge of each user for each candidate, (..., N, U, C), credits.

        Args:
            points: (..., N, U, C) points that the candidate would serve, at full effort.
            candidates: the experts of the columns.
        """
        charge = candidates.of(self.unit_price * self.effort) * points
        if self.allocates:
            column = candidates.column(self.allocation.expert)
            world, user = np.nonzero(column >= 0)
            allocated = self.allocation.charge[world, user]
            charge[..., world, user, column[world, user]] = allocated
        return charge


def nobody(num_worlds: int, num_users: int) -> Allocation:
    """Return the allocation of no expert to any user."""
    shape = num_worlds, num_users
    return Allocation(np.full(shape, -1), np.zeros(shape))
