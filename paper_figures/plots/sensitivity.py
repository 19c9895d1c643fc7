"""Metrics of every policy against the key that a sweep varies, a panel a setting of the others.

Settings of the algorithm are neither axis nor panel where the tasks vary too: a policy trained in
several ways has as many lines, beside those of the policies that do not learn.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures import style, variants
from paper_figures.drawing import drawn, rank_of
from paper_figures.legends import add_legend
from paper_figures.marks import draw_lines, zero_line
from paper_figures.panels import is_narrow, new_figure
from paper_figures.point_labels import point_label
from paper_figures.registry import register
from paper_figures.settings import apart, read
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import EVALUATED, Axis, axes, once_a_task, task, with_axes
from paper_figures.tables import CannotDraw, Tables, learned_here, require, require_numbers
from paper_figures.variants import Variant

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 3.0)}
FAIRNESS = ("gain", "worst_gain", "jain")
MOST_PANELS = 4
MOST_METRICS = 3
MOST_NAMES = 4  # on an axis of values that are no numbers
WIDE = 8  # greatest over least value from which an axis is logarithmic
_VALUES = {  # words for values, by the key that they are of
    ("env.experts.competence", None): "drawn",
    ("env.channel.split", "min_delay"): "for the least delay",
    ("env.channel.split", "equal"): "equally",
}
_TRAINED_ELSEWHERE = (  # keys by which policies act among other experts than they were trained with
    "algorithm.pretraining.env.num_experts",
    "evaluation.env.num_experts",
)
Looks = dict[Variant, dict[str, Any]]


def needed(tables: Tables, metrics: Sequence[str] = ("gain",)) -> pd.DataFrame:
    """Return the table "evaluation" of a run that has such a figure.

    Raises:
        CannotDraw: there is no sweep, one of more panels or names than fit on a page, or a column
            is missing.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", "episode", *metrics))
    require_numbers(evaluation, "evaluation", metrics)
    if len(metrics) > MOST_METRICS:
        raise CannotDraw(
            f"metric: {len(metrics)} are asked for; this figure has room for {MOST_METRICS}"
        )
    *others, axis = axes(_by_variant(evaluation)["settings"])
    _require_room(axis, prod(len(other.values) for other in others))
    return evaluation


def needed_of_upgrade(tables: Tables) -> pd.DataFrame:
    """Return the table "evaluation" of a run in which experts joined after training.

    Raises:
        CannotDraw: as by `needed`, and where the equilibrium was not evaluated, or the sweep says
            of no point that experts joined.
    """
    evaluation = needed(tables, ["share_of_equilibrium"])
    points = [apart(read(text)) for text in evaluation["settings"].unique()]
    if not any(key in point for point in points for key in _TRAINED_ELSEWHERE):
        raise CannotDraw(
            f"the sweep sets none of {', '.join(_TRAINED_ELSEWHERE)}; this figure is of edge "
            "devices that joined after training: 'sensitivity' draws any sweep"
        )
    return evaluation


def needed_of_fairness(tables: Tables) -> pd.DataFrame:
    """Return the table "evaluation" of a run with several users.

    Raises:
        CannotDraw: as by `needed`, and where there is one user, or none gains anything.
    """
    evaluation = needed(tables, FAIRNESS)
    if evaluation["num_users"].eq(1).all():
        raise CannotDraw(
            "table 'evaluation' has num_users 1 alone; this figure compares the users of a world"
        )
    return evaluation


@register("sensitivity", STYLE, needed)
def plot(
    tables: Tables, figure: Figure | None = None, metrics: Sequence[str] = ("gain",)
) -> Figure:
    """Draw the gain per slot and user (credits) of every policy with 95 % intervals.

    The lines of a policy trained in several ways stand side by side, a little beside the value that
    they are for, and its stochastic form is left out.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.
        metrics: columns in place of the gain, a row of panels for each.

    Raises:
        CannotDraw: as by `needed`.
    """
    return plot_metrics(tables, metrics, figure)


