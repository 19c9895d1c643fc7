"""The area that users and experts are in: a rectangle with a corner at the origin."""

from typing import NamedTuple

import numpy as np

from envs.arrays import Float


class Area(NamedTuple):
    """A rectangle from (0, 0) to (width_m, depth_m)."""

    width_m: float
    depth_m: float

    @property
    def diagonal_m(self) -> float:
        """Greatest distance of two places, m."""
        return float(np.hypot(self.width_m, self.depth_m))

    def uniform(self, shape: tuple[int, ...], rng: np.random.Generator) -> Float:
        """Draw places uniformly, (*shape, 2) float32 m."""
        return rng.random((*shape, 2), np.float32) * np.array(self, np.float32)

    def holds(self, position: Float) -> bool:
        """Return whether all places, (..., 2) m, are finite and in the area."""
        return bool(((position >= 0) & (position <= np.array(self, np.float32))).all())

    def folded(self, position: Float) -> tuple[Float, Float]:
        """Return where straight ways end that the borders reflect like mirrors.

        Args:
            position: (..., 2) where they would end without borders, m.

        Returns:
            The places in the area, (..., 2) m, and -1 for each coordinate whose direction of travel
            is reversed at the end, 1 for the others.
        """
        side = np.array(self, np.float32)
        unfolded = np.mod(position, 2 * side)
        back = unfolded > side
        inside = np.clip(np.where(back, 2 * side - unfolded, unfolded), 0, side)
        return inside.astype(np.float32, copy=False), np.where(back, np.float32(-1), np.float32(1))
