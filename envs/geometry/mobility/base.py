"""Mobility: how agents move about an area."""

from abc import ABC, abstractmethod

import numpy as np

from envs.arrays import Arrays, Float
from envs.geometry.area import Area
from envs.geometry.models import Models

FASTEST_M_S = 1000  # of anybody on the ground or in the air


class Mobility(ABC):
    """How users or experts move: a frozen dataclass of its parameters.

    It keeps nothing else: what an agent has beside its place, such as a velocity, it returns as
    arrays by name and gets back, read-only. Arrays have any leading axes, written (...) here; each
    entry is an agent. All randomness comes from the generator handed over, which is one of its own
    for each call: how much is drawn changes nothing else in the world.
    """

    @property
    def starts_by_itself(self) -> bool:
        """True where `start` takes no account of the placement."""
        return False

    @property
    def leaves_area(self) -> bool:
        """True where agents may be outside of the area and at any height.

        All places are then (..., 3), x, y and height; those that `start` is given have the height
        of the placement or of `height_m`.
        """
        return False

    def above_for_s(
        self, position: Float, state: Arrays, viewer_m: Float, elevation_deg: Float
    ) -> Float | None:
        """Return how long agents will be above an elevation, s; None, the default: not known.

        What is known is the same whatever is drawn later: a way such as an orbit. 0 where an agent
        is below.

        Args:
            position: (..., 3) places, m.
            state: arrays of `start`.
            viewer_m: (..., 3) places from which they are seen, which broadcast against theirs, m.
            elevation_deg: the elevation over the horizontal, which broadcasts, degrees.
        """
        return None

    @property
    def foresees(self) -> bool:
        """True where `above_for_s` is known."""
        return type(self).above_for_s is not Mobility.above_for_s

    def start(self, position: Float, area: Area, rng: np.random.Generator) -> tuple[Float, Arrays]:
        """Return where agents are when an episode begins, and what they have beside; by default
        the placement, and nothing.

        Args:
            position: (..., 2) places by the placement, m.
            area: that they stay in.
            rng: generator of all draws.

        Returns:
            (..., 2) float32 places, m, and arrays (...) or (..., K) by name.
        """
        return position, {}

    @abstractmethod
    def move(
        self,
        position: Float,
        state: Arrays,
        area: Area,
        duration_s: float,
        rng: np.random.Generator,
    ) -> tuple[Float, Arrays]:
        """Move for some time.

        Args:
            position: (..., 2) places, m.
            state: arrays of `start`.
            area: that agents stay in.
            duration_s: time, s.
            rng: generator of all draws.

        Returns:
            (..., 2) float32 places in the area, m, and the arrays that change.
        """


MOBILITIES: Models[Mobility] = Models("mobility", Mobility)  # type: ignore[type-abstract]
register = MOBILITIES.register  # a decorator, `mobility: {model: NAME}`
