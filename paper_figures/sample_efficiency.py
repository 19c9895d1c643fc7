"""Sample efficiency and wall clock: how far algorithms have come after as many steps, and after as
much time.

Curves are the training record: each value is the mean of an epoch of the exploring policy, which
gains less than the deterministic policy that is evaluated in the end.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from paper_figures import style, variants
from paper_figures.statistics import (
    aligned,
    learning_curve,
    mean_interval,
    smooth,
    smoothing_window,
)
from paper_figures.sweeps import named, task
from paper_figures.tables import CannotDraw, Tables, require

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 3.0)}
SHARE = "share_of_equilibrium"
CLOCKS = {"agent_steps": "Agent steps", "seconds": "Wall clock of training (s)"}


def summarise(tables: Tables, levels: Sequence[float] = (0.5, 0.85)) -> pd.DataFrame:
    """How long each training took to shares of the equilibrium's gain, and what share its policy
    has in the end.

    A level is reached in the first epoch whose mean over epochs (`statistics.smoothing_window`) is
    at least that share.

    Returns a row for each sweep point: `point`, `algorithm`; for each level, say 0.5,
    `agent_steps_to_0.5` and `seconds_to_0.5`, medians over the seeds, of which one that never gets
    there counts as infinitely late (NaN where the median is), and `num_reached_0.5`; `final`, `low`
    and `high`, mean share of the evaluation's episodes with 95 % interval over the seeds, and
    `num_seeds`. Raises CannotDraw, a ValueError, that says what is missing.
    """
    training = _training(tables, SHARE)
    policies = list(training["algorithm"].unique())
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", SHARE), policies)
    final = mean_interval(evaluation, SHARE, by=("point", "policy")).drop(columns="num_episodes")
    rows = []
    for (point, algorithm), epochs in training.groupby(["point", "algorithm"], sort=False):
        row: dict[str, Any] = {"point": point, "algorithm": algorithm}
        for level in levels:
            first = epochs[epochs[SHARE] >= level].groupby("seed")[list(CLOCKS)].first()
            median = (
                first.reindex(epochs["seed"].unique())
                .fillna(np.inf)
                .median()
                .replace(np.inf, np.nan)
            )
            row |= {f"{clock}_to_{level:g}": median[clock] for clock in CLOCKS}
            row[f"num_reached_{level:g}"] = len(first)
        rows.append(row)
    final = final.rename(columns={"policy": "algorithm", "mean": "final"})
    return pd.DataFrame(rows).merge(final, on=["point", "algorithm"], how="left")


def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw training against (a) agent steps, slots of all users of all worlds, and (b) seconds, on
    logarithmic axes.

    The share of the equilibrium's gain where every epoch has it, else the gain per slot and user
    (credits). A curve for each algorithm and way of training: the mean over seeds, each smoothed
    over 2.5 % of its epochs, in a band of the 95 % Student t interval over seeds. Where seeds were
    recorded at different times they are interpolated, within the range that all of them cover.

    Needs the table "training", of one world. Raises CannotDraw, a ValueError, that says what is
    missing.
    """
    everywhere = (
        "training" in tables
        and SHARE in tables["training"]
        and tables["training"][SHARE].notna().all()
    )
    metric = SHARE if everywhere else "gain"
    training = _training(tables, metric)
    trained = {
        named(str(algorithm), str(point)): epochs
        for (point, algorithm), epochs in training.groupby(["point", "algorithm"], sort=False)
    }
    looks = variants.curves(list(trained))
    if figure is None:
        figure = Figure(rcParams["figure.figsize"], layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    drawn = []
    for ax, letter, (clock, axis) in zip(panels, "ab", CLOCKS.items(), strict=True):
        for number, (name, epochs) in enumerate(trained.items()):
            together = aligned(epochs, metric, clock)
            if together.empty:
                raise CannotDraw(
                    f"table 'training' has no {clock} that all seeds of '{looks[name]['label']}' "
                    "passed"
                )
            curve = learning_curve(together, metric, clock, window=1)
            drawn.append(curve)
            colour, zorder = looks[name]["color"], looks[name]["zorder"]
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
            ax.plot(curve.index, curve["mean"], markevery=(0.1 * apart, 0.1), **looks[name])
        if metric == SHARE:
            ax.axhline(1, color="0.4", linewidth=0.6)
        ax.set_xscale("log")
        ax.margins(x=0.02)
        ax.set_title(f"({letter})", loc="left")
        ax.set_xlabel(axis)
    panels[0].set_ylabel(f"{style.METRIC_LABELS[metric]},\nmean of an epoch while exploring")
    handles, _ = panels[0].get_legend_handles_labels()
    key = style.interval_key(pd.concat(drawn), Patch(color="0.8"))
    figure.legend(handles=[*handles, *key], loc="outside upper center", ncols=4)
    return figure


def _training(tables: Tables, metric: str) -> pd.DataFrame:
    """The epochs in their order, `metric` smoothed within each training."""
    epochs = require(tables, "training", ("seed", "point", "algorithm", "epoch", *CLOCKS, metric))
    if len(worlds := epochs["point"].map(task).unique()) > 1:
        raise CannotDraw(
            f"table 'training' is of {len(worlds)} sweep points besides the algorithm "
            f"({', '.join(worlds)}); "
            "this figure shows one"
        )
    epochs = epochs.sort_values("epoch", kind="stable")
    smoothed = epochs.groupby(["point", "algorithm", "seed"])[metric].transform(
        lambda values: smooth(values, smoothing_window(len(values)))
    )
    return epochs.assign(**{metric: smoothed})
