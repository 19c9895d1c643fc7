"""What commands that read the evaluation of a run say where there is none."""

from typing import TYPE_CHECKING

from marl_moe.errors import SpecError
from marl_moe.experiment.records.tables import read_table

if TYPE_CHECKING:
    from marl_moe.experiment.run.folder import RunFolder


def check_evaluated(run: "RunFolder") -> None:
    """Check that a run has policies that were evaluated.

    Raises:
        SpecError: it has none; the message says why, and what to do.
        RecordError: a table is damaged.
    """
    if run.spec.kind == "market_study":
        raise SpecError(
            f"{run.path}: a market study compares no policies; its table is audit.parquet"
        )
    if read_table(run.path, "evaluation", run.spec.metrics).empty:
        raise SpecError(unfinished(run, len(run.left_of(run.tables()))))


def unfinished(run: "RunFolder", left: int) -> str:
    """Return the line on a run of which jobs are left."""
    what = f"{len(run.jobs) - left} of {len(run.jobs)} jobs are done"
    if run.spec.search is not None:
        what = "its search is not done"
    return f"{run.path}: {what}; to continue: marl-moe resume {run.path}"
