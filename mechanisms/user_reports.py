"""What users report about the coming slot, to a mechanism that allocates."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.errors import MarketError
from mechanisms.fields import (
    Leading,
    Rule,
    check_lists,
    check_size,
    checked,
    common,
    first,
    frozen,
    spread,
)

OfArray = Callable[[NDArray[Any]], NDArray[Any]]

_RULES = {
    "value": Rule("UC", "credits"),
    "points": Rule("UC", "points", minimum=0.0),
    "bandwidth_need": Rule("UC", "Hz", minimum=0.0, neutral=0.0),
    "topic": Rule("U", "", minimum=-1, whole=True, neutral=0),
    "candidates": Rule("UC", "", minimum=0, whole=True),
    "work": Rule("UC", "points", minimum=0.0, same_as="points"),
    "fixed_cost": Rule("UC", "credits", minimum=0.0, neutral=0.0),
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
        work: (..., U, C) reference points that full service takes, points, >= 0: what its cost is
            counted in. Left out: `points`.
        fixed_cost: (..., U, C) what serving this user costs the expert at any effort above 0,
            credits, >= 0. Left out: 0.

    A copy by `dataclasses.replace` keeps the `work` that this has, also where that was left out.

    Raises:
        MarketError: a shape that does not fit, an entry that is not finite or outside its limits.
    """

    value: FloatArray
    points: FloatArray
    bandwidth_need: FloatArray = _LEFT_OUT
    topic: IntArray = _LEFT_OUT
    candidates: IntArray | None = None
    work: FloatArray = _LEFT_OUT
    fixed_cost: FloatArray = _LEFT_OUT

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        leading: Leading = {}
        arrays: dict[str, NDArray[Any]] = {}
        # Not a field: it tells of the construction, and stays with copies.
        object.__setattr__(self, "_band_is_known", self.bandwidth_need is not None)
        for name, rule in _RULES.items():
            given = getattr(self, name)
            if given is None and rule.same_as:
                arrays[name] = arrays[rule.same_as]
                leading[f"users.{name}"] = leading[f"users.{rule.same_as}"]
            elif given is not None:
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
        if arrays["work"] is arrays["points"]:
            object.__setattr__(self, "work", self.points)

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
        arrays = {name: getattr(self, name) for name in _RULES}
        return {name: array for name, array in arrays.items() if array is not None}

    def map(self, function: OfArray) -> UserReports:
        """Return the reports that `function` makes of every array; see `Market.map`."""
        mapped = copy(self)
        for name, array in self.arrays().items():
            object.__setattr__(mapped, name, frozen(function(array)))
        if self.work is self.points:  # one array in place of two
            object.__setattr__(mapped, "work", mapped.points)
        return mapped

    def check_experts(self, num_experts: int) -> None:
        """Raise MarketError where these reports are about other experts than `num_experts`."""
        if self.candidates is None:
            axes = self._axes(_RULES["value"])
            check_size("users.value", self.value, axes, "E", self.num_columns, num_experts)
        elif self.candidates.size and self.candidates.max() >= num_experts:
            place = first("users.candidates", self.candidates, self.candidates >= num_experts)
            raise MarketError(f"{place}: must be < {num_experts}, the number of experts")

    def _axes(self, rule: Rule) -> str:
        return rule.axes.replace("C", "E") if self.candidates is None else rule.axes
