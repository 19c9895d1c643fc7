"""The platform inside a world: it averages demand, clears the mechanism and keeps the books."""

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float
from envs.clearing import FAILED, Clearing
from envs.config import MarketConfig
from envs.experts import ExpertPool
from envs.ledger import Ledger
from envs.offer import Offer, nobody
from envs.reports import Reports
from envs.state import State, copied
from mechanisms import (
    Allocation,
    Market,
    MarketError,
    Mechanism,
    MechanismError,
    Outcome,
    PartError,
    UserReports,
    best_response,
    cost,
)
from mechanisms.errors import described
from mechanisms.outcome import fault_of


class Marketplace:
    """The offer in force in N worlds, and the books of the interval under way.

    There is no offer before the first `clear`. It raises MechanismError where the first clearing of
    a pool fails; a later failure keeps the last prices, allocates nobody and is recorded in the
    status of its clearing. An outcome that is not finite is a failure too.

    Attributes:
        offer: prices, efforts and allocation in force.
        demand: (N, E) smoothed demand, full-effort points a slot.
        due: true where the market is to be cleared before the next slot.
        closed: the clearing whose interval ended in the last slot; None in other slots.
        interval: slots from one clearing to the next.
    """

    offer: Offer
    _priced: bool  # a clearing of this pool gave prices
    _truthful: bool  # all edge devices report their true costs
    _market: Market  # fields that stay from clearing to clearing, costs as reported
    _cleared: Market  # the last market cleared, at true costs
    _status: str  # of the last clearing
    _solve_seconds: float  # of the last clearing
    _slot: int  # of the last clearing
    _ledger: Ledger

    def __init__(
        self,
        mechanism: Mechanism,
        config: MarketConfig,
        pool: ExpertPool,
        num_users: int,
        initial_demand: float,
    ) -> None:
        self.mechanism = mechanism
        self.config = config
        self.num_users = num_users
        self.interval = config.slots_between(mechanism.allocates)
        self.demand: NDArray[np.float64] = np.full(pool.unit_cost.shape, initial_demand)
        self.closed: Clearing | None = None
        self._open(pool)

    def admit(self, pool: ExpertPool) -> None:
        """Serve a pool with more experts: the interval ends, newcomers begin at mean demand.

        All of it stays what it was, as there are no more users.
        """
        before, after = self.demand.shape[-1], pool.unit_cost.shape[-1]
        count = after - before
        if self._ledger.num_slots:
            self.close()
        self.demand = self.demand * (before / after)
        newcomers = np.repeat(self.demand.mean(axis=-1, keepdims=True), count, axis=-1)
        self.demand = np.concatenate([self.demand, newcomers], axis=-1)
        self._open(pool)

    def clear(self, slot: int, reports: Reports | None) -> None:
        """Make the offer that holds from a slot on.

        Args:
            slot: index of the slot.
            reports: reports of the users about this slot; None where the mechanism only prices.

        Raises:
            MechanismError: the first clearing of this pool failed.
            PartError: the code of the mechanism failed, in any clearing.
        """
        self._slot = slot
        num_worlds, num_experts = self.demand.shape
        self._ledger = Ledger.opened(num_worlds, self.num_users, num_experts)
        market = self.market(reports)
        self._cleared = market
        if not self._truthful:
            kappa, slope = self.pool.unit_cost, self.pool.cost_slope
            self._cleared = replace(market, unit_cost=kappa, cost_slope=slope)
        try:
            outcome = self._decided(market)
        except MechanismError as error:
            if not self._priced:
                raise
            self._status, self._solve_seconds = f"{FAILED}{error}", float("nan")
            no_allocation = nobody(num_worlds, self.num_users)
            self.offer = replace(self.offer, allocation=no_allocation)
        else:
            self._priced = True
            self._status, self._solve_seconds = outcome.status, outcome.solve_seconds
            self.offer = self._offer(outcome)
        self.due = False

    def _decided(self, market: Market) -> Outcome:
        """Return what the mechanism decides.

        Raises:
            MechanismError: it gave no answer, or one that is not finite.
            PartError: its code failed.
        """
        name = self.mechanism.name
        try:
            outcome = self.mechanism.clear(market)
            fault = fault_of(outcome, market, self.mechanism.allocates)
        except (MarketError, MechanismError):
            raise
        except Exception as error:  # of whatever a mechanism does
            raise PartError(f"mechanism {name}: {described(error)}") from error
        if fault:
            raise PartError(f"mechanism {name}: {fault}")
        return _finite(outcome, name)

    def market(self, reports: Reports | None) -> Market:
        """Return the market as the platform knows it now.

        Args:
            reports: reports of the users; None leaves the fields out that they fill.
        """
        floor = self.config.demand_floor * self.demand.mean(axis=-1, keepdims=True)
        demand = np.maximum(self.demand, floor)
        if reports is None:
            return self._market.with_demand(demand)
        return replace(self._market, demand=demand, **reports._asdict())

    def settle(
        self, requested: Float, served: Float, charge: Float, gain: Float
    ) -> tuple[Float, Float]:
        """Book one slot; when the interval is over the next clearing is `due`.

        Args:
            requested: (N, E) full-effort points requested of each expert.
            served: (N, E) full-effort points that it served.
            charge: (N, U) paid by each user, credits.
            gain: (N, U) left to each user, credits.

        Returns:
            Payment and true cost of the slot, (N, E) credits each.
        """
        delivered = served * self.offer.effort
        payment = self.offer.unit_price * delivered
        edge_cost = served * self.offer.cost_per_point
        self._ledger.book(delivered, payment, edge_cost, charge, gain)
        self.demand += self.config.demand_smoothing * (requested - self.demand)
        self.closed = None
        if self._ledger.num_slots == self.interval:
            self.close()
            self.due = True
        return payment, edge_cost

    def close(self) -> None:
        """End the interval under way; its clearing is then `closed`."""
        self.closed = self._under_way()

    def get_state(self) -> State:
        """Return demand, the interval under way and the one that ended in the last slot."""
        return {
            "demand": self.demand.copy(),
            "priced": self._priced,
            "under_way": asdict(self._under_way()),
            "allocation": self.offer.allocation.expert.copy(),
            "allocated_charge": self.offer.allocation.charge.copy(),
            "closed": asdict(self.closed) if self.closed is not None else None,
        }

    def set_state(self, state: State, pool: ExpertPool) -> None:
        """Go on from a state of `get_state`, with the pool of that time."""
        state = copied(state)
        self._open(pool)
        self.demand, self._priced, self.due = state["demand"], state["priced"], False
        self.closed = None if state["closed"] is None else _clearing(state["closed"])
        under_way = _clearing(state["under_way"])
        self._cleared, self._slot = under_way.market, under_way.slot
        self._status, self._solve_seconds = under_way.status, under_way.solve_seconds
        self._ledger = Ledger(
            num_slots=under_way.num_slots,
            points=under_way.points,
            payment=under_way.payment,
            cost=under_way.cost,
            charge=under_way.user_charge,
            gain=under_way.user_gain,
        )
        self.offer = Offer(
            mechanism=self.mechanism.name,
            allocates=self.mechanism.allocates,
            unit_price=under_way.unit_price,
            effort=under_way.effort,
            cost_per_point=cost(under_way.effort, pool.unit_cost, pool.cost_slope),
            participates=under_way.participates,
            allocation=Allocation(state["allocation"], state["allocated_charge"]),
        )

    def _open(self, pool: ExpertPool) -> None:
        """Serve a pool from now on."""
        self.pool, shape = pool, pool.unit_cost.shape
        self._priced, self.due = False, True
        self._truthful = bool((pool.report_factor == 1).all())
        self._ledger = Ledger.opened(shape[0], self.num_users, shape[1])
        self._market = Market(
            unit_cost=pool.report_factor * pool.unit_cost,
            cost_slope=pool.report_factor * pool.cost_slope,
            demand=np.zeros(shape),
            value=np.full(shape, self.config.value),
            budget=np.full(shape[0], self.config.budget_per_user * self.num_users),
            expert_topic=pool.topic,
        )

    def _offer(self, outcome: Outcome) -> Offer:
        """Return the offer of an outcome: prices follow from reports, effort from true costs."""
        kappa, slope = self.pool.unit_cost, self.pool.cost_slope
        effort = outcome.effort
        if self.mechanism.voluntary:
            effort = best_response(outcome.unit_price, kappa, slope)
        allocation = outcome.allocation
        if allocation is None:
            allocation = nobody(len(effort), self.num_users)
        return Offer(
            mechanism=self.mechanism.name,
            allocates=self.mechanism.allocates,
            unit_price=outcome.unit_price,
            effort=effort,
            cost_per_point=cost(effort, kappa, slope),
            participates=effort > 0,
            allocation=allocation,
        )

    def _under_way(self) -> Clearing:
        """Return the clearing as it stands now."""
        return Clearing(
            slot=self._slot,
            num_slots=self._ledger.num_slots,
            market=self._cleared,
            unit_price=self.offer.unit_price,
            effort=self.offer.effort,
            participates=self.offer.participates,
            points=self._ledger.points,
            payment=self._ledger.payment,
            cost=self._ledger.cost,
            allocation=self.offer.allocation.expert if self.offer.allocates else None,
            user_charge=self._ledger.charge,
            user_gain=self._ledger.gain,
            status=self._status,
            solve_seconds=float(self._solve_seconds),
        )


def _clearing(state: State) -> Clearing:
    """Return the clearing that gave this state."""
    market = dict(state["market"])
    if market["users"] is not None:
        market["users"] = UserReports(**market["users"])
    return Clearing(**state | {"market": Market(**market)})


def _finite(outcome: Outcome, mechanism: str) -> Outcome:
    """Return the outcome.

    Raises:
        MechanismError: a price, an effort or a charge of it is not finite.
    """
    arrays = outcome.arrays()
    for name in ("unit_price", "effort", "charge"):
        values = arrays.get(name)
        if values is not None and not np.isfinite(values).all():
            place = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0]))
            raise MechanismError(f"{mechanism}: {name}[{place}] is not finite")
    return outcome
