"""Panels of a figure: beside each other, below each other where it is as narrow as a column."""

from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

NARROW = 5.0  # inches; a column is below it, a page above
Page = Figure | SubFigure


def is_narrow(figure: Page | None = None) -> bool:
    """Return whether a figure has the width of a column; of None the next one that is made."""
    if figure is None:
        return bool(rcParams["figure.figsize"][0] < NARROW)
    return figure.bbox.width / figure.get_figure(root=True).dpi < NARROW


def new_figure(height: float | None = None) -> Figure:
    """Return a figure of the width in use.

    Args:
        height: inches; None: that of the style.
    """
    width, usual = rcParams["figure.figsize"]
    return Figure((width, usual if height is None else height), layout="constrained")


def beside(figure: Page | None, count: int, height: float | None = None, **keys: Any) -> list[Axes]:
    """Return panels beside each other, or below each other in a column.

    Args:
        figure: to draw on, a new one if None.
        count: of panels.
        height: of a row of them with the legend (in), where a figure is made; None: that of the
            style.
        keys: of `Figure.subplots`, as for panels beside each other.
    """
    if figure is None:
        usual = rcParams["figure.figsize"][1] if height is None else height
        figure = new_figure(usual * (0.4 + 0.6 * count) if is_narrow() else usual)
    if is_narrow(figure):
        keys.pop("width_ratios", None)
        return list(figure.subplots(count, 1, squeeze=False, **keys)[:, 0])
    return list(figure.subplots(1, count, squeeze=False, **keys)[0])
