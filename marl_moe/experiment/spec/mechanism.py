"""The section `mechanism` of an experiment."""

from typing import Any, Self

from pydantic import Field, model_validator

import mechanisms
from marl_moe.experiment.spec.section import OpenSection
from mechanisms.base import check_complete
from mechanisms.errors import described


class MechanismSpec(OpenSection):
    """A mechanism and its parameters."""

    name: str = Field("none", description="Name of a mechanism, see `mechanisms.names()`")

    @model_validator(mode="after")
    def _makes_one(self) -> Self:
        try:
            check_complete(mechanisms.make(**self.parameters()), self.name)
        except (ValueError, TypeError):
            raise
        except Exception as error:  # of whatever a mechanism of a user's own does
            raise ValueError(described(error)) from None
        return self

    def parameters(self) -> dict[str, Any]:
        """Return the keyword arguments of `mechanisms.make`."""
        return self.model_dump()
