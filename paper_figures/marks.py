"""Means and intervals on axes: lines that dodge where bars overlap, bars, ticks, the line at 0."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

Name = TypeVar("Name", bound=Hashable)
# Points (1/72 in) between lines that dodge, between ways of training, and from end to end.
DODGE, ASIDE, SPREAD = 2.5, 5.0, 15.0


class Drawn(NamedTuple):
    """What is drawn of a policy.

    Attributes:
        line: through its means.
        bars: its intervals.
    """

    line: Line2D
    bars: LineCollection


def draw_lines(
    ax: Axes,
    intervals: pd.DataFrame,
    x: str,
    by: str,
    looks: Mapping[Name, dict[str, Any]],
    beside: Collection[Name] = (),
) -> dict[Name, Drawn]:
    """Draw a line through the means of each policy, with its intervals.

    Lines whose bars overlap anywhere stand side by side, a few points off their place on the axis.

    Args:
        ax: axes to draw into.
        intervals: with the columns `x`, `by`, mean, low and high.
        x: column of the places.
        by: column of the policies.
        looks: keywords of `Axes.plot` for each, in the order of drawing.
        beside: of those, which stand side by side even where no bars overlap.
    """
    shifts = asides(intervals, x, by, list(looks), beside)
    found = {}
    for name, look in looks.items():
        rows = intervals[intervals[by] == name].sort_values(x)
        (line,) = ax.plot(rows[x], rows["mean"], **look)
        bars = ax.vlines(
            rows[x],
            rows["low"],
            rows["high"],
            color=look["color"],
            linewidth=0.9,
            zorder=look.get("zorder", 2) - 0.01,  # behind open markers
        )
        shift(ax, [line, bars], shifts[name])
        found[name] = Drawn(line, bars)
    if any(shifts.values()):
        ax.margins(x=0.08)  # room for the outermost
    return found


def asides(
    intervals: pd.DataFrame,
    x: str,
    by: str,
    names: Sequence[Name],
    beside: Collection[Name] = (),
) -> dict[Name, float]:
    """Return how far aside each line stands, in points: 0 where its bars overlap no other's.

    Lines whose bars overlap nowhere may stand at the same place, so that few places are enough.

    Args:
        intervals: with the columns `x`, `by`, low and high.
        x: column of the places.
        by: column of the policies.
        names: of the policies, from the left.
        beside: of those, which are taken to overlap.
    """
    overlapping: dict[Name, set[Name]] = {
        name: set(beside) - {name} if name in beside else set() for name in names
    }
    bars = intervals[intervals["high"] > intervals["low"]]
    for _, here in bars.groupby(x):
        rows = here[[by, "low", "high"]].sort_values("low").to_numpy()
        for number, (name, _, high) in enumerate(rows):
            for other, low, _ in rows[number + 1 :]:
                if low < high and name in overlapping and other in overlapping:
                    overlapping[name].add(other)
                    overlapping[other].add(name)
    places: dict[Name, int] = {}
    for name in names:
        taken = {places[other] for other in overlapping[name] if other in places}
        places[name] = next(place for place in range(len(names)) if place not in taken)
    found = {}
    for name in names:
        group = _connected(name, overlapping)
        last = max(places[other] for other in group)
        step = ASIDE if group & set(beside) else DODGE
        found[name] = min(step, SPREAD / max(last, 1)) * (places[name] - last / 2)
    return found


def _connected(name: Name, overlapping: Mapping[Name, set[Name]]) -> set[Name]:
    """Return a policy and all that overlap it, one by way of another."""
    group, left = {name}, [name]
    while left:
        new = overlapping[left.pop()] - group
        group |= new
        left += new
    return group


def shift(ax: Axes, artists: Sequence[Artist], points: float) -> None:
    """Move artists to the right by some points, whatever the scale of the axis."""
    if points:
        aside = ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)
        for artist in artists:
            artist.set_transform(artist.get_transform() + aside)


def ends(intervals: pd.DataFrame) -> NDArray[np.float64]:
    """Return what bars reach below and above means, (2, n), as `Axes.errorbar` takes it."""
    mean, low, high = (intervals[name].to_numpy(float) for name in ("mean", "low", "high"))
    return np.maximum([mean - low, high - mean], 0)  # below 0 by rounding alone


def zero_line(*panels: Axes, axis: str = "y") -> None:
    """Draw a line at 0 in panels that are read together, where they show both signs.

    Args:
        panels: axes, in which all else is drawn.
        axis: "y", or "x" where values are along that.
    """
    limits = [ax.dataLim.intervaly if axis == "y" else ax.dataLim.intervalx for ax in panels]
    if min(low for low, _ in limits) < 0 < max(high for _, high in limits):
        for ax in panels:
            line = ax.axhline if axis == "y" else ax.axvline
            line(0, color="0.4", linewidth=0.6, zorder=1)


def binary_axis(ax: Axes, numbers: Sequence[float]) -> None:
    """Give the axes an x axis with a tick at each number, logarithmic where all are above 0.

    Args:
        ax: the axes.
        numbers: rising; a logarithmic axis goes half an octave beyond them.
    """
    logarithmic = numbers[0] > 0
    if logarithmic:
        ax.set_xscale("log", base=2)
    ax.set_xticks(numbers, [f"{number:g}" for number in numbers])
    ax.set_xticks([], minor=True)
    if logarithmic:
        ax.set_xlim(numbers[0] / 2**0.5, numbers[-1] * 2**0.5)
