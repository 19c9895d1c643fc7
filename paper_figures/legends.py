"""Legends of figures: as wide as the page at most, and where they are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend

from paper_figures.tables import CannotDraw

_OUTSIDE = {
    "top": "outside upper center",
    "bottom": "outside lower center",
    "left": "outside center left",
    "right": "outside center right",
}
MOST_COLUMNS = 4


def add_legend(
    figure: Figure | SubFigure,
    handles: Sequence[Any],
    columns: int = MOST_COLUMNS,
    loc: str = _OUTSIDE["top"],
    **look: Any,
) -> Legend:
    """Add a legend beside all panels, in fewer columns where it were wider than the figure.

    Args:
        figure: the figure.
        handles: its entries.
        columns: at most.
        loc: place, as `Figure.legend` takes it.
        look: further keywords of that.
    """
    columns = max(1, min(columns, len(handles)))
    while True:
        whole: dict[str, Any] = {"handles": list(handles), "loc": loc, "ncols": columns} | look
        legend = figure.legend(**whole)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return legend
        legend.remove()
        columns -= 1


def place_legend(figure: Figure, panels: Mapping[str, Axes], place: str) -> None:
    """Move the legend of a figure, or of its only panel that has one.

    Args:
        figure: the figure.
        panels: by their letters.
        place: as `FigureOptions.legend`.

    Raises:
        CannotDraw: there is none, or several panels have one of their own.
    """
    own = [legend for ax in panels.values() if (legend := ax.get_legend()) is not None]
    if not figure.legends and not own:
        raise CannotDraw("legend: this figure has none")
    if place == "none":
        for legend in [*figure.legends, *own]:
            legend.remove()
        return
    legends = list(figure.legends) or own
    if len(legends) > 1:
        raise CannotDraw("legend: its panels have legends of their own; it takes none alone")
    [old] = legends
    labels = [text.get_text() for text in old.get_texts()]
    handles = _handles(figure, old, labels)
    title = old.get_title().get_text() or None
    old.remove()
    if place == "inside":
        next(iter(panels.values())).legend(handles, labels, title=title, loc="best")
        return
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")  # makes room for it
    columns = MOST_COLUMNS if place in ("top", "bottom") else 1
    add_legend(figure, handles, columns, _OUTSIDE[place], labels=labels, title=title)


def _handles(figure: Figure, legend: Legend, labels: Sequence[str]) -> list[Any]:
    """Return what the entries of a legend stand for.

    A legend keeps marks of its own for them, of bars with intervals the first part alone.
    """
    known: dict[str, Any] = {}
    for ax in figure.axes:
        handles, names = ax.get_legend_handles_labels()
        known |= dict(zip(names, handles, strict=True))
    marks = zip(labels, legend.legend_handles, strict=True)
    return [
        known[name] if isinstance(known.get(name), Container) or mark is None else mark
        for name, mark in marks
    ]
