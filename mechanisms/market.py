"""What a mechanism sees (`Market`) and what it decides (`Outcome`): shapes, units and nothing else."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechanisms.errors import MarketError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class _Rule(NamedTuple):
    """What one field of a market must be."""

    # the last axes, one letter each: U users, E experts, C candidates, which without lists are all
    # experts
    axes: str
    unit: str
    minimum: float = -np.inf
    strict: bool = False  # the minimum itself is refused
    whole: bool = False  # integers
    optional: bool = False

    @property
    def limit(self) -> str:
        """The limit in words, for messages."""
        bound = (
            f" and {'>' if self.strict else '>='} {self.minimum:g}"
            if np.isfinite(self.minimum)
            else ""
        )
        return f"must be finite{bound} {self.unit}".rstrip()


_RULES = {
    "unit_cost": _Rule("E", "credits/point", minimum=0.0),
    "cost_slope": _Rule("E", "credits/point", minimum=0.0, strict=True),
    "demand": _Rule("E", "points/slot", minimum=0.0),
    "value": _Rule("E", "credits/point"),
    "budget": _Rule("", "credits/slot", minimum=0.0),
    "user_value": _Rule("UC", "credits", optional=True),
    "user_points": _Rule("UC", "points", minimum=0.0, optional=True),
    "capacity": _Rule("E", "subtasks", minimum=0, whole=True, optional=True),
    "bandwidth_need": _Rule("UC", "Hz", minimum=0.0, optional=True),
    "bandwidth_limit": _Rule("E", "Hz", minimum=0.0, optional=True),
    "topic": _Rule("U", "", minimum=-1, whole=True, optional=True),
    "expert_topic": _Rule("E", "", minimum=0, whole=True, optional=True),
    "candidates": _Rule("UC", "", minimum=0, whole=True, optional=True),
}


@dataclass(frozen=True, eq=False)
class Market:
    """What a mechanism sees: one market, or a batch of them along any leading axes.

    Leading axes broadcast against each other, so a field shared by all worlds may be given once.
    After construction every array is a read-only copy with the full batch shape; float fields are
    float64, whole ones int64. A market without experts (E = 0) and one without demand are legal.

    Where each user can reach a few of many experts, `candidates` lists them, C a user, and the
    fields of pairs have a column for each of these; all else, allocations too, counts experts as
    ever. Such a market takes memory for U x C pairs and E experts, never for U x E. Without lists C
    = E, and column e is expert e.

    Attributes:
        unit_cost: (..., E) reported cost kappa of the first bit of effort, credits/point, >= 0.
        cost_slope: (..., E) reported growth of that cost up to full effort, credits/point, > 0.
        demand: (..., E) points deliverable a slot at full effort, >= 0.
        value: (..., E) what a delivered point is worth to the users, credits/point.
        budget: (...) what the users can spend together, credits/slot, >= 0.
        user_value: (..., U, C) what full service is worth to this user before any charge, credits;
            negative where it does harm.
        user_points: (..., U, C) points that full service delivers to this user, points, >= 0.
        capacity: (..., E) subtasks an expert can serve in a slot, >= 0.
        bandwidth_need: (..., U, C) band this user needs at this expert, Hz, >= 0.
        bandwidth_limit: (..., E) band the expert has, Hz, >= 0.
        topic: (..., U) topic of the pending subtask, -1 where there is none.
        expert_topic: (..., E) topic of the expert, >= 0.
        candidates: (..., U, C) the expert of each of this user's columns, 0 <= candidate < E, none
            twice.

    Raises:
        MarketError: a shape that does not fit, an entry that is not finite or outside its limits.
    """

    unit_cost: FloatArray
    cost_slope: FloatArray
    demand: FloatArray
    value: FloatArray
    budget: FloatArray
    user_value: FloatArray | None = None
    user_points: FloatArray | None = None
    capacity: IntArray | None = None
    bandwidth_need: FloatArray | None = None
    bandwidth_limit: FloatArray | None = None
    topic: IntArray | None = None
    expert_topic: IntArray | None = None
    candidates: IntArray | None = None

    def __post_init__(self) -> None:
        arrays: dict[str, NDArray[Any]] = {}
        leading: dict[str, tuple[int, ...]] = {}
        sizes: dict[str, int] = {}
        for name, rule in _RULES.items():
            given = getattr(self, name)
            if given is None and rule.optional:
                continue
            array = _copy(name, given, rule)
            axes = rule.axes if self.candidates is not None else rule.axes.replace("C", "E")
            leading[name] = _leading_shape(name, array, axes, sizes)
            _check_entries(name, array, rule)
            arrays[name] = array
        if "candidates" in arrays:
            _check_lists(arrays["candidates"], sizes["E"])
        batch_shape = _broadcast(leading)
        for name, array in arrays.items():
            if leading[name] != batch_shape:
                array = np.broadcast_to(array, batch_shape + array.shape[len(leading[name]) :])
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes: () for a single market."""
        return self.budget.shape

    @property
    def num_experts(self) -> int:
        """E."""
        return self.unit_cost.shape[-1]

    @property
    def num_users(self) -> int:
        """U, or 0 where no field is given for each user."""
        if self.topic is not None:
            return self.topic.shape[-1]
        for pairs in (self.user_value, self.user_points, self.bandwidth_need, self.candidates):
            if pairs is not None:
                return pairs.shape[-2]
        return 0

    def require(self, mechanism: str, *fields: str) -> None:
        """Raise MarketError, naming the mechanism and the first field that it needs and this market
        lacks.
        """
        for field in fields:
            if getattr(self, field) is None:
                raise MarketError(f"{mechanism} needs {field}, which this market does not give")

    def with_demand(self, demand: FloatArray) -> Market:
        """This market with another demand of the same shape, (..., E) points/slot; nothing else is
        checked again.

        Raises:
            MarketError: a shape that is not this market's, an entry that is not finite or negative.
        """
        rule = _RULES["demand"]
        array = _copy("demand", demand, rule)
        if array.shape != self.demand.shape:
            raise MarketError(
                f"demand has shape {array.shape}: must be {self.demand.shape}, as the market's"
            )
        _check_entries("demand", array, rule)
        array.setflags(write=False)
        market = copy(self)
        object.__setattr__(market, "demand", array)
        return market

    def world(self, index: int | tuple[int, ...]) -> Market:
        """The market at `index` along the leading axes, for solvers that take one problem at a
        time.
        """
        fields: dict[str, Any] = {name: getattr(self, name) for name in _RULES}
        return Market(**{name: array[index] for name, array in fields.items() if array is not None})


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a mechanism decides for a market, with the market's leading axes.

    Edge devices are paid by the point, so payment = unit_price x points always.

    Attributes:
        unit_price: (..., E) paid for a delivered point, credits/point.
        effort: (..., E) of each edge device, from its reported costs, 0..1; 0 is not taking part.
        points: (..., E) delivered, points/slot: demand x effort, or where users are allocated the
            `user_points` of those whom the expert serves, times effort.
        payment: (..., E) to the expert, credits/slot.
        welfare: (...) value less reported cost, credits/slot.
        status: one word for the whole clearing: "free", "closed_form", "optimal" ...
        solve_seconds: wall time of the decision.
        charge: (..., U) from the user, credits/slot; None where users together pay exactly the
            payments.
        allocation: (..., U) the expert that serves the user, -1 for none; None where a mechanism
            only prices.
    """

    unit_price: FloatArray
    effort: FloatArray
    points: FloatArray
    payment: FloatArray
    welfare: FloatArray
    status: str
    solve_seconds: float
    charge: FloatArray | None = None
    allocation: IntArray | None = None

    @property
    def balance(self) -> FloatArray:
        """(...) charges less payments, credits/slot: what the platform keeps; negative is a
        subsidy.
        """
        paid = self.payment.sum(axis=-1)
        charged = paid if self.charge is None else self.charge.sum(axis=-1)
        return np.asarray(charged - paid)


def _copy(name: str, given: object, rule: _Rule) -> NDArray[Any]:
    """A float64 or int64 copy, so that a caller's later writes cannot reach a market that was
    checked.
    """
    try:
        array: NDArray[Any] = np.array(given)
        if not rule.whole:
            return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise MarketError(f"{name} = {given!r}: must be an array of numbers") from error
    if array.dtype.kind not in "iu" and array.size:
        raise MarketError(f"{name} has dtype {array.dtype}: must be whole numbers")
    return array.astype(np.int64, copy=False)


def _leading_shape(
    name: str, array: NDArray[Any], axes: str, sizes: dict[str, int]
) -> tuple[int, ...]:
    """Shape without the last `axes`, whose sizes must agree with `sizes`, the fields seen before."""
    split = array.ndim - len(axes)
    if split < 0:
        raise MarketError(f"{name} has shape {array.shape}: must be ({', '.join(['...', *axes])})")
    for axis, size in zip(axes, array.shape[split:], strict=True):
        expected = sizes.setdefault(axis, size)
        if size != expected:
            shape = ", ".join(["...", *axes])
            raise MarketError(
                f"{name} has shape {array.shape}: must be ({shape}) with {axis} = {expected}"
            )
    return array.shape[:split]


def _check_entries(name: str, array: NDArray[Any], rule: _Rule) -> None:
    # Two reductions settle the usual case; NaN fails both comparisons.
    if not array.size:
        return
    low, high = array.min(), array.max()
    above = low > rule.minimum if rule.strict or rule.minimum == -np.inf else low >= rule.minimum
    if above and high < np.inf:
        return
    allowed = np.isfinite(array) & (
        (array > rule.minimum) if rule.strict else (array >= rule.minimum)
    )
    raise MarketError(f"{_first(name, array, ~allowed)}: {rule.limit}")


def _check_lists(candidates: IntArray, num_experts: int) -> None:
    """Each user's list names experts that there are, none of them twice."""
    if candidates.size and candidates.max() >= num_experts:
        place = _first("candidates", candidates, candidates >= num_experts)
        raise MarketError(f"{place}: must be < {num_experts}, the number of experts")
    ascending = np.sort(candidates, axis=-1)
    if (ascending[..., 1:] == ascending[..., :-1]).any():
        order = np.argsort(candidates, axis=-1, kind="stable")
        again = np.zeros(candidates.shape, dtype=bool)
        np.put_along_axis(again, order[..., 1:], ascending[..., 1:] == ascending[..., :-1], axis=-1)
        raise MarketError(
            f"{_first('candidates', candidates, again)}: must be once in the list of a user"
        )


def _first(name: str, array: NDArray[Any], wrong: NDArray[np.bool_]) -> str:
    """The first entry that is wrong, by name, place and value."""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{name}[{', '.join(map(str, index))}] = {array[index]}"
        if index
        else f"{name} = {array[index]}"
    )


def _broadcast(leading: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    shapes = set(leading.values())
    if len(shapes) == 1:
        return shapes.pop()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        described = ", ".join(f"{name} {shape}" for name, shape in leading.items())
        raise MarketError(f"leading shapes do not broadcast: {described}") from error
