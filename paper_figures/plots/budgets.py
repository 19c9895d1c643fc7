"""Welfare against the budget of mechanisms that have one, and how much of it is spent."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.drawing import drawn
from paper_figures.legends import add_legend
from paper_figures.marks import binary_axis, draw_lines, zero_line
from paper_figures.panels import beside
from paper_figures.point_labels import mechanism_label
from paper_figures.registry import ONE_RUN, register
from paper_figures.settings import mechanism_parameter, read
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import require_nothing_else_varies
from paper_figures.tables import CannotDraw, Tables, leading_policy, require, with_outcomes

STYLE = style.PRINT | style.DOUBLE_COLUMN
_LOOKS: tuple[dict[str, Any], ...] = (  # of mechanisms in the order of the experiment
    {"color": "#004488", "linestyle": "-", "marker": "o"},
    {"color": "#BB5566", "linestyle": (0, (5, 1.5)), "marker": "s"},
    {"color": "#DDAA33", "linestyle": (0, (1, 1)), "marker": "^"},
    {"color": "#000000", "linestyle": (0, (5, 1.5, 1, 1.5)), "marker": "D"},
)


def needed(tables: Tables) -> pd.DataFrame:
    """Return the episodes under mechanisms that have several budgets, of all policies.

    Returns:
        Rows of the table "evaluation" with the column `budget`, credits per slot.

    Raises:
        CannotDraw: no mechanism has at least two budgets, something else varies too, or a column is
            missing.
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
    evaluation = require(tables, "evaluation", (*columns, "edge_utility"))
    texts = evaluation["settings"].unique()
    budgets = {text: mechanism_parameter(read(text), "budget") for text in texts}
    rows = evaluation.assign(budget=evaluation["settings"].map(budgets).astype(float))
    rows = rows[rows["budget"].notna()]
    several = rows.groupby("mechanism", sort=False)["budget"].nunique() > 1
    if not several.any():
        raise CannotDraw(
            "table 'evaluation' has no mechanism at several budgets; this figure needs at least two"
        )
    rows = rows[rows["mechanism"].isin(several.index[several])]
    for _, of_one in rows.groupby("mechanism", sort=False):
        points = [read(text) for text in of_one["settings"].unique()]
        require_nothing_else_varies(points, ["mechanism.budget"])
    if rows["mechanism"].nunique() > len(_LOOKS):
        raise CannotDraw(
            f"{rows['mechanism'].nunique()} mechanisms have budgets; this figure has {len(_LOOKS)} "
            "looks"
        )
    return rows


def by_budget(tables: Tables) -> tuple[str, pd.DataFrame]:
    """Return the policy shown, and its episodes under mechanisms that have several budgets.

    Returns:
        The policy (`leading_policy`), and its rows of `needed`. Columns added: `spent` (paid to all
        edge devices), credits per slot, and those of `with_outcomes`.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation = needed(tables)
    policy = leading_policy(evaluation["policy"].unique())
    rows = with_outcomes({"evaluation": evaluation}, policy)
    return policy, rows.assign(spent=rows["charge"] * rows["num_users"] - rows["platform_balance"])


@register("budgets", STYLE, needed, refuses=ONE_RUN, one_policy=True)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw (a) the welfare and (b) what is paid, against the budget.

    Welfare is in credits per slot and user, at true costs; payments are in credits per slot. There
    is a line for each mechanism, with 95 % intervals. Above the grey line of (b) more would be paid
    than the budget.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    policy, rows = by_budget(tables)
    welfare, spent = beside(figure, 2)
    figure = welfare.figure
    budgets = sorted(rows["budget"].unique())
    shown = []
    for ax, letter, column in ((welfare, "a", "welfare"), (spent, "b", "spent")):
        intervals = mean_interval(rows, column, by=("mechanism", "budget"))
        shown.append(drawn(intervals, panel=letter, shows=column, policy=policy))
        draw_lines(ax, intervals, "budget", "mechanism", _looks(intervals))
    zero_line(welfare)
    spent.plot(budgets, budgets, color="0.6", linewidth=0.8, zorder=1)
    welfare.set_ylabel("Welfare (credits per slot and user)")
    spent.set_ylabel("Paid to edge devices (credits per slot)")
    for ax, letter in ((welfare, "a"), (spent, "b")):
        ax.set_title(f"({letter})", loc="left")
        ax.set_xlabel("Budget (credits per slot)")
        binary_axis(ax, budgets)
    handles: list[Artist] = [
        line for line in welfare.get_lines() if not str(line.get_label()).startswith("_")
    ]
    handles.append(Line2D([], [], color="0.6", linewidth=0.8, label="the whole budget"))
    handles += style.policy_key(policy, pd.concat(shown))
    add_legend(figure, handles, 3)
    return figure


def _looks(intervals: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return keywords of `Axes.plot` for the mechanisms, in the order of the experiment."""
    return {
        mechanism: {"label": mechanism_label(mechanism)} | look
        for mechanism, look in zip(intervals["mechanism"].unique(), _LOOKS, strict=False)
    }
