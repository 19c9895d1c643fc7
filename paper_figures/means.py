"""The results of a run as a table of means: every metric of every policy at every sweep point, with
intervals.
"""

import pandas as pd

from paper_figures.statistics import mean_interval
from paper_figures.tables import Tables, require

METRICS = (  # columns of "evaluation", in its units
    *(
        "gain",
        "utility",
        "share_of_equilibrium",
        "share_of_optimum",
        "welfare",
        "worst_gain",
        "jain",
        "qos",
    ),
    *(
        "delay_s",
        "energy_j",
        "charge",
        "unit_price",
        "edge_utility",
        "platform_balance",
        "transferred",
        "rejected",
    ),
    *("converged", "regret"),
)


def means(tables: Tables) -> pd.DataFrame:
    """Columns point, policy, metric, mean, low, high, num_seeds and num_episodes, from the table
    "evaluation".

    Means and intervals are those of the figures (`statistics.mean_interval`: 95 % Student t over
    the means of seeds; one seed has none). A metric that a policy never has, such as `regret`, has
    no row.

    Raises CannotDraw, a ValueError, where the table is missing or empty.
    """
    evaluation = require(tables, "evaluation", ("seed", "point", "policy"))
    rows = [
        mean_interval(evaluation, metric, by=("point", "policy")).assign(metric=metric)
        for metric in METRICS
        if metric in evaluation
    ]
    columns = ["point", "policy", "metric", "mean", "low", "high", "num_seeds", "num_episodes"]
    table = pd.concat(rows, ignore_index=True)[columns]
    return table[table["num_episodes"] > 0].reset_index(drop=True)
