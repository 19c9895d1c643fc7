"""The base of the sections of a configuration: types of fields, limits, and keys that went."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import InitErrorDetails, PydanticCustomError

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# Least and greatest size of a number that is not 0: single precision can hold all that is computed
# from any of them together.
SIZES = 1e-9, 1e6
SIZES_OF = {"snr_db": (1e-9, 60.0), "bandwidth_hz": (1e-3, 1e12), "pool_seed": (1, 2**128 - 1)}

# Keys that a section had, by the name of its class: what their error says.
GONE = {
    "ChannelConfig": {
        "noise_scaling": "noise_scaling went with the first model: access: spectral_density | "
        "total_power says how a band is shared",
    },
}
GONE_KEY = "gone_key"  # the type of that error


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]} is above the upper bound {bounds[1]}")
    # -0.0 becomes 0.0: NumPy draws nothing between 0.0 and -0.0
    return bounds[0] + 0.0, bounds[1] + 0.0


def _positive(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] <= 0:
        raise ValueError(f"the lower bound {bounds[0]} should be greater than 0")
    return bounds


def _not_negative(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] < 0:
        raise ValueError(f"the lower bound {bounds[0]} should be at least 0")
    return bounds


def _or_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), float(value)
    return tuple(value) if isinstance(value, list) else value  # of JSON, strictly no tuple by now


Interval = Annotated[tuple[float, float], AfterValidator(_ordered)]
PositiveInterval = Annotated[Interval, AfterValidator(_positive)]
NonNegativeInterval = Annotated[Interval, AfterValidator(_not_negative)]
# What is drawn again and again: [low, high], or the number that it always is.
_OrNumber = BeforeValidator(_or_number, json_schema_input_type=float | tuple[float, float])
PositiveDraw = Annotated[PositiveInterval, _OrNumber]
NonNegativeDraw = Annotated[NonNegativeInterval, _OrNumber]
Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class Section:
    """Base of all sections: no unknown keys, and numbers of a size that can be computed with.

    A key that went, in the section or in one that is given in it as a mapping, has an error that
    says what took its place.
    """

    def __new__(cls, *arguments: Any, **keys: Any) -> Self:
        """Return the section that `__init__` then fills.

        Not a validator of pydantic's: one that runs before the others has them read JSON as Python,
        in which a strict tuple is no list.

        Raises:
            ValidationError: a key went.
        """
        mistakes = [
            InitErrorDetails(
                type=PydanticCustomError(GONE_KEY, "{message}", {"message": message}),
                loc=path,
                input=value,
            )
            for path, message, value in _gone(cls, keys)
        ]
        if mistakes:
            raise ValidationError.from_exception_data(cls.__name__, mistakes)
        return super().__new__(cls)

    @field_validator("*")
    @classmethod
    def _computable(cls, value: Any, info: ValidationInfo) -> Any:
        least, most = SIZES_OF.get(str(info.field_name), SIZES)
        value_of_each = getattr(value, "each", value)
        for number in value_of_each if isinstance(value_of_each, tuple) else (value,):
            if isinstance(number, int | float) and number and not least <= abs(number) <= most:
                raise ValueError(f"should be {least:g} to {most:g} in size, or 0")
        return value


def default_of(section: Section, key: str) -> Any:
    """Return the default of a key of a section."""
    kind: Any = type(section)
    return kind.__pydantic_fields__[key].default


def _gone(
    section: Any, given: Mapping[Any, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield the path, the message and the value of each key that went, those of sections too."""
    fields = section.__pydantic_fields__
    for key, value in given.items():
        message = GONE.get(section.__name__, {}).get(key)
        if message is not None:
            yield (*path, key), message, value
        inner = fields[key].annotation if key in fields else None
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, Section):
            yield from _gone(inner, value, (*path, key))
