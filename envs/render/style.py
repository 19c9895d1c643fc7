"""Colours, fonts and layout of a picture of a world, and the parts of its panels."""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from envs.arrays import Bool, Float, Int

WIDTH_INCHES, HEIGHT_INCHES = 12.8, 8.8
DPI = 100  # 1280 x 880 pixels: both even, as H.264 wants them
# bottom and height of the users, experts and lines between them, share of the figure
NETWORK = (0.265, 0.565)
NETWORK_POINTS = NETWORK[1] * HEIGHT_INCHES * 72

INK, MUTED, PALE, FAINT, GREY_ROW = "#1F2328", "#6E7781", "#AAB2BA", "#D0D7DE", "#F0F2F4"
# Okabe and Ito's palette, which colour-blind readers can distinguish: its green and red for gains
# and losses, the others for topics. More topics than colours begin again; the numbers in the
# markers differ.
TOPICS = ("#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#4D4D4D", "#BFA900")
GOOD, BAD = "#00835F", "#D0401A"
GREENS = LinearSegmentedColormap.from_list("gain", ["#A5DCC8", "#00A277", "#005F45"])
STYLE: Any = {  # rcParams
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 8,
    "text.color": INK,
    "text.usetex": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
}


class Tables(NamedTuple):
    """Room between the tables of users and experts, share of the figure.

    Attributes:
        users_right: where the markers of users stand.
        experts_left: where those of experts do.
    """

    users_right: float
    experts_left: float


def looks() -> AbstractContextManager[None]:
    """Return a context in which rcParams are matplotlib's defaults and `STYLE`.

    Whatever a `matplotlibrc` or other code sets of it decides about no picture. Where programs such
    as ffmpeg are remains the user's.
    """
    defaults = {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if key != "backend" and not key.startswith("animation.")
    }
    context: AbstractContextManager[None] = matplotlib.rc_context(defaults | STYLE)
    return context


def topic_colours(topic: Int) -> Float:
    """Return RGBA of topics, (..., 4)."""
    return to_rgba_array(TOPICS)[topic % len(TOPICS)]


def signed(credits: float) -> str:
    """Write a number of credits with its sign, a zero without."""
    text = f"{credits:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def network_axes(figure: Figure, left: float, width: float) -> Axes:
    """Add bare axes beside the others of the network, 0..1 both ways."""
    axes = figure.add_axes((left, NETWORK[0], width, NETWORK[1]))
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def heading(axes: Axes, x: float, text: str, unit: str, align: str) -> None:
    """Write the name of a column, and below it the unit."""
    place: dict[str, Any] = {"transform": axes.transAxes, "ha": align, "va": "baseline"}
    axes.text(x, 1.042, text, color=INK, size=8, weight="bold", **place)
    axes.text(x, 1.014, unit, color=MUTED, size=7, **place)


class Column:
    """Bars of one quantity, one in each row.

    The scale only grows, so that bars can be compared from slot to slot.

    Attributes:
        axes: the axes of the bars.
        bars: a segment from 0 to the value in each row.

    Args:
        figure: the figure to draw in.
        left: left edge, share of the figure.
        width: width, share of the figure.
        rows: middle of each row, 0..1.
        thickness: of a bar, points.
        names: name of the quantity, and its unit.
        top: upper end of the scale at first.
    """

    def __init__(
        self,
        figure: Figure,
        left: float,
        width: float,
        rows: Float,
        thickness: float,
        names: tuple[str, str],
        top: float,
    ) -> None:
        self._rows = rows
        self.axes = network_axes(figure, left, width)
        self.axes.set_xlim(0, top)
        self.axes.spines["bottom"].set_visible(True)
        self.axes.xaxis.set_major_locator(MaxNLocator(2, integer=top >= 2, steps=[1, 2, 5, 10]))
        self.axes.vlines(0, 0, 1, color=FAINT, linewidth=0.8)
        heading(self.axes, 0.0, *names, align="left")
        self.bars = LineCollection([], linewidths=thickness, capstyle="butt", zorder=2)
        self.axes.add_collection(self.bars, autolim=False)

    def update(self, value: Float, colour: Float) -> None:
        """Show values, (rows,), in their colours, RGBA (rows, 4)."""
        ends = np.zeros((len(value), 2, 2))
        ends[:, 1, 0] = value
        ends[..., 1] = self._rows[:, None]
        self.bars.set_segments(list(ends))
        self.bars.set_color(colour.tolist())
        low, high = self.axes.get_xlim()
        if value.max() > max(low, high):
            grown = 1.1 * float(value.max())
            self.axes.set_xlim((0, grown) if low < high else (grown, 0))


def row_labels(
    axes: Axes, x: float, rows: Float, which: list[int], size: float, align: str
) -> list[Text]:
    """Return empty texts at `x`, one in each of the rows `which`."""
    return [
        axes.text(x, rows[i], "", size=size, ha=align, va="center_baseline", color=MUTED)
        for i in which
    ]


def row_markers(axes: Axes, rows: Float, size: float, shapes: list[Path]) -> PathCollection:
    """Return markers at the left edge, one in each row.

    Args:
        axes: the axes to draw in.
        rows: middle of each row, 0..1.
        size: diameter, points.
        shapes: outline of each marker.
    """
    markers: PathCollection = axes.scatter(
        np.zeros(len(rows)), rows, s=size**2, clip_on=False, zorder=3, linewidths=1.0
    )
    markers.set_paths(shapes)
    return markers


def paint(markers: PathCollection, filled: Bool, colour: Float, edge: Float | None = None) -> None:
    """Paint those markers that are filled, and leave the others hollow.

    Args:
        markers: P markers.
        filled: (P,).
        colour: RGBA of each marker, (P, 4).
        edge: RGBA of the edges of those that are filled, the same if left out.
    """
    of_each = filled[:, None]
    markers.set_facecolor(np.where(of_each, colour, to_rgba("white")).tolist())
    edge = colour if edge is None else edge
    markers.set_edgecolor(np.where(of_each, edge, to_rgba(FAINT)).tolist())
