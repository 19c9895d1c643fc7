"""Mean and final reward of every policy beside the paper's: Figure 5 of the paper.

The paper draws bars. The differences are a tenth of the values, so bars from zero would hide them
and bars from elsewhere would exaggerate them: points with intervals, which claim no zero, stand
here in their place.
"""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.drawing import drawn, in_order, wanted
from paper_figures.marks import ends
from paper_figures.panels import new_figure
from paper_figures.registry import ROWS, register
from paper_figures.statistics import mean_interval
from paper_figures.tables import CannotDraw, Tables, require, require_one_point

STYLE = style.PRINT | style.SINGLE_COLUMN

# arXiv 2402.06942, Figure 5, credits.
PAPER = {
    "local": {"mean": 43.6, "final": 43.4},
    "sac": {"mean": 41.1, "final": 42.6},
    "abandon": {"mean": 39.8, "final": 39.5},
    "random": {"mean": 39.6, "final": 40.5},
}
# Each quantity has a marker, and its place in the policy's row, downwards; the paper's are the
# outermost, so that a policy the paper does not have stays centred.
_MARKER = {"mean": "o", "final": "D"}
_SHIFT = {"mean": -0.11, "final": 0.11}
_PAPER_SHIFT = {"mean": -0.33, "final": 0.33}


def needed(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables "training" and "evaluation" of a run that has the figure.

    Raises:
        CannotDraw: a table, column or policy is missing, an algorithm was trained at several sweep
            points, or the world is none that the paper's numbers are of.
    """
    training = require(tables, "training", ("seed", "point", "algorithm", "epoch", "utility"))
    algorithms = list(training["algorithm"].astype(str).unique())
    baselines = wanted(policy for policy in PAPER if policy != "sac")
    columns = ("seed", "policy", "episode", "utility", "num_users", "mechanism")
    evaluation = require(tables, "evaluation", columns, [*baselines, *algorithms])
    require_one_point(training)
    alone = evaluation["num_users"].eq(1) & evaluation["mechanism"].eq("none")
    if not alone.all():
        row = evaluation[~alone].iloc[0]
        raise CannotDraw(
            f"table 'evaluation' has num_users {row['num_users']} and mechanism "
            f"'{row['mechanism']}'; the paper's numbers, which this figure shows beside them, are "
            "of one user and free edge devices: 'policies' draws any run"
        )
    return training, evaluation


def summarise(tables: Tables) -> pd.DataFrame:
    """Compute mean and final utility of a request (credits), with 95 % intervals.

    For a learned policy "mean" is over all training epochs and "final" over the evaluation of
    its deterministic policy; for a policy that does not learn, over all its evaluation episodes and
    the last tenth of them.

    Returns:
        The rows of `statistics.mean_interval` by `policy` and `quantity`. Policies stand in the
        order of the paper, with those it does not have behind them by falling mean.

    Raises:
        CannotDraw: as by `needed`.
    """
    training, evaluation = needed(tables)
    algorithms = list(training["algorithm"].astype(str).unique())
    epochs = training.rename(columns={"algorithm": "policy"})
    learned = evaluation["policy"].isin(algorithms)
    sampled = evaluation["policy"].isin([f"{algorithm}_stochastic" for algorithm in algorithms])
    fixed = evaluation[~learned & ~sampled]
    num_episodes = fixed.groupby(["policy", "seed"])["episode"].transform("max") + 1
    last_tenth = fixed["episode"] >= num_episodes - (num_episodes // 10).clip(lower=1)
    samples = [
        epochs.assign(quantity="mean"),
        evaluation[learned].assign(quantity="final"),
        fixed.assign(quantity="mean"),
        fixed[last_tenth].assign(quantity="final"),
    ]
    summary = mean_interval(pd.concat(samples), "utility", by=("policy", "quantity"))
    means = (
        summary[summary["quantity"] == "mean"]
        .set_index("policy")["mean"]
        .sort_values(ascending=False)
    )
    order = in_order(dict.fromkeys(["local", *algorithms, "abandon", "random", *means.index]))
    by_policy = (
        summary["policy"].map(order.index).sort_values(kind="stable").index
    )  # "mean" stays before "final"
    return summary.loc[by_policy].reset_index(drop=True)


@register(
    "final_rewards",
    STYLE,
    needed,
    refuses=ROWS | {"compare": "it stands beside the paper's numbers, which are of one run"},
)
def plot(tables: Tables, ax: Axes | None = None) -> Axes:
    """Draw `summarise(tables)` as points with intervals, and the paper's numbers as open points.

    The paper's numbers are of its own case, one user and one transferred subtask; `policies`
    compares the policies of any experiment.

    Args:
        tables: of a run, "training" and "evaluation" among them.
        ax: axes to draw into, those of a new figure if None.

    Raises:
        CannotDraw: as by `needed`.
    """
    summary = summarise(tables)
    policies = list(summary["policy"].unique())
    looks = {policy: style.policy_style(policy, policies) for policy in policies}
    if ax is None:
        ax = new_figure(1.0 + 0.34 * len(policies)).subplots()
    rows = summary[["policy", "quantity", "mean"]].to_numpy()
    drawn(summary, paper=[PAPER.get(policy, {}).get(quantity) for policy, quantity, _ in rows])

    for (policy, quantity, mean), reach in zip(rows, ends(summary).T, strict=True):
        height = policies.index(policy)
        look: dict[str, Any] = {
            "color": looks[policy].colour,
            "marker": _MARKER[quantity],
        }
        ax.errorbar(mean, height + _SHIFT[quantity], xerr=reach[:, None], elinewidth=0.9, **look)
        if policy in PAPER:
            ax.plot(
                PAPER[policy][quantity], height + _PAPER_SHIFT[quantity], fillstyle="none", **look
            )

    ax.set_yticks(range(len(policies)), [look.label for look in looks.values()])
    ax.set_ylim(len(policies) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(style.METRIC_LABELS["utility"])
    _add_legend(ax, summary)
    return ax


def _add_legend(ax: Axes, summary: pd.DataFrame) -> None:
    """Name the markers, in black since colour stands for the policy."""
    black: dict[str, Any] = {"xdata": [], "ydata": [], "color": "black"}
    ours: list[Artist] = [
        Line2D(**black, linestyle="", marker=marker, label=quantity.capitalize())
        for quantity, marker in _MARKER.items()
    ]
    papers: list[Artist] = [
        Line2D(
            **black,
            linestyle="",
            marker=marker,
            fillstyle="none",
            label=f"{quantity.capitalize()}, paper",
        )
        for quantity, marker in _MARKER.items()
    ]
    ours += style.interval_key(summary, Line2D(**black), narrow=True)
    # Flush right, over the policies' names: centred it would be wider than the axes, and narrow
    # them.
    ax.legend(handles=ours + papers, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
