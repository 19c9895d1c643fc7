"""What a budget buys: welfare against the budget of mechanisms that have one, and how much of it is
spent.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import settings
from paper_figures.tables import CannotDraw, Tables, leading_policy, require, with_outcomes

STYLE = style.PRINT | style.DOUBLE_COLUMN
BUDGET = "budget="
_LOOKS: tuple[dict[str, Any], ...] = (  # of mechanisms in the order of the experiment
    {"color": "#004488", "linestyle": "-", "marker": "o"},
    {"color": "#BB5566", "linestyle": (0, (5, 1.5)), "marker": "s"},
    {"color": "#DDAA33", "linestyle": (0, (1, 1)), "marker": "^"},
    {"color": "#000000", "linestyle": (0, (5, 1.5, 1, 1.5)), "marker": "D"},
)


def by_budget(tables: Tables) -> tuple[str, pd.DataFrame]:
    """The policy shown (`leading_policy`), and its rows of the table "evaluation" at points with a
    budget.

    Columns added: `budget` and `spent` (paid to all edge devices), credits per slot, and those of
    `with_outcomes`. Raises CannotDraw, a ValueError, unless some mechanism has at least two
    budgets.
    """
    columns = (
        "seed",
        "point",
        "mechanism",
        "policy",
        "episode",
        "num_users",
        "welfare",
        "charge",
        "platform_balance",
    )
    policy = leading_policy(require(tables, "evaluation", (*columns, "edge_utility")))
    rows = with_outcomes(tables, policy)
    budgets = {
        point: budget for point in rows["point"].unique() if (budget := _budget(point)) is not None
    }
    rows = rows[rows["point"].isin(list(budgets))]
    rows = rows.assign(budget=rows["point"].map(budgets).astype(float))
    several = rows.groupby("mechanism", sort=False)["budget"].nunique() > 1
    if not several.any():
        raise CannotDraw(
            "table 'evaluation' has no mechanism at several budgets; this figure needs at least two"
        )
    rows = rows[rows["mechanism"].isin(several.index[several])]
    if rows["mechanism"].nunique() > len(_LOOKS):
        raise CannotDraw(
            f"{rows['mechanism'].nunique()} mechanisms have budgets; this figure has {len(_LOOKS)} "
            "looks"
        )
    return policy, rows.assign(spent=rows["charge"] * rows["num_users"] - rows["platform_balance"])


def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw (a) the welfare (credits per slot and user, at true costs) and (b) what is paid (credits
    per slot).

    Both against the budget, a line for each mechanism, with 95 % intervals; above the grey line of
    (b) more would be paid than the budget. Raises CannotDraw as `by_budget`.
    """
    policy, rows = by_budget(tables)
    if figure is None:
        figure = Figure(layout="constrained")
    welfare, spent = figure.subplots(1, 2)
    budgets = sorted(rows["budget"].unique())
    drawn = pd.concat([_draw(welfare, rows, "welfare"), _draw(spent, rows, "spent")])
    spent.plot(budgets, budgets, color="0.6", linewidth=0.8, zorder=1)
    welfare.set_ylabel("Welfare (credits per slot and user)")
    spent.set_ylabel("Paid to edge devices (credits per slot)")
    for ax, letter in ((welfare, "a"), (spent, "b")):
        ax.set_title(f"({letter})", loc="left")
        ax.set_xlabel("Budget (credits per slot)")
        style.binary_axis(ax, budgets)
    handles = [line for line in welfare.get_lines() if not str(line.get_label()).startswith("_")]
    handles.append(Line2D([], [], color="0.6", linewidth=0.8, label="the whole budget"))
    handles.append(style.note(style.policy_style(policy).label, style.interval_label(drawn)))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _budget(point: str) -> str | None:
    """The budget that a point's mechanism has, `mechanism=fisher budget=16` -> `16`."""
    words = settings(point).get("mechanism", "").split(" ")
    return next((word.removeprefix(BUDGET) for word in words if word.startswith(BUDGET)), None)


def _draw(ax: Axes, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A line through the means for each mechanism, and their intervals, which are returned."""
    intervals = mean_interval(rows, column, by=("mechanism", "budget"))
    for mechanism, look in zip(intervals["mechanism"].unique(), _LOOKS, strict=False):
        here = intervals[intervals["mechanism"] == mechanism].sort_values("budget")
        ax.plot(
            here["budget"], here["mean"], label=style.point_label(f"mechanism={mechanism}"), **look
        )
        ax.vlines(here["budget"], here["low"], here["high"], color=look["color"], linewidth=0.9)
    return intervals
