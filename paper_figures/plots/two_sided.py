"""Both sides of the market at the end of learning: mechanisms side by side, by who learns."""

import pandas as pd
from matplotlib.figure import Figure, SubFigure

from paper_figures import style
from paper_figures.arrangements import (
    Grid,
    draw_points,
    grid,
    level,
    name_mechanisms,
    not_below_zero,
    require_learning,
)
from paper_figures.drawing import drawn
from paper_figures.legends import add_legend
from paper_figures.panels import is_narrow, new_figure
from paper_figures.registry import NAMES, ONE_RUN, register
from paper_figures.sides import CHOSEN, nobody_chose
from paper_figures.tables import CannotDraw, Tables, leading_policy, require, with_outcomes

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 4.4)}
_MONEY = "Credits per slot and user"
# By column: title, axis, the height of a line of reference, and whether the panel reaches to it.
PANELS: dict[str, tuple[str, str, float | None, bool]] = {
    "welfare": ("Welfare", _MONEY, 0.0, False),
    "gain": ("Users' gain", _MONEY, 0.0, False),
    "edge_share": ("Edge devices' utility", _MONEY, 0.0, True),
    "platform_share": ("Platform's balance", _MONEY, 0.0, True),
    "unit_price": ("Unit price paid", "Credits per point", None, False),
    "report_factor": ("Costs reported", "Factor on true costs", 1.0, True),
}


def needed(tables: Tables) -> tuple[pd.DataFrame, Grid]:
    """Return the table "evaluation" of a run that has the figure, and where its points stand.

    Raises:
        CannotDraw: there is one sweep point, all edge devices are free, nobody learns beside the
            users, or a column is missing; and as by `arrangements.grid`.
    """
    columns = (
        *("seed", "point", "mechanism", "policy", "episode", "num_users", "welfare", "gain"),
        *("edge_utility", "platform_balance", "unit_price", *CHOSEN),
    )
    evaluation = require(tables, "evaluation", columns)
    if (evaluation["mechanism"] == "none").all():
        raise CannotDraw(
            "table 'evaluation' has free edge devices alone; this figure shows what both sides "
            "make of a mechanism that pays"
        )
    if evaluation["settings"].nunique() < 2:
        raise CannotDraw(
            "table 'evaluation' has one sweep point; this figure needs a sweep over 'mechanism' or "
            "'algorithm.roles'"
        )
    require_learning(evaluation, "evaluation")
    if all(nobody_chose(evaluation, column) for column in CHOSEN):
        raise CannotDraw(
            "table 'evaluation' has neither an edge device nor a platform that chose anything "
            "(algorithm.roles); this figure shows what comes of it"
        )
    return evaluation, grid(tables, "evaluation")


@register("two_sided", STYLE, needed, refuses=NAMES | ONE_RUN, one_policy=True)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw welfare, what each side is left with, unit price and factor reported, a panel each.

    Mechanisms stand side by side in the order of the experiment, and of each the arrangements of
    who learns beside the users, with 95 % intervals. Edge devices' utility is at true costs and, as
    the platform's balance, per user. The unit price is payments over points delivered; axes of what
    is never negative end at 0. All is under the policy of users that the legend names
    (`leading_policy`).

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation, cells = needed(tables)
    policy = leading_policy(evaluation["policy"].unique())
    outcomes = with_outcomes(tables, policy)
    if figure is None:
        figure = new_figure(7.5 if is_narrow() else None)
    axes = figure.subplots(*(3, 2) if is_narrow(figure) else (2, 3), sharex=True)
    shown = []
    for (column, panel), ax, letter in zip(PANELS.items(), axes.flat, "abcdef", strict=True):
        title, unit, reference, forced = panel
        intervals = draw_points(ax, outcomes, column, cells)
        shown.append(drawn(intervals, panel=letter, shows=column, policy=policy))
        if reference is not None:
            level(ax, reference, forced)
        if unit != _MONEY:
            not_below_zero(ax)
        ax.set_title(f"({letter}) {title}", loc="left")
        ax.set_ylabel(unit)
    for ax in axes[-1]:
        name_mechanisms(ax, cells.mechanisms)
    handles = [*cells.handles(linestyle=""), *style.policy_key(policy, pd.concat(shown))]
    add_legend(figure, handles, 2 if len(handles) == 4 else 3)
    return figure
