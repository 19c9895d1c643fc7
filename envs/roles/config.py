"""The section `env.roles`: what edge devices and the platform may choose, and the latter's aim."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from envs.section import STRICT, Section

LARGEST = 100.0  # factor or margin
PlatformReward = Literal["welfare", "users", "profit"]


def _grid(numbers: tuple[float, ...], neutral: float, least: str) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(numbers)):
        raise ValueError("should ascend")
    if neutral not in numbers:
        raise ValueError(f"should hold {neutral:g}, {least}")
    if numbers[0] < 0 or numbers[-1] > LARGEST:
        raise ValueError(f"should be 0 to {LARGEST:g}")
    return numbers


def _factors(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if numbers and numbers[0] <= 0:
        raise ValueError("should be greater than 0")
    return _grid(numbers, 1.0, "which changes nothing")


def _margins(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return _grid(numbers, 0.0, "no margin")


Factors = Annotated[tuple[float, ...], AfterValidator(_factors)]
Margins = Annotated[tuple[float, ...], AfterValidator(_margins)]


@dataclass(frozen=True, config=STRICT)
class RolesConfig(Section):
    """What edge devices and the platform may choose, and what the platform aims at.

    Without anybody who chooses, edge devices report their costs and the platform decides by
    `market.value`, without a margin.
    """

    report_factors: Factors = Field(
        default=(0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.6, 2.0, 3.0, 4.5, 6.0),
        description="Factors on its costs of which an edge device reports one, ascending, with 1",
    )
    value_factors: Factors = Field(
        default=(0.6, 0.8, 1.0, 1.25, 1.6),
        description="Factors on market.value of which the platform chooses one, ascending, with 1",
    )
    margins: Margins = Field(
        default=(0.0, 0.1, 0.25, 0.5, 1.0, 2.0),
        description="Shares of their charge that users pay on top, of which the platform chooses "
        "one, ascending, with 0",
    )
    platform_reward: PlatformReward = Field(
        default="welfare",
        description="What the platform gains by: gains of all sides (welfare), those of the users, "
        "or charges less payments (profit)",
    )

    @property
    def truth(self) -> int:
        """The choice of an edge device that reports its costs."""
        return self.report_factors.index(1.0)
