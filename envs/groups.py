"""Groups of users and of experts, and the numbers that each agent of a population may draw.

A group has a `count` of agents and those keys in which they are not as the section says. Groups
follow each other in the order of the file; in a population of more agents they repeat.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from envs.quantity import Each
from mechanisms.registry import nearest

Groups = dict[str, dict[str, Any]]
COUNT = "count"
MOST = 1_000_000  # agents of a group
# Keys of groups of experts too, which are no quantities.
TOPICS = "topics"
ROW = "competence_row"
CODEC = "codec"
CHOICES = TOPICS, ROW, CODEC
# Keys that each agent may have another value of, and the section that has them: "" for the world.
OF_USERS = {
    "local_compute": "requests",
    "private_probability": "requests",
    "arrival_probability": "requests",
    "deadline_s": "quality",
    "lateness_s": "quality",
    "credits_per_point": "reward",
    "credits_per_word": "reward",
    "credits_per_joule": "reward",
    "credits_per_second": "reward",
    "energy_budget_j": "",
    "credit_budget": "",
}
OF_EXPERTS = {
    "own_competence": "experts",
    "other_competence": "experts",
    "words_per_second": "experts",
    "max_concurrent": "experts",
    "availability_probability": "experts",
    "serving_share": "experts",
    "unit_cost": "experts",
    "cost_slope": "experts",
    "report_factor": "experts",
    "energy_cost": "experts",
    "shared_knowledge": "experts",
    "battery_j": "experts",
    "recharge_w": "experts",
    "joules_per_word": "experts",
    "bandwidth_hz": "channel",
    "tx_power_w": "channel",
}


@dataclass(frozen=True, eq=False)
class Bounds:
    """The range that each of P agents draws a quantity from, infinite for null.

    Attributes:
        low: (P,) its lower end.
        high: (P,) its upper end.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @cached_property
    def number(self) -> float | None:
        """The number that all agents have; None where they differ or draw."""
        low, high = self.low, self.high
        return float(low[0]) if (low == high).all() and (low == low[0]).all() else None

    @cached_property
    def given(self) -> bool:
        """True where the quantity is a number, and not null, for any agent."""
        return bool(np.isfinite(self.low).any())

    @cached_property
    def least(self) -> float:
        """The least that any agent may have."""
        return float(self.low.min())

    @cached_property
    def greatest(self) -> float:
        """The greatest number that any agent may have; infinite where all have null."""
        return float(self.high[np.isfinite(self.high)].max()) if self.given else np.inf

    def with_null(self, number: float | None) -> "Bounds":
        """Return the ranges with a number where they are null; themselves without a number."""
        if number is None:
            return self
        return Bounds(*(np.where(np.isinf(end), number, end) for end in (self.low, self.high)))

    def part(self, first: int) -> "Bounds":
        """Return those of the agents from one on."""
        return Bounds(self.low[first:], self.high[first:])

    def drawn(
        self, uniform: NDArray[np.float64], whole: bool = False
    ) -> float | NDArray[np.float64]:
        """Return what each agent has: one number where all have the same, else (..., P).

        Args:
            uniform: (..., P) draws from 0 to 1.
            whole: whether ranges are of whole numbers.
        """
        if self.number is not None:
            return self.number
        ranged = self.low < self.high
        low = np.where(ranged, self.low, 0.0)
        span = np.where(ranged, self.high - low + whole, 0.0)
        number = low + span * uniform
        return np.where(ranged, np.floor(number) if whole else number, self.low)


def bounds(section_value: Any, groups: Groups | None, key: str, count: int) -> Bounds:
    """Return the range of each agent.

    Args:
        section_value: quantity of the section, which holds where a group does not say.
        groups: of the side; None without any.
        key: of the quantity.
        count: agents, P.
    """
    if groups is None and not isinstance(section_value, Each):  # however many they are
        low, high = _listed(section_value, 0)
        return Bounds(np.full(count, float(low)), np.full(count, float(high)))
    own = [_listed(section_value, position) for position in range(count)]
    for position, (name, place) in enumerate(members(groups, count)):
        given = (groups or {})[name]
        if key in given:
            own[position] = _listed(given[key], place)
    low, high = np.array(own, dtype=float).T
    return Bounds(low, high)


