"""Metrics of a researcher's own: functions of a slot, whose means become columns of the records.

An experiment names those to record, `metrics: [late]`.

>>> import numpy as np
>>> import marl_moe.metrics
>>> @marl_moe.metrics.register("late", unit="share", doc="served subtasks past the deadline")
... def late(slot, result):
...     past = result.delay_s > slot.conditions.users.deadline_s
...     return np.where(result.transferred, past, np.nan)
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import Slot, SlotResult, World, WorldConfig
from envs.read_only import read_only
from marl_moe.errors import MetricError
from mechanisms import Mechanism
from mechanisms.errors import described
from mechanisms.registry import Registry

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of a column
NUMBERS = "biuf"  # kinds of NumPy's types: booleans, integers, floating point
Function = Callable[[Slot, SlotResult], ArrayLike]


@dataclass(frozen=True)
class Metric:
    """A function of a slot with a column of its own in the records.

    Attributes:
        name: name of the column.
        unit: unit of its values, such as "s" or "share".
        doc: meaning of its values, in words.
        function: of a slot before users act and of its result. It returns a value for each user,
            (N, U), expert, (N, E), or world, (N,); NaN where it does not apply.
    """

    name: str
    unit: str
    doc: str
    function: Function

    def values(self, slot: Slot, result: SlotResult) -> NDArray[np.float64]:
        """Return the values of a slot, (N, U), (N, E) or (N,).

        Raises:
            MetricError: the function failed, or returned another shape, something that is no
                number, or an infinite value.
        """
        try:
            values = np.asarray(self.function(slot, result))
        except Exception as error:  # of whatever the function does
            raise MetricError(f"metric {self.name!r}: {described(error)}") from error
        if values.dtype.kind not in NUMBERS:
            raise MetricError(
                f"metric {self.name!r} should return numbers or booleans, got {values.dtype}"
            )
        shapes = {
            "users": (slot.num_worlds, slot.num_users),
            "experts": (slot.num_worlds, slot.num_experts),
            "worlds": (slot.num_worlds,),
        }
        if values.shape not in shapes.values():
            right = " or ".join(f"{shape} (of {of})" for of, shape in shapes.items())
            raise MetricError(
                f"metric {self.name!r} should return an array of shape {right}, got {values.shape}"
            )
        if np.isinf(values).any():
            raise MetricError(
                f"metric {self.name!r} returned an infinite value in slot {slot.index} of an "
                "episode; a value that does not apply is NaN"
            )
        return values.astype(np.float64)


METRICS: Registry[Metric] = Registry("metric")


def register(name: str, *, unit: str, doc: str) -> Callable[[Function], Function]:
    """Return a decorator that registers a function as a metric; it returns the function itself.

    Args:
        name: of the metric and of its column: letters, digits and underscores.
        unit: of its values, such as "s", "credits" or "share".
        doc: what its values are, in words.

    Raises:
        ValueError: the name can be no column, or unit or doc is empty; by the decorator, where the
            name is taken.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f"a metric's name should be letters, digits and underscores, as 'late', got {name!r}"
        )
    for key, text in (("unit", unit), ("doc", doc)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"metric {name!r}: {key} should say something, got {text!r}")

    def add(function: Function) -> Function:
        def make() -> Metric:
            return Metric(name, unit.strip(), doc.strip(), function)

        # The registry knows what registers it again by where it was written.
        make.__module__, make.__qualname__ = function.__module__, function.__qualname__
        METRICS.register(name)(make)
        return function

    return add


class MetricSums:
    """Sums of metrics over slots, in N worlds.

    Attributes:
        sums: by name, (N,) sums of the values that are not NaN.
        counts: by name, (N,) how many those are.

    Args:
        metrics: the metrics.
        num_worlds: N.
    """

    def __init__(self, metrics: Iterable[Metric], num_worlds: int) -> None:
        self._metrics = tuple(metrics)
        self.sums = {metric.name: np.zeros(num_worlds) for metric in self._metrics}
        self.counts = {metric.name: np.zeros(num_worlds, np.int64) for metric in self._metrics}

    def add(self, slot: Slot, result: SlotResult) -> None:
        """Add a slot; metrics see views of its arrays, which they cannot write.

        Raises:
            MetricError: a metric fails; the message names it.
        """
        slot, result = read_only(slot), read_only(result)
        for metric in self._metrics:
            values = metric.values(slot, result).reshape(slot.num_worlds, -1)
            self.sums[metric.name] += np.nansum(values, axis=-1)
            self.counts[metric.name] += np.isfinite(values).sum(axis=-1)

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Return the mean of each metric, (N,); NaN where it had no value."""
        with np.errstate(invalid="ignore"):
            return {name: self.sums[name] / self.counts[name] for name in self.sums}


def named(names: Sequence[str]) -> list[Metric]:
    """Return the metrics of these names.

    Raises:
        ValueError: there is none of a name; the message gives the nearest.
    """
    return [METRICS.make(name) for name in names]


def check_metrics(names: Sequence[str], config: WorldConfig, mechanism: Mechanism) -> None:
    """Play a slot of two or more worlds in which everybody abandons, and measure it.

    The number of worlds is none of users or experts, so that every axis is told from the others.

    Raises:
        MetricError: a metric fails; the message names it.
    """
    if not names:
        return
    num_worlds = next(n for n in (2, 3, 4) if n not in (config.num_users, config.num_experts))
    world = World(config, num_worlds, seed=0, mechanism=mechanism)
    slot = world.slot
    abandoned = np.full((num_worlds, world.num_users), world.num_candidates)
    _, _, result = world.step(abandoned)
    MetricSums(named(names), num_worlds).add(slot, result)
