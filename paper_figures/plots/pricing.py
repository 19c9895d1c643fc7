"""Mechanisms side by side: unit price paid, quality delivered, and the utility of each side."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.drawing import drawn
from paper_figures.legends import add_legend
from paper_figures.marks import ends
from paper_figures.panels import beside
from paper_figures.point_labels import point_label, told_apart
from paper_figures.registry import ONE_RUN, ROWS, register
from paper_figures.settings import identity, of_mechanism, read
from paper_figures.statistics import mean_interval
from paper_figures.tables import CannotDraw, Tables, leading_policy, require, with_outcomes

STYLE = style.PRINT | style.DOUBLE_COLUMN
# The sides, by column: label and look; they are told apart in grey by marker and lightness.
PARTIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gain": ("Users", {"color": "#004488", "marker": "o"}),
    "edge_share": ("Edge devices", {"color": "#DDAA33", "marker": "s"}),
    "platform_share": ("Platform", {"color": "#BB5566", "marker": "D"}),
}
_SHIFT = 0.22  # rows, between the parties of a mechanism


def needed(tables: Tables) -> pd.DataFrame:
    """Return the table "evaluation" of a run that has the figure.

    Raises:
        CannotDraw: the sweep points do not differ in their mechanism, all edge devices are free, or
            a column is missing.
    """
    columns = (
        "seed",
        "point",
        "mechanism",
        "policy",
        "episode",
        "num_users",
        "gain",
        "qos",
        "edge_utility",
    )
    evaluation = require(tables, "evaluation", (*columns, "unit_price", "platform_balance"))
    if (evaluation["mechanism"] == "none").all():
        raise CannotDraw(
            "table 'evaluation' has free edge devices alone; this figure shows what they are paid"
        )
    if len({identity(of_mechanism(read(text))) for text in evaluation["settings"].unique()}) < 2:
        name = evaluation["mechanism"].iloc[0]
        raise CannotDraw(
            f"table 'evaluation' has mechanism '{name}' in one setting alone; this figure needs a "
            "sweep over 'mechanism'"
        )
    return evaluation


@register("pricing", STYLE, needed, refuses=ROWS | ONE_RUN, one_policy=True)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw a row for each sweep point: unit price, quality and utilities, with 95 % intervals.

    The unit price is payments over points delivered (credits per point), quality is in points per
    slot and user, and utilities are in credits per slot and user; those of users, edge devices (at
    true costs) and platform add up to the welfare of the world. Free edge devices have price 0 and
    bear their costs. Points stand in the order of the experiment, under the policy that the legend
    names (`leading_policy`).

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation = needed(tables)
    policy = leading_policy(evaluation["policy"].unique())
    outcomes = with_outcomes(tables, policy)
    points = list(outcomes["settings"].unique())
    height, widths = 1.0 + 0.26 * len(points), (1, 1, 1.6)
    price, quality, utility = beside(figure, 3, height, sharey=True, width_ratios=widths)
    figure = price.figure

    shown = [
        _draw_rows(price, outcomes, "unit_price", points, color="black", marker="o"),
        _draw_rows(quality, outcomes, "qos", points, color="black", marker="o"),
    ]
    utility.axvline(0, color="0.4", linewidth=0.6)
    for place, (column, (_, look)) in enumerate(PARTIES.items()):
        shown.append(
            _draw_rows(utility, outcomes, column, points, shift=_SHIFT * (place - 1), **look)
        )
    settings = [read(text) for text in points]
    labels = told_apart([point_label(point) for point in settings], settings)
    named = dict(zip(points, labels, strict=True))
    for intervals, column in zip(shown, ("unit_price", "qos", *PARTIES), strict=True):
        mechanism = intervals["settings"].map(named)
        drawn(intervals, shows=column, policy=policy, mechanism=mechanism)
    price.set_yticks(range(len(points)), labels)
    price.set_ylim(len(points) - 0.5, -0.5)
    price.set_xlabel("Unit price paid\n(credits per point)")
    quality.set_xlabel("Quality delivered\n(points per slot and user)")
    utility.set_xlabel("Utility\n(credits per slot and user)")
    for ax in (price, quality, utility):
        ax.tick_params(axis="y", length=0)
    handles: list[Artist] = [
        Line2D([], [], linestyle="", label=label, **look) for label, look in PARTIES.values()
    ]
    handles += style.policy_key(policy, pd.concat(shown))
    add_legend(figure, handles, 4, "outside upper right")
    return figure


def _draw_rows(
    ax: Axes,
    outcomes: pd.DataFrame,
    column: str,
    points: list[str],
    shift: float = 0.0,
    **look: Any,
) -> pd.DataFrame:
    """Draw mean and interval of a column at each point, and return them."""
    intervals = mean_interval(outcomes, column, by=("settings",))
    rows = intervals[["settings", "mean"]].to_numpy()
    for (point, mean), reach in zip(rows, ends(intervals).T, strict=True):
        row = points.index(point) + shift
        ax.errorbar(mean, row, xerr=reach[:, None], elinewidth=0.9, linestyle="", **look)
    return intervals
