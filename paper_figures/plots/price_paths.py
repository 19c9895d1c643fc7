"""Prices over time: the unit price in each slot of an episode, a panel for each mechanism."""

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from paper_figures import style
from paper_figures.drawing import drawn
from paper_figures.legends import add_legend
from paper_figures.panels import is_narrow, new_figure
from paper_figures.point_labels import mechanism_label, parameters_label, told_apart
from paper_figures.registry import ONE_RUN, register
from paper_figures.settings import read
from paper_figures.statistics import learning_curve
from paper_figures.tables import CannotDraw, Tables, leading_policy, require

STYLE = style.PRINT | style.DOUBLE_COLUMN
COLUMNS = 4
MOST_LINES = 4  # settings of one mechanism that its panel has looks for
# Of a mechanism's settings in the order of the experiment, light to dark.
_LOOKS: list[dict[str, Any]] = [
    {"color": "#DDAA33", "linestyle": (0, (1, 1))},
    {"color": "#BB5566", "linestyle": (0, (5, 1.5))},
    {"color": "#004488", "linestyle": "-"},
    {"color": "#000000", "linestyle": (0, (5, 1.5, 1, 1.5))},
]


def needed(tables: Tables) -> pd.DataFrame:
    """Return the table "market" of a run that has the figure.

    Raises:
        CannotDraw: there is no such table, it lacks a column, or a mechanism has more than
            `MOST_LINES` points.
    """
    columns = ("seed", "point", "mechanism", "policy", "slot", "num_slots", "points", "payment")
    market = require(tables, "market", columns)
    for name, lines in market.groupby("mechanism", sort=False)["settings"].nunique().items():
        if lines > MOST_LINES:
            raise CannotDraw(
                f"table 'market' has {name} at {lines} sweep points; a panel of this figure shows "
                f"{MOST_LINES}"
            )
    return market


def paths(tables: Tables) -> tuple[str, pd.DataFrame]:
    """Compute the unit price paid in each slot under the leading policy.

    The price of a clearing is payments over points delivered until the next, of all experts and
    recorded episodes of a seed, credits per point; NaN where nothing was delivered.

    Returns:
        The policy (`leading_policy`), and the columns mechanism, point, settings, slot (in which
        the clearing was), until, mean, low, high (95 % Student t interval over seeds), num_seeds.

    Raises:
        CannotDraw: as by `needed`.
    """
    market = needed(tables)
    policy = leading_policy(market["policy"].unique())
    rows = market[market["policy"] == policy].assign(
        until=lambda books: books["slot"] + books["num_slots"]
    )
    key = ["mechanism", "settings", "point", "seed", "slot", "until"]
    totals = rows.groupby(key, sort=False)[["payment", "points"]].sum().reset_index()
    totals["price"] = totals["payment"] / totals["points"].where(totals["points"] > 0)
    found = []
    by_point = totals.groupby(["mechanism", "settings", "point"], sort=False)
    for (mechanism, settings, point), of_point in by_point:
        curve = learning_curve(of_point, "price", "slot", window=1).reset_index()
        held = (
            of_point.drop_duplicates("slot")
            .set_index("slot")["until"]
            .reindex(curve["slot"])
            .to_numpy()
        )
        found.append(
            curve.assign(
                mechanism=str(mechanism), point=str(point), settings=str(settings), until=held
            )
        )
    return policy, pd.concat(found, ignore_index=True)


@register("price_paths", STYLE, needed, refuses=ONE_RUN, one_policy=True)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw `paths(tables)` as steps with bands: a panel a mechanism, a line a sweep point of it.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`, and where nothing was delivered, which has no price.
    """
    policy, prices = paths(tables)
    if prices["mean"].isna().all():
        raise CannotDraw(
            f"table 'market' has no points delivered under policy '{policy}': nothing has a price"
        )
    names = list(prices["mechanism"].unique())
    columns = min(2 if is_narrow(figure) else COLUMNS, len(names))
    num_rows = ceil(len(names) / columns)
    if figure is None:
        figure = new_figure(0.55 + 1.65 * num_rows)
    drawn(prices.drop(columns="settings"), policy=policy)
    grid = figure.subplots(num_rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax in grid.flat[len(names) :]:
        ax.set_visible(False)
    for number, (ax, name) in enumerate(zip(grid.flat, names, strict=False)):
        _draw(ax, prices[prices["mechanism"] == name])
        ax.set_title(mechanism_label(name), loc="left")
        if prices.loc[prices["mechanism"] == name, "mean"].isna().all():
            ax.text(0.5, 0.5, "no price: nothing delivered", transform=ax.transAxes, ha="center")
        if number + columns >= len(names):
            ax.set_xlabel("Slot")
            ax.tick_params(labelbottom=True)
    grid[0, 0].set_ylim(bottom=0)  # of all, once all are drawn
    figure.supylabel("Unit price paid (credits per point)", fontsize=rcParams["axes.labelsize"])
    key = style.policy_key(policy, prices, Patch(color="0.8"))
    add_legend(figure, key, loc="outside upper right")
    return figure


def _draw(ax: Axes, prices: pd.DataFrame) -> None:
    """Draw a step for each clearing; lines are named where there are several."""
    points = list(prices["settings"].unique())
    looks = _LOOKS[-len(points) :] if len(points) > 1 else [_LOOKS[2]]
    values = [read(text) for text in points]
    labels = told_apart([parameters_label(value) for value in values], values)
    for settings, label, look in zip(points, labels, looks, strict=True):
        rows = prices[prices["settings"] == settings]
        slots = np.append(rows["slot"], rows["until"].iloc[-1])
        mean, low, high = (
            np.append(rows[name], rows[name].iloc[-1]) for name in ("mean", "low", "high")
        )
        ax.fill_between(slots, low, high, step="post", color=look["color"], alpha=0.2, linewidth=0)
        if np.isnan(mean).all():
            label += " (no price)"
        ax.step(slots, mean, where="post", linewidth=1.0, label=label, **look)
    if len(points) > 1:
        ax.legend(loc="best", fontsize="small", labelspacing=0.1, borderaxespad=0.1)
    ax.margins(x=0)
