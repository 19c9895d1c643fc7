"""Extent of a map, and the room that marks have on it: arithmetic only."""

from typing import NamedTuple, Self

import numpy as np

from envs.arrays import Float
from envs.geometry.area import Area

MARGIN = 0.06  # of the extent beyond the outermost places, where no area is given
LEAST_M = 1.0  # side of a map
LARGEST_MARKER, SMALLEST_MARKER = 14.0, 3.0  # diameter, points
LEAST_FONT = 5.0  # of a number that can be read, points
DIGIT = 0.64  # width of one, share of the font's size
MOST_NUMBERED = 250  # users and experts; among more, none has a number


class Ground(NamedTuple):
    """A rectangle seen from above.

    Attributes:
        low, high: corners, (2,) m.
    """

    low: Float
    high: Float

    @classmethod
    def of(cls, places: Float, area: Area | None) -> Self:
        """Return the area, or without one the surroundings of places.

        Places beyond the area are shown too.

        Args:
            places: (P, 2) m.
            area: that agents are in, where it is known.
        """
        low, high = _around(places, 0.0 if area is not None else MARGIN)
        if area is not None:
            low, high = np.minimum(low, 0.0), np.maximum(high, area)
        return cls(low, high)

    def holds(self, places: Float) -> bool:
        """Return whether all places that are shown, (P, 2) m, are on the map."""
        return not ((places < self.low) | (places > self.high)).any()

    def joined(self, other: "Ground") -> "Ground":
        """Return the least map with both."""
        return Ground(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def points_per_m(self, room: tuple[float, float]) -> float:
        """Return the scale at which the map fits.

        Args:
            room: width and height, points.
        """
        return float((np.array(room) / (self.high - self.low)).min())

    def bar_m(self) -> float:
        """Return the length that a scale bar stands for, m: 1, 2 or 5 times a power of ten."""
        most = (self.high[0] - self.low[0]) / 4
        unit = 10.0 ** np.floor(np.log10(most))
        return float(unit * max(digit for digit in (1, 2, 5) if digit * unit <= most))


class Afar(NamedTuple):
    """Places as a map shows them: those far beyond its area at the border, in their direction.

    Attributes:
        places: (P, 2) on the map, m; NaN of those below the horizon, which are not shown.
        elevation_deg: (P,) over the horizon at the middle of the area, of those at the border;
            NaN of others.
    """

    places: Float
    elevation_deg: Float

    @classmethod
    def of(cls, places: Float, area: Area | None) -> Self:
        """Return places as they are shown; without an area all are where they are.

        Args:
            places: (P, 3) m.
            area: that agents are in, where it is known.
        """
        shown, elevation_deg = places[:, :2].copy(), np.full(len(places), np.nan)
        if area is None:
            return cls(shown, elevation_deg)
        middle = np.array(area) / 2
        way = shown - middle
        distance = np.hypot(*way.T)
        up_deg = np.degrees(np.arctan2(places[:, 2], distance))
        far = (distance > area.diagonal_m) | (places[:, 2] > area.diagonal_m)
        with np.errstate(divide="ignore"):  # of a direction along an axis
            to_border = (middle / np.abs(way)).min(axis=1, keepdims=True)
        shown[far] = (middle + np.minimum(to_border, 1) * way)[far]
        shown[far & (up_deg < 0)] = np.nan
        elevation_deg[far] = up_deg[far]
        return cls(shown, elevation_deg)


def _around(places: Float, margin: float) -> tuple[Float, Float]:
    low, high = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    beyond = np.maximum(margin * (high - low).max(), (LEAST_M - (high - low)) / 2)
    beyond = np.maximum(beyond, 0.0)
    return low - beyond, high + beyond


def marker_points(room_points: float, count: int) -> float:
    """Return the diameter of markers, points.

    Args:
        room_points: area of the map, square points.
        count: agents.
    """
    pitch = np.sqrt(room_points / count)
    return float(np.clip(0.42 * pitch, SMALLEST_MARKER, LARGEST_MARKER))


def number_font(marker: float, count: int) -> float | None:
    """Return the size of numbers in markers, points; None where they cannot be read.

    Args:
        marker: diameter of the markers, points.
        count: agents that are numbered, from 0.
    """
    digits = max(len(f"{count - 1}"), 2)
    font = min(0.8 * marker / (digits * DIGIT), 7.5)
    return font if font >= LEAST_FONT else None


def in_sight(places: Float, marker: float) -> list[int]:
    """Return the agents whose number no marker drawn later hides.

    Args:
        places: (P, 2) in the order of which markers are drawn, points.
        marker: diameter of the markers, points.
    """
    offset = np.abs(places[:, None] - places)  # (P, P, 2)
    near = (offset < 0.9 * marker).all(axis=-1)  # half a marker and half a number
    return np.flatnonzero(~np.triu(near, 1).any(axis=1)).tolist()
