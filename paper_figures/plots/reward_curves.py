"""Reward against training epochs: Figure 4 of the paper.

A learning algorithm's curve is the training record: the mean of an epoch, of the exploring policy.
The baselines do not learn, so they have no epochs; episode i of their evaluation stands for epoch i
+ 1. Where they were evaluated for fewer episodes than there are epochs, a horizontal line shows the
mean over all.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from paper_figures import style
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


def needed(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables "training" and "evaluation" of a run that has the figure.

    Raises:
        CannotDraw: a table, column or baseline is missing, a utility is infinite, or an algorithm
            was trained at several sweep points or for one epoch.
    """
    training = require(tables, "training", ("seed", "point", "algorithm", "epoch", "utility"))
    evaluation = require(tables, "evaluation", ("seed", "policy", "episode", "utility"), BASELINES)
    require_finite(training, "training", ("utility",))
    require_finite(evaluation[evaluation["policy"].isin(BASELINES)], "evaluation", ("utility",))
    require_one_point(training)
    require_epochs(training)
    return training, evaluation


@register("reward_curves", STYLE, needed)
def plot(tables: Tables, ax: Axes | None = None) -> Axes:
    """Draw the utility of a request (credits) against the epoch: learned policies and baselines.

    Every curve is the mean over seeds of curves smoothed over 2.5 % of the epochs, in a band of the
    95 % Student t interval over seeds; one seed has no band.

    Args:
        tables: of a run, "training" and "evaluation" among them.
        ax: axes to draw into, those of a new figure if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    training, evaluation = needed(tables)
    ax = Figure(layout="constrained").subplots() if ax is None else ax

    num_epochs = int(training["epoch"].max())
    window = smoothing_window(num_epochs)
    curves = {
        str(algorithm): learning_curve(rows, "utility", "epoch", window)
        for algorithm, rows in training.groupby("algorithm", sort=False)
    }
    for policy in BASELINES:
        curves[policy] = _baseline_curve(
            evaluation[evaluation["policy"] == policy], num_epochs, window
        )

    bound = "local"  # first in the legend, as it is on the page
    for policy in (bound, *(name for name in curves if name != bound)):
        curve = curves[policy]
        label, colour, line_style, _ = style.policy_style(policy, curves)
        ax.fill_between(
            curve.index, curve["low"], curve["high"], color=colour, alpha=0.2, linewidth=0
        )
        ax.plot(curve.index, curve["mean"], color=colour, linestyle=line_style, label=label)
    ax.margins(x=0)
    ax.set_xlabel("Epoch")
    ax.set_ylabel(style.METRIC_LABELS["utility"])
    handles, _ = ax.get_legend_handles_labels()
    key = style.interval_key(pd.concat(curves.values()), Patch(color="0.8"), narrow=True)
    ax.legend(handles=[*handles, *key], loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax


def _baseline_curve(rows: pd.DataFrame, num_epochs: int, window: int) -> pd.DataFrame:
    """Return the curve of a policy that does not learn, over epochs 1..num_epochs."""
    if rows["episode"].nunique() >= num_epochs:
        epochs = rows.assign(epoch=rows["episode"] + 1)
        return learning_curve(epochs[epochs["epoch"] <= num_epochs], "utility", "epoch", window)
    level = mean_interval(rows, "utility")
    return pd.concat([level, level])[["mean", "low", "high", "num_seeds"]].set_axis([1, num_epochs])
