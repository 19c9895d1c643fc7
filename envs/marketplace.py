"""The platform inside a world: it averages demand, clears the mechanism every few slots and keeps
the books.
"""

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from envs.candidates import Candidates
from envs.clearing import FAILED, Clearing
from envs.config import MarketConfig
from envs.experts import ExpertPool
from envs.reports import Reports
from envs.state import State, copied
from mechanisms import (
    Allocation,
    Market,
    Mechanism,
    MechanismError,
    Outcome,
    UserReports,
    best_response,
    cost,
)

Float = NDArray[np.floating]


class Marketplace:
    """Prices and allocation in force, and the books of the interval under way.

    Nothing is priced before the first `clear`. It raises MechanismError when the first clearing of
    a pool fails; a later failure keeps the last prices, allocates nobody and is recorded in the
    status of its clearing. An outcome that is not finite is a failure too.
    """

    unit_price: NDArray[np.float64]  # (N, E), credits a point
    effort: NDArray[np.float64]  # (N, E), in 0..1
    participates: NDArray[np.bool_]  # (N, E)
    allocation: Allocation | None  # None where the mechanism only prices
    due: bool  # whether the market is to be cleared before the next slot
    _market: Market  # what of it stays from clearing to clearing, as reported
    _cleared: Market  # the last one cleared, at true costs
    _priced: bool  # whether a clearing of this pool gave prices

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
        self.closed: Clearing | None = None  # the clearing whose interval ended in the last slot
        self.allocation = None
        self._slots = 0
        self._open(pool)

    def admit(self, pool: ExpertPool) -> None:
        """Go on with a pool that has more experts: the interval under way ends, newcomers start at
        mean demand.
        """
        count = pool.unit_cost.shape[-1] - self.demand.shape[-1]
        if self._slots:
            self.close()
        newcomers = np.repeat(self.demand.mean(axis=-1, keepdims=True), count, axis=-1)
        self.demand = np.concatenate([self.demand, newcomers], axis=-1)
        self._open(pool)

    def clear(self, slot: int, reports: Reports | None) -> None:
        """Set prices, and the allocation where the mechanism makes one, from this slot on.

        reports: of the users about this slot; None where the mechanism only prices.
        """
        self.due = False
        self._slot, self._slots = slot, 0
        self._points, self._payment, self._cost = (np.zeros(self.demand.shape) for _ in range(3))
        self._charge, self._gain = (np.zeros((len(self.demand), self.num_users)) for _ in range(2))
        market = self.market(reports)
        self._cleared = market
        if not self._truthful:
            self._cleared = replace(
                market, unit_cost=self.pool.unit_cost, cost_slope=self.pool.cost_slope
            )
        if reports is not None:
            self.allocation = Allocation(
                np.full(self._charge.shape, -1), np.zeros(self._charge.shape)
            )
        try:
            outcome = _checked(self.mechanism.clear(market), self.mechanism)
        except MechanismError as error:
            if not self._priced:
                raise
            self._outcome_status, self._solve_seconds = f"{FAILED}{error}", float("nan")
        else:
            self._priced = True
            self.unit_price = outcome.unit_price
            self._outcome_status, self._solve_seconds = outcome.status, outcome.solve_seconds
            kappa, slope = self.pool.unit_cost, self.pool.cost_slope
            voluntary = self.mechanism.voluntary
            self.effort = (
                best_response(outcome.unit_price, kappa, slope) if voluntary else outcome.effort
            )
            self.participates = self.effort > 0
            self._cost_per_point = cost(self.effort, kappa, slope)
            if outcome.allocation is not None:
                self.allocation = outcome.allocation

    def market(self, reports: Reports | None) -> Market:
        """The market as the platform knows it now; with users' reports, or without the fields that
        they fill.
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

        requested, served: full-effort points asked of and served by each expert, (N, E). charge,
        gain: paid by and left to each user, (N, U) credits. Returns payment and true cost of the
        slot, (N, E) credits.
        """
        delivered = served * self.effort
        payment = self.unit_price * delivered
        edge_cost = served * self._cost_per_point
        self._points += delivered
        self._payment += payment
        self._cost += edge_cost
        self._charge += charge
        self._gain += gain
        self._slots += 1
        self.demand += self.config.demand_smoothing * (requested - self.demand)
        self.closed = None
        if self._slots == self.interval:
            self.close()
            self.due = True
        return payment, edge_cost

    def charge(self, expert: NDArray[np.int64], cell: NDArray[np.int64], served: Float) -> Float:
        """What users pay for `served` full-effort points, (N, U): the unit price a delivered point.

        A user served by the expert that it was allocated pays its own charge. expert: of whom, (N,
        U); cell: the same as a flat index into (N, E).
        """
        by_point = (self.unit_price * self.effort).take(cell) * served
        if self.allocation is None:
            return by_point
        return np.where(
            (expert == self.allocation.expert) & (served > 0), self.allocation.charge, by_point
        )

    def asked(self, points: Float, candidates: Candidates) -> Float:
        """What each user would pay each candidate for so many full-effort points, (..., N, U, C)
        credits.
        """
        charge = candidates.of(self.unit_price * self.effort) * points
        if self.allocation is not None:
            column = candidates.column(self.allocation.expert)
            world, user = np.nonzero(column >= 0)
            charge[..., world, user, column[world, user]] = self.allocation.charge[world, user]
        return charge

    def close(self) -> None:
        """End the interval under way; `closed` then tells what came of it."""
        self.closed = self._under_way()

    def get_state(self) -> State:
        """Demand, the interval under way and the one that ended in the last slot (None: there is
        none).
        """
        return {
            "demand": self.demand.copy(),
            "priced": self._priced,
            "under_way": asdict(self._under_way()),
            "allocated_charge": None if self.allocation is None else self.allocation.charge.copy(),
            "closed": asdict(self.closed) if self.closed is not None else None,
        }

    def set_state(self, state: State, pool: ExpertPool) -> None:
        """Go on from what `get_state` gave, with the pool of that time."""
        state = copied(state)
        under_way, closed = state["under_way"], state["closed"]
        self._open(pool)
        self._cleared = _market_of(under_way["market"])
        self.demand, self._priced, self.due = state["demand"], state["priced"], False
        self.closed = (
            None
            if closed is None
            else Clearing(**closed | {"market": _market_of(closed["market"])})
        )
        self._slot, self._slots = under_way["slot"], under_way["num_slots"]
        self.unit_price, self.effort, self.participates = (
            under_way[key] for key in ("unit_price", "effort", "participates")
        )
        expert = under_way["allocation"]
        self.allocation = None if expert is None else Allocation(expert, state["allocated_charge"])
        self._points, self._payment, self._cost, self._charge, self._gain = (
            under_way[key] for key in ("points", "payment", "cost", "user_charge", "user_gain")
        )
        self._outcome_status, self._solve_seconds = under_way["status"], under_way["solve_seconds"]
        self._cost_per_point = cost(self.effort, pool.unit_cost, pool.cost_slope)

    def _open(self, pool: ExpertPool) -> None:
        """Serve a pool from now on."""
        self.pool, shape = pool, pool.unit_cost.shape
        self._priced, self.due = False, True
        self._truthful = bool((pool.report_factor == 1).all())
        self._market = Market(
            unit_cost=pool.report_factor * pool.unit_cost,
            cost_slope=pool.report_factor * pool.cost_slope,
            demand=np.zeros(shape),
            value=np.full(shape, self.config.value),
            budget=np.full(shape[0], self.config.budget_per_user * self.num_users),
        )

    def _under_way(self) -> Clearing:
        return Clearing(
            slot=self._slot,
            num_slots=self._slots,
            market=self._cleared,
            unit_price=self.unit_price,
            effort=self.effort,
            participates=self.participates,
            points=self._points,
            payment=self._payment,
            cost=self._cost,
            allocation=None if self.allocation is None else self.allocation.expert,
            user_charge=self._charge,
            user_gain=self._gain,
            status=self._outcome_status,
            solve_seconds=float(self._solve_seconds),
        )


def _market_of(state: State) -> Market:
    """The market that `asdict` made a state of."""
    users = state["users"]
    return Market(**state | {"users": None if users is None else UserReports(**users)})


def _checked(outcome: Outcome, mechanism: Mechanism) -> Outcome:
    """The outcome. Raises MechanismError naming what of it is in force and not finite."""
    arrays = outcome.arrays()
    for name in ("unit_price", "effort", "charge"):
        values = arrays.get(name)
        if values is not None and not np.isfinite(values).all():
            place = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0]))
            raise MechanismError(f"{mechanism.name}: {name}[{place}] is not finite")
    return outcome
