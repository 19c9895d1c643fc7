"""Training of the other sides: factors on costs reported, prices, and the platform's choice."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from paper_figures import style
from paper_figures.arrangements import (
    Grid,
    grid,
    level,
    not_below_zero,
    require_learning,
    wrapped,
)
from paper_figures.drawing import drawn
from paper_figures.legends import add_legend
from paper_figures.panels import new_figure
from paper_figures.registry import NO_POLICY, register
from paper_figures.statistics import learning_curve, smoothing_window
from paper_figures.tables import Tables, require, require_epochs, require_finite

STYLE = style.PRINT | style.DOUBLE_COLUMN
# By column: axis, and what it is where nobody chooses, which has a line.
ROWS: dict[str, tuple[str, float | None]] = {
    "report_factor": ("Costs reported\n(factor on true costs)", 1.0),
    "unit_price": ("Mean unit price\n(credits per point)", None),
    "margin": ("Margin\n(share of charge)", 0.0),
    "value_factor": ("Worth of a point\n(factor chosen)", 1.0),
}
_MARKERS = 4  # on a line, of which those of other lines stand apart
_LETTERS = 96  # of text in a line of the page


def needed(tables: Tables) -> tuple[pd.DataFrame, Grid]:
    """Return the table "training" of a run that has the figure, and where its points stand.

    Raises:
        CannotDraw: there is no such table, nobody learns beside the users, a column is missing or
            has an infinite value, or an algorithm was trained for one epoch; and as by
            `arrangements.grid`.
    """
    training = require(tables, "training", ("seed", "point", "algorithm", "epoch"))
    require_learning(training, "training")
    require(tables, "training", tuple(ROWS))
    require_finite(training, "training", tuple(ROWS))
    require_epochs(training)
    return training, grid(tables, "training")


@register("reports", STYLE, needed, refuses=NO_POLICY)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw factor on costs reported, unit price, margin and factor of worth against the epoch.

    Each mechanism is a column, each quantity a row, and each arrangement of who learns beside the
    users a line: the training record, exploration included, smoothed as in `reward_curves`, in a
    band of the 95 % Student t interval over seeds, which ends at 0. The unit price is the mean over
    experts. What nobody chooses at a point has no line there, and no row where that is so at all
    points; it is where the grey line is.

    Args:
        tables: of a run, "training" among them.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    training, cells = needed(tables)
    window = smoothing_window(int(training["epoch"].max()))
    rows = [column for column in ROWS if _moves(training[column], ROWS[column][1])]
    count = len(cells.mechanisms)
    if figure is None:
        figure = new_figure(0.9 + 1.1 * len(rows))
    axes = figure.subplots(len(rows), count, sharex=True, sharey="row", squeeze=False)
    shown = []
    for settings, of_point in training.groupby("settings", sort=False):
        mechanism, arrangement = cells.cells[str(settings)]
        for row, column in enumerate(rows):
            if _moves(of_point[column], ROWS[column][1]):
                curve = learning_curve(of_point, column, "epoch", window)
                start = arrangement / len(cells.arrangements)
                _draw(axes[row, mechanism], curve, start, cells.look(str(settings)))
                named = cells.names(str(settings))._asdict()
                shown.append(drawn(curve.reset_index(), shows=column, **named))
    for row, column in enumerate(rows):
        label, reference = ROWS[column]
        axes[row, 0].set_ylabel(label)
        for ax in axes[row]:
            ax.margins(x=0.03)
            if reference is not None:
                level(ax, reference, forced=True)
        not_below_zero(axes[row, 0])
    for ax, title in zip(axes[0], wrapped(cells.mechanisms, _LETTERS // count), strict=True):
        ax.set_title(title, loc="left")
    for ax in axes[-1]:
        ax.set_xlabel("Epoch")
    handles = [
        *cells.handles(markersize=3),
        *style.interval_key(pd.concat(shown), Patch(color="0.8")),
    ]
    add_legend(figure, handles, 2 if len(handles) == 4 else 3)
    figure.align_ylabels(axes[:, 0])
    return figure


def _moves(values: pd.Series, neutral: float | None) -> bool:
    """Return whether a quantity is ever other than where nobody chooses, which may be no record."""
    recorded = values.dropna()
    return not recorded.empty and (neutral is None or bool((recorded != neutral).any()))


def _draw(ax: Axes, curve: pd.DataFrame, start: float, look: dict[str, Any]) -> None:
    """Draw a line with its band, the first marker at a share of what is between two."""
    ax.fill_between(
        curve.index, curve["low"], curve["high"], color=look["color"], alpha=0.18, linewidth=0
    )
    every = max(len(curve) // _MARKERS, 1)
    ax.plot(
        curve.index,
        curve["mean"],
        linewidth=1.0,
        markersize=3,
        markevery=(int(start * every), every),
        **look,
    )
