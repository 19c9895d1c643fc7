"""Quantities of users and experts: a number for all, a range that each draws from, one for each.

In YAML `5` is the same for all, `[2, 8]` a range from which each agent draws uniformly, and
`{each: [2, 5, 8]}` lists a number for each agent in turn.
"""

from collections.abc import Callable, Mapping
from math import floor
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from envs.section import STRICT, Interval, NonNegativeInterval, PositiveInterval

EACH = "each"  # the key of a list
# Tags begin with `entry[`, which messages leave out of the path of a key.
_NUMBER, _RANGE, _EACH = "entry[number]", "entry[range]", "entry[each]"


@dataclass(frozen=True, config=STRICT)
class Each:
    """A number for each agent, in turn.

    Attributes:
        each: the numbers; null where a key may be null.
    """

    each: tuple[float | None, ...] = Field(min_length=1)


def _form(value: Any) -> str:
    if isinstance(value, Mapping | Each):
        return _EACH
    return _RANGE if isinstance(value, list | tuple) else _NUMBER


def _two(value: Any) -> Any:
    if isinstance(value, list):  # of JSON, which no strict tuple is once a validator has seen it
        value = tuple(value)
    if len(value) != 2:
        raise ValueError(
            "a range should read [low, high], and a number for each agent {each: [...]}"
        )
    return value


def _alone(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) != {EACH}:
            raise ValueError("should be a number, a range [low, high], or {each: [...]}")
        if isinstance(value[EACH], list):  # as in `_two`
            return {EACH: tuple(value[EACH])}
    return value


def _all(ok: Callable[[float], bool], what: str, null: bool = False) -> AfterValidator:
    """Return a validator of numbers for each agent."""

    def checked(value: Each) -> Each:
        for number in value.each:
            if number is None and not null:
                raise ValueError("each should hold numbers, got null")
            if number is not None and not ok(number):
                raise ValueError(f"each should hold numbers {what}, got {number:g}")
        return value

    return AfterValidator(checked)


def _share(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[1] > 1:
        raise ValueError(f"the upper bound {bounds[1]} should be at most 1")
    return bounds


def _whole(bounds: tuple[float, float]) -> tuple[float, float]:
    for bound in bounds:
        if bound != floor(bound):
            raise ValueError(f"the bounds should be whole numbers, got {bound}")
    return bounds


_Each = Annotated[Each, BeforeValidator(_alone)]
_Range = Annotated[Interval, BeforeValidator(_two)]
_PositiveRange = Annotated[PositiveInterval, BeforeValidator(_two)]
_NonNegativeRange = Annotated[NonNegativeInterval, BeforeValidator(_two)]

PositiveQuantity = Annotated[
    Annotated[float, Field(gt=0), Tag(_NUMBER)]
    | Annotated[_PositiveRange, Tag(_RANGE)]
    | Annotated[_Each, _all(lambda number: number > 0, "greater than 0"), Tag(_EACH)],
    Discriminator(_form),
]
NonNegativeQuantity = Annotated[
    Annotated[float, Field(ge=0), Tag(_NUMBER)]
    | Annotated[_NonNegativeRange, Tag(_RANGE)]
    | Annotated[_Each, _all(lambda number: number >= 0, "of at least 0"), Tag(_EACH)],
    Discriminator(_form),
]
ProbabilityQuantity = Annotated[
    Annotated[float, Field(ge=0, le=1), Tag(_NUMBER)]
    | Annotated[_NonNegativeRange, AfterValidator(_share), Tag(_RANGE)]
    | Annotated[_Each, _all(lambda number: 0 <= number <= 1, "from 0 to 1"), Tag(_EACH)],
    Discriminator(_form),
]
ShareQuantity = Annotated[
    Annotated[float, Field(gt=0, le=1), Tag(_NUMBER)]
    | Annotated[_PositiveRange, AfterValidator(_share), Tag(_RANGE)]
    | Annotated[_Each, _all(lambda number: 0 < number <= 1, "above 0, to 1"), Tag(_EACH)],
    Discriminator(_form),
]
# A quantity that may be null for all, or for some: what null means is the key's.
PositiveOrNull = (
    Annotated[
        Annotated[float, Field(gt=0), Tag(_NUMBER)]
        | Annotated[_PositiveRange, Tag(_RANGE)]
        | Annotated[
            _Each, _all(lambda number: number > 0, "greater than 0", null=True), Tag(_EACH)
        ],
        Discriminator(_form),
    ]
    | None
)
CountOrNull = (
    Annotated[
        Annotated[int, Field(ge=1), Tag(_NUMBER)]
        | Annotated[_PositiveRange, AfterValidator(_whole), Tag(_RANGE)]
        | Annotated[
            _Each,
            _all(lambda number: number >= 1 and number == floor(number), "1, 2, ...", null=True),
            Tag(_EACH),
        ],
        Discriminator(_form),
    ]
    | None
)
RangeQuantity = Annotated[
    Annotated[float, Tag(_NUMBER)] | Annotated[_Range, Tag(_RANGE)],
    Discriminator(_form),
]
