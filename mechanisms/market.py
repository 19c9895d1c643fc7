"""The market that a mechanism sees: what edge devices and users report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.errors import MarketError
from mechanisms.fields import (
    Leading,
    Rule,
    check_entries,
    check_lists,
    check_size,
    checked,
    common,
    copied,
    first,
    frozen,
    spread,
)

OfArray = Callable[[NDArray[Any]], NDArray[Any]]

_RULES = {
    "unit_cost": Rule("E", "credits/point", minimum=0.0),
    "cost_slope": Rule("E", "credits/point", minimum=0.0, strict=True),
    "demand": Rule("E", "points/slot", minimum=0.0),
    "value": Rule("E", "credits/point"),
    "budget": Rule("", "credits/slot", minimum=0.0),
    "capacity": Rule("E", "subtasks", minimum=0, whole=True, neutral=1),
    "bandwidth_limit": Rule("E", "Hz", minimum=0.0, endless=True, neutral=np.inf),
    "expert_topic": Rule("E", "", minimum=0, whole=True, neutral=0),
}
NONNEGATIVE = frozenset(name for name, rule in _RULES.items() if rule.minimum >= 0)
_USER_RULES = {
    "value": Rule("UC", "credits"),
    "points": Rule("UC", "points", minimum=0.0),
    "bandwidth_need": Rule("UC", "Hz", minimum=0.0, neutral=0.0),
    "topic": Rule("U", "", minimum=-1, whole=True, neutral=0),
    "candidates": Rule("UC", "", minimum=0, whole=True),
}
_LEFT_OUT: Any = None  # the default of fields that get their neutral value on construction


@dataclass(frozen=True, eq=False)
class UserReports:
    """Reports of the users about the coming slot, for a mechanism that allocates.

    Leading axes broadcast against each other. After construction every array is a read-only copy,
    float64 or int64. Where each user can reach a few of many experts, `candidates` lists them, C a
    user, and the fields of pairs have a column for each of these. Without lists C = E, and column e
    is of expert e.

    Attributes:
        value: (..., U, C) gain of this user by full service before any charge, credits; negative
            where it does harm.
        points: (..., U, C) points that full service delivers to this user, >= 0.
        bandwidth_need: (..., U, C) band this user needs at this expert, Hz, >= 0. Left out: none;
            a mechanism that shares out the band then refuses the market.
        topic: (..., U) topic of the pending subtask, -1 where there is none. Left out: 0.
        candidates: (..., U, C) the expert of each column of a user, 0 <= candidate < E, none twice.
            None: every expert is a candidate of every user.

    Raises:
        MarketError: a shape that does not fit, an entry that is not finite or outside its limits.
    """

    value: FloatArray
    points: FloatArray
    bandwidth_need: FloatArray = _LEFT_OUT
    topic: IntArray = _LEFT_OUT
    candidates: IntArray | None = None

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        leading: Leading = {}
        arrays: dict[str, NDArray[Any]] = {}
        # Not a field: it tells of the construction, and stays with copies.
        object.__setattr__(self, "_band_is_known", self.bandwidth_need is not None)
        for name, rule in _USER_RULES.items():
            given = getattr(self, name)
            if given is not None:
                axes = self._axes(rule)
                arrays[name] = checked(f"users.{name}", given, rule, axes, sizes, leading)
            elif rule.neutral is not None:
                shape = tuple(sizes[axis] for axis in self._axes(rule))
                arrays[name] = rule.everywhere(shape)
                leading[f"users.{name}"] = ()
            elif name != "candidates":
                raise MarketError(f"users.{name} = None: must be an array of numbers")
        if "candidates" in arrays:
            check_lists("users.candidates", arrays["candidates"])
        batch_shape = common(leading)
        for name, array in arrays.items():
            array = spread(array, leading[f"users.{name}"], batch_shape)
            object.__setattr__(self, name, array)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading axes, () for a single market."""
        return self.topic.shape[:-1]

    @property
    def num_users(self) -> int:
        """Number of users, U."""
        return self.topic.shape[-1]

    @property
    def band_is_known(self) -> bool:
        """True unless `bandwidth_need` was left out."""
        return bool(vars(self)["_band_is_known"])

    @property
    def num_columns(self) -> int:
        """Number of experts that each user can reach, C."""
        return self.value.shape[-1]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by name; `candidates` only where users list them."""
        arrays = {name: getattr(self, name) for name in _USER_RULES}
        return {name: array for name, array in arrays.items() if array is not None}

    def map(self, function: OfArray) -> UserReports:
        """Return the reports that `function` makes of every array; see `Market.map`."""
        mapped = copy(self)
        for name, array in self.arrays().items():
            object.__setattr__(mapped, name, frozen(function(array)))
        return mapped

    def check_experts(self, num_experts: int) -> None:
        """Raise MarketError where these reports are about other experts than `num_experts`."""
        if self.candidates is None:
            axes = self._axes(_USER_RULES["value"])
            check_size("users.value", self.value, axes, "E", self.num_columns, num_experts)
        elif self.candidates.size and self.candidates.max() >= num_experts:
            place = first("users.candidates", self.candidates, self.candidates >= num_experts)
            raise MarketError(f"{place}: must be < {num_experts}, the number of experts")

    def _axes(self, rule: Rule) -> str:
        return rule.axes.replace("C", "E") if self.candidates is None else rule.axes


@dataclass(frozen=True, eq=False)
class Market:
    """Costs, demand and values that a mechanism decides by; one market, or a batch of them.

    Leading axes broadcast against each other, so a field shared by all worlds may be given once.
    After construction every array is a read-only copy with the full batch shape; float fields are
    float64, whole ones int64. A market without experts (E = 0) and one without demand are legal.
    A market takes memory for E experts and U x C pairs of `users`, never for U x E.

    Attributes:
        unit_cost: (..., E) reported cost kappa of the first bit of effort, credits/point, >= 0.
        cost_slope: (..., E) reported growth of that cost up to full effort, credits/point, > 0.
        demand: (..., E) points deliverable a slot at full effort, >= 0.
        value: (..., E) worth of a delivered point to the users, credits/point.
        budget: (...) credits that the users can spend together, credits/slot, >= 0.
        users: their reports; None for a market in which mechanisms only price.
        capacity: (..., E) subtasks an expert can serve in a slot, >= 0. Left out: 1.
        bandwidth_limit: (..., E) band the expert has, Hz, >= 0; inf is no limit. Left out: inf; a
            mechanism that shares out the band refuses a market in which one is infinite.
        expert_topic: (..., E) topic of the expert, >= 0. Left out: 0.

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

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        leading: Leading = {}
        arrays: dict[str, NDArray[Any]] = {}
        for name, rule in _RULES.items():
            given = getattr(self, name)
            if given is None and rule.neutral is not None:
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
        batch_shape = common(shapes)
        for name, array in arrays.items():
            object.__setattr__(self, name, spread(array, leading[name], batch_shape))
        if self.users is not None and self.users.batch_shape != batch_shape:
            own = self.users.batch_shape
            users = self.users.map(lambda array: spread(array, own, batch_shape))
            object.__setattr__(self, "users", users)

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

    def with_demand(self, demand: FloatArray) -> Market:
        """Return this market with another demand; nothing else is checked again.

        Args:
            demand: (..., E) points/slot, of the shape that it has now.

        Raises:
            MarketError: a shape that is not this market's, an entry that is not finite or negative.
        """
        array = copied("demand", demand, _RULES["demand"])
        if array.shape != self.demand.shape:
            raise MarketError(
                f"demand has shape {array.shape}: must be {self.demand.shape}, as the market's"
            )
        check_entries("demand", array, _RULES["demand"])
        market = copy(self)
        object.__setattr__(market, "demand", frozen(array))
        return market

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
        if self.users is not None:
            object.__setattr__(mapped, "users", self.users.map(function))
        return mapped

    def world(self, index: int | slice | IntArray | tuple[int, ...]) -> Market:
        """Return the market or markets at `index` along the leading axes."""
        return self.map(lambda array: array[index])

    def reshaped(self, *batch_shape: int) -> Market:
        """Return the same markets along other leading axes."""
        axes = len(self.batch_shape)
        return self.map(lambda array: array.reshape(*batch_shape, *array.shape[axes:]))


def concatenated(markets: Sequence[Market]) -> Market:
    """Return the markets of several batches as one, along the first leading axis.

    Raises:
        MarketError: experts or users differ in number.
        ValueError: users report in some batches only, or list candidates in some only.
    """
    users = [market.users for market in markets if market.users is not None]
    if len(users) not in (0, len(markets)):
        raise ValueError("users report in some of the markets only")
    joined = Market(**_joined([market.arrays() for market in markets]))
    if not users:
        return joined
    return replace(joined, users=UserReports(**_joined([one.arrays() for one in users])))


def _joined(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, Any]:
    """Return arrays of the same names, each joined along the first axis."""
    if len({tuple(part) for part in parts}) > 1:
        raise ValueError("users list candidates in some of the markets only")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
