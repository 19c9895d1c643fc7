"""Every policy of an experiment side by side: utility of a request, and gain per slot and user."""

from math import isnan

import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.statistics import mean_interval
from paper_figures.tables import Tables, require

STYLE = style.PRINT | style.DOUBLE_COLUMN
METRICS = ("utility", "gain")


def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw the mean and 95 % interval of every policy in the table "evaluation", best utility on top.

    One panel for the utility of a request, one for the gain per slot and user (both credits); one row of panels for
    each sweep point, with its policies in the same order. Raises CannotDraw, a ValueError, that says what is missing.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", *METRICS))
    order = list(mean_interval(evaluation, "utility").sort_values("mean", ascending=False)["policy"])
    intervals = {
        metric: mean_interval(evaluation, metric, by=("point", "policy")).sort_values(
            "policy", key=lambda policies: policies.map(order.index)
        )
        for metric in METRICS
    }
    points = list(evaluation["point"].unique())
    if figure is None:
        size = (rcParams["figure.figsize"][0], 0.7 + len(points) * (0.3 + 0.19 * len(order)))
        figure = Figure(size, layout="constrained")
    panels = figure.subplots(len(points), len(METRICS), sharex="col", sharey="row", squeeze=False)

    for panel_row, point in zip(panels, points, strict=True):
        for ax, metric in zip(panel_row, METRICS, strict=True):
            _draw_panel(ax, intervals[metric][intervals[metric]["point"] == point])
        panel_row[0].set_title(point, loc="left")
    for ax, metric in zip(panels[-1], METRICS, strict=True):
        ax.set_xlabel(style.METRIC_LABELS[metric])
    if interval := style.interval_label(pd.concat(intervals.values())):
        figure.legend(handles=[Line2D([], [], color="black", label=interval)], loc="outside upper right")
    return figure


def _draw_panel(ax: Axes, rows: pd.DataFrame) -> None:
    """One line per policy, from the top."""
    looks = [style.policy_style(policy) for policy in rows["policy"]]
    means = rows[["mean", "high"]].to_numpy()
    for height, (look, (mean, high)) in enumerate(zip(looks, means, strict=True)):
        if isnan(mean):
            ax.text(0.02, height, "no value", transform=ax.get_yaxis_transform(), va="center", color="0.4")
        ax.errorbar(mean, height, xerr=high - mean, elinewidth=0.9, color=look.colour, marker=look.marker)
    ax.set_yticks(range(len(looks)), [look.label for look in looks])
    ax.set_ylim(len(looks) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
