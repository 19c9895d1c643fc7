"""A metric of every policy against the key that a sweep varies, a panel for each setting of the
others.

Settings of the algorithm are neither axis nor panel where the worlds vary too: a policy trained in
several ways has as many lines, beside those of the policies that do not learn.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from paper_figures import style, variants
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import Axis, axes, once_a_task, task, with_axes
from paper_figures.tables import CannotDraw, Tables, require

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 3.0)}
MOST_PANELS = 4
MOST_NAMES = 4  # on an axis of values that are no numbers
ASIDE = 5  # points (1/72 in) between the ways of training
WIDE = 8  # greatest over least value from which an axis is logarithmic


def plot(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw the gain per slot and user (credits) of every policy in the table "evaluation" with 95 %
    intervals.

    The lines of a policy trained in several ways stand side by side, a little beside the value that
    they are for, and its stochastic form is left out. Raises CannotDraw without a sweep, and with
    one of more panels or names than fit on a page.
    """
    return plot_metrics(tables, ["gain"], figure)


def plot_metrics(tables: Tables, metrics: Sequence[str], figure: Figure | None = None) -> Figure:
    """As `plot`, a row of panels for each metric."""
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", "episode", *metrics))
    if evaluation["point"].map(task).nunique() > 1:  # else the algorithm is all that varies
        evaluation = once_a_task(evaluation)
        evaluation = evaluation[~evaluation["policy"].str.contains("_stochastic ")]
    policies = sorted(
        evaluation["policy"].unique(), key=lambda name: " " not in name
    )  # ways of training before others
    looks = variants.curves(policies)
    *others, axis = axes(evaluation["point"])
    panels = list(product(*(other.values for other in others)))
    if len(panels) > MOST_PANELS:
        raise CannotDraw(
            f"the sweep has {len(panels)} settings beside {axis.key}; this figure shows "
            f"{MOST_PANELS}"
        )
    if axis.numbers is None and len(axis.values) > MOST_NAMES:
        raise CannotDraw(
            f"the sweep has {len(axis.values)} values of {axis.key}; this figure has room for "
            f"{MOST_NAMES}"
        )
    rows = with_axes(evaluation, [*others, axis])
    if figure is None:
        width, height = rcParams["figure.figsize"]
        figure = Figure((width, height * (0.35 + 0.65 * len(metrics))), layout="constrained")
    grid = figure.subplots(len(metrics), len(panels), sharex=True, sharey="row", squeeze=False)
    handles: dict[str, Line2D] = {}
    intervals = []
    for line, metric in enumerate(metrics):
        for column, panel in enumerate(panels):
            ax: Axes = grid[line, column]
            here = rows
            for other, value in zip(others, panel, strict=True):
                here = here[here[other.key] == value]
            drawn = mean_interval(here, metric, by=(axis.key, "policy"))
            intervals.append(drawn)
            handles |= {
                label: handle
                for label, handle in _draw(ax, drawn, axis, looks).items()
                if label not in handles
            }
            if line == 0 and panel:
                ax.set_title(
                    ", ".join(_panel_label(o, v) for o, v in zip(others, panel, strict=True)),
                    loc="left",
                )
            if line == len(metrics) - 1:
                ax.set_xlabel(axis.label)
        grid[line, 0].set_ylabel(style.METRIC_LABELS.get(metric, metric))
    key = style.interval_key(
        pd.concat(intervals), Line2D([], [], color="black", marker="|", markersize=9, linestyle="")
    )
    figure.legend(handles=[*handles.values(), *key], loc="outside upper center", ncols=4)
    return figure


def _panel_label(axis: Axis, value: str) -> str:
    if axis.key == "mechanism":
        return style.point_label(f"mechanism={value}")
    shown = {"None": "drawn", "min_delay": "for the least delay", "equal": "equally"}.get(
        value, value
    )
    return f"{axis.label}: {shown}"


def _draw(
    ax: Axes, intervals: pd.DataFrame, axis: Axis, looks: dict[str, dict[str, Any]]
) -> dict[str, Line2D]:
    """A line through the means for each policy, or markers alone where the values are no numbers,
    by label.
    """
    place = dict(zip(axis.values, axis.numbers or range(len(axis.values)), strict=True))
    handles = {}
    ways = [policy for policy in looks if " " in policy]
    for policy, look in looks.items():
        rows = intervals[intervals["policy"] == policy]
        rows = rows.assign(place=rows[axis.key].map(place)).sort_values("place")
        (line,) = ax.plot(
            rows["place"], rows["mean"], **look | ({} if axis.numbers else {"linestyle": ""})
        )
        bars = ax.vlines(
            rows["place"], rows["low"], rows["high"], color=look["color"], linewidth=0.9, zorder=3
        )
        if policy in ways:
            points = ASIDE * (ways.index(policy) - (len(ways) - 1) / 2)
            aside = ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)
            line.set_transform(line.get_transform() + aside)
            bars.set_transform(bars.get_transform() + aside)
        handles[look["label"]] = line
    places = list(place.values())
    if axis.numbers is None:
        ax.set_xlim(-0.5, len(places) - 0.5)
    elif places[0] > 0 and places[-1] / places[0] >= WIDE:
        ax.set_xscale("log", base=2)
    ax.set_xticks(
        places, axis.values if axis.numbers is None else [f"{number:g}" for number in places]
    )
    ax.set_xticks([], minor=True)
    return handles
