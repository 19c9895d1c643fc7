"""Supply against the unit price posted, and what the price leaves to each side."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from paper_figures import style
from paper_figures.drawing import drawn
from paper_figures.legends import add_legend
from paper_figures.marks import draw_lines
from paper_figures.panels import beside
from paper_figures.registry import ONE_RUN, register
from paper_figures.settings import mechanism_parameter, read
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import require_nothing_else_varies
from paper_figures.tables import CannotDraw, Tables, leading_policy, require, with_outcomes

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 2.9)}
MECHANISM = "posted_price"
QUALITY: tuple[str, dict[str, Any]] = ("Quality delivered", {"color": "#004488", "marker": "o"})
MONEY: dict[str, tuple[str, dict[str, Any]]] = {
    "charge": ("Payments", {"color": "0.45", "linestyle": (0, (1, 1)), "marker": "v"}),
    "gain": ("Users' utility", {"color": "#004488", "linestyle": "-", "marker": "o"}),
    "edge_share": (
        "Edge devices' utility",
        {"color": "#DDAA33", "linestyle": (0, (5, 1.5)), "marker": "s"},
    ),
    "welfare": ("Both", {"color": "#BB5566", "linestyle": (0, (5, 1.5, 1, 1.5)), "marker": "D"}),
}


def needed(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float | None]]:
    """Return the tables of a run that has the figure, and the price that each point gives.

    Returns:
        "evaluation" and "market", rows of `MECHANISM` alone; by the settings of a point the price
        of the experiment, credits per point, None where the mechanism chose it.

    Raises:
        CannotDraw: there are not two prices, something else varies too, or a table or column is
            missing.
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
        "charge",
        "edge_utility",
    )
    evaluation = require(tables, "evaluation", columns)
    market = require(tables, "market", ("point", "mechanism", "policy", "unit_price"))
    require(tables, "market", ("participates", "status"))
    evaluation = evaluation[evaluation["mechanism"] == MECHANISM]
    points = {text: read(text) for text in evaluation["settings"].unique()}
    prices = {text: mechanism_parameter(point, "price") for text, point in points.items()}
    given = {price for price in prices.values() if price is not None}
    if len(given) < 2:
        raise CannotDraw(
            f"table 'evaluation' has {MECHANISM} at {len(given)} prices of the experiment; this "
            "figure needs at least two sweep points"
        )
    require_nothing_else_varies(list(points.values()), ["mechanism.price"])
    return evaluation, market[market["mechanism"] == MECHANISM], prices


@register("price_response", STYLE, needed, refuses=ONE_RUN, one_policy=True)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw quality, participation, payments and both sides' utility against the unit price.

    Prices are those of sweep points at which `posted_price` was given one. A point at which it
    chose the price itself, as Stackelberg leader, is marked by a vertical line at its mean price
    and by open markers. All are means with 95 % intervals under the policy that the legend names
    (`leading_policy`).

    Args:
        tables: of a run, "evaluation" and "market" among them.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation, market, prices = needed(tables)
    policy = leading_policy(evaluation["policy"].unique())
    outcomes = with_outcomes({"evaluation": evaluation}, policy)
    outcomes["welfare"] = outcomes["gain"] + outcomes["edge_share"] + outcomes["platform_share"]
    of_policy = market[market["policy"] == policy].groupby("settings")
    posted = of_policy[["unit_price", "participates"]].mean()
    price = posted.index.to_series().map(prices)
    given, chosen = posted[price.notna()].sort_values("unit_price"), posted[price.isna()]
    supply, money = beside(figure, 2, gridspec_kw={"wspace": 0.08})
    figure = supply.figure

    shown = [_draw(supply, outcomes, {"qos": QUALITY}, given, chosen)]
    supply.set_ylabel("Quality (points per slot and user)")
    shares = supply.twinx()
    shares.spines["right"].set_visible(True)
    shares.grid(visible=False)
    look: dict[str, Any] = {"color": "#BB5566", "linestyle": (0, (5, 1.5)), "marker": "s"}
    shares.plot(given["unit_price"], given["participates"], label="Participation", **look)
    shares.plot(
        chosen["unit_price"],
        chosen["participates"],
        **look | {"linestyle": "", "fillstyle": "none"},
    )
    shares.set_ylabel("Share of edge devices that take part")
    shares.set_ylim(bottom=0)
    money.axhline(0, color="0.4", linewidth=0.6)
    shown.append(_draw(money, outcomes, MONEY, given, chosen))
    for intervals in shown:
        drawn(intervals, policy=policy)
    part = posted.rename(columns={"participates": "mean"}).assign(is_chosen=price.isna())
    drawn(part, policy=policy, shows="participates")
    money.set_ylabel("Credits per slot and user")
    for ax in (supply, money):
        for price in chosen["unit_price"]:
            ax.axvline(price, color="black", linewidth=0.8, linestyle=(0, (2, 1)))
            ax.annotate(
                f"chosen: {price:.2f}",
                (price, 1),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
            )
        ax.set_xlabel("Unit price (credits per point)")
    handles = [
        handle for ax in (supply, shares, money) for handle in ax.get_legend_handles_labels()[0]
    ]
    handles += style.policy_key(policy, pd.concat(shown))
    add_legend(figure, handles, 4)
    return figure


def _draw(
    ax: Axes,
    outcomes: pd.DataFrame,
    columns: Mapping[str, tuple[str, dict[str, Any]]],
    given: pd.DataFrame,
    chosen: pd.DataFrame,
) -> pd.DataFrame:
    """Draw columns against the price: lines over prices given, open markers at those chosen.

    Returns:
        What was drawn, with the columns shows, unit_price and is_chosen.
    """
    found = []
    for column in columns:
        intervals = mean_interval(outcomes, column, by=("settings",)).set_index("settings")
        for at, is_chosen in ((given, False), (chosen, True)):
            rows = intervals.loc[at.index]
            found.append(
                rows.assign(shows=column, is_chosen=is_chosen, unit_price=at["unit_price"])
            )
    drawn_here = pd.concat(found, ignore_index=True)
    looks = {column: {"label": label} | look for column, (label, look) in columns.items()}
    marks = {
        column: look | {"linestyle": "", "fillstyle": "none", "label": ""}
        for column, look in looks.items()
    }
    draw_lines(ax, drawn_here[~drawn_here["is_chosen"]], "unit_price", "shows", looks)
    draw_lines(ax, drawn_here[drawn_here["is_chosen"]], "unit_price", "shows", marks)
    return drawn_here
