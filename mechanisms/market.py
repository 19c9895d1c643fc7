"""The market that a mechanism sees: what edge devices and users report."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.duty import Duties
from mechanisms.effort import EFFORTS, Effort
from mechanisms.errors import MarketError
from mechanisms.expert_reports import ExpertReports
from mechanisms.fields import (
    Leading,
    Rule,
    check_entries,
    checked,
    common,
    copied,
    frozen,
    spread,
)
from mechanisms.point_costs import check_work, fixed_cost_per_point, work_per_point
from mechanisms.user_reports import OfArray, UserReports

__all__ = ["NONNEGATIVE", "ExpertReports", "Market", "OfArray", "UserReports"]

_RULES = {
    "unit_cost": Rule("E", "credits/point", minimum=0.0),
    "cost_slope": Rule("E", "credits/point", minimum=0.0, strict=True),
    "demand": Rule("E", "points/slot", minimum=0.0),
    "value": Rule("E", "credits/point"),
    "budget": Rule("", "credits/slot", minimum=0.0),
    "capacity": Rule("E", "subtasks", minimum=0, whole=True, neutral=1),
    "bandwidth_limit": Rule("E", "Hz", minimum=0.0, endless=True, neutral=np.inf),
    "expert_topic": Rule("E", "", minimum=0, whole=True, neutral=0),
    "work": Rule("E", "points/slot", minimum=0.0, same_as="demand"),
    "fixed_cost": Rule("E", "credits/slot", minimum=0.0, neutral=0.0),
}
NONNEGATIVE = frozenset(name for name, rule in _RULES.items() if rule.minimum >= 0)
_LEFT_OUT: Any = None  # the default of fields that get their neutral value on construction


@dataclass(frozen=True, eq=False)
class Market:
    """Costs, demand and values that a mechanism decides by; one market, or a batch of them.

    Leading axes broadcast against each other, so a field shared by all worlds may be given once.
    After construction every array is a read-only copy with the full batch shape; float fields are
    float64, whole ones int64. A market without experts (E = 0) and one without demand are legal.
    A market takes memory for E experts and U x C pairs of `users`, never for U x E.

    Attributes:
        unit_cost: (..., E) reported cost kappa of the first bit of effort, credits/point of work,
            >= 0.
        cost_slope: (..., E) reported growth of that cost up to full effort, credits/point of work,
            > 0.
        demand: (..., E) points deliverable a slot at full effort, >= 0.
        value: (..., E) worth of a delivered point to the users, credits/point.
        budget: (...) credits that the users can spend together, credits/slot, >= 0.
        users: their reports; None for a market in which mechanisms only price.
        capacity: (..., E) subtasks an expert can serve in a slot, >= 0. Left out: 1.
        bandwidth_limit: (..., E) band the expert has, Hz, >= 0; inf is no limit. Left out: inf; a
            mechanism that shares out the band refuses a market in which one is infinite.
        expert_topic: (..., E) topic of the expert, >= 0. Left out: 0.
        work: (..., E) reference points that full effort for `demand` takes, points/slot, >= 0, and
            > 0 where demand is. An expert of twice the competence delivers twice the points with
            the same work. Left out: demand.
        fixed_cost: (..., E) what this demand costs an edge device at any effort above 0,
            credits/slot, >= 0. The platform knows it. Left out: 0.
        duties: what edge devices may do beside serving; None for nothing.
        effort: how effort follows from a price. "bought": the edge device's best response at the
            costs it reports. "enforced": what the mechanism orders. In both it gives none where it
            would lose. One for all markets of a batch.

    A copy by `dataclasses.replace` keeps the `work` that this has, also where that was left out;
    `with_demand` does not.

    Raises:
        MarketError: a shape that does not fit, an entry that is not finite or outside its limits.
    """

    unit_cost: FloatArray
    cost_slope: FloatArray
    demand: FloatArray
    value: FloatArray
    budget: FloatArray
    users: UserReports | None = None
    capacity: IntArray = _LEFT_OUT
    bandwidth_limit: FloatArray = _LEFT_OUT
    expert_topic: IntArray = _LEFT_OUT
    work: FloatArray = _LEFT_OUT
    fixed_cost: FloatArray = _LEFT_OUT
    effort: Effort = "bought"
    duties: Duties | None = None

    def __post_init__(self) -> None:
        if self.effort not in EFFORTS:
            allowed = " or ".join(map(repr, EFFORTS))
            raise MarketError(f"effort = {self.effort!r}: must be {allowed}")
        sizes: dict[str, int] = {}
        leading: Leading = {}
        arrays: dict[str, NDArray[Any]] = {}
        for name, rule in _RULES.items():
            given = getattr(self, name)
            if given is None and rule.same_as:
                arrays[name] = arrays[rule.same_as]
                leading[name] = leading[rule.same_as]
            elif given is None and rule.neutral is not None:
                arrays[name] = rule.everywhere((sizes["E"],))
                leading[name] = ()
            else:
                arrays[name] = checked(name, given, rule, rule.axes, sizes, leading)
        shapes = dict(leading)
        if self.users is not None:
            if not isinstance(self.users, UserReports):
                raise MarketError(f"users = {self.users!r}: must be UserReports, or None")
            self.users.check_experts(sizes["E"])
            shapes["users"] = self.users.batch_shape
        if self.duties is not None:
            if not isinstance(self.duties, Duties):
                raise MarketError(f"duties = {self.duties!r}: must be Duties, or None")
            self.duties.check_experts(sizes["E"])
            shapes["duties"] = self.duties.batch_shape
        batch_shape = common(shapes)
        for name, array in arrays.items():
            object.__setattr__(self, name, spread(array, leading[name], batch_shape))
        if arrays["work"] is arrays["demand"]:
            object.__setattr__(self, "work", self.demand)
        check_work(self.work, self.demand)
        if self.users is not None and self.users.batch_shape != batch_shape:
            own = self.users.batch_shape
            users = self.users.map(lambda array: spread(array, own, batch_shape))
            object.__setattr__(self, "users", users)
        if self.duties is not None and self.duties.batch_shape != batch_shape:
            leads = self.duties.batch_shape
            duties = self.duties.map(lambda array: spread(array, leads, batch_shape))
            object.__setattr__(self, "duties", duties)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading axes, () for a single market."""
        return self.budget.shape

    @property
    def num_experts(self) -> int:
        """Number of experts, E."""
        return self.unit_cost.shape[-1]

    @property
    def num_users(self) -> int:
        """Number of users, U; 0 where they report nothing."""
        return 0 if self.users is None else self.users.num_users

    @property
    def work_per_point(self) -> FloatArray:
        """Reference points of work that a point of demand takes, (..., E); 1 without demand."""
        return work_per_point(self.work, self.demand)

    @property
    def point_cost(self) -> FloatArray:
        """Reported cost of the first bit of effort for a point of demand, (..., E) credits/point.

        It is `unit_cost` for each reference point of work that a point takes.
        """
        return self.unit_cost * self.work_per_point

    @property
    def point_slope(self) -> FloatArray:
        """Growth of that cost up to full effort, (..., E) credits/point, > 0."""
        return self.cost_slope * self.work_per_point

    @property
    def fixed_point_cost(self) -> FloatArray:
        """Fixed cost of a point of demand at full effort, (..., E) credits/point; 0 without."""
        return fixed_cost_per_point(self.fixed_cost, self.demand)

    @property
    def full_cost(self) -> FloatArray:
        """Reported cost of a point at full effort, fixed cost included, (..., E) credits/point."""
        return self.point_cost + self.point_slope / 2 + self.fixed_point_cost

    @property
    def experts(self) -> ExpertReports:
        """Everything that edge devices report; those with capacity are available."""
        return ExpertReports(
            self.unit_cost,
            self.cost_slope,
            self.capacity,
            self.bandwidth_limit,
            self.expert_topic,
            self.capacity > 0,
        )

    def with_experts(self, reports: ExpertReports) -> Market:
        """Return this market with other reports of the edge devices.

        One that is not available has capacity 0. Leading axes broadcast against the market's.

        Raises:
            MarketError: as of a new market.
        """
        available = np.asarray(reports.available)
        if available.dtype != bool:
            raise MarketError(f"available has dtype {available.dtype}: must be true or false")
        return replace(
            self,
            unit_cost=reports.unit_cost,
            cost_slope=reports.cost_slope,
            capacity=np.where(available, reports.capacity, 0),
            bandwidth_limit=reports.bandwidth_limit,
            expert_topic=reports.topic,
        )

    def users_for(self, mechanism: str) -> UserReports:
        """Return the users' reports, for a mechanism that allocates.

        Raises:
            MarketError: users report nothing; the message names the mechanism.
        """
        if self.users is None:
            raise MarketError(f"{mechanism} needs users, which this market does not give")
        return self.users

    def check_band(self, mechanism: str) -> None:
        """Raise MarketError, naming the mechanism, unless needs and limits of band are known."""
        if not self.users_for(mechanism).band_is_known:
            raise MarketError(
                f"{mechanism} needs users.bandwidth_need, which this market does not give"
            )
        if not np.isfinite(self.bandwidth_limit).all():
            raise MarketError(
                f"{mechanism} needs bandwidth_limit, finite for each expert, which this market "
                "does not give"
            )

    def with_demand(
        self,
        demand: FloatArray,
        work: FloatArray | None = None,
        fixed_cost: FloatArray | None = None,
    ) -> Market:
        """Return this market with another demand; nothing else is checked again.

        Args:
            demand: (..., E) points/slot, of the shape that it has now.
            work: (..., E) points/slot; None for the demand, as in a new market.
            fixed_cost: (..., E) credits/slot; None for 0, as in a new market.

        Raises:
            MarketError: a shape that is not this market's, an entry that is not finite or outside
                its limits.
        """
        market = copy(self)
        given = {"demand": demand, "work": work, "fixed_cost": fixed_cost}
        for name, amounts in given.items():
            array = np.zeros_like(self.demand) if amounts is None else self._amounts(name, amounts)
            object.__setattr__(market, name, frozen(array))
        if work is None:
            object.__setattr__(market, "work", market.demand)
        check_work(market.work, market.demand)
        return market

    def _amounts(self, name: str, amounts: FloatArray) -> FloatArray:
        """Return a copy of new entries of a field (..., E), held to its rule and to its shape."""
        array = copied(name, amounts, _RULES[name])
        if array.shape != self.demand.shape:
            raise MarketError(
                f"{name} has shape {array.shape}: must be {self.demand.shape}, as the market's"
            )
        check_entries(name, array, _RULES[name])
        return array

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by name, those of the users not included."""
        return {name: getattr(self, name) for name in _RULES}

    def map(self, function: OfArray) -> Market:
        """Return the market that `function` makes of every array, those of the users included.

        Nothing is checked again: `function` may select, repeat or fold along leading axes, the
        same way in each array, and must leave the last axes and the entries as they are.
        """
        mapped = copy(self)
        for name, array in self.arrays().items():
            object.__setattr__(mapped, name, frozen(function(array)))
        if self.work is self.demand:  # one array in place of two
            object.__setattr__(mapped, "work", mapped.demand)
        if self.users is not None:
            object.__setattr__(mapped, "users", self.users.map(function))
        if self.duties is not None:
            object.__setattr__(mapped, "duties", self.duties.map(function))
        return mapped

    def world(self, index: int | slice | IntArray | tuple[int, ...]) -> Market:
        """Return the market or markets at `index` along the leading axes."""
        return self.map(lambda array: array[index])

    def reshaped(self, *batch_shape: int) -> Market:
        """Return the same markets along other leading axes."""
        axes = len(self.batch_shape)
        return self.map(lambda array: array.reshape(*batch_shape, *array.shape[axes:]))
