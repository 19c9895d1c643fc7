"""The registry of figures, each by its name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, TypeVar

from paper_figures.options import KEYS, unknown

COMPARE = "compare"  # as `FigureKind.refuses` calls several runs in one figure
# What several figures refuse, and why.
ROWS = dict.fromkeys(("ylim", "yscale"), "its y axes are rows of names")
NAMES = dict.fromkeys(("xlim", "xscale"), "its x axes are names")
ONE_RUN = {COMPARE: "it shows one policy of one run"}
NO_POLICY = dict.fromkeys(("policies", "labels", COMPARE), "it tells no policies apart")
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
        refuses: for each of `FigureOptions` that it does not take, and "compare" where it does not
            draw several runs, why. It takes `metric` where `plot`, and `needs` where there is one,
            have a keyword of that name, or `metrics` where they take several.
        one_policy: whether it shows a single policy.
        references: policies that it measures others by, which `policies` does not leave out.
    """

    name: str
    style: dict[Any, Any]
    plot: Callable[..., Any]
    needs: Callable[..., object] | None = None
    refuses: Mapping[str, str] = field(default_factory=dict)
    one_policy: bool = False
    references: tuple[str, ...] = ()

    @property
    def metric_keyword(self) -> str | None:
        """The keyword by which `plot` takes a metric or several, None where it takes none."""
        parameters = signature(self.plot).parameters
        return next((name for name in ("metric", "metrics") if name in parameters), None)


FIGURES: dict[str, FigureKind] = {}  # by name, in the order of registration


def register(
    name: str,
    style: dict[Any, Any],
    needs: Callable[..., object] | None = None,
    *,
    refuses: Mapping[str, str] | None = None,
    one_policy: bool = False,
    references: tuple[str, ...] = (),
) -> Callable[[Function], Function]:
    """Return a decorator that registers a plot function as a figure.

    One that was defined again, as in a cell of a notebook, takes the place of its former self.

    Args:
        name: of the figure, and of its files.
        style: rcParams that it is drawn and saved with, as `style.PRINT | style.SINGLE_COLUMN`;
            all others are matplotlib's defaults.
        needs: as `FigureKind.needs`.
        refuses: as `FigureKind.refuses`.
        one_policy: as `FigureKind.one_policy`.
        references: as `FigureKind.references`.

    Raises:
        ValueError: no file can have the name, or an option that is refused is none; by the
            decorator, where the name is taken by another.
    """
    for option in refuses or {}:
        if option not in (*KEYS, COMPARE):
            raise ValueError(f"figure '{name}': refuses: {unknown(option, (*KEYS, COMPARE))}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a figure's name should be of letters, digits, _, -, dots and blanks, got {name!r}"
        )

    def add(plot: Function) -> Function:
        if name in FIGURES and _origin(FIGURES[name].plot) != _origin(plot):
            raise ValueError(f"figure '{name}' exists already")
        FIGURES[name] = FigureKind(name, style, plot, needs, refuses or {}, one_policy, references)
        return plot

    return add


def _origin(plot: Callable[..., Any]) -> tuple[str, str]:
    return plot.__module__, plot.__qualname__
