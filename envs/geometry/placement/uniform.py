"""Places drawn uniformly over the area."""

import numpy as np
from pydantic.dataclasses import dataclass

from envs.arrays import Float
from envs.geometry.area import Area
from envs.geometry.placement.base import Placement, register
from envs.section import STRICT, Section


@register("uniform")
@dataclass(frozen=True, config=STRICT)
class Uniform(Section, Placement):
    """Places drawn uniformly over the area, independent of each other."""

    def draw(self, shape: tuple[int, int], area: Area, rng: np.random.Generator) -> Float:
        """Draw the places, (N, M, 2) m."""
        return area.uniform(shape, rng)
