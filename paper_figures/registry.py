"""The registry of figures, each by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class FigureKind:
    """A figure that can be drawn.

    Attributes:
        name: such as "contention", also of its files.
        style: rcParams that it is drawn and saved with.
        plot: function of the record tables that returns a figure, or the axes in one. It raises
            CannotDraw where the tables lack what it shows.
    """

    name: str
    style: dict[Any, Any]
    plot: Callable[..., Any]


FIGURES: dict[str, FigureKind] = {}  # by name, in the order of registration


def register(name: str, style: dict[Any, Any]) -> Callable[[Function], Function]:
    """Return a decorator that registers a plot function as a figure.

    One that was defined again, as in a cell of a notebook, takes the place of its former self.

    Args:
        name: of the figure.
        style: rcParams that it is drawn and saved with, as `style.PRINT | style.SINGLE_COLUMN`.

    Raises:
        ValueError: by the decorator, where the name is taken by another.
    """

    def add(plot: Function) -> Function:
        if name in FIGURES and _origin(FIGURES[name].plot) != _origin(plot):
            raise ValueError(f"figure '{name}' exists already")
        FIGURES[name] = FigureKind(name, style, plot)
        return plot

    return add


def _origin(plot: Callable[..., Any]) -> tuple[str, str]:
    return plot.__module__, plot.__qualname__
