"""Prices over time: what a point of quality is paid in each slot of an episode, a panel for each
mechanism.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from paper_figures import style
from paper_figures.statistics import learning_curve
from paper_figures.tables import CannotDraw, Tables, leading_policy, require

STYLE = style.PRINT | style.DOUBLE_COLUMN
COLUMNS = 4
MOST_LINES = 4  # settings of one mechanism that its panel has looks for
_LOOKS: list[
    dict[str, Any]
] = [  # of a mechanism's settings in the order of the experiment, light to dark
    {"color": "#DDAA33", "linestyle": (0, (1, 1))},
    {"color": "#BB5566", "linestyle": (0, (5, 1.5))},
    {"color": "#004488", "linestyle": "-"},
    {"color": "#000000", "linestyle": (0, (5, 1.5, 1, 1.5))},
]


def paths(tables: Tables) -> tuple[str, pd.DataFrame]:
    """The policy shown (`leading_policy`), and the unit price paid in each slot under it.

    The price of a clearing is payments over points delivered until the next, of all experts and
    recorded episodes of a seed, credits per point; NaN where nothing was delivered.

    Returns the columns mechanism, point, slot (in which the clearing was), until, mean, low, high
    (95 % Student t interval over seeds) and num_seeds. Raises CannotDraw without a table "market".
    """
    columns = ("seed", "point", "mechanism", "policy", "slot", "num_slots", "points", "payment")
    market = require(tables, "market", columns)
    policy = leading_policy(market)
    rows = market[market["policy"] == policy].assign(
        until=lambda books: books["slot"] + books["num_slots"]
    )
    key = ["mechanism", "point", "seed", "slot", "until"]
    totals = rows.groupby(key, sort=False)[["payment", "points"]].sum().reset_index()
    totals["price"] = totals["payment"] / totals["points"].where(totals["points"] > 0)
    found = []
    for (mechanism, point), of_point in totals.groupby(["mechanism", "point"], sort=False):
        curve = learning_curve(of_point, "price", "slot", window=1).reset_index()
        held = (
            of_point.drop_duplicates("slot")
            .set_index("slot")["until"]
            .reindex(curve["slot"])
            .to_numpy()
        )
        found.append(curve.assign(mechanism=str(mechanism), point=str(point), until=held))
    return policy, pd.concat(found, ignore_index=True)


def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw `paths(tables)` as steps with bands: a panel a mechanism, a line for each sweep point of
    it.

    Raises CannotDraw, a ValueError, that says what is missing, and where a mechanism has more than
    `MOST_LINES` points.
    """
    policy, prices = paths(tables)
    names = list(prices["mechanism"].unique())
    for name in names:
        if (lines := prices.loc[prices["mechanism"] == name, "point"].nunique()) > MOST_LINES:
            raise CannotDraw(
                f"table 'market' has {name} at {lines} sweep points; a panel of this figure shows "
                f"{MOST_LINES}"
            )
    columns = min(COLUMNS, len(names))
    lines = -(-len(names) // columns)
    if figure is None:
        figure = Figure((rcParams["figure.figsize"][0], 0.55 + 1.65 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for ax in grid.flat[len(names) :]:
        ax.set_visible(False)
    for number, (ax, name) in enumerate(zip(grid.flat, names, strict=False)):
        _draw(ax, prices[prices["mechanism"] == name])
        ax.set_title(style.point_label(f"mechanism={name}"), loc="left")
        if number + columns >= len(names):
            ax.set_xlabel("Slot")
            ax.tick_params(labelbottom=True)
    grid[0, 0].set_ylim(bottom=0)  # of all, once all are drawn
    figure.supylabel("Unit price paid (credits per point)", fontsize=rcParams["axes.labelsize"])
    note = style.note(style.policy_style(policy).label, style.interval_label(prices))
    figure.legend(handles=[note], loc="outside upper right")
    return figure


def _draw(ax: Axes, prices: pd.DataFrame) -> None:
    """A step for each clearing; lines are named where there are several."""
    points = list(prices["point"].unique())
    for point, look in zip(
        points, _LOOKS[-len(points) :] if len(points) > 1 else [_LOOKS[2]], strict=False
    ):
        rows = prices[prices["point"] == point]
        slots = np.append(rows["slot"], rows["until"].iloc[-1])
        mean, low, high = (
            np.append(rows[name], rows[name].iloc[-1]) for name in ("mean", "low", "high")
        )
        label = style.point_label(point).partition(", ")[2] or "default"
        ax.fill_between(slots, low, high, step="post", color=look["color"], alpha=0.2, linewidth=0)
        ax.step(slots, mean, where="post", linewidth=1.0, label=label, **look)
    if len(points) > 1:
        ax.legend(loc="lower right", fontsize="small", labelspacing=0.1, borderaxespad=0.1)
    ax.margins(x=0)
