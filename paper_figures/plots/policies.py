"""Every policy of an experiment side by side: utility of a request, and gain per slot and user."""

from collections.abc import Sequence
from math import ceil, isfinite, isnan, nan
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paper_figures import style
from paper_figures.drawing import drawn, in_order
from paper_figures.headings import LESS_IS_BETTER
from paper_figures.legends import add_legend
from paper_figures.letters import distinct, shortened, visible
from paper_figures.marks import ends, zero_line
from paper_figures.panels import is_narrow, new_figure
from paper_figures.registry import ROWS, register
from paper_figures.statistics import mean_interval
from paper_figures.tables import CannotDraw, Tables, require, require_numbers

STYLE = style.PRINT | style.DOUBLE_COLUMN
METRICS = ("utility", "gain")
MOST_METRICS = 3  # side by side
# A page holds figures of up to this height (in): IEEE's text is 9.4 in high, and the caption needs
# some of it.
PAGE_HEIGHT = 9.0
LONGEST_TITLES = {1: 72, 2: 48}  # letters, by the sweep points in a row


def needed(tables: Tables, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Return the table "evaluation" of a run that has the figure.

    Raises:
        CannotDraw: a column is missing or holds no number, or two points in a row are too many for
            the page as well.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", *metrics))
    require_numbers(evaluation, "evaluation", metrics)
    if len(metrics) > MOST_METRICS:
        raise CannotDraw(
            f"metric: {len(metrics)} are asked for; this figure has room for {MOST_METRICS}"
        )
    _fit_page(
        evaluation["settings"].nunique(), evaluation["policy"].nunique(), len(metrics), is_narrow()
    )
    return evaluation


@register("policies", STYLE, needed, refuses=ROWS)
def plot(
    tables: Tables,
    figure: Figure | SubFigure | None = None,
    metrics: Sequence[str] = METRICS,
) -> Figure | SubFigure:
    """Draw the mean and 95 % interval of every policy in "evaluation", best utility on top.

    One panel for the utility of a request, one for the gain per slot and user (both credits); a
    pair of panels for each sweep point, with its policies in the same order. The pairs stand below
    each other, or in rows of two where the page would be too short; in a column all panels do.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.
        metrics: columns in place of these two; the first has the order.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation = needed(tables, metrics)
    order = _best_first(evaluation, metrics[0])
    intervals = {
        metric: mean_interval(evaluation, metric, by=("settings", "policy")).sort_values(
            "policy", key=lambda policies: policies.map(order.index)
        )
        for metric in metrics
    }
    points = evaluation.drop_duplicates("settings").set_index("settings")["point"]
    narrow = is_narrow(figure)
    points_a_row, height = _fit_page(len(points), len(order), len(metrics), narrow)
    figure = new_figure(height) if figure is None else figure
    columns = 1 if narrow else points_a_row * len(metrics)
    num_rows = len(points) * len(metrics) if narrow else ceil(len(points) / points_a_row)
    sharing: dict[str, Any] = {"sharex": False if narrow else "col", "sharey": "row"}
    grid = figure.subplots(num_rows, columns, squeeze=False, **sharing)
    panels = grid.reshape(-1, len(metrics))
    titles = distinct(
        style.as_text(shortened(visible(point), LONGEST_TITLES[points_a_row])) for point in points
    )

    for row, settings, title in zip(panels, points.index, titles, strict=False):
        for ax, metric in zip(row, metrics, strict=True):
            here = intervals[metric]
            here = here[here["settings"] == settings].drop(columns="settings")
            _draw_panel(ax, drawn(here, point=points[settings], metric=metric), order)
        row[0].set_title(title, loc="left")
    for metric, column in zip(metrics, panels[: len(points)].T, strict=True):
        limits = [ax.get_xlim() for ax in column]
        for ax in column:
            ax.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
        zero_line(*column, axis="x")
        for ax in column[-points_a_row:]:  # the lowest of each grid column
            ax.set_xlabel(style.metric_label(metric))
            ax.tick_params(labelbottom=True)
            if points_a_row > 1:
                ax.set_xlabel(style.metric_label(metric).replace(" (", "\n("))
                ax.xaxis.set_major_locator(MaxNLocator(5))
    for ax in panels[len(points) :].flat:
        ax.remove()
    key = style.interval_key(pd.concat(intervals.values()), Line2D([], [], color="black"))
    if key:
        add_legend(figure, key, loc="outside upper right")
    return figure


def _best_first(evaluation: pd.DataFrame, metric: str) -> list[str]:
    """Return the policies, those of the best mean first where no order was asked for."""
    means = mean_interval(evaluation, metric)
    best = means.sort_values("mean", ascending=metric in LESS_IS_BETTER)
    return in_order(best["policy"])


def _fit_page(
    num_points: int, num_policies: int, num_metrics: int, narrow: bool
) -> tuple[int, float]:
    """Return the sweep points in a row, and the height of the figure (in).

    Raises:
        CannotDraw: the page has no room.
    """
    if narrow:
        height = 0.5 + num_points * num_metrics * (0.45 + 0.16 * num_policies)
        if height <= PAGE_HEIGHT or num_points == num_metrics == 1:
            return 1, height
    else:
        height = 0.7 + num_points * (0.3 + 0.19 * num_policies)
        if num_points == 1 or height <= PAGE_HEIGHT:
            return 1, height
        height = 0.8 + ceil(num_points / 2) * (0.3 + 0.16 * num_policies)
        if height <= PAGE_HEIGHT and num_metrics <= len(METRICS):
            return 2, height
    raise CannotDraw(
        f"table 'evaluation' has {num_policies} policies at {num_points} sweep points, which take "
        f"{height:.1f} in of height; a page has {PAGE_HEIGHT:g} in"
    )


def _draw_panel(ax: Axes, rows: pd.DataFrame, among: list[str]) -> None:
    """Draw a row for each policy, from the top; `among` are all of the run."""
    looks = [style.policy_style(policy, among) for policy in rows["policy"]]
    marks = [style.policy_mark(policy, among) for policy in rows["policy"]]
    for height, (mark, mean, reach) in enumerate(
        zip(marks, rows["mean"], ends(rows).T, strict=True)
    ):
        if not isfinite(mean):
            ax.text(
                0.02,
                height,
                "no value" if isnan(mean) else "no finite value",
                transform=ax.get_yaxis_transform(),
                va="center",
                color="0.4",
            )
            mean, reach = nan, reach * nan  # an empty mark, which keeps the row
        ax.errorbar(mean, height, xerr=reach[:, None], elinewidth=0.9, **mark)
    ax.set_yticks(range(len(looks)), [look.label for look in looks])
    ax.set_ylim(len(looks) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