@register("upgrade", STYLE, needed_of_upgrade)
def plot_upgrade(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw the share of the equilibrium's gain, as where experts joined after training.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed_of_upgrade`.
    """
    needed_of_upgrade(tables)
    return plot_metrics(tables, ["share_of_equilibrium"], figure)


@register("fairness", STYLE | {"figure.figsize": (7.16, 2.6)}, needed_of_fairness)
def plot_fairness(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw mean gain, least gain of any user (credits per slot) and Jain's index, a row each.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed_of_fairness`.
    """
    needed_of_fairness(tables)
    return plot_metrics(tables, FAIRNESS, figure)


def plot_metrics(tables: Tables, metrics: Sequence[str], figure: Figure | None = None) -> Figure:
    """Draw metrics as `plot` does, a row of panels for each.

    Args:
        tables: of a run.
        metrics: columns of "evaluation".
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation = _by_variant(needed(tables, metrics))
    # Ways of training before other policies.
    policies = sorted(evaluation["policy"].unique(), key=lambda which: not which.way)
    policies.sort(key=lambda which: rank_of(which.policy))
    looks = variants.curves(policies, learned_here(tables))
    *others, axis = axes(evaluation["settings"])
    panels = list(product(*(range(len(other.values)) for other in others)))
    rows = with_axes(evaluation, [*others, axis])
    narrow = is_narrow(figure)
    if figure is None:
        num_rows = len(metrics) * (len(panels) if narrow else 1)
        usual = rcParams["figure.figsize"][1]
        figure = new_figure(usual * (0.35 + 0.65 * num_rows))
    if narrow:  # those of a metric below each other
        grid = figure.subplots(len(metrics) * len(panels), 1, sharex=True, squeeze=False)
        grid = grid.reshape(len(metrics), len(panels))
    else:
        grid = figure.subplots(len(metrics), len(panels), sharex=True, sharey="row", squeeze=False)
    handles: dict[Variant, Line2D] = {}
    intervals = []
    for line, metric in enumerate(metrics):
        for column, panel in enumerate(panels):
            ax: Axes = grid[line, column]
            here = rows
            for other, place in zip(others, panel, strict=True):
                here = here[here[other.key] == place]
            found = mean_interval(here, metric, by=(axis.key, "policy"))
            intervals.append(found)
            for which, handle in _draw(ax, found, axis, looks).items():
                handles.setdefault(which, handle)
            titles = [_title(other, at) for other, at in zip(others, panel, strict=True)]
            if titles and (line == 0 or narrow):
                ax.set_title(", ".join(titles), loc="left")
            columns = {axis.key: [axis.values[at] for at in found[axis.key]], "metric": metric}
            drawn(found, **columns, **{"panel": ", ".join(titles)} if titles else {})
            if ax is grid[-1, -1] or (line == len(metrics) - 1 and not narrow):
                ax.set_xlabel(axis.label)
            if column == 0 or narrow:
                ax.set_ylabel(style.metric_label(metric))
    for row in grid:
        zero_line(*row)
    key = style.interval_key(pd.concat(intervals), style.bar_mark())
    add_legend(figure, [*handles.values(), *key], 4)
    return figure


def _by_variant(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Return the episodes with variants for policies, by task where the tasks vary."""
    if evaluation["settings"].map(task).nunique() == 1:  # the algorithm is all that varies
        return evaluation.assign(policy=evaluation["policy"].map(Variant))
    rows = once_a_task(evaluation)
    left_out = [which.is_stochastic and bool(which.way) for which in rows["policy"]]
    return rows[~pd.Series(left_out, index=rows.index)]


def _require_room(axis: Axis, num_panels: int) -> None:
    """Raise CannotDraw where a page has no room for the panels, or the axis none for its names."""
    if num_panels > MOST_PANELS:
        raise CannotDraw(
            f"the sweep has {num_panels} settings beside {axis.key}; this figure shows "
            f"{MOST_PANELS}"
        )
    if axis.numbers is None and len(axis.values) > MOST_NAMES:
        raise CannotDraw(
            f"the sweep has {len(axis.values)} values of {axis.key}; this figure has room for "
            f"{MOST_NAMES}"
        )


def _title(axis: Axis, place: int) -> str:
    """Return the title of a panel for one value of a key."""
    value = axis.values[place]
    if axis.key == "mechanism":
        return point_label({axis.key: value})
    shown = axis.names[place]
    if value is None or isinstance(value, str):
        shown = _VALUES.get((axis.key.removeprefix(EVALUATED), value), shown)
    return style.as_text(f"{axis.label}: {shown}")


def _draw(ax: Axes, intervals: pd.DataFrame, axis: Axis, looks: Looks) -> dict[Variant, Line2D]:
    """Draw a line through the means for each policy, or markers alone where values are no numbers.

    Returns:
        The lines by policy.
    """
    numbers = axis.numbers
    at = list(range(len(axis.values))) if numbers is None else numbers
    if numbers is None:
        looks = {which: look | {"linestyle": ""} for which, look in looks.items()}
    ways = [which for which in looks if which.way]
    placed = intervals.assign(at=[at[number] for number in intervals[axis.key]])
    found = draw_lines(ax, placed, "at", "policy", looks, ways)
    if numbers is None:
        ax.set_xlim(-0.5, len(at) - 0.5)
        ax.set_xticks(at, [style.as_text(name) for name in axis.names])
    else:
        if numbers[0] > 0 and numbers[-1] / numbers[0] >= WIDE:
            ax.set_xscale("log", base=2)
        ax.set_xticks(at, [f"{number:g}" for number in numbers])
    ax.set_xticks([], minor=True)
    return {which: line for which, (line, _) in found.items()}
