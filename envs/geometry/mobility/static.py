"""Agents that stay where they are."""

import numpy as np
from pydantic.dataclasses import dataclass

from envs.arrays import Arrays, Float
from envs.geometry.area import Area
from envs.geometry.mobility.base import Mobility, register
from envs.section import STRICT, Section


@register("static")
@dataclass(frozen=True, config=STRICT)
class Static(Section, Mobility):
    """Agents that stay where the placement puts them."""

    def move(
        self,
        position: Float,
        state: Arrays,
        area: Area,
        duration_s: float,
        rng: np.random.Generator,
    ) -> tuple[Float, Arrays]:
        """Return the same places."""
        return position, {}
