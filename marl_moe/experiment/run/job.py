"""Jobs: the interface of what a run consists of, one job for each sweep point and seed."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from marl_moe.experiment.progress import Progress
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.sweep import Settings
from marl_moe.experiment.training.resources import Bundles

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Job(ABC):
    """One seed at one sweep point.

    Attributes:
        label: label of the sweep point.
        settings: what the sweep point sets.
        seed: the seed.
        spec: the experiment of the sweep point.
        results: name of the table that is printed at the end of a run of such jobs.
    """

    label: str
    settings: Settings
    seed: int
    spec: ExperimentSpec
    results: ClassVar[str]

    @property
    @abstractmethod
    def tables(self) -> tuple[str, ...]:
        """Names of the tables in which the job has rows once it is done."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Number of calls that count as progress: of `Progress.on_epoch` or `on_audit`."""

    @property
    @abstractmethod
    def amounts(self) -> Mapping[str, int]:
        """Amount of work by kind, such as `{"epochs of training": 40}`."""

    @abstractmethod
    def bundles(self) -> Bundles:
        """Return the resources that the job needs; the same for all seeds of a point."""

    def is_done(self, tables: Tables) -> bool:
        """Return whether the job has done all that its experiment asks for.

        Args:
            tables: its rows in every table that it writes, none of them empty.
        """
        return True

    def going_on_from(self, tables: Tables) -> "Job":
        """Return the job, keeping what it need not do again.

        Args:
            tables: its rows in every table that it writes, done with a smaller experiment.
        """
        return self

    @abstractmethod
    def run(self, progress: Progress) -> Tables:
        """Do the job, or go on with it, and return the rows of each table."""

    @abstractmethod
    def clean_up(self) -> None:
        """Remove what only going on with the job would need."""

    @property
    def identity(self) -> dict[str, Any]:
        """The columns that tell jobs apart, and their values."""
        settings = json.dumps(self.settings, ensure_ascii=False)
        return {"seed": self.seed, "point": self.label, "settings": settings}

    def identified(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows with the columns that tell jobs apart."""
        return frame.assign(**self.identity)


def do(job: Job, progress: Progress) -> Tables:
    """Do a job: the work of `run_jobs`."""
    return job.run(progress)
