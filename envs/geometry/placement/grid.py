"""Places on a grid."""

import numpy as np
from pydantic.dataclasses import dataclass

from envs.arrays import Float
from envs.geometry.area import Area
from envs.geometry.placement.base import Placement, register
from envs.section import STRICT, Section


@register("grid")
@dataclass(frozen=True, config=STRICT)
class Grid(Section, Placement):
    """Places in the middle of cells that are near square, row by row, the same in all worlds.

    M agents have round(sqrt(M width / depth)) columns; a last row that is not full has wider cells.
    Experts that are added have a grid of their own.
    """

    def draw(self, shape: tuple[int, int], area: Area, rng: np.random.Generator) -> Float:
        """Return the places, (N, M, 2) m."""
        count = shape[1]
        columns = min(max(round((count * area.width_m / area.depth_m) ** 0.5), 1), count)
        rows = -(-count // columns)
        agent = np.arange(count)
        row = agent // columns
        in_row = np.where(row < rows - 1, columns, count - (rows - 1) * columns)
        x = (agent % columns + 0.5) * area.width_m / in_row
        y = (row + 0.5) * area.depth_m / rows
        places = np.stack([x, y], axis=-1).astype(np.float32)
        return np.broadcast_to(places, (*shape, 2))
