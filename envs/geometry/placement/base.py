"""Placements: where agents are when an episode begins."""

from abc import ABC, abstractmethod

import numpy as np

from envs.arrays import Float
from envs.geometry.area import Area
from envs.geometry.models import Models


class Placement(ABC):
    """Where users or experts are when an episode begins: a frozen dataclass of its parameters."""

    @abstractmethod
    def draw(self, shape: tuple[int, int], area: Area, rng: np.random.Generator) -> Float:
        """Return the places of agents.

        Args:
            shape: (N, M), worlds and agents.
            area: that they are in.
            rng: generator of all draws.

        Returns:
            (N, M, 2) float32 x and y in the area, m; or (N, M, 3) with their heights.
        """

    def place_of(self, agent: int) -> str:
        """Return in words which place of the placement an agent has, from 0."""
        return f"place {agent + 1}"

    def check(self, area: Area) -> None:  # noqa: B027  (not every placement has limits)
        """Check that an area has room for the placement; nothing by default.

        Raises:
            ValueError: it has none.
        """


PLACEMENTS: Models[Placement] = Models("placement", Placement)  # type: ignore[type-abstract]
register = PLACEMENTS.register  # a decorator, `placement: {model: NAME}`
