"""Tables of the other sides of the market: what they chose, and what an agent has left to gain."""

import pandas as pd

from marl_moe.terminal.summary import interval_cell
from marl_moe.terminal.tables import Column, FittedTable
from paper_figures.statistics import interval_label, mean_heading, mean_interval
from paper_figures.sweeps import points_in_order

CHOSEN = {
    "report_factor": "factor reported",
    "value_factor": "value factor",
    "margin": "margin",
    "edge_utility": "edge devices a slot, credits",
    "platform_balance": "platform a slot, credits",
}
EXPLOITED = {
    "reward": "reward, credits a slot",
    "deviating_reward": "alone",
    "gain": "left to gain, at least",
}


def sides_table(title: str, evaluation: pd.DataFrame) -> FittedTable:
    """Return what edge devices and the platform chose beside each policy at each sweep point.

    Args:
        title: name of the experiment.
        evaluation: rows of `evaluation.parquet`.
    """
    return _table(f"{title}, the other sides", evaluation, "policy", CHOSEN)


def exploitability_table(title: str, exploitability: pd.DataFrame) -> FittedTable:
    """Return what an agent of each role gains by learning alone against all others.

    Args:
        title: name of the experiment.
        exploitability: rows of `exploitability.parquet`.
    """
    table = _table(f"{title}, exploitability", exploitability, "role", EXPLOITED)
    table.notes.append("of the platform a slot and user; the best response is what SAC found")
    return table


def _table(title: str, rows: pd.DataFrame, by: str, columns: dict[str, str]) -> FittedTable:
    """Return means with intervals, a row for each value of the column `by` at each sweep point."""
    keys = ["point", by]
    found = {name: mean_interval(rows, name, keys).set_index(keys) for name in columns}
    table = FittedTable(
        f"{title}: {mean_heading(interval_label(pd.concat(found.values())))}",
        [
            Column(by, folded=True, stays=True),
            *(Column(heading, stays=True) for heading in columns.values()),
        ],
    )
    swept = rows["point"].nunique() > 1
    for point in points_in_order(rows):
        if swept:
            table.rows.append([point])
        for name in rows.loc[rows["point"] == point, by].unique():
            cells = [interval_cell(found[column].loc[(point, name)]) for column in columns]
            table.rows.append([name, *cells])
    return table
