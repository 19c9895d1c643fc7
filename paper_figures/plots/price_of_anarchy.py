"""Price of anarchy and price of ignorance against the number of users.

What is lost when users choose for themselves is lost in two steps. The price of anarchy
(Koutsoupias and Papadimitriou 1999), social optimum over equilibrium, is that of selfishness among
users who see everything; here of the equilibrium that was found, not of the worst there is. The
price of ignorance, equilibrium over a policy, is that of not seeing what the others are about to
choose.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.drawing import drawn, in_order, wanted
from paper_figures.legends import add_legend
from paper_figures.marks import binary_axis, draw_lines
from paper_figures.panels import new_figure
from paper_figures.registry import register
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import require_users_vary_alone
from paper_figures.tables import LEARNED, CannotDraw, Tables, require

STYLE = style.PRINT | style.SINGLE_COLUMN | {"figure.figsize": (3.5, 3.2)}
OPTIMUM, EQUILIBRIUM = "optimum", "nash"
DECENTRALISED = (
    *LEARNED,
    "better_response",
    "crowd",
    "mean_field",
)  # policies of users who do not see each other's choice
ANARCHY, IGNORANCE = "Price of anarchy", "Price of ignorance"


def needed(tables: Tables) -> tuple[pd.DataFrame, list[str]]:
    """Return the table "evaluation" of a run that has the figure, and its decentralised policies.

    Raises:
        CannotDraw: there are not two numbers of users, each at one sweep point, something else
            varies too, or a column, the policy "optimum" or "nash", or all of `DECENTRALISED` are
            missing.
    """
    columns = ("seed", "point", "num_users", "policy", "gain")
    evaluation = require(tables, "evaluation", columns, [OPTIMUM, EQUILIBRIUM])
    require_users_vary_alone(evaluation)
    shown = in_order(wanted(DECENTRALISED))
    decentralised = [policy for policy in shown if (evaluation["policy"] == policy).any()]
    if not decentralised:
        raise CannotDraw(
            f"table 'evaluation' has rows of none of the policies {', '.join(DECENTRALISED)}"
        )
    return evaluation, decentralised


def summarise(tables: Tables) -> pd.DataFrame:
    """Compute the ratios of mean gains at each number of users, with 95 % intervals.

    A ratio is formed of a seed's mean gains; mean and Student t interval are over the seeds. The
    price of anarchy is that of the episodes in which the optimum is exact, where any are. Gains
    that are not surely above 0 have no ratio that could be read as a price: where a seed's mean or
    the interval over seeds of either gain reaches 0 or below, mean, low and high are NaN.

    Returns:
        The columns price (`ANARCHY` or `IGNORANCE`), numerator and denominator (policies),
        num_users, mean, low, high and num_seeds.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation, decentralised = needed(tables)
    gains = _gains(evaluation)
    of_gains = mean_interval(evaluation, "gain", by=("num_users", "policy"), kind="t")
    low = of_gains.pivot(index="num_users", columns="policy", values="low")
    above_zero = (gains.groupby(level="num_users").min() > 0) & ~(
        low <= 0
    )  # one seed has no interval
    surely = above_zero.reindex(gains.index, level="num_users")
    proven = _gains(_proven(evaluation))
    gains, of_sample = gains.where(surely), proven.where(surely & (proven > 0))
    prices = [
        (ANARCHY, of_sample, OPTIMUM, EQUILIBRIUM),
        *((IGNORANCE, gains, EQUILIBRIUM, policy) for policy in decentralised),
    ]
    ratios = pd.concat(
        (of[numerator] / of[denominator])
        .rename("ratio")
        .reset_index()
        .assign(price=price, numerator=numerator, denominator=denominator)
        for price, of, numerator, denominator in prices
    )
    summary = mean_interval(ratios, "ratio", by=("price", "numerator", "denominator", "num_users"))
    return summary.drop(columns="num_episodes")


def _gains(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Return mean gains, a row for each number of users and seed, a column for each policy."""
    return evaluation.groupby(["num_users", "seed", "policy"])["gain"].mean().unstack("policy")


def _proven(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Return the episodes in which the optimum is exact throughout, all of a seed without any."""
    if not {"converged", "episode"} <= set(evaluation):
        return evaluation
    episode = ["num_users", "seed", "episode"]
    optimum = evaluation[evaluation["policy"] == OPTIMUM]
    exact = optimum.set_index(episode)["converged"] == 1
    kept = exact | ~exact.groupby(level=episode[:2]).transform("any")
    return evaluation[pd.MultiIndex.from_frame(evaluation[episode]).isin(kept[kept].index)]


@register(
    "price_of_anarchy",
    STYLE,
    needed,
    refuses={"compare": "its ratios are of the policies of one run"},
    references=(OPTIMUM, EQUILIBRIUM),
)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw (a) the price of anarchy, (b) that of ignorance of each decentralised policy.

    Both are those of `summarise(tables)`, against the number of users, with a line at 1, where
    nothing is lost. The axes differ in scale. A ratio that has no value leaves a gap, which the
    legend explains.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`, and where no ratio of a panel has a value.
    """
    summary = summarise(tables)
    for price, rows in summary.groupby("price"):
        if rows["mean"].isna().all():
            raise CannotDraw(
                f"no number of users has a {str(price).lower()}: its gains are not all surely "
                "above 0"
            )
    figure = new_figure() if figure is None else figure
    drawn(summary)
    anarchy, ignorance = figure.subplots(2, 1, sharex=True)
    handles = _draw(anarchy, summary[summary["price"] == ANARCHY], "numerator")
    anarchy.set_title("(a)", loc="left")
    anarchy.set_ylabel("Price of anarchy\n(optimum / equilibrium)")
    handles += _draw(ignorance, summary[summary["price"] == IGNORANCE], "denominator")
    ignorance.set_title("(b)", loc="left")
    ignorance.set_ylabel("Price of ignorance\n(equilibrium / policy)")
    ignorance.set_xlabel("Number of users")
    key = style.interval_key(summary, style.bar_mark(), narrow=True)
    if summary["mean"].isna().any():
        gap: dict[str, Any] = {"color": "black", "linewidth": 0.9, "linestyle": (0, (6, 8))}
        key.append(Line2D([], [], label="gap: a gain not surely above 0", **gap))
    add_legend(figure, [*handles, *key], 2)
    return figure


def _draw(ax: Axes, ratios: pd.DataFrame, compared: str) -> list[Line2D]:
    """Draw a line for each policy in the column `compared`, and return the lines."""
    ax.axhline(1, color="0.4", linewidth=0.6)
    looks = {policy: style.curve(policy) for policy in ratios[compared].unique()}
    found = draw_lines(ax, ratios, "num_users", compared, looks)
    binary_axis(ax, sorted(ratios["num_users"].unique()))
    return [line for line, _ in found.values()]
