"""A run as a report reads it: its experiment, what of it is done, and its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.environment import read_environment
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.study.remarks import learned_policies
from marl_moe.policies.base import STOCHASTIC
from paper_figures.letters import distinct, shortened, visible

LONGEST = 60  # letters of a run's name on the page


@dataclass(frozen=True)
class Reported:
    """A run, read.

    Attributes:
        name: name on the page; no two runs of a page share one.
        run: the run folder.
        environment: what `environment.json` holds.
        tables: the rows that are there, by name of the table.
        num_left: jobs that are not done.
    """

    name: str
    run: RunFolder
    environment: Mapping[str, object]
    tables: Mapping[str, pd.DataFrame]
    num_left: int

    @property
    def unfinished(self) -> str:
        """What is not done, and how the run goes on; empty where all is done."""
        goes_on = f"to continue: marl-moe resume {self.run.path}"
        if self.run.spec.search is not None:
            return f"The search of this run is not done, and nothing else begun; {goes_on}."
        if not self.num_left:
            return ""
        done, jobs = len(self.run.jobs) - self.num_left, len(self.run.jobs)
        return f"{done} of {jobs} jobs are done, and its numbers are of these; {goes_on}."

    @property
    def learned(self) -> set[str]:
        """Policies that were trained, their stochastic versions among them."""
        names = learned_policies(point.spec for point in self.run.points)
        return names | {f"{name}{STOCHASTIC}" for name in names}

    def without(self, what: str) -> str:
        """Return a sentence that says that a table is not there.

        Args:
            what: why a finished run has none.
        """
        return self.unfinished or what


def read_runs(paths: Sequence[Path], *, trust: bool = False) -> list[Reported]:
    """Read runs for a page; one that an older model of the world made may be among them.

    Args:
        paths: the run folders; one that is listed twice is one.
        trust: whether to import code that comes from elsewhere, or was changed.

    Raises:
        SpecError: there is no whole experiment in one, or one with code from elsewhere.
        RecordError: a table or `environment.json` of one is damaged.
    """
    apart = {path.resolve(): path for path in reversed(paths)}
    chosen = list(reversed(apart.values()))
    names = distinct(shortened(visible(path.resolve().name), LONGEST) or "run" for path in chosen)
    return [_read(path, name, trust) for path, name in zip(chosen, names, strict=True)]


def _read(path: Path, name: str, trust: bool) -> Reported:
    run = RunFolder.read(path, trust=trust, to_play=False)
    tables = {table: read_table(path, table, run.spec.metrics) for table in TABLES}
    return Reported(name, run, read_environment(path), tables, len(run.left_of(run.tables())))
