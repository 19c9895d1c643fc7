"""Reliability of the differences between policies, by the rliable protocol (arXiv 2108.13264).

`stratified_bootstrap` says what is resampled, and how often the intervals hold the truth.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from pandas.api.types import is_numeric_dtype

from paper_figures import style, variants
from paper_figures.drawing import drawn, rank_of
from paper_figures.headings import LESS_IS_BETTER
from paper_figures.legends import add_legend
from paper_figures.marks import zero_line
from paper_figures.panels import beside, is_narrow
from paper_figures.registry import ROWS, register
from paper_figures.stratified_bootstrap import (
    RECOMMENDED_SEEDS,
    interquartile_means,
    performance_profiles,
    probability_of_improvement,
)
from paper_figures.sweeps import by_task
from paper_figures.tables import (
    CannotDraw,
    Tables,
    leading_policy,
    learned_here,
    require,
    require_finite,
)

STYLE = style.PRINT | style.DOUBLE_COLUMN
SEED = 0  # of the bootstrap, so that the same tables give the same figure
NUM_THRESHOLDS = 201
# Shares to which the profiles are drawn; a policy below 0 does worse than to drop every subtask.
VIEW = (-0.5, 1.5)
Looks = dict[variants.Variant, dict[str, Any]]  # of every policy, best first


def needed(tables: Tables, metric: str | None = None) -> tuple[str, pd.DataFrame]:
    """Return the metric shown of a run that has the figure, and the episodes that have it, by task.

    Raises:
        CannotDraw: there are not two policies, each at every task, or a column is missing or not
            of finite numbers.
    """
    columns = ("seed", "point", "policy", "episode", metric or "gain")
    return _scores(require(tables, "evaluation", columns), metric)


@register(
    "reliability",
    STYLE,
    needed,
    refuses=ROWS | {"interval": "its intervals are those of a stratified bootstrap over seeds"},
)
def plot(
    tables: Tables, figure: Figure | SubFigure | None = None, metric: str | None = None
) -> Figure | SubFigure:
    """Draw interquartile means, probabilities of improvement and performance profiles.

    (a) Interquartile mean over the episodes of all seeds and tasks, of the share of the
    equilibrium's gain where it is known everywhere, else of the gain per slot and user (credits).
    (b) Probability that a run of the learned policy (`leading_policy`) has a greater mean than one
    of the policy in that row. (c) Share of episodes above a threshold, `VIEW` at the most. All with
    95 % intervals of a stratified bootstrap over seeds; a task is a sweep point without its
    settings of `algorithm`, so that algorithms meet, and one trained in several ways is as many
    policies.

    Args:
        tables: of a run.
        figure: to draw on, a new one if None.
        metric: column in place of those.

    Raises:
        CannotDraw: as by `needed`.
    """
    metric, scores = needed(tables, metric)
    policies = list(scores["policy"].unique())  # in the order of the experiment
    name = leading_policy(which.policy for which in policies)
    leading = next(which for which in policies if which.policy == name)
    rng = np.random.default_rng(SEED)
    means = interquartile_means(scores, metric, rng).sort_values("mean", ascending=False)
    improvement = probability_of_improvement(scores, metric, leading, rng)
    profiles = performance_profiles(scores, metric, _thresholds(scores[metric], metric), rng)
    curves = variants.curves(policies, learned_here(tables))
    order = sorted(means["policy"], key=lambda which: rank_of(which.policy))
    looks = {which: curves[which] for which in order}
    height = max(2.2, 1.25 + 0.17 * len(looks))
    left, middle, right = beside(figure, 3, height, width_ratios=(1, 0.8, 1.3))
    figure = left.figure
    middle.sharey(left)
    drawn(means, panel="a", metric=metric)
    drawn(improvement.assign(over=leading.text), panel="b", metric=metric)
    drawn(profiles, panel="c", metric=metric)

    label = style.metric_label(metric)
    _draw_rows(left, means, "mean", looks)
    left.set_xlabel(f"{label},\ninterquartile mean")
    left.set_yticks(range(len(looks)), [look["label"] for look in looks.values()])
    left.set_ylim(len(looks) - 0.5, -0.5)
    middle.axvline(0.5, color="0.4", linewidth=0.6)
    _draw_rows(middle, improvement, "probability", looks)
    zero_line(left, axis="x")
    middle.tick_params(axis="y", labelleft=is_narrow(figure))
    middle.set_xlim(-0.05, 1.05)
    middle.set_xlabel(f"Probability that\n{looks[leading]['label']} is better")
    _draw_profiles(right, profiles, looks)
    right.set_xlabel(label)
    right.set_ylabel("Share of episodes above")
    for ax, letter in zip((left, middle, right), "abc", strict=True):
        ax.set_title(f"({letter})", loc="left")
    add_legend(figure, _key(means), loc="outside upper right")
    return figure


def _scores(evaluation: pd.DataFrame, metric: str | None) -> tuple[str, pd.DataFrame]:
    """Return the metric shown, and the rows that have it, by task."""
    if metric is None:
        shares = "share_of_equilibrium"
        known = shares in evaluation and is_numeric_dtype(evaluation[shares])
        metric = shares if known and np.isfinite(evaluation[shares]).all() else "gain"
    if metric in LESS_IS_BETTER:
        raise CannotDraw(f"metric: of {metric} less is better; this figure compares gains")
    require_finite(evaluation, "evaluation", (metric,))
    scores = by_task(evaluation.dropna(subset=[metric]))
    policies = scores["policy"].unique()
    if len(policies) < 2:
        raise CannotDraw(
            f"table 'evaluation' has policy '{policies[0].text}' alone; this figure compares at "
            "least two"
        )
    return metric, scores


def _thresholds(values: pd.Series, metric: str) -> np.ndarray:
    """Return thresholds from the least value to the greatest, of shares within `VIEW`."""
    low, high = values.min(), values.max()
    if metric == "share_of_equilibrium":
        low, high = max(low, VIEW[0]), min(high, VIEW[1])
    return np.linspace(low, high, NUM_THRESHOLDS)


def _draw_rows(ax: Axes, intervals: pd.DataFrame, column: str, looks: Looks) -> None:
    """Draw a point and its interval for each policy, from the top.

    A percentile interval need not be symmetric.
    """
    rows = {policy: row for row, policy in enumerate(looks)}
    for policy, centre, low, high in intervals[["policy", column, "low", "high"]].to_numpy():
        ends = [[max(centre - low, 0.0)], [max(high - centre, 0.0)]]  # equal ones but for rounding
        mark = {key: looks[policy][key] for key in ("color", "marker", "markerfacecolor")}
        ax.errorbar(centre, rows[policy], xerr=ends, elinewidth=0.9, **mark)
    ax.tick_params(axis="y", length=0)


def _draw_profiles(ax: Axes, profiles: pd.DataFrame, looks: Looks) -> None:
    """Draw a curve and its band for each policy, the best on top and learned ones over all others.

    Each has one marker, the better the higher, so that those of curves that lie together are apart.
    """
    levels = np.linspace(0.9, 0.1, len(looks))
    for rank, ((policy, look), level) in enumerate(zip(looks.items(), levels, strict=True)):
        rows = profiles[profiles["policy"] == policy]
        zorder = look["zorder"] - rank / len(looks)
        ax.fill_between(
            rows["threshold"],
            rows["low"],
            rows["high"],
            color=look["color"],
            alpha=0.2,
            linewidth=0,
            zorder=zorder,
        )
        at = int((rows["share"] - level).abs().argmin())
        ax.plot(rows["threshold"], rows["share"], markevery=[at], **look | {"zorder": zorder})
    ax.margins(x=0)
    ax.set_ylim(-0.02, 1.02)


def _key(means: pd.DataFrame) -> list[Artist]:
    """Return the legend's entry for the intervals; of few seeds it recommends more."""
    key = style.interval_key(means, Line2D([], [], color="black"))
    if means["num_seeds"].min() < RECOMMENDED_SEEDS:
        key[0].set_label(f"{key[0].get_label()}; at least {RECOMMENDED_SEEDS} are recommended")
    return key
