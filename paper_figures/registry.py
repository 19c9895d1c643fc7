"""The registry of figures, each by its name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from paper_figures.tables import Tables

Function = TypeVar("Function", bound=Callable[..., Any])
_NAME = re.compile(r"\w[\w .-]*")  # of a file on every system


@dataclass(frozen=True)
class FigureKind:
    """A figure that can be drawn.

    Attributes:
        name: such as "contention", also of its files.
        style: rcParams that it is drawn and saved with.
        plot: function of the record tables that returns a figure, or the axes in one. It raises
            CannotDraw where the tables lack what it shows.
        needs: function of the record tables that raises CannotDraw where they lack what the figure
            shows, whatever was measured. Before a run it is asked of the tables as they are
            planned, in which a number stands for each that will be measured. None: nothing is
            asked before.
    """

    name: str
    style: dict[Any, Any]
    plot: Callable[..., Any]
    needs: Callable[[Tables], object] | None = None


FIGURES: dict[str, FigureKind] = {}  # by name, in the order of registration


def register(
    name: str, style: dict[Any, Any], needs: Callable[[Tables], object] | None = None
) -> Callable[[Function], Function]:
    """Return a decorator that registers a plot function as a figure.

    One that was defined again, as in a cell of a notebook, takes the place of its former self.

    Args:
        name: of the figure, and of its files.
        style: rcParams that it is drawn and saved with, as `style.PRINT | style.SINGLE_COLUMN`;
            all others are matplotlib's defaults.
        needs: as `FigureKind.needs`.

    Raises:
        ValueError: no file can have the name; by the decorator, where it is taken by another.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a figure's name should be of letters, digits, _, -, dots and blanks, got {name!r}"
        )

    def add(plot: Function) -> Function:
        if name in FIGURES and _origin(FIGURES[name].plot) != _origin(plot):
            raise ValueError(f"figure '{name}' exists already")
        FIGURES[name] = FigureKind(name, style, plot, needs)
        return plot

    return add


def _origin(plot: Callable[..., Any]) -> tuple[str, str]:
    return plot.__module__, plot.__qualname__
