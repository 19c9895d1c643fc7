"""The table of the runs in a folder."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from marl_moe.terminal.tables import Column, FittedTable
from paper_figures.statistics import interval_text

if TYPE_CHECKING:
    from marl_moe.experiment.run.listing import ListedRun


def runs_table(title: str, runs: Sequence["ListedRun"]) -> FittedTable:
    """Return a row for each run, with the learned policy of greatest gain.

    Args:
        title: title of the table.
        runs: the runs, in their order.
    """
    columns = [
        Column("run", folded=True, stays=True),
        Column("begun", folded=True, stays=True),
        Column("state", folded=True, stays=True),
        Column("size"),
    ]
    if any(run.best is not None for run in runs):
        columns += [
            Column("its best learned policy", folded=True),
            Column("gain a slot and user, credits"),
            Column("at", folded=True),
        ]
    table = FittedTable(title, columns)
    for run in runs:
        begun = datetime.fromtimestamp(run.begun).strftime("%Y-%m-%d %H:%M")
        row = [run.path.name, begun, state(run), size(run.num_bytes)]
        if run.best is not None:
            policy, point, *gain = run.best
            row += [policy, interval_text(*gain), point]
        table.rows.append([*row, *[""] * (len(columns) - len(row))])
    if len(columns) > 4:
        table.notes.append("gain: mean [95% interval over seeds]; of one seed the mean alone")
    return table


def state(run: "ListedRun") -> str:
    """Return in words how far a run is."""
    jobs = f"{run.done} of {run.jobs} jobs"
    if run.is_under_way:
        return jobs
    return "finished" if run.done == run.jobs else f"interrupted at {jobs}"


def size(num_bytes: int) -> str:
    """Return a size of files: "7.9 MB"."""
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if num_bytes >= 1000**power:
            return f"{num_bytes / 1000**power:.1f} {unit}"
    return f"{num_bytes} B"
