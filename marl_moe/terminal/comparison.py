"""Tables of two runs side by side: keys in which they differ, and policies of both."""

from collections.abc import Mapping, Sequence

import pandas as pd

from marl_moe.terminal.summary import interval_cell
from marl_moe.terminal.tables import Column, FittedTable
from paper_figures.headings import Heading
from paper_figures.statistics import interval_label, mean_heading

ABSENT = "-"


def differences_table(differing: Sequence[tuple[str, str, str]]) -> FittedTable:
    """Return a row for each key in which two experiments differ."""
    return FittedTable(
        "What differs between the experiments",
        [Column(heading, folded=True, stays=True) for heading in ("key", "A", "B")],
        list(differing),
    )


def comparison_table(
    compared: pd.DataFrame, headings: Mapping[str, Heading], unpaired: Mapping[str, str]
) -> FittedTable:
    """Return a row for each policy at each sweep point: A, B, and B less A with its interval.

    Args:
        compared: rows of `comparison.compare`.
        headings: of the metrics.
        unpaired: for each point that is not compared world by world why it is not.
    """
    columns = [Column("policy", folded=True, stays=True)]
    for number, heading in enumerate(headings.values()):
        columns += [
            Column(f"{heading.text}: A", stays=not number),
            Column("B", stays=not number),
            Column("B less A", stays=not number),
        ]
    columns.append(Column("over", stays=True))
    label = interval_label(compared[compared["num_seeds"] > 0])
    table = FittedTable(f"B less A: {mean_heading(label)}", columns)
    swept = compared["point"].nunique() > 1 or bool(compared["point"].iloc[0])
    for point, rows in compared.groupby("point", sort=False):
        if swept:
            table.rows.append([str(point)])
        for policy, of_metrics in rows.groupby("policy", sort=False):
            cells = [str(policy)]
            for _, row in of_metrics.iterrows():
                cells += [_number(row["first"]), _number(row["second"]), interval_cell(row)]
            over = dict.fromkeys(of_metrics["over"])
            table.rows.append([*cells, "; ".join(over)])
    for reason in dict.fromkeys(unpaired.values()):
        points = [point for point, why in unpaired.items() if why == reason and point]
        where = f" at {', '.join(points)}" if points else ""
        table.notes.append(f"unpaired, not world by world{where}: {reason}")
    return table


def _number(value: float) -> str:
    return ABSENT if pd.isna(value) else f"{value:z.3f}"
