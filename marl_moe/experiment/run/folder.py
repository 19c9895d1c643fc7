"""Run folders: an experiment written down, its jobs, and what of them is done."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from marl_moe.errors import SpecError
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.job import Job, Tables
from marl_moe.experiment.run.planning import jobs_of
from marl_moe.experiment.run.training_job import TrainingJob
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.rllib_sections import named_code
from marl_moe.experiment.spec.sweep import Point, sweep_points
from marl_moe.experiment.spec.trials import tried_experiment

EXPERIMENT = "experiment.yaml"
CHOSEN = "chosen.yaml"  # the experiment that a search came to, once it is done
SEARCH = "search"  # run folder of a search, in that of the run
JobKey = tuple[str, int]  # label of the sweep point, seed


@dataclass(frozen=True)
class RunFolder:
    """A run in its folder; a run consists of jobs, one for each sweep point and seed.

    A job is done when it has rows in every table that it writes. An experiment with a search is
    that of the setting chosen, once one is; until then it has its `search`, and its jobs stand for
    those to come.

    Attributes:
        path: the folder.
        spec: the experiment.
        points: the points of its sweep.
    """

    path: Path
    spec: ExperimentSpec
    points: tuple[Point, ...]

    @classmethod
    def read(cls, path: Path, address: str | None = None) -> "RunFolder":
        """Read the experiment of a run folder.

        Args:
            path: the folder.
            address: address of the Ray that it goes on with, which no folder keeps; None: this
                machine.

        Raises:
            SpecError: there is no experiment, or not a whole one.
        """
        spec = read_experiment(path).at(address)
        return cls(path, spec, tuple(sweep_points(spec)))

    def search(self) -> "RunFolder":
        """Return the run of a search that is not done, whether it has begun or not.

        Raises:
            SpecError: its folder holds no whole experiment.
        """
        path = self.path / SEARCH
        if (path / EXPERIMENT).is_file():
            return RunFolder.read(path, self.spec.cluster.address)
        spec = tried_experiment(self.spec)
        return RunFolder(path, spec, tuple(sweep_points(spec)))

    @cached_property
    def jobs(self) -> list[Job]:
        """Jobs of the run, in the order of their rows."""
        return jobs_of(self.points, self.spec.seed_list(), self.path.resolve())

    def finished(self) -> dict[JobKey, Tables]:
        """Return the tables of the jobs that are done, as they are on disk.

        Raises:
            RecordError: a table was damaged.
        """
        rows = {}
        for name in TABLES:
            rows[name] = dict(iter(read_table(self.path, name).groupby(["point", "seed"])))
        finished = {}
        for job in self.jobs:
            key = (job.label, job.seed)
            if all(key in rows[name] for name in job.tables):
                finished[key] = {name: rows[name][key] for name in job.tables}
        return finished

    def jobs_left(self) -> list[Job]:
        """Return the jobs that are not done."""
        finished = self.finished()
        return [job for job in self.jobs if (job.label, job.seed) not in finished]

    def training_jobs(self) -> list[TrainingJob]:
        """Return the jobs, in which policies can be played again.

        Raises:
            SpecError: it is a market study, in which no policy is compared, or its search is not
                done.
        """
        if self.spec.search is not None:
            raise SpecError(
                f"{self.path}: its search is not done; to continue: marl-moe resume {self.path}"
            )
        jobs = [job for job in self.jobs if isinstance(job, TrainingJob)]
        if not jobs:
            raise SpecError(
                f"{self.path}: a market study compares no policies; its table is audit.parquet"
            )
        return jobs

    def check_trusted(self) -> None:
        """Check that the experiment names no code, which going on would run.

        Raises:
            SpecError: it names some.
        """
        code = [path for point in self.points for path in named_code(point.spec)]
        if self.spec.search is not None:
            self.search().check_trusted()
        if code:
            raise SpecError(
                f"{self.path}: its {EXPERIMENT} names code that would be run, or an environment "
                f"for it: {'; '.join(dict.fromkeys(code))}; if you trust whoever wrote it, say "
                "--trust"
            )


def read_experiment(path: Path) -> ExperimentSpec:
    """Read the experiment of a run folder, without the points of its sweep.

    After a search it is that of the setting chosen.

    Raises:
        SpecError: there is none, or not a whole one.
    """
    if not (path / EXPERIMENT).is_file():
        raise SpecError(f"{path}: no run folder, there is no {EXPERIMENT} in it")
    return load_experiment(str(path / (CHOSEN if (path / CHOSEN).is_file() else EXPERIMENT)))


def create_run_folder(parent: Path, name: str) -> Path:
    """Create `<parent>/<name>`, or `<name>-2`, `<name>-3` ... where that exists.

    No run ever writes into another's folder.
    """
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        return folder
