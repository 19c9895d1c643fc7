"""The base of the sections of a configuration: types of fields, and limits on their values."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# Least and greatest size of a number that is not 0: single precision can hold all that is computed
# from any of them together.
SIZES = 1e-9, 1e6
SIZES_OF = {"snr_db": (1e-9, 60.0), "bandwidth_hz": (1e-3, 1e12), "pool_seed": (1, 2**128 - 1)}


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


Interval = Annotated[tuple[float, float], AfterValidator(_ordered)]
PositiveInterval = Annotated[Interval, AfterValidator(_positive)]
NonNegativeInterval = Annotated[Interval, AfterValidator(_not_negative)]
Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class Section:
    """Base of all sections: no unknown keys, and numbers of a size that can be computed with."""

    @field_validator("*")
    @classmethod
    def _computable(cls, value: Any, info: ValidationInfo) -> Any:
        least, most = SIZES_OF.get(str(info.field_name), SIZES)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and number and not least <= abs(number) <= most:
                raise ValueError(f"should be {least:g} to {most:g} in size, or 0")
        return value
