"""Gain against the number of users, who compete for the same experts.

Panel (a) shows the gain of every policy in full. Panel (b) shows its share of the gain of the
full-information equilibrium in a fixed view, since the worst heuristics lose many times that gain
and would flatten all others. What is beyond the view is not left out: a shaded strip at the edge,
named on the axis, holds its markers.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from paper_figures import style
from paper_figures.drawing import drawn, in_order
from paper_figures.legends import add_legend
from paper_figures.marks import binary_axis, draw_lines, zero_line
from paper_figures.panels import beside
from paper_figures.registry import register
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import require_users_vary_alone
from paper_figures.tables import Tables, learned_here, require, require_numbers

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 3.7)}
REFERENCE = "nash"
SHARE = "share_of_equilibrium"
# Shares shown to scale. A policy below 0 does worse than to drop every subtask.
VIEW = (-0.1, 1.2)
_STRIP = 0.14  # height of a strip beyond the view, in shares
_STEP = 0.2  # octaves between markers of one number of users in a strip


def needed(tables: Tables, metric: str = "gain") -> pd.DataFrame:
    """Return the table "evaluation" of a run that has the figure.

    Raises:
        CannotDraw: there are not two numbers of users, each at one sweep point, something else
            varies too, or the policy "nash" or a column is missing.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "num_users", "policy", metric))
    require_numbers(evaluation, "evaluation", (metric,))
    require_users_vary_alone(evaluation)
    if SHARE not in evaluation or evaluation[SHARE].isna().all():
        require(tables, "evaluation", (), [REFERENCE])
    return require(tables, "evaluation", (SHARE,))


@register("contention", STYLE, needed)
def plot(
    tables: Tables, figure: Figure | SubFigure | None = None, metric: str = "gain"
) -> Figure | SubFigure:
    """Draw the gain per slot and user (credits), and its share of the equilibrium's.

    One line per policy in the table "evaluation", through means with 95 % intervals; learned
    policies are heavier. The legend follows panel (a) at most users. Where the equilibrium was not
    evaluated, the lines of the share have a gap.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.
        metric: column of panel (a).

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation = needed(tables, metric)
    gain, share = (
        mean_interval(evaluation, column, by=("num_users", "policy")).sort_values(
            "num_users", kind="stable"
        )
        for column in (metric, SHARE)
    )
    by_gain = gain.sort_values(["num_users", "mean"], ascending=False, kind="stable")
    order = in_order(by_gain["policy"].unique())
    left, right = beside(figure, 2)
    figure = left.figure

    learned = learned_here(tables)
    looks = {
        policy: style.curve(policy, rank / len(order), order, learned)
        for rank, policy in enumerate(order)
    }
    handles = _draw_panel(left, drawn(gain, panel="a", metric=metric), looks)
    zero_line(left)
    left.set_title("(a)", loc="left")
    left.set_ylabel(style.metric_label(metric))

    right.axhline(1, color="0.4", linewidth=0.6)
    _draw_panel(right, drawn(share, panel="b", metric=SHARE), looks, view=VIEW)
    _draw_beyond_view(right, share, order)
    right.set_title("(b)", loc="left")
    right.set_ylabel(style.METRIC_LABELS[SHARE])

    key = style.interval_key(pd.concat([gain, share]), style.bar_mark())
    add_legend(figure, [*handles, *key], 4)
    return figure


def _draw_panel(
    ax: Axes,
    intervals: pd.DataFrame,
    looks: dict[str, dict[str, Any]],
    view: tuple[float, float] | None = None,
) -> list[Line2D]:
    """Draw a line for each policy within `view`, the best on top, learned ones over all."""
    found = draw_lines(ax, intervals, "num_users", "policy", looks)
    for line, bars in found.values():
        if view is not None:
            low, high = view
            means = np.asarray(line.get_ydata(), dtype=float)
            line.set_markevery(list((low <= means) & (means <= high)))
            window = Rectangle((0, low), 1, high - low, transform=ax.get_yaxis_transform())
            line.set_clip_path(window)
            bars.set_clip_path(window)
    binary_axis(ax, sorted(intervals["num_users"].unique()))
    ax.set_xlabel("Number of users")
    return [line for line, _ in found.values()]


def _draw_beyond_view(ax: Axes, shares: pd.DataFrame, order: list[str]) -> None:
    """Set the limits to the view, and hold markers beyond it in a strip at that edge."""
    low, high = VIEW
    sides = [
        (
            shares[shares["mean"] < low],
            (low - _STRIP, low),
            f"< {low:g}".replace("-", "\N{MINUS SIGN}"),
        ),
        (shares[shares["mean"] > high], (high, high + _STRIP), f"> {high:g}"),
    ]
    ticks = {step / 5: f"{step / 5:g}" for step in range(6)}
    for beyond, (bottom, top), label in sides:
        if beyond.empty:
            continue
        low, high = min(low, bottom), max(high, top)
        middle = (bottom + top) / 2
        ticks[middle] = label
        ax.axhspan(bottom, top, color="0.92", linewidth=0, zorder=0.6)  # over the grid
        for num_users in beyond["num_users"].unique():
            policies = sorted(
                beyond.loc[beyond["num_users"] == num_users, "policy"], key=order.index
            )
            for place, policy in enumerate(policies):
                octaves = _STEP * (place - (len(policies) - 1) / 2)
                look = style.policy_mark(policy, order)
                ax.plot(num_users * 2**octaves, middle, markersize=4, linestyle="", **look)
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.set_ylim(low, high)
