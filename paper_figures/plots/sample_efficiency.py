"""Sample efficiency and wall clock: what algorithms reach after as many steps, and as much time.

Curves are the training record: each value is the mean of an epoch of the exploring policy, which
gains less than the deterministic policy that is evaluated in the end.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from paper_figures import style, variants
from paper_figures.drawing import drawn, rank_of
from paper_figures.legends import add_legend
from paper_figures.marks import zero_line
from paper_figures.panels import beside
from paper_figures.registry import register
from paper_figures.settings import read
from paper_figures.statistics import (
    aligned,
    learning_curve,
    mean_interval,
    smooth,
    smoothing_window,
)
from paper_figures.sweeps import task_texts
from paper_figures.tables import CannotDraw, Tables, require, require_epochs

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 3.0)}
SHARE = "share_of_equilibrium"
CLOCKS = {"agent_steps": "Agent steps", "seconds": "Wall clock of training (s)"}


def summarise(tables: Tables, levels: Sequence[float] = (0.5, 0.85)) -> pd.DataFrame:
    """Compute when each training reached shares of the equilibrium's gain, and its final share.

    A level is reached in the first epoch whose mean over epochs (`statistics.smoothing_window`) is
    at least that share.

    Args:
        tables: of a run, "training" and "evaluation" among them.
        levels: shares of the equilibrium's gain.

    Returns:
        A row for each sweep point: `point`, `settings`, `algorithm`; for each level, say 0.5,
        `agent_steps_to_0.5` and `seconds_to_0.5`, medians over the seeds, of which one that never
        gets there counts as infinitely late (NaN where the median is), and `num_reached_0.5`;
        `final`, `low` and `high`, mean share of the evaluation's episodes with 95 % interval over
        the seeds, and `num_seeds`.

    Raises:
        CannotDraw: a table, column or policy is missing, or the trainings are of several tasks.
    """
    training = _training(tables, SHARE)
    policies = list(training["algorithm"].unique())
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", SHARE), policies)
    final = mean_interval(evaluation, SHARE, by=("settings", "policy"))
    final = final.drop(columns="num_episodes").rename(
        columns={"policy": "algorithm", "mean": "final"}
    )
    rows = []
    trained = training.groupby(["settings", "point", "algorithm"], sort=False)
    for (settings, point, algorithm), epochs in trained:
        row: dict[str, Any] = {"point": point, "settings": settings, "algorithm": algorithm}
        for level in levels:
            first = epochs[epochs[SHARE] >= level].groupby("seed")[list(CLOCKS)].first()
            median = (
                first.reindex(epochs["seed"].unique())
                .fillna(np.inf)
                .median()
                .replace(np.inf, np.nan)
            )
            for clock in CLOCKS:
                row[f"{clock}_to_{level:g}"] = median[clock]
            row[f"num_reached_{level:g}"] = len(first)
        rows.append(row)
    return pd.DataFrame(rows).merge(final, on=["settings", "algorithm"], how="left")


def needed(tables: Tables, metric: str | None = None) -> str:
    """Return the metric that is shown of a run that has the figure.

    Raises:
        CannotDraw: the table or a column is missing, or the trainings are of several tasks or of
            one epoch.
    """
    if metric is None:
        everywhere = (
            "training" in tables
            and SHARE in tables["training"]
            and tables["training"][SHARE].notna().all()
        )
        metric = SHARE if everywhere else "gain"
    require_epochs(_training(tables, metric))
    return metric


@register("sample_efficiency", STYLE, needed)
def plot(
    tables: Tables, figure: Figure | SubFigure | None = None, metric: str | None = None
) -> Figure | SubFigure:
    """Draw training against (a) agent steps and (b) seconds, on logarithmic axes.

    Agent steps are slots of all users of all worlds.

    The share of the equilibrium's gain where every epoch has it, else the gain per slot and user
    (credits). A curve for each algorithm and way of training: the mean over seeds, each smoothed
    over 2.5 % of its epochs, in a band of the 95 % Student t interval over seeds. Where seeds were
    recorded at different times they are interpolated, within the range that all of them cover.

    Args:
        tables: of a run, "training" among them.
        figure: to draw on, a new one if None.
        metric: column in place of those.

    Raises:
        CannotDraw: as by `needed`, and where seeds never passed the same steps.
    """
    metric = needed(tables, metric)
    training = _training(tables, metric)
    trained = {}
    for (settings, algorithm), epochs in training.groupby(["settings", "algorithm"], sort=False):
        trained[variants.variant(str(algorithm), read(settings))] = epochs
    order = sorted(trained, key=lambda which: rank_of(which.policy))
    trained = {which: trained[which] for which in order}
    looks = variants.curves(list(trained))
    panels = beside(figure, 2, sharey=True)
    figure = panels[0].figure
    shown = []
    for ax, letter, (clock, axis) in zip(panels, "ab", CLOCKS.items(), strict=True):
        for number, (which, epochs) in enumerate(trained.items()):
            together = aligned(epochs, metric, clock)
            if together[clock].nunique() < 2:  # no line goes through less
                raise CannotDraw(
                    f"table 'training' has no {clock} that all seeds of '{looks[which]['label']}' "
                    "passed"
                )
            curve = learning_curve(together, metric, clock, window=1)
            shown.append(curve)
            points = curve.reset_index(names="at")
            drawn(points, panel=letter, clock=clock, metric=metric, policy=which)
            colour, zorder = looks[which]["color"], looks[which]["zorder"]
            ax.fill_between(
                curve.index,
                curve["low"],
                curve["high"],
                color=colour,
                alpha=0.2,
                linewidth=0,
                zorder=zorder,
            )
            apart = number / len(trained)  # so that the markers of curves that lie together are
            ax.plot(curve.index, curve["mean"], markevery=(0.1 * apart, 0.1), **looks[which])
        if metric == SHARE:
            ax.axhline(1, color="0.4", linewidth=0.6)
        zero_line(ax)
        ax.set_xscale("log")
        ax.margins(x=0.02)
        ax.set_title(f"({letter})", loc="left")
        ax.set_xlabel(axis)
    panels[0].set_ylabel(f"{style.metric_label(metric)},\nmean of an epoch while exploring")
    handles, _ = panels[0].get_legend_handles_labels()
    key = style.interval_key(pd.concat(shown), Patch(color="0.8"))
    add_legend(figure, [*handles, *key], 4)
    return figure


def _training(tables: Tables, metric: str) -> pd.DataFrame:
    """Return the epochs in their order, `metric` smoothed within each training."""
    epochs = require(tables, "training", ("seed", "point", "algorithm", "epoch", *CLOCKS, metric))
    tasks = task_texts(epochs["settings"])
    if len(tasks) > 1:
        raise CannotDraw(
            f"table 'training' is of {len(tasks)} sweep points besides the algorithm "
            f"({', '.join(tasks.values())}); this figure shows one"
        )
    epochs = epochs.sort_values("epoch", kind="stable")
    smoothed = epochs.groupby(["settings", "algorithm", "seed"])[metric].transform(
        lambda values: smooth(values, smoothing_window(len(values)))
    )
    return epochs.assign(**{metric: smoothed})
