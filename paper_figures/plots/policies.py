"""Every policy of an experiment side by side: utility of a request, and gain per slot and user."""

from math import ceil, isfinite, isnan, nan

import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paper_figures import style
from paper_figures.letters import distinct, shortened, visible
from paper_figures.registry import register
from paper_figures.statistics import mean_interval
from paper_figures.tables import CannotDraw, Tables, require, require_numbers

STYLE = style.PRINT | style.DOUBLE_COLUMN
METRICS = ("utility", "gain")
# A page holds figures of up to this height (in): IEEE's text is 9.4 in high, and the caption needs
# some of it.
PAGE_HEIGHT = 9.0
LONGEST_TITLES = {1: 72, 2: 48}  # letters, by the pairs in a row


def needed(tables: Tables) -> pd.DataFrame:
    """Return the table "evaluation" of a run that has the figure.

    Raises:
        CannotDraw: a column is missing or holds no number, or two pairs in a row are too many for
            the page as well.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", *METRICS))
    require_numbers(evaluation, "evaluation", METRICS)
    _fit_page(evaluation["settings"].nunique(), evaluation["policy"].nunique())
    return evaluation


@register("policies", STYLE, needed)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw the mean and 95 % interval of every policy in "evaluation", best utility on top.

    One panel for the utility of a request, one for the gain per slot and user (both credits); a
    pair of panels for each sweep point, with its policies in the same order. The pairs stand below
    each other, or in rows of two where the page would be too short.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation = needed(tables)
    order = list(
        mean_interval(evaluation, "utility").sort_values("mean", ascending=False)["policy"]
    )
    intervals = {
        metric: mean_interval(evaluation, metric, by=("settings", "policy")).sort_values(
            "policy", key=lambda policies: policies.map(order.index)
        )
        for metric in METRICS
    }
    points = evaluation.drop_duplicates("settings").set_index("settings")["point"]
    pairs_a_row, height = _fit_page(len(points), len(order))
    if figure is None:
        figure = Figure((rcParams["figure.figsize"][0], height), layout="constrained")
    num_rows = ceil(len(points) / pairs_a_row)
    grid = figure.subplots(
        num_rows, pairs_a_row * len(METRICS), sharex="col", sharey="row", squeeze=False
    )
    pairs = grid.reshape(-1, len(METRICS))
    titles = distinct(
        style.as_text(shortened(visible(point), LONGEST_TITLES[pairs_a_row])) for point in points
    )

    for pair, settings, title in zip(pairs, points.index, titles, strict=False):
        for ax, metric in zip(pair, METRICS, strict=True):
            _draw_panel(ax, intervals[metric][intervals[metric]["settings"] == settings], order)
        pair[0].set_title(title, loc="left")
    for metric, column in zip(METRICS, pairs[: len(points)].T, strict=True):
        limits = [ax.get_xlim() for ax in column]
        for ax in column:
            ax.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
        for ax in column[-pairs_a_row:]:  # the lowest of each grid column
            ax.set_xlabel(style.METRIC_LABELS[metric])
            ax.tick_params(labelbottom=True)
            if pairs_a_row > 1:
                ax.set_xlabel(style.METRIC_LABELS[metric].replace(" (", "\n("))
                ax.xaxis.set_major_locator(MaxNLocator(5))
    for ax in pairs[len(points) :].flat:
        ax.remove()
    key = style.interval_key(pd.concat(intervals.values()), Line2D([], [], color="black"))
    if key:
        figure.legend(handles=key, loc="outside upper right")
    return figure


def _fit_page(num_points: int, num_policies: int) -> tuple[int, float]:
    """Return the pairs of panels in a row, and the height of the figure (in).

    Raises:
        CannotDraw: the page has no room.
    """
    height = 0.7 + num_points * (0.3 + 0.19 * num_policies)
    if num_points == 1 or height <= PAGE_HEIGHT:
        return 1, height
    height = 0.8 + ceil(num_points / 2) * (0.3 + 0.16 * num_policies)
    if height <= PAGE_HEIGHT:
        return 2, height
    raise CannotDraw(
        f"table 'evaluation' has {num_policies} policies at {num_points} sweep points, which take "
        f"{height:.1f} in of height; a page has {PAGE_HEIGHT:g} in"
    )


def _draw_panel(ax: Axes, rows: pd.DataFrame, among: list[str]) -> None:
    """Draw a row for each policy, from the top; `among` are all of the run."""
    looks = [style.policy_style(policy, among) for policy in rows["policy"]]
    means = rows[["mean", "high"]].to_numpy()
    for height, (look, (mean, high)) in enumerate(zip(looks, means, strict=True)):
        if not isfinite(mean):
            ax.text(
                0.02,
                height,
                "no value" if isnan(mean) else "no finite value",
                transform=ax.get_yaxis_transform(),
                va="center",
                color="0.4",
            )
            mean = high = nan  # an empty mark, which keeps the row
        ax.errorbar(
            mean, height, xerr=high - mean, elinewidth=0.9, color=look.colour, marker=look.marker
        )
    ax.set_yticks(range(len(looks)), [look.label for look in looks])
    ax.set_ylim(len(looks) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
