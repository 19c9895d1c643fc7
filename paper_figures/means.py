"""Results of a run as a table of means, each with its interval, of all metrics and policies."""

from collections.abc import Sequence

import pandas as pd

from paper_figures.headings import HEADINGS
from paper_figures.statistics import mean_interval
from paper_figures.tables import Tables, require

METRICS = tuple(HEADINGS)  # columns of "evaluation", in its units
COLUMNS = (
    "point",
    "settings",
    "policy",
    "metric",
    "mean",
    "low",
    "high",
    "num_seeds",
    "num_episodes",
)


def means(tables: Tables, further: Sequence[str] = ()) -> pd.DataFrame:
    """Compute the mean of every metric of every policy at every sweep point.

    Means and intervals are those of the figures (`statistics.mean_interval`: 95 % Student t over
    the means of seeds; one seed has none). A metric that a policy never has, such as `regret`, has
    no row.

    Args:
        tables: of a run, "evaluation" among them.
        further: columns of "evaluation" that are metrics too, behind those of `METRICS`.

    Returns:
        The columns `COLUMNS`; `settings` are those of the sweep point, as JSON.

    Raises:
        CannotDraw: the table is missing, empty or lacks a column.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "policy"))
    rows = [
        mean_interval(evaluation, metric, by=("point", "settings", "policy")).assign(metric=metric)
        for metric in (*METRICS, *further)
        if metric in evaluation
    ]
    table = pd.concat(rows, ignore_index=True)[list(COLUMNS)]
    return table[table["num_episodes"] > 0].reset_index(drop=True)
