"""The program of `mechanisms.shadow_price` in CVXPY, which the direct path is held to."""

from __future__ import annotations

from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.assignment import AssignmentProgram
from mechanisms.shadow_price import clear_by


class ShadowPriceProgram:
    """`ShadowPrice` in CVXPY, by an interior-point method.

    Its duals lie between those of the vertices. Compiled once for a size. For markets with one
    optimum: between several, shares may all be below 1/2. CVXPY is imported on construction; needs
    a user and an expert at least.
    """

    def __init__(self, num_users: int, num_experts: int, *, bandwidth: bool = True) -> None:
        self._bandwidth = bandwidth
        self._program = AssignmentProgram(num_users, num_experts, bandwidth=bandwidth, whole=False)

    def clear(self, market: Market) -> Outcome:
        """Assign and price as `ShadowPrice.clear`; status "optimal".

        Raises:
            MechanismError: the solver gave no optimum.
        """
        return clear_by(self._program.solve, market, bandwidth=self._bandwidth)
