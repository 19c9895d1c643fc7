"""Results of a run as a table of means, each with its interval, of all metrics and policies."""

from collections.abc import Sequence

import pandas as pd

from paper_figures.headings import HEADINGS
from paper_figures.sides import nobody_chose, with_left_to_gain
from paper_figures.statistics import mean_interval
from paper_figures.sweeps import in_order
from paper_figures.tables import Tables, require

METRICS = tuple(HEADINGS)  # columns of "evaluation", in its units
COLUMNS = (
    "point",
    "settings",
    "policy",
    "metric",
    "unit",
    "mean",
    "low",
    "high",
    "num_seeds",
    "num_episodes",
    "of_seeds",
)
_BY = ["point", "settings", "policy"]


def means(tables: Tables, further: Sequence[str] = ()) -> pd.DataFrame:
    """Compute the mean of every metric of every policy at every sweep point.

    Means and intervals are those of the figures (`statistics.mean_interval`: 95 % Student t over
    the means of seeds; one seed has none). A metric that a policy never has, such as `regret`, has
    no row, nor has a factor or margin that nobody chooses. Sweep points are in the order of their
    values, as in `sweeps.in_order`.

    Args:
        tables: of a run, "evaluation" among them.
        further: columns of "evaluation" that are metrics too, behind those of `METRICS`.

    Returns:
        The columns `COLUMNS`; `unit` is "" of metrics that are not ours or have none, `settings`
        are those of the sweep point, as JSON. `of_seeds` has the mean of each seed, rising, with
        blanks between them, of which an interval of paired differences can be computed.

    Raises:
        CannotDraw: the table is missing, empty or lacks a column.
    """
    require(tables, "evaluation", ("seed", "point", "policy"))
    evaluation = with_left_to_gain(tables)
    order = in_order(evaluation["settings"].unique())
    evaluation = evaluation.sort_values(
        "settings", key=lambda texts: texts.map(order.index), kind="stable"
    )
    rows = [
        mean_interval(evaluation, metric, by=_BY)
        .assign(metric=metric, unit=HEADINGS[metric].unit if metric in HEADINGS else "")
        .merge(_of_seeds(evaluation, metric), on=_BY)
        for metric in (*METRICS, *further)
        if metric in evaluation and not nobody_chose(evaluation, metric)
    ]
    table = pd.concat(rows, ignore_index=True)[list(COLUMNS)]
    return table[table["num_episodes"] > 0].reset_index(drop=True)


def _of_seeds(evaluation: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the means of the seeds of every policy at every sweep point, as text."""
    means_of_seeds = evaluation.groupby([*_BY, "seed"])[metric].mean()
    text = means_of_seeds.map("{:.6g}".format).groupby(level=_BY).agg(" ".join)
    return text.rename("of_seeds").reset_index()
