"""The platform inside a world: it averages demand, clears the mechanism and keeps the books."""

from dataclasses import asdict, is_dataclass, replace
from typing import Any

import numpy as np

from envs.arrays import Float
from envs.asked import Asked
from envs.clearing import FAILED, Clearing
from envs.decision import decided
from envs.duty.plan import DutyPlan
from envs.duty.terms import DutyTerms
from envs.experts import ExpertPool
from envs.ledger import Ledger
from envs.offer import Offer, nobody
from envs.offered import offered, standing
from envs.reports import Reports
from envs.roles.levers import Levers
from envs.sections import MarketConfig
from envs.state import State, copied
from mechanisms import Allocation, Market, Mechanism, MechanismError, is_free


class Marketplace:
    """The offer in force in N worlds, and the books of the interval under way.

    There is no offer before the first `clear`. It raises MechanismError where the first clearing of
    a pool fails; a later failure keeps the last prices, allocates nobody and is recorded in the
    status of its clearing. An outcome that is not finite is a failure too.

    Where the mechanism claims to keep a budget and only prices, the platform pays out of an
    account, to which the budget of each slot is added; what is not spent stays there.

    Attributes:
        offer: prices, efforts and allocation in force.
        asked: smoothed demand, (N, E) each.
        balance: (N,) credits in the account before this slot's budget is added; None without one.
        income: added to the account each slot, credits.
        due: true where the market is to be cleared before the next slot.
        closed: the clearing whose interval ended in the last slot; None in other slots.
        interval: slots from one clearing to the next.
        levers: what edge devices and the platform chose for the last clearing, or for the next
            where that is due.
        expected: points that were expected to be asked of an expert a slot.
        duty: what experts can do beside serving; None where they have no duty.
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
        initial: tuple[float, float],
        duty: DutyPlan | None = None,
    ) -> None:
        """Open the market.

        Args:
            mechanism: sets prices and payments.
            config: of the market.
            pool: the experts.
            num_users: U.
            initial: points and work that are expected to be asked of an expert a slot.
            duty: of the experts.

        Raises:
            ValueError: the mechanism keeps a budget, and the duty has a price beside it.
        """
        self.duty = duty
        self.mechanism = self._clears = mechanism
        self.config = config
        self.num_users = num_users
        self.interval = config.slots_between(mechanism.allocates)
        self.expected = initial[0]
        self.asked = Asked.expected(pool.unit_cost.shape, *initial)
        self.levers = Levers.neutral(*pool.unit_cost.shape)
        self.closed: Clearing | None = None
        self.income = config.budget_per_user * num_users
        self.balance: Float | None = None
        if mechanism.claims.within_budget and not (mechanism.allocates or is_free(mechanism)):
            self.balance = np.zeros(len(pool.unit_cost))
            own = getattr(mechanism, "budget", None)
            if own is not None:
                # It is what the account is given, and the market's budget follows from the account.
                self.income, self._clears = float(own), _without_budget(mechanism)
        if self.balance is not None and duty is not None and duty.config.price is not None:
            raise ValueError(
                f"duty.price: mechanism {mechanism.name} keeps a budget, which a price that it "
                "does not set could exceed; leave it out"
            )
        self._open(pool)

    @property
    def account(self) -> Float | None:
        """Credits that the platform can pay in the coming slot, (N,); None for no limit.

        What is due for duties is set aside.
        """
        if self.balance is None:
            return None
        account = self.balance + self.income
        terms = self.offer.duty
        return account if terms is None else account - terms.payment.sum(axis=-1)

    def admit(self, pool: ExpertPool) -> None:
        """Serve a pool with more experts: the interval ends, newcomers begin at mean demand.

        All of it stays what it was, as there are no more users.
        """
        if self._ledger.num_slots:
            self.close()
        self.asked = self.asked.spread_over(pool.unit_cost.shape[-1])
        self.levers = self.levers.grown(pool.unit_cost.shape[-1])
        if self.duty is not None:
            self.duty.grown(pool.unit_cost.shape[-1])
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
        num_worlds, num_experts = self.pool.unit_cost.shape
        self._ledger = Ledger.opened(num_worlds, self.num_users, num_experts)
        if is_free(self.mechanism) and self._priced:
            self.due = False  # whatever is asked, nothing is decided
            return
        market = self.market(reports)
        self._cleared = market
        if not (self._truthful and self.levers.is_neutral):
            kappa, slope = self.pool.unit_cost, self.pool.cost_slope
            value = self._market.value
            self._cleared = replace(market, unit_cost=kappa, cost_slope=slope, value=value)
        try:
            outcome = decided(self._clears, market)
        except MechanismError as error:
            if not self._priced:
                raise
            self._status, self._solve_seconds = f"{FAILED}{error}", float("nan")
            no_allocation = nobody(num_worlds, self.num_users)
            self.offer = replace(self.offer, allocation=no_allocation)
            self.levers = self.levers._replace(margin=self.offer.margin)  # the last one stands too
        else:
            self._priced = True
            self._status, self._solve_seconds = outcome.status, outcome.solve_seconds
            self.offer = offered(
                self.mechanism,
                self._cleared,
                outcome,
                reports,
                self.num_users,
                self.levers.margin,
                self.duty,
            )
        self.due = False

    def market(self, reports: Reports | None) -> Market:
        """Return the market as the platform knows it now, and as edge devices report.

        Args:
            reports: reports of the users; None leaves the fields out that they fill.
        """
        told = self.asked.floored(self.config.demand_floor)
        market = self._market.with_demand(told.points, told.work, told.fixed_cost)
        if self.duty is not None:
            market = replace(market, duties=self.duty.offered(self.pool))
        if self.balance is not None:
            market = replace(market, budget=self.balance / self.interval + self.income)
        if not self.levers.is_neutral:
            factor = self.levers.report_factor
            market = replace(
                market,
                unit_cost=market.unit_cost * factor,
                cost_slope=market.cost_slope * factor,
                value=market.value * self.levers.value_factor[:, None],
            )
        return market if reports is None else replace(market, **reports._asdict())

    @property
    def clears(self) -> Mechanism:
        """The mechanism as markets are cleared by it: without a budget of its own (`account`)."""
        return self._clears

    @property
    def cleared(self) -> Market:
        """The last market cleared, at true costs and values."""
        return self._cleared

    @property
    def is_last_slot(self) -> bool:
        """True in the last slot of an interval: a clearing follows that decides anything."""
        return self._ledger.num_slots == self.interval - 1 and not is_free(self.mechanism)

    @property
    def books(self) -> Clearing:
        """The interval under way as it stands, or the last one where that has just begun."""
        return self._under_way() if self._ledger.num_slots or self.closed is None else self.closed

    def settle(
        self,
        asked: Asked | None,
        *,
        points: Float,
        payment: Float,
        cost: Float,
        charge: Float,
        gain: Float,
        airtime_s: Float,
    ) -> None:
        """Book one slot; when the interval is over the next clearing is `due`.

        Args:
            asked: of each expert in this slot, (N, E) each; None where experts are free, and
                nothing is told.
            points: (N, E) delivered by each expert.
            payment: (N, E) to each edge device, credits.
            cost: (N, E) true cost that it bore, credits.
            charge: (N, U) paid by each user, credits.
            gain: (N, U) left to each user, credits.
            airtime_s: (N, E) taken on by each expert, s.
        """
        if self.duty is not None:
            self.duty.book(airtime_s, self.config.demand_smoothing)
        self._ledger.book(points, payment, cost, charge, gain)
        if asked is not None:
            self.asked = self.asked.smoothed(asked, self.config.demand_smoothing)
        if self.balance is not None:
            self.balance = self.balance + self.income - payment.sum(axis=-1)
        self.closed = None
        if self._ledger.num_slots == self.interval:
            self.close()
            self.due = True

    def close(self) -> None:
        """End the interval under way; its clearing is then `closed`."""
        self.closed = self._under_way()

    def get_state(self) -> State:
        """Return demand, the interval under way and the one that ended in the last slot."""
        return {
            "asked": self.asked.get_state(),
            "expected": self.expected,
            "balance": copied(self.balance),
            "priced": self._priced,
            "under_way": asdict(self._under_way()),
            "ordered": self.offer.effort.copy(),
            "allocation": copied(self.offer.allocation._asdict()),
            "full_points": self.offer.full_points.copy(),
            "duty": None if self.offer.duty is None else copied(self.offer.duty._asdict()),
            "duty_airtime_s": None if self.duty is None else self.duty.airtime_s.copy(),
            "levers": copied(self.levers._asdict()),
            "closed": asdict(self.closed) if self.closed is not None else None,
        }

    def set_state(self, state: State, pool: ExpertPool) -> None:
        """Go on from a state of `get_state`, with the pool of that time."""
        state = copied(state)
        self._open(pool)
        self.asked, self.balance = Asked.from_state(state["asked"]), state["balance"]
        self.expected, self.levers = state["expected"], Levers(**state["levers"])
        self._priced, self.due = state["priced"], False
        self.closed = None if state["closed"] is None else Clearing.from_state(state["closed"])
        under_way = Clearing.from_state(state["under_way"])
        self._cleared, self._slot = under_way.market, under_way.slot
        self._status, self._solve_seconds = under_way.status, under_way.solve_seconds
        self._ledger = under_way.ledger
        self.offer = standing(
            self.mechanism,
            self.config.effort == "enforced",
            unit_price=under_way.unit_price,
            effort=state["ordered"],
            allocation=Allocation(**state["allocation"]),
            full_points=state["full_points"],
            margin=self.levers.margin,
            duty=None if state["duty"] is None else DutyTerms(**state["duty"]),
        )
        if self.duty is not None:
            self.duty.airtime_s = state["duty_airtime_s"]

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
            budget=np.full(shape[0], self.income),
            expert_topic=pool.topic,
            effort=self.config.effort,
        )

    def _under_way(self) -> Clearing:
        """Return the clearing as it stands now."""
        terms = self.offer.duty
        told = ("share", "achieved", "payment") if terms is not None else ()
        duty = {f"duty_{name}": getattr(terms, name) for name in told}
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
            **self.levers._asdict(),
            **duty,
            status=self._status,
            solve_seconds=float(self._solve_seconds),
        )


def _without_budget(mechanism: Any) -> Mechanism:
    """Return the mechanism with `Market.budget` in place of its own, where it is a dataclass."""
    if is_dataclass(mechanism) and not isinstance(mechanism, type):
        mechanism = replace(mechanism, budget=None)
    return mechanism
