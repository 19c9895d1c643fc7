"""A table of policies by metrics at each sweep point, with the best of each column marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from paper_figures.headings import LESS_IS_BETTER, MORE_IS_BETTER, Heading
from paper_figures.statistics import interval_label, mean_interval
from paper_figures.sweeps import in_order
from paper_figures.tables import Tables, require, require_numbers

# Others are measured by them; they are never the best.
YARDSTICKS = ("nash", "optimum", "cooperative", "selfish", "local")


class Cell(NamedTuple):
    """A mean with its interval.

    Attributes:
        mean: NaN without a value.
        low: end of the interval; NaN without one.
        high: the other end.
        is_best: whether it is the best of its column and point, or not told from that.
    """

    mean: float
    low: float
    high: float
    is_best: bool


@dataclass(frozen=True)
class PolicyTable:
    """Means with intervals of policies, at each sweep point.

    Attributes:
        headings: of the columns.
        points: by the label of a sweep point, a row of cells for each policy, that of the best
            mean in the first column first; one label that is empty without a sweep.
        intervals: what the intervals are over, an `interval_label`.
        episodes: fewest and most of a policy, seed and point.
    """

    headings: tuple[Heading, ...]
    points: Mapping[str, Mapping[str, Sequence[Cell]]]
    intervals: str
    episodes: tuple[int, int]

    @property
    def marks(self) -> bool:
        """Whether any cell is marked as best."""
        rows = [row for policies in self.points.values() for row in policies.values()]
        return any(cell.is_best for row in rows for cell in row)


def policy_table(tables: Tables, metrics: Mapping[str, Heading]) -> PolicyTable:
    """Return the table of some metrics of a run.

    Means and intervals are those of the figures (`statistics.mean_interval`). The best of a column
    is the policy of the best mean, and each whose difference to it, paired by seed, or of one seed
    by world, has an interval that contains 0. `YARDSTICKS` are never among them, and a metric of
    which neither more nor less is better has none.

    Args:
        tables: of a run, "evaluation" among them.
        metrics: columns of that, with their headings.

    Raises:
        CannotDraw: the table is missing, empty, or lacks a column or its numbers.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "policy", *metrics))
    require_numbers(evaluation, "evaluation", list(metrics))
    points: dict[str, dict[str, list[Cell]]] = {}
    intervals = []
    for settings in in_order(evaluation["settings"].unique()):
        here = evaluation[evaluation["settings"] == settings]
        columns = [_cells(here, metric) for metric in metrics]
        intervals += [interval for interval, _ in columns]
        points[str(here["point"].iloc[0])] = {
            policy: [cells[policy] for _, cells in columns]
            for policy in _ordered(columns[0][0], next(iter(metrics)))
        }
    episodes = evaluation.groupby(["settings", "policy", "seed"]).size()
    return PolicyTable(
        tuple(metrics.values()),
        points,
        interval_label(pd.concat(intervals)),
        (int(episodes.min()), int(episodes.max())),
    )


def _cells(rows: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, dict[str, Cell]]:
    """Return the intervals of a column at a sweep point, and its cells by policy."""
    intervals, best = mean_interval(rows, metric), _best(rows, metric)
    cells = {
        row["policy"]: Cell(row["mean"], row["low"], row["high"], row["policy"] in best)
        for _, row in intervals.iterrows()
    }
    return intervals, cells


def _ordered(intervals: pd.DataFrame, metric: str) -> list[str]:
    """Return the policies of a column, that of the best mean first."""
    rising = metric in LESS_IS_BETTER
    return list(intervals.sort_values("mean", ascending=rising, kind="stable")["policy"])


def _best(rows: pd.DataFrame, metric: str) -> set[str]:
    """Return the policies of a sweep point that are best in a metric, or not told from that one."""
    if metric not in MORE_IS_BETTER | LESS_IS_BETTER:
        return set()
    candidates = rows[~rows["policy"].isin(YARDSTICKS)].dropna(subset=[metric])
    if candidates.empty:
        return set()
    best = _ordered(mean_interval(candidates, metric), metric)[0]
    # The worlds of a seed are the same for all policies, episode by episode.
    unit = "seed" if candidates["seed"].nunique() > 1 else "episode"
    means = candidates.groupby(["policy", unit])[metric].mean().unstack(unit)
    differences = (means - means.loc[best]).reset_index()
    differences = differences.melt("policy", var_name="seed", value_name="difference")
    found = mean_interval(differences, "difference").set_index("policy")
    alike = (found["low"] <= 0) & (found["high"] >= 0) | found["mean"].eq(0)
    return {best, *found.index[alike]}
