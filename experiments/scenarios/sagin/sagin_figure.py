"""Figure of the study: gain and who serves whom against distance, and what a pass is worth."""

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from paper_figures import register, style
from paper_figures.settings import read
from paper_figures.statistics import mean_interval
from paper_figures.tables import CannotDraw, Tables, leading_policy, learned_here, require

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 2.9)}
CENTRES = "env.channel.geometry.users.placement.centres"
CELLS_M = (250.0, 250.0)  # middle of the ground experts, as sagin.yaml places them
GROUPS = {"ground": "#004488", "uav": "#DDAA33", "satellite": "#BB5566"}
LABELS = {"ground": "cells", "uav": "UAVs", "satellite": "satellites"}
MARKERS = {"ground": "s", "uav": "^", "satellite": "o"}
COLUMNS = ("seed", "policy", "gain", "gain_in_view")


def needed(tables: Tables) -> pd.DataFrame:
    """Return the evaluation without payments, with the distance of users in km.

    Raises:
        CannotDraw: a column is missing, or users are not at two distances.
    """
    evaluation = require(tables, "evaluation", (*COLUMNS, *(f"served_{name}" for name in GROUPS)))
    settings = evaluation["settings"].map(read)
    if not settings.map(lambda one: CENTRES in one).all():
        raise CannotDraw(f"table 'evaluation': no sweep of {CENTRES}")
    evaluation = evaluation.assign(distance_km=settings.map(_distance_km))
    evaluation = evaluation[evaluation["mechanism"] == "none"]
    if evaluation["distance_km"].nunique() < 2:
        raise CannotDraw("table 'evaluation': users should be at two distances at least")
    return evaluation


@register("sagin", STYLE, needed)
def plot(tables: Tables, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw gain, served subtasks by group, and gain with and without a satellite, by distance.

    Panels (b) and (c) are of the leading policy.
    """
    evaluation = needed(tables)
    leader = leading_policy(evaluation["policy"].unique())
    figure = figure or Figure(rcParams["figure.figsize"], layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    order, learned = list(evaluation["policy"].unique()), learned_here(tables)
    gain = mean_interval(evaluation, "gain", by=("distance_km", "policy"))
    for rank, policy in enumerate(order):
        look = style.curve(policy, rank / len(order), order, learned)
        _line(left, gain[gain["policy"] == policy], look)
    left.set_ylabel(style.METRIC_LABELS["gain"])
    mine = evaluation[evaluation["policy"] == leader]
    for name, colour in GROUPS.items():
        served = mean_interval(mine, f"served_{name}", by=("distance_km",))
        _line(middle, served, {"color": colour, "marker": MARKERS[name], "label": LABELS[name]})
    middle.set_ylabel("Subtasks served a slot")
    middle.set_ylim(bottom=0)
    for column, line, words in (
        ("gain_in_view", "-", "satellite in view"),
        ("gain_without", "--", "none in view"),
    ):
        if column not in mine or mine[column].isna().all():
            continue  # too short a run may meet no gap between passes
        worth = mean_interval(mine, column, by=("distance_km",))
        look = {"color": "black", "marker": "o", "linestyle": line, "label": words}
        _line(right, worth, look)
    right.set_ylabel(style.METRIC_LABELS["gain"])
    name = style.policy_style(leader, order).label
    for axes, letter in zip((left, middle, right), ("a", f"b, {name}", f"c, {name}"), strict=True):
        axes.set_title(f"({letter})", loc="left")
        axes.set_xlabel("Users' distance from the cells, km")
    for axes in (middle, right):
        axes.legend(fontsize="small")
    for axes in (left, right):
        axes.axhline(0, color="0.4", linewidth=0.6)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _distance_km(settings: dict) -> float:
    ((x, y),) = settings[CENTRES]
    return float(np.hypot(x - CELLS_M[0], y - CELLS_M[1]) / 1000)


def _line(axes: Axes, intervals: pd.DataFrame, look: dict) -> None:
    """Draw means through distances, with intervals over seeds."""
    rows = intervals.sort_values("distance_km")
    axes.plot(rows["distance_km"], rows["mean"], **look)
    axes.vlines(rows["distance_km"], rows["low"], rows["high"], color=look["color"], linewidth=0.9)
