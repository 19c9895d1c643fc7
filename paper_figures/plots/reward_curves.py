"""Reward against training epochs: Figure 4 of the paper.

A learning algorithm's curve is the training record: the mean of an epoch, of the exploring policy.
The baselines do not learn, so they have no epochs; episode i of their evaluation stands for epoch i
+ 1. Where they were evaluated for fewer episodes than there are epochs, a horizontal line shows the
mean over all.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from paper_figures import style
from paper_figures.drawing import drawn, in_order, in_runs, of_run, wanted
from paper_figures.marks import zero_line
from paper_figures.panels import new_figure
from paper_figures.registry import register
from paper_figures.statistics import learning_curve, mean_interval, smoothing_window
from paper_figures.tables import (
    Tables,
    require,
    require_epochs,
    require_finite,
    require_one_point,
)

STYLE = style.PRINT | style.SINGLE_COLUMN
BASELINES = ("local", "abandon", "random")


def needed(tables: Tables, metric: str = "utility") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables "training" and "evaluation" of a run that has the figure.

    Of the latter the rows of the baselines that are shown.

    Raises:
        CannotDraw: a table, column or baseline is missing, a utility is infinite, or an algorithm
            was trained at several sweep points or for one epoch.
    """
    training = require(tables, "training", ("seed", "point", "algorithm", "epoch", metric))
    columns = ("seed", "policy", "episode", metric)
    names = wanted(in_runs(BASELINES))
    evaluation = require(tables, "evaluation", columns, names)
    baselines = evaluation[evaluation["policy"].isin(names)]
    require_finite(training, "training", (metric,))
    if names:
        require_finite(baselines, "evaluation", (metric,))
    require_one_point(training)
    require_epochs(training)
    return training, baselines


@register("reward_curves", STYLE, needed)
def plot(tables: Tables, ax: Axes | None = None, metric: str = "utility") -> Axes:
    """Draw the utility of a request (credits) against the epoch: learned policies and baselines.

    Every curve is the mean over seeds of curves smoothed over 2.5 % of the epochs, in a band of the
    95 % Student t interval over seeds; one seed has no band.

    Args:
        tables: of a run, "training" and "evaluation" among them.
        ax: axes to draw into, those of a new figure if None.
        metric: column of both tables.

    Raises:
        CannotDraw: as by `needed`.
    """
    training, evaluation = needed(tables, metric)
    ax = new_figure().subplots() if ax is None else ax

    num_epochs = int(training["epoch"].max())
    window = smoothing_window(num_epochs)
    curves = {
        str(algorithm): learning_curve(rows, metric, "epoch", window)
        for algorithm, rows in training.groupby("algorithm", sort=False)
    }
    for policy in wanted(in_runs(BASELINES)):
        rows = evaluation[evaluation["policy"] == policy]
        curves[policy] = _baseline_curve(rows, metric, num_epochs, window)

    # The bound is first in the legend, as it is on the page.
    for policy in in_order(sorted(curves, key=lambda name: of_run(name)[0] != "local")):
        curve = curves[policy]
        drawn(curve.rename_axis("epoch").reset_index(), policy=policy, metric=metric)
        look = style.policy_style(policy, curves)
        ax.fill_between(
            curve.index, curve["low"], curve["high"], color=look.colour, alpha=0.2, linewidth=0
        )
        line: dict[str, Any] = {
            "color": look.colour,
            "linestyle": look.line_style,
            "label": look.label,
        }
        ax.plot(curve.index, curve["mean"], **line)
    zero_line(ax)
    ax.margins(x=0)
    ax.set_xlabel("Epoch")
    ax.set_ylabel(style.metric_label(metric))
    handles, _ = ax.get_legend_handles_labels()
    key = style.interval_key(pd.concat(curves.values()), Patch(color="0.8"), narrow=True)
    ax.legend(handles=[*handles, *key], loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax


def _baseline_curve(rows: pd.DataFrame, metric: str, num_epochs: int, window: int) -> pd.DataFrame:
    """Return the curve of a policy that does not learn, over epochs 1..num_epochs."""
    if rows["episode"].nunique() >= num_epochs:
        epochs = rows.assign(epoch=rows["episode"] + 1)
        return learning_curve(epochs[epochs["epoch"] <= num_epochs], metric, "epoch", window)
    level = mean_interval(rows, metric)
    return pd.concat([level, level])[["mean", "low", "high", "num_seeds"]].set_axis([1, num_epochs])
