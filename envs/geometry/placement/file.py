"""Places read from a file."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from envs.arrays import Float
from envs.geometry.area import Area
from envs.geometry.placement.base import Placement, register
from envs.section import STRICT, Section

LARGEST_FILE = 50_000_000  # bytes
HEADERS = ["x", "y"], ["x", "y", "z"]


@register("file")
@dataclass(frozen=True, config=STRICT)
class FromFile(Section, Placement):
    """Places read from a file, one an agent, the same in all worlds.

    A world with such experts cannot be given more of them.
    """

    path: str = Field(
        description="CSV of x,y or x,y,z (with these words in its first line or without), or JSON "
        "[[x, y], ...], m; one line an agent; relative to the experiment"
    )

    def draw(self, shape: tuple[int, int], area: Area, rng: np.random.Generator) -> Float:
        """Return the places, (N, M, 2) m, or (N, M, 3) where the file has heights.

        Raises:
            ValueError: the file cannot be read, or holds other places than M in the area.
        """
        places = read_places(self.path)
        if len(places) != shape[1]:
            raise ValueError(
                f"{self.path}: should hold {shape[1]} places, one an agent, and holds {len(places)}"
            )
        if not area.holds(places[:, :2]):
            outside = ~((places[:, :2] >= 0) & (places[:, :2] <= np.array(area, np.float32))).all(
                axis=1
            )
            first = int(np.flatnonzero(outside)[0])
            raise ValueError(
                f"{self.place_of(first)}, {places[first].tolist()}, is not in the area of "
                f"{area.width_m:g} x {area.depth_m:g} m"
            )
        return np.broadcast_to(places, (*shape, places.shape[1]))

    def place_of(self, agent: int) -> str:
        """Return the file and the number of the place, headings not counted."""
        return f"{self.path}: place {agent + 1}"


def read_places(path: str) -> Float:
    """Read places from a file, (M, 2) or (M, 3) float32 m.

    Raises:
        ValueError: it cannot be read, or holds something else; the message names it.
    """
    file = Path(path)
    try:
        if file.exists() and (not file.is_file() or file.stat().st_size > LARGEST_FILE):
            raise ValueError(f"not a file of at most {LARGEST_FILE:,} bytes")
        text = file.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if file.suffix.lower() == ".json" else _rows_of_csv(text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    places = np.array(rows, np.float32) if _are_places(rows) else None
    if places is None or not np.isfinite(places).all():
        raise ValueError(
            f"{path}: should hold a line x,y or x,y,z of finite numbers for each agent, m (JSON: "
            "[[x, y], ...])"
        )
    return places


def _rows_of_csv(text: str) -> list[list[float]]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    if rows and [cell.lower() for cell in rows[0]] in HEADERS:
        rows = rows[1:]
    return [[float(cell) for cell in row] for row in rows]


def _are_places(rows: Any) -> bool:
    """Return whether values are lists of two numbers each, or of three."""
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows)
        and len(rows[0]) in (2, 3)
        and all(isinstance(x, int | float) and not isinstance(x, bool) for row in rows for x in row)
    )
