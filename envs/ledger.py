"""The ledger of a clearing: points, payments, costs and charges booked until the next."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from envs.arrays import Float


@dataclass
class Ledger:
    """Sums over the slots since a clearing, for N worlds; money in credits.

    Attributes:
        num_slots: slots booked.
        points: (N, E) points delivered.
        payment: (N, E) paid to each edge device.
        cost: (N, E) true cost that it bore.
        charge: (N, U) paid by each user.
        gain: (N, U) left to each user over abandoning, after charges.
    """

    num_slots: int
    points: Float
    payment: Float
    cost: Float
    charge: Float
    gain: Float

    @classmethod
    def opened(cls, num_worlds: int, num_users: int, num_experts: int) -> Self:
        """Open an empty ledger."""
        of_experts = (np.zeros((num_worlds, num_experts)) for _ in range(3))
        of_users = (np.zeros((num_worlds, num_users)) for _ in range(2))
        return cls(0, *of_experts, *of_users)

    def book(self, points: Float, payment: Float, cost: Float, charge: Float, gain: Float) -> None:
        """Add the sums of one slot, of the shapes and units of the attributes."""
        self.num_slots += 1
        self.points += points
        self.payment += payment
        self.cost += cost
        self.charge += charge
        self.gain += gain
