"""The section `env.duty`: what experts do beside serving, what they owe and what is paid for it."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from envs.duty.base import DUTIES, Duty
from envs.geometry.models import Model
from envs.section import STRICT, Section
from mechanisms.errors import described


@dataclass(frozen=True, config=STRICT)
class DutyConfig(Section):
    """What experts do beside serving, what they owe, and what is paid for it."""

    task: Model = Field(description="The duty, {model: NAME, ...}, of those that are registered")
    required: float | None = Field(
        default=None,
        description="What each expert has to achieve whatever it is paid, in units of the duty; "
        "null: nothing",
    )
    price: float | None = Field(
        default=None,
        ge=0,
        description="Paid by the platform for a unit achieved, credits, under a mechanism that "
        "neither pays for it nor keeps a budget; null: what the mechanism pays, if anything",
    )
    value: float = Field(
        default=0.0, ge=0, description="What a unit achieved by an expert is worth, credits a slot"
    )
    most_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9,
        description="Greatest share of an expert's time that its duty takes, the rest being left "
        "to serving",
    )

    @field_validator("task")
    @classmethod
    def _registered(cls, section: Model) -> Model:
        DUTIES.made_of(section)
        return section

    def made(self) -> Duty:
        """Return the duty."""
        return DUTIES.made_of(self.task)

    def owed_s(self) -> float:
        """Return the time of a slot that each expert owes, s."""
        return 0.0 if self.required is None else float(self.made().time_s(np.array(self.required)))

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        if self.required is None:
            return self
        try:
            owed_s = self.owed_s()
            reached = float(self.made().achieved(np.array(owed_s)))
        except Exception as error:  # of whatever a duty of a user's own does
            raise ValueError(f"required: {self.required:g}: {described(error)}") from None
        if not (np.isfinite(owed_s) and owed_s >= 0):
            raise ValueError(f"required: {self.required:g} is nothing that any time achieves")
        if not np.isclose(reached, self.required, rtol=1e-6, atol=1e-9):
            raise ValueError(
                f"required: {self.required:g} takes {owed_s:.3g} s by the duty's time_s, in which "
                f"its achieved gives {reached:g}"
            )
        return self

    def check(self, slot_s: float, least_share: float) -> None:
        """Check that an expert has the time that it owes.

        Args:
            slot_s: length of a slot, s.
            least_share: of it, that an expert has at least.

        Raises:
            ValueError: it has not.
        """
        has_s = self.most_share * least_share * slot_s
        if self.owed_s() > has_s:
            raise ValueError(
                f"duty.required: {self.required:g} takes {self.owed_s():.3g} s of a slot, and an "
                f"expert has {has_s:.3g} s for it: duty.most_share of its experts.serving_share"
            )