def _listed(value: Any, place: int) -> tuple[float, float]:
    """Return the range of the agent at a place of a list, or of one that is as the others are."""
    if isinstance(value, Each):
        value = value.each[place % len(value.each)]
    if value is None:
        return np.inf, np.inf
    return value if isinstance(value, tuple) else (value, value)


def members(groups: Groups | None, count: int) -> list[tuple[str, int]]:
    """Return the group of each of `count` agents, and its place among those of the group.

    Places go on from one repetition to the next. Empty without groups.
    """
    if groups is None:
        return []
    once = [name for name, given in groups.items() for _ in range(given[COUNT])]
    places = dict.fromkeys(groups, 0)
    found = []
    for position in range(count):
        name = once[position % len(once)]
        found.append((name, places[name]))
        places[name] += 1
    return found


def given_to_each(groups: Groups | None, key: str, of_all: Any, count: int) -> list[Any]:
    """Return what the group of each agent says of a key, or what holds where it says nothing.

    Args:
        groups: of the side; None without any.
        key: of groups.
        of_all: what holds where a group has no such key.
        count: agents, P.
    """
    if groups is None:
        return [of_all] * count
    return [groups[name].get(key, of_all) for name, _ in members(groups, count)]


def size(groups: Groups) -> int:
    """Return the number of agents that groups count."""
    return sum(given[COUNT] for given in groups.values())


def checked(groups: Groups, key: str, sections: Mapping[str, type]) -> Groups:
    """Return groups with their values as the sections read them.

    Args:
        groups: as given.
        key: of the world's configuration that holds them, for messages.
        sections: the class that reads each key of a group.

    Raises:
        ValidationError: for the first value that is none; it has the path of the key.
    """
    if not groups:
        raise _mistake((key,), "should hold a group, or be left out", groups)
    return {name: _checked_group(given, (key, name), sections) for name, given in groups.items()}


def _checked_group(
    given: Any, path: tuple[str, ...], sections: Mapping[str, type]
) -> dict[str, Any]:
    count = given.get(COUNT)
    if type(count) is not int or not 1 <= count <= MOST:
        says = f"should be a whole number from 1 to {MOST:,}"
        raise _mistake((*path, COUNT), f"{says}, the agents of the group", count)
    read: dict[str, Any] = {COUNT: count}
    for key, value in given.items():
        if key == COUNT:
            continue
        if key not in sections:
            says = f"unknown {key!r} in a group; {nearest(key, (COUNT, *sections))}"
            raise _mistake((*path, key), says, value)
        read[key] = _read(value, key, path, sections[key])
        if isinstance(read[key], Each) and len(read[key].each) != count:
            says = f"each should hold {count} numbers, one for each of the group"
            raise _mistake((*path, key), f"{says}, got {len(read[key].each)}", value)
        in_turn = key == TOPICS and given.get(ROW) is None  # a row is of all its topics at once
        if in_turn and read[key] is not None and len(read[key]) > count:
            says = f"has {len(read[key])} topics, and the group {count} to take them in turn"
            raise _mistake((*path, key), says, value)
    return read


def _read(value: Any, key: str, path: tuple[str, ...], section: type) -> Any:
    """Return a value as a section reads that of its key."""
    plain = json.dumps({key: value}, default=_plain)
    try:
        return getattr(_adapter(section).validate_json(plain, strict=True), key)
    except ValidationError as error:
        raise beneath(error, path) from None


def beneath(error: ValidationError, path: tuple[str, ...]) -> ValidationError:
    """Return an error of keys with the path of what they are in."""
    mistakes = [
        InitErrorDetails(
            type=PydanticCustomError("value_error", "{says}", {"says": one["msg"]}),
            loc=(*path, *one["loc"]),
            input=one["input"],
        )
        for one in error.errors()
    ]
    return ValidationError.from_exception_data("groups", mistakes)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is no value of a key")


@cache
def _adapter(section: type) -> TypeAdapter[Any]:
    return TypeAdapter(section)


def _mistake(path: tuple[str, ...], says: str, value: Any) -> ValidationError:
    kind = PydanticCustomError("value_error", "{says}", {"says": says})
    return ValidationError.from_exception_data(
        "groups", [InitErrorDetails(type=kind, loc=path, input=value)]
    )
