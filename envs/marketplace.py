"""The platform inside a world: it averages demand, clears the mechanism every few slots and keeps the books."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from envs.config import MarketConfig
from envs.experts import ExpertPool
from envs.state import State, copied
from mechanisms import Market, Mechanism, MechanismError, best_response, cost

Float = NDArray[np.floating]


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
    charge: Float  # (N,), paid by all users
    status: str
    solve_seconds: float

    @property
    def edge_utility(self) -> Float:
        """Payment less true cost, (N, E)."""
        return self.payment - self.cost

    @property
    def balance(self) -> Float:
        """What the platform keeps (negative: adds), (N,): charges less payments."""
        return self.charge - self.payment.sum(axis=-1)


class Marketplace:
    """Prices in force and the books of the interval under way.

    Raises MechanismError when the first clearing of a pool fails; a later failure keeps the last prices and is
    recorded in the status of its clearing.
    """

    unit_price: NDArray[np.float64]  # (N, E), credits a point
    effort: NDArray[np.float64]  # (N, E), in 0..1
    participates: NDArray[np.bool_]  # (N, E)

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
        self.demand: NDArray[np.float64] = np.full(pool.unit_cost.shape, initial_demand)
        self._open(pool, self.demand)
        self.closed: Clearing | None = None  # the clearing whose interval ended in the last slot
        self._outcome_status, self._solve_seconds = "", 0.0
        self._priced = False
        self._clear(slot=0)

    def admit(self, slot: int, pool: ExpertPool) -> None:
        """Go on with a pool that has more experts: the interval under way ends, newcomers start at mean demand."""
        count = pool.unit_cost.shape[-1] - self.demand.shape[-1]
        if self._slots:
            self.close()
        newcomers = np.repeat(self.demand.mean(axis=-1, keepdims=True), count, axis=-1)
        self.demand = np.concatenate([self.demand, newcomers], axis=-1)
        self._open(pool, self.demand)
        self._priced = False
        self._clear(slot)

    def settle(self, slot: int, requested: Float, served: Float, charge: Float) -> tuple[Float, Float]:
        """Book one slot and clear when the interval is over.

        requested, served: full-effort points asked of and served by each expert, (N, E). charge: paid by users, (N, U).
        Returns payment and true cost of the slot, (N, E) credits.
        """
        delivered = served * self.effort
        payment = self.unit_price * delivered
        edge_cost = served * self._cost_per_point
        self._points += delivered
        self._payment += payment
        self._cost += edge_cost
        self._charge += charge.sum(axis=-1)
        self._slots += 1
        self.demand += self.config.demand_smoothing * (requested - self.demand)
        self.closed = None
        if self._slots == self.config.interval:
            self.close()
            self._clear(slot + 1)
        return payment, edge_cost

    def charge(self, cell: NDArray[np.int64], served: Float) -> Float:
        """What users pay for `served` full-effort points, (N, U): the unit price a delivered point.

        cell: of whom, (N, U), as a flat index into (N, E).
        """
        return (self.unit_price * self.effort).take(cell) * served

    def close(self) -> None:
        """End the interval under way; `closed` then tells what came of it."""
        self.closed = self._under_way()

    def get_state(self) -> State:
        """Demand, the interval under way and the one that ended in the last slot (None: there is none)."""
        return {
            "demand": self.demand.copy(),
            "priced": self._priced,
            "under_way": asdict(self._under_way()),
            "closed": asdict(self.closed) if self.closed is not None else None,
        }

    def set_state(self, state: State, pool: ExpertPool) -> None:
        """Go on from what `get_state` gave, with the pool of that time."""
        state = copied(state)
        under_way, closed = state["under_way"], state["closed"]
        self.demand, self._priced = state["demand"], state["priced"]
        self._open(pool, under_way["demand"])
        self.closed = None if closed is None else Clearing(**closed)
        self._slot, self._slots = under_way["slot"], under_way["num_slots"]
        self.unit_price, self.effort, self.participates = (
            under_way[key] for key in ("unit_price", "effort", "participates")
        )
        self._points, self._payment, self._cost, self._charge = (
            under_way[key] for key in ("points", "payment", "cost", "charge")
        )
        self._outcome_status, self._solve_seconds = under_way["status"], under_way["solve_seconds"]
        self._cost_per_point = cost(self.effort, pool.unit_cost, pool.cost_slope)

    def _open(self, pool: ExpertPool, demand: NDArray[np.float64]) -> None:
        """Serve a pool from now on: its market, of which only the demand changes from clearing to clearing."""
        self.pool = pool
        self._market = Market(
            unit_cost=pool.unit_cost,
            cost_slope=pool.cost_slope,
            demand=demand,
            value=np.full(demand.shape, self.config.value),
            budget=np.full(len(demand), self.config.budget_per_user * self.num_users),
        )

    def _under_way(self) -> Clearing:
        return Clearing(
            slot=self._slot,
            num_slots=self._slots,
            unit_price=self.unit_price,
            effort=self.effort,
            participates=self.participates,
            demand=self._market.demand,
            points=self._points,
            payment=self._payment,
            cost=self._cost,
            charge=self._charge,
            status=self._outcome_status,
            solve_seconds=float(self._solve_seconds),
        )

    def _clear(self, slot: int) -> None:
        self._slot, self._slots = slot, 0
        self._points, self._payment, self._cost = (np.zeros(self.demand.shape) for _ in range(3))
        self._charge = np.zeros(len(self.demand))
        floor = self.config.demand_floor * self.demand.mean(axis=-1, keepdims=True)
        self._market = self._market.with_demand(np.maximum(self.demand, floor))
        try:
            outcome = self.mechanism.clear(self._market)
        except MechanismError as error:
            if not self._priced:
                raise
            self._outcome_status, self._solve_seconds = f"failed: {error}", float("nan")
            return
        self._priced = True
        self.unit_price = outcome.unit_price
        self._outcome_status, self._solve_seconds = outcome.status, outcome.solve_seconds
        kappa, slope = self.pool.unit_cost, self.pool.cost_slope
        voluntary = self.mechanism.voluntary
        self.effort = best_response(outcome.unit_price, kappa, slope) if voluntary else outcome.effort
        self.participates = self.effort > 0
        self._cost_per_point = cost(self.effort, kappa, slope)
