"""Welfare that mechanisms promise at truthful reports, and welfare where devices report in play."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from paper_figures import style
from paper_figures.drawing import drawn
from paper_figures.letters import distinct, shortened
from paper_figures.marks import ends
from paper_figures.panels import new_figure
from paper_figures.point_labels import point_label, told_apart
from paper_figures.registry import NO_POLICY, ROWS, register
from paper_figures.settings import Settings, read
from paper_figures.statistics import mean_interval
from paper_figures.tables import Tables, require, require_finite

STYLE = style.PRINT | style.SINGLE_COLUMN
PROMISED, PLAYED = "promised", "played"  # the quantities of `summarise`
# Keys of the settings that tell no mechanism from another: what the column `effort` tells as well,
# and how the study was done.
UNSHOWN = ("env.market.effort", "audit.")
SETTLED = 0.1  # of a device's utility: where more is left to gain, play is no equilibrium
# Headings of the regimes, downwards; one that is not here comes last, by its name.
REGIMES = {"bought": "Effort bought", "enforced": "Effort enforced"}
_COLOUR, _BROKEN_COLOUR = "#004488", "#BB5566"
# Filled and smaller over open and larger: both are seen where they coincide.
_PROMISED_LOOK: dict[str, Any] = {
    "color": _COLOUR,
    "marker": "o",
    "markersize": 5.2,
    "markerfacecolor": "white",
    "markeredgewidth": 0.8,
}
_PLAYED_LOOK: dict[str, Any] = {"color": _COLOUR, "marker": "o", "markersize": 3.2}
_BROKEN_LOOK: dict[str, Any] = {
    "color": _BROKEN_COLOUR,
    "marker": "X",
    "markersize": 5.2,
    "markeredgewidth": 0.3,
    "markeredgecolor": "white",
}
_ROW, _GAP = 0.165, 0.5  # inches; rows, above a heading that is not the first
_LONGEST = 28  # letters of a label, beside which half a column is left
_FACTOR_PT, _OVER_PT = 32, 60  # right ends of the columns of numbers, right of the axes


def needed(tables: Tables) -> pd.DataFrame:
    """Return the rows of the table "audit" in which an equilibrium of the reports was asked for.

    Raises:
        CannotDraw: there is none, or a column is missing or has an infinite value.
    """
    numbers = (
        "promised_welfare_ratio",
        "played_welfare_ratio",
        "played_budget_kept",
        "report_factor",
        "exploitability_share",
    )
    columns = ("seed", "point", "mechanism", "effort", "claims_within_budget", *numbers)
    audit = require(tables, "audit", columns)
    require_finite(audit, "audit", numbers)
    return audit[audit["promised_welfare_ratio"].notna()]


def summarise(tables: Tables) -> pd.DataFrame:
    """Compute promised and played welfare of each mechanism, with 95 % intervals over seeds.

    Returns:
        The rows of `statistics.mean_interval` by effort, mechanism, settings and quantity
        (`PROMISED` or `PLAYED`): welfare as a share of the greatest possible. Columns added:
        report_factor, mean factor on costs that devices report; over_budget, share of markets in
        which charges exceed the budget in play, NaN where the mechanism does not claim to keep it;
        left_to_gain, share of its utility that a device would gain by the best fixed factor.
        Regimes stand in the order of `REGIMES`, mechanisms in them by falling played welfare.

    Raises:
        CannotDraw: as by `needed`.
    """
    audit = needed(tables)
    key = ["effort", "mechanism", "settings"]
    samples = [
        audit[[*key, "seed"]].assign(quantity=quantity, ratio=audit[f"{quantity}_welfare_ratio"])
        for quantity in (PROMISED, PLAYED)
    ]
    summary = mean_interval(pd.concat(samples), "ratio", by=(*key, "quantity"))

    points = audit.groupby(key, sort=False)
    claimed = points["claims_within_budget"].first().astype(bool)
    added = pd.DataFrame(
        {
            "report_factor": points["report_factor"].mean(),
            "left_to_gain": points["exploitability_share"].mean(),
            "over_budget": (1 - points["played_budget_kept"].mean()).where(claimed),
            "played": summary[summary["quantity"] == PLAYED].set_index(key)["mean"],
        }
    )
    summary = summary.merge(added, left_on=key, right_index=True)
    regimes = [*REGIMES, *sorted(set(summary["effort"]) - REGIMES.keys())]
    summary = summary.assign(regime=summary["effort"].map(regimes.index))
    summary = summary.sort_values(["regime", "played"], ascending=[True, False], kind="stable")
    unshown = ["num_episodes", "played", "regime"]
    return summary.drop(columns=unshown).reset_index(drop=True)


@register("manipulation", STYLE, needed, refuses=ROWS | NO_POLICY)
def plot(tables: Tables, ax: Axes | None = None) -> Axes:
    """Draw a row for each mechanism: welfare as promised, open, joined to that as played, filled.

    Promised is the welfare at truthful reports, played that at the reports which edge devices come
    to in their own interest, both as shares of the greatest possible and with 95 % intervals over
    seeds (`summarise`). At the right stand the mean factor on costs that they report, and the share
    of markets in which charges then exceed the budget: 0 % where it is kept, a red cross where it
    is not, nothing for mechanisms that do not claim to keep one. A factor with a star is of play in
    which devices have more than `SETTLED` left to gain, which is no equilibrium.

    Args:
        tables: of a run, "audit" among them.
        ax: axes to draw into, those of a new figure if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    summary = summarise(tables)
    places, headings = _places(summary)
    bottom = max(places) + 0.6
    if ax is None:
        ax = new_figure(0.95 + _ROW * (bottom + 0.6)).subplots()
    drawn(summary)

    ax.axvline(1, color="0.4", linewidth=0.6, zorder=1)
    promised = summary[summary["quantity"] == PROMISED]
    played = summary[summary["quantity"] == PLAYED]
    means = zip(promised["mean"], played["mean"], strict=True)
    reaches = zip(ends(promised).T, ends(played).T, strict=True)
    shares = played["over_budget"]
    for place, (before, after), (back, on), share in zip(
        places, means, reaches, shares, strict=True
    ):
        ax.plot([before, after], [place, place], color="0.6", linewidth=1.0, zorder=2)
        _draw_mean(ax, place, before, back, zorder=3, **_PROMISED_LOOK)
        look = _BROKEN_LOOK if share > 0 else _PLAYED_LOOK
        _draw_mean(ax, place, after, on, zorder=4, **look)
    _write_columns(ax, places, played)
    for place in list(headings)[1:]:
        ax.axhline(place - 0.5 - _GAP / 2, color="0.75", linewidth=0.6, zorder=1)

    ax.set_yticks([*headings, *places], [*headings.values(), *_labels(played)])
    for label in ax.get_yticklabels()[: len(headings)]:
        label.set_fontweight("bold")
    ax.set_ylim(bottom, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    unsettled = (played["left_to_gain"] > SETTLED).any()
    note = f"\n* no equilibrium: over {SETTLED:.0%} left to gain" if unsettled else ""
    ax.set_xlabel(f"Welfare (share of the greatest possible){note}")
    _add_legend(ax, summary)
    return ax


def _places(summary: pd.DataFrame) -> tuple[list[float], dict[float, str]]:
    """Return the heights of the rows, and the headings between them by their height."""
    places: list[float] = []
    headings: dict[float, str] = {}
    free = 0.0
    for effort, rows in summary[summary["quantity"] == PLAYED].groupby("effort", sort=False):
        heading = free + _GAP if places else free
        headings[heading] = REGIMES.get(str(effort), style.as_text(f"Effort {effort}"))
        places += [heading + 1 + number for number in range(len(rows))]
        free = places[-1] + 1
    return places, headings


def _labels(played: pd.DataFrame) -> Iterator[str]:
    """Yield the labels of the rows, each told from the others of its regime."""
    for _, rows in played.groupby("effort", sort=False):
        points = [
            _named(read(text), mechanism)
            for text, mechanism in rows[["settings", "mechanism"]].to_numpy()
        ]
        labels = told_apart([point_label(point) for point in points], points)
        yield from distinct(shortened(label, _LONGEST) for label in labels)


def _named(settings: Settings, mechanism: str) -> Settings:
    """Return settings that name the mechanism, as not every sweep does, without `UNSHOWN`."""
    kept = {key: value for key, value in settings.items() if not key.startswith(UNSHOWN)}
    return kept if "mechanism" in kept else {"mechanism.name": mechanism} | kept


def _draw_mean(
    ax: Axes, place: float, mean: float, reach: NDArray[np.float64], **look: Any
) -> None:
    """Draw a mean and its interval, which reaches so far below and above it."""
    look |= {"elinewidth": 0.8, "capthick": 0.8, "linestyle": ""}
    ax.errorbar(mean, place, xerr=reach[:, None], **look)


def _write_columns(ax: Axes, places: list[float], played: pd.DataFrame) -> None:
    """Write the factors reported, and how often budgets are exceeded, right of the axes."""
    _write(ax, None, _FACTOR_PT, "Costs\nreported")
    factors = played[["report_factor", "left_to_gain"]].to_numpy()
    for place, (factor, left) in zip(places, factors, strict=True):
        if left > SETTLED:
            _write(ax, place, _FACTOR_PT, f"×{factor:.2f}*", color="0.5")
        elif not np.isnan(factor):
            _write(ax, place, _FACTOR_PT, f"×{factor:.2f}")
    if played["over_budget"].isna().all():
        return
    _write(ax, None, _OVER_PT, "Over\nbudget")
    for place, share in zip(places, played["over_budget"], strict=True):
        if share > 0:
            _write(ax, place, _OVER_PT, _percent(share), color=_BROKEN_COLOUR, fontweight="bold")
        elif share == 0:
            _write(ax, place, _OVER_PT, "0%", color="0.35")


def _write(ax: Axes, place: float | None, end_pt: float, text: str, **look: Any) -> None:
    """Write a text that ends so far right of the axes, in a row or, without one, above them all."""
    ax.annotate(
        text,
        xy=(1, 1 if place is None else place),
        xycoords=("axes fraction", "axes fraction" if place is None else "data"),
        xytext=(end_pt, 4 if place is None else 0),
        textcoords="offset points",
        horizontalalignment="right",
        verticalalignment="bottom" if place is None else "center_baseline",
        annotation_clip=False,
        linespacing=1.0,
        **look,
    )


def _percent(share: float) -> str:
    """Return a share as text; neither few nor nearly all are rounded to none or all."""
    if 0 < share < 0.01:
        return "< 1%"
    if 0.99 < share < 1:
        return "> 99%"
    return f"{share:.0%}"


def _add_legend(ax: Axes, summary: pd.DataFrame) -> None:
    """Name the markers and the interval, above the axes and left of the columns."""
    handles: list[Artist] = [
        Line2D([], [], linestyle="", label="Promised, truthful", **_PROMISED_LOOK),
        Line2D([], [], linestyle="", label="Played", **_PLAYED_LOOK),
    ]
    if (summary["over_budget"] > 0).any():
        handles.append(Line2D([], [], linestyle="", label="Played, over budget", **_BROKEN_LOOK))
    mark = Line2D([], [], color=_COLOUR, linewidth=0.8, marker="|", markersize=4)
    handles += style.interval_key(summary, mark, narrow=True)
    ax.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderpad=0,
        ncols=2,
        columnspacing=0.8,
        handlelength=1.3,
        handletextpad=0.5,
    )
