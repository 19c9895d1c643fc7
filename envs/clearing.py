"""What came of a market between one clearing and the next."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechanisms import Market, best_response, welfare
from mechanisms.assignment import optimal_welfare, pairs_of
from mechanisms.candidates import of_served

Float = NDArray[np.floating]
FAILED = "failed: "  # begins the status of a clearing that the mechanism gave no answer to


@dataclass(frozen=True)
class Clearing:
    """One clearing and what came of it until the next, for N worlds.

    Money in credits, summed over `num_slots`.
    """

    slot: int  # slot of the episode in which the prices were set
    num_slots: int
    market: Market  # that was cleared, but at true costs
    unit_price: NDArray[np.float64]  # (N, E), credits a point
    effort: NDArray[np.float64]  # (N, E), in 0..1, of the true costs
    participates: NDArray[np.bool_]  # (N, E)
    points: Float  # (N, E), full-effort points served, times effort: points delivered
    payment: Float  # (N, E)
    cost: Float  # (N, E), true cost borne
    allocation: (
        NDArray[np.int64] | None
    )  # (N, U), expert, -1: none; None where the mechanism only prices
    user_charge: Float  # (N, U)
    user_gain: Float  # (N, U), over abandoning, after charges
    status: str
    solve_seconds: float

    @property
    def failed(self) -> bool:
        """Whether the mechanism gave no answer, so that the last prices stood."""
        return self.status.startswith(FAILED)

    @property
    def demand(self) -> Float:
        """Full-effort points a slot that the mechanism was told, (N, E)."""
        return self.market.demand

    @property
    def welfare(self) -> Float:
        """Of the market as decided, at true costs, (N,) credits a slot; an allocation counts at
        full effort.
        """
        if self.allocation is None:
            return self._welfare_at(self.effort)
        pairs = pairs_of(self.market, "the welfare of an allocation", bandwidth=False)
        return of_served(pairs.net, self.allocation, pairs.candidates).sum(axis=-1)

    @property
    def welfare_optimum(self) -> Float:
        """The greatest that the market allows at true costs, (N,) credits a slot; computed when
        asked for.
        """
        if self.allocation is None:
            return self._welfare_at(
                best_response(self.market.value, self.market.unit_cost, self.market.cost_slope)
            )
        return optimal_welfare(self.market, bandwidth=False)

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

    def _welfare_at(self, effort: NDArray[np.float64]) -> Float:
        market = self.market
        return welfare(effort, market.demand, market.value, market.unit_cost, market.cost_slope)
