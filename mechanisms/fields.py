"""Checks of the arrays of a market: shape, entries and leading axes, each held to a rule."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import BoolArray
from mechanisms.errors import MarketError

Leading = dict[str, tuple[int, ...]]  # leading axes of each field, by its name


class Rule(NamedTuple):
    """Limits of a field, and its value in each place where it is left out.

    Attributes:
        axes: the last axes, one letter each: U users, E experts, C candidates (without lists, E).
        unit: for messages.
        minimum: the least entry.
        strict: the minimum itself is refused.
        whole: entries are integers.
        endless: an entry may be infinite, which is no limit.
        neutral: of a field that may be left out; None where it may not.
        same_as: the field whose entries one has that is left out; "" for none.
    """

    axes: str
    unit: str
    minimum: float = -np.inf
    strict: bool = False
    whole: bool = False
    endless: bool = False
    neutral: float | None = None
    same_as: str = ""

    @property
    def limit(self) -> str:
        """Limit in words, for messages."""
        kind = "a number" if self.endless else "finite"
        bound = ""
        if np.isfinite(self.minimum):
            bound = f" and {'>' if self.strict else '>='} {self.minimum:g}"
        return f"must be {kind}{bound} {self.unit}".rstrip()

    def everywhere(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the neutral value in each place of `shape`."""
        return np.full(shape, self.neutral, dtype=np.int64 if self.whole else np.float64)


def checked(
    name: str, given: object, rule: Rule, axes: str, sizes: dict[str, int], leading: Leading
) -> NDArray[Any]:
    """Return a copy of `given` that was held to its rule.

    A later write by the caller cannot reach a copy.

    Args:
        name: of the field, for messages.
        given: what was passed for it.
        rule: what it must be.
        axes: its last axes, one letter each.
        sizes: of the axes of fields seen before; axes seen for the first time are added.
        leading: takes the leading axes of this field.

    Raises:
        MarketError: a shape that does not fit, an entry that is not finite or outside its limits.
    """
    array = copied(name, given, rule)
    split = array.ndim - len(axes)
    if split < 0:
        raise MarketError(f"{name} has shape {array.shape}: must be {_shape(axes)}")
    for axis, size in zip(axes, array.shape[split:], strict=True):
        check_size(name, array, axes, axis, size, sizes.setdefault(axis, size))
    leading[name] = array.shape[:split]
    check_entries(name, array, rule)
    return array


def copied(name: str, given: object, rule: Rule) -> NDArray[Any]:
    """Return a copy as float64, or as int64 where entries are whole.

    Raises:
        MarketError: what is given is not an array of such numbers.
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


def check_size(
    name: str, array: NDArray[Any], axes: str, axis: str, size: int, expected: int
) -> None:
    """Raise MarketError unless the axis called `axis` has the size that other fields give it."""
    if size != expected:
        raise MarketError(
            f"{name} has shape {array.shape}: must be {_shape(axes)} with {axis} = {expected}"
        )


def check_entries(name: str, array: NDArray[Any], rule: Rule) -> None:
    """Raise MarketError, with place, value and limit, at the first entry that the rule refuses."""
    # Two reductions settle the usual case; NaN fails both comparisons.
    if not array.size:
        return
    low, high = array.min(), array.max()
    above = low > rule.minimum if rule.strict or rule.minimum == -np.inf else low >= rule.minimum
    if above and (high < np.inf or rule.endless):
        return
    allowed = np.isfinite(array)
    if rule.endless:
        allowed |= array == np.inf
    allowed &= (array > rule.minimum) if rule.strict else (array >= rule.minimum)
    raise MarketError(f"{first(name, array, ~allowed)}: {rule.limit}")


def check_lists(name: str, candidates: NDArray[Any]) -> None:
    """Raise MarketError where the list of a user (..., U, C) names an expert twice."""
    ascending = np.sort(candidates, axis=-1)
    if (ascending[..., 1:] == ascending[..., :-1]).any():
        order = np.argsort(candidates, axis=-1, kind="stable")
        again = np.zeros(candidates.shape, dtype=bool)
        np.put_along_axis(again, order[..., 1:], ascending[..., 1:] == ascending[..., :-1], axis=-1)
        raise MarketError(f"{first(name, candidates, again)}: must be once in the list of a user")


def first(name: str, array: NDArray[Any], wrong: BoolArray) -> str:
    """Return the first entry that is wrong, by name, place and value."""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"[{', '.join(map(str, index))}]" if index else ""
    return f"{name}{place} = {array[index]}"


def common(leading: Leading) -> tuple[int, ...]:
    """Return the leading axes that those of all fields broadcast to.

    Raises:
        MarketError: they do not broadcast; the message lists them.
    """
    shapes = set(leading.values())
    if len(shapes) == 1:
        return shapes.pop()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        described = ", ".join(f"{name} {shape}" for name, shape in leading.items())
        raise MarketError(f"leading shapes do not broadcast: {described}") from error


def spread(array: NDArray[Any], own: tuple[int, ...], batch_shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array, read-only, with its leading axes `own` broadcast to `batch_shape`."""
    if own != batch_shape:
        array = np.broadcast_to(array, batch_shape + array.shape[len(own) :])
    return frozen(array)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, read-only from now on."""
    array = np.asarray(array)
    array.setflags(write=False)
    return array


def _shape(axes: str) -> str:
    return f"({', '.join(['...', *axes])})"
