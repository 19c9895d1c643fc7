"""Places about hotspots."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from envs.arrays import Float
from envs.geometry.area import Area
from envs.geometry.placement.base import Placement, register
from envs.section import STRICT, Section


@register("hotspots")
@dataclass(frozen=True, config=STRICT)
class Hotspots(Section, Placement):
    """Places normal about centres, each agent at one of them by lot, reflected at the borders."""

    centres: Annotated[tuple[tuple[float, float], ...], Field(min_length=1)] | None = Field(
        default=None, description="x and y of each centre, m; null: drawn"
    )
    count: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Number of centres, drawn uniformly in each world and episode, if not given",
    )
    sigma_m: float = Field(
        default=50.0, ge=0, description="Standard deviation about a centre along each axis, m"
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.centres is None) == (self.count is None):
            raise ValueError("hotspots need either centres or their count (one of the two)")
        return self

    def check(self, area: Area) -> None:
        """Check that the centres are in the area.

        Raises:
            ValueError: one is not.
        """
        for centre in self.centres or ():
            if not area.holds(np.array(centre)):
                raise ValueError(
                    f"the centre {list(centre)} is not in the area of "
                    f"{area.width_m:g} x {area.depth_m:g} m"
                )

    def draw(self, shape: tuple[int, int], area: Area, rng: np.random.Generator) -> Float:
        """Draw the places, (N, M, 2) m."""
        num_worlds, _ = shape
        if self.centres is None:
            assert self.count is not None
            centres = area.uniform((num_worlds, self.count), rng)
        else:
            given = np.array(self.centres, np.float32)
            centres = np.broadcast_to(given, (num_worlds, *given.shape))
        chosen = rng.integers(centres.shape[1], size=shape)
        about = rng.standard_normal((*shape, 2), np.float32) * np.float32(self.sigma_m)
        return area.folded(centres[np.arange(num_worlds)[:, None], chosen] + about)[0]
