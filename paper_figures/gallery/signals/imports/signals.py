"""Classification of signals: metrics of who answers, and the figure of what was measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from envs import Slot, SlotResult
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.metrics import register as register_metric
from paper_figures import CannotDraw, register, style
from paper_figures.point_labels import point_label
from paper_figures.settings import read
from paper_figures.statistics import mean_interval
from paper_figures.tables import Tables, require

KINDS = {"low": "low SNR", "high": "high SNR", "all_round": "all-round"}
# What is drawn of accuracy.csv: label, colour, line.
CLASSIFIERS = {
    "bound": ("bound", "0.5", ":"),
    "low": ("low SNR", "#BB5566", "-."),
    "high": ("high SNR", "#44AA99", (0, (5, 1))),
    "moe": ("MoE of both", "#004488", "-"),
    "all_round": ("all-round", "#DDAA33", (0, (2, 4))),
}
POLICIES = ("nash", "sac", "crowd", "better_response", "greedy", "topic_match")
STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 4.6)}
ASIDE = 0.12  # of the distance of two points of the sweep, between two policies


def _share_of(kind: str) -> Callable[[Slot, SlotResult], NDArray[np.float64]]:
    def share(slot: Slot, result: SlotResult) -> NDArray[np.float64]:
        """Return the share of the served that experts of the kind serve, (N,)."""
        of_kind = np.array(slot.conditions.config.competence_rows) == kind
        served = result.load.sum(axis=-1)
        share = result.load[:, of_kind].sum(axis=-1) / np.maximum(served, 1)
        return np.where(served > 0, share, np.nan)

    return share


for _kind, _words in KINDS.items():
    register_metric(
        f"by_{_kind}", unit="share", doc=f"served recordings that {_words} experts classify"
    )(_share_of(_kind))


def needed(tables: Tables) -> pd.DataFrame:
    """Return the table "evaluation" of a run that has the figure.

    Raises:
        CannotDraw: a column is missing, or no policy of the figure was evaluated.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "settings", "policy", "gain"))
    if not evaluation["policy"].isin(POLICIES).any():
        raise CannotDraw(f"table 'evaluation' has none of the policies {', '.join(POLICIES)}")
    return evaluation


@register("signals", STYLE, needed)
def plot(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw accuracy by SNR, competence of experts, and the gain of policies at each point.

    The first two are as measured and shipped beside this module, the last is of the run, with 95 %
    intervals.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    evaluation = needed(tables)
    # Data that a module reads does not go into the run folder with it.
    measured = shipped_experiments()["signals"].parent
    figure = Figure(layout="constrained") if figure is None else figure
    axes = figure.subplot_mosaic("AB;CC")
    _draw_accuracy(axes["A"], pd.read_csv(measured / "accuracy.csv", comment="#"))
    _draw_competence(axes["B"], measured / "by_snr.json")
    _draw_gains(axes["C"], evaluation)
    handles = axes["C"].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(POLICIES) // 2)
    return figure


def _draw_accuracy(ax: Axes, accuracy: pd.DataFrame) -> None:
    for name, (label, colour, line) in CLASSIFIERS.items():
        rows = accuracy[accuracy["classifier"] == name]
        ax.plot(rows["snr_db"], rows["accuracy"], color=colour, linestyle=line, label=label)
        ax.fill_between(rows["snr_db"], rows["low"], rows["high"], color=colour, alpha=0.2, lw=0)
    ax.axhline(1 / 8, color="0.7", linewidth=0.6)
    ax.annotate("a guess", (20, 1 / 8), ha="right", va="bottom", color="0.4")
    ax.set(
        xlabel="SNR of a sample (dB)", ylabel="Accuracy", ylim=(0, 1.02), title="(a) Classifiers"
    )
    ax.legend(loc="lower right", bbox_to_anchor=(1, 0.16))


def _draw_competence(ax: Axes, path: Path) -> None:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    table = np.array(told["competence"])
    middle = (table.min() + table.max()) / 2
    ax.imshow(table, cmap="Blues", vmin=2 * table.min() - middle, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        colour = "white" if value > middle else "black"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour)
    ends = [name.replace(" dB", "").split(" to ") for name in told["topics"]]
    edges = [low for low, _ in ends] + [ends[-1][1]]
    ax.set_xticks(np.arange(len(edges)) - 0.5, [edge.replace("-", "\u2212") for edge in edges])
    ax.set_yticks(range(table.shape[0]), [KINDS[name] for name in told["rows"]])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.set(xlabel="SNR of the signals (dB)", title="(b) Competence of experts")


def _draw_gains(ax: Axes, evaluation: pd.DataFrame) -> None:
    points = list(evaluation["settings"].unique())
    policies = [name for name in POLICIES if name in set(evaluation["policy"])]
    intervals = mean_interval(evaluation, "gain", by=("settings", "policy"))
    for place, policy in enumerate(policies):
        look = style.policy_style(policy, policies)
        rows = intervals[intervals["policy"] == policy].set_index("settings").reindex(points)
        ends = np.array([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
        ax.errorbar(
            np.arange(len(points)) + ASIDE * (place - (len(policies) - 1) / 2),
            rows["mean"],
            np.nan_to_num(ends),
            color=look.colour,
            marker=look.marker,
            linestyle="",
            label=look.label,
        )
    ax.set_xticks(range(len(points)), [_name(read(point)) for point in points])
    ends = -0.6, len(points) - 0.4
    ax.set(ylabel=style.METRIC_LABELS["gain"], title="(c) Policies", xlim=ends)
    ax.grid(visible=False, axis="x")


def _name(settings: dict[str, Any]) -> str:
    """Return the words of the study for a point of its sweep."""
    if settings == {"env.information": "known"}:
        return "4 of each kind"
    if settings == {"env.information": "type"}:
        return "4 of each,\ntypes alone known"
    if str(settings.get("env.experts.competence", "")).endswith("by_class.json"):
        return "4 of each,\nby modulation"
    if len(settings) == 1:
        key, value = next(iter(settings.items()))
        for kind, words in KINDS.items():
            if key == f"env.expert_groups.{kind}.count":
                return f"{value} {words}"
    return point_label(settings)
