"""What came of a market between one clearing and the next."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]
FAILED = "failed: "  # begins the status of a clearing that the mechanism gave no answer to


@dataclass(frozen=True)
class Clearing:
    """One clearing and what came of it until the next, for N worlds. Money in credits, summed over `num_slots`."""

    slot: int  # slot of the episode in which the prices were set
    num_slots: int
    unit_price: Float  # (N, E), credits a point
    effort: Float  # (N, E), in 0..1, of the true costs
    participates: NDArray[np.bool_]  # (N, E)
    demand: Float  # (N, E), full-effort points a slot that the mechanism was told
    points: Float  # (N, E), full-effort points served, times effort: points delivered
    payment: Float  # (N, E)
    cost: Float  # (N, E), true cost borne
    allocation: NDArray[np.int64] | None  # (N, U), expert, -1: none; None where the mechanism only prices
    user_charge: Float  # (N, U)
    user_gain: Float  # (N, U), over abandoning, after charges
    welfare: Float  # (N,), credits a slot: of the market as decided, at true costs
    welfare_optimum: Float  # (N,), credits a slot: the greatest that market allows at true costs
    status: str
    solve_seconds: float

    @property
    def failed(self) -> bool:
        """Whether the mechanism gave no answer, so that the last prices stood."""
        return self.status.startswith(FAILED)

    @property
    def edge_utility(self) -> Float:
        """Payment less true cost, (N, E)."""
        return self.payment - self.cost

    @property
    def charge(self) -> Float:
        """Paid by all users, (N,)."""
        return np.asarray(self.user_charge.sum(axis=-1))

    @property
    def balance(self) -> Float:
        """What the platform keeps (negative: adds), (N,): charges less payments."""
        return self.charge - self.payment.sum(axis=-1)
