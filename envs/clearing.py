"""A clearing of the market, and its books until the next one."""

from dataclasses import dataclass
from math import nan
from typing import Self

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float, Int
from envs.ledger import Ledger
from envs.state import State
from mechanisms import Duties, Market, UserReports
from mechanisms.assignment import optimal_welfare
from mechanisms.candidates import of_served
from mechanisms.pairs import pairs_of
from mechanisms.supply import greatest_welfare, welfare_at

FAILED = "failed: "  # begins the status of a clearing that the mechanism gave no answer to


@dataclass(frozen=True)
class Clearing:
    """One clearing of N worlds, with points and money summed over the slots until the next.

    Money is in credits.
    """

    slot: int  # slot of the episode in which the prices were set
    num_slots: int
    market: Market  # the market that was cleared, but at true costs and values
    unit_price: NDArray[np.float64]  # (N, E), credits a point
    effort: NDArray[np.float64]  # (N, E), in 0..1, to the whole demand, at true costs
    participates: Bool  # (N, E)
    points: Float  # (N, E), delivered
    payment: Float  # (N, E)
    cost: Float  # (N, E), true cost borne
    allocation: Int | None  # (N, U), expert, -1: none; None where the mechanism only prices
    user_charge: Float  # (N, U)
    user_gain: Float  # (N, U), over abandoning, after charges
    report_factor: Float  # (N, E) chosen by edge devices, on the costs that they report else
    value_factor: Float  # (N,) chosen by the platform, on the market's value
    margin: Float  # (N,) share of their charge that users pay on top
    status: str
    solve_seconds: float
    # Of duties, (N, E), a slot in which the expert is up; NaN where there are none.
    duty_share: Float | float = nan  # of the slot's time
    duty_achieved: Float | float = nan  # in units of the duty
    duty_payment: Float | float = nan  # part of `payment`

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Return the clearing that gave this state, by `dataclasses.asdict`."""
        market = dict(state["market"])
        if market["users"] is not None:
            market["users"] = UserReports(**market["users"])
        if market["duties"] is not None:
            market["duties"] = Duties(**market["duties"])
        return cls(**state | {"market": Market(**market)})

    @property
    def ledger(self) -> Ledger:
        """Its books, to go on with."""
        return Ledger(
            num_slots=self.num_slots,
            points=self.points,
            payment=self.payment,
            cost=self.cost,
            charge=self.user_charge,
            gain=self.user_gain,
        )

    @property
    def failed(self) -> bool:
        """True where the mechanism gave no answer, so that the last prices stood."""
        return self.status.startswith(FAILED)

    @property
    def demand(self) -> Float:
        """Demand that the market was cleared with, (N, E), full-effort points a slot."""
        return self.market.demand

    @property
    def welfare(self) -> Float:
        """Welfare of the market as decided, at true costs, (N,) credits a slot.

        An allocation counts at full effort.
        """
        if self.allocation is None:
            return welfare_at(self.market, self.effort)
        pairs = pairs_of(self.market, "the welfare of an allocation", bandwidth=False)
        return of_served(pairs.net, self.allocation, pairs.candidates).sum(axis=-1)

    @property
    def welfare_optimum(self) -> Float:
        """Greatest welfare that the market allows at true costs, (N,) credits a slot."""
        if self.allocation is None:
            return greatest_welfare(self.market)
        return optimal_welfare(self.market, bandwidth=False)

    @property
    def edge_utility(self) -> Float:
        """Payment less true cost, (N, E)."""
        return self.payment - self.cost

    @property
    def charge(self) -> Float:
        """Charges of all users together, (N,)."""
        return np.asarray(self.user_charge.sum(axis=-1))

    @property
    def balance(self) -> Float:
        """Charges less payments, (N,): kept by the platform, or added by it where negative."""
        return self.charge - self.payment.sum(axis=-1)
