"""Run folders: an experiment written down, its jobs, and what of them is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from envs import MODEL
from marl_moe.errors import SpecError
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.as_begun import check_as_begun
from marl_moe.experiment.run.input_copies import check_inputs
from marl_moe.experiment.run.job import Job, Tables
from marl_moe.experiment.run.model import check_model, model_of, without_gone
from marl_moe.experiment.run.planning import jobs_of
from marl_moe.experiment.run.training_job import TrainingJob
from marl_moe.experiment.run.trust import check_imports, check_named, sign
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.extension import AS_IT_IS, Extension
from marl_moe.experiment.spec.files import read_sections
from marl_moe.experiment.spec.imports import IMPORTS, imports_of
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.rllib_sections import named_code
from marl_moe.experiment.spec.sweep import Point, sweep_points
from marl_moe.experiment.spec.trials import tried_experiment
from marl_moe.plugins import use
from marl_moe.sources import FINDER, Found, find

EXPERIMENT = "experiment.yaml"
CHOSEN = "chosen.yaml"  # the experiment that a search came to, once it is done
SEARCH = "search"  # run folder of a search, in that of the run
JobKey = tuple[str, int]  # label of the sweep point, seed


@dataclass(frozen=True)
class RunFolder:
    """A run in its folder; a run consists of jobs, one for each sweep point and seed.

    A job is done when it has the rows of its experiment in every table that it writes. An
    experiment with a search is that of the setting chosen, once one is; until then it has its
    `search`, and its jobs stand for those to come.

    Attributes:
        path: the folder.
        spec: the experiment.
        points: the points of its sweep.
        code: SHA-256 of the files that its code is in, by path.
    """

    path: Path
    spec: ExperimentSpec
    points: tuple[Point, ...]
    code: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        path: Path,
        address: str | None = None,
        *,
        trust: bool = False,
        extension: Extension = AS_IT_IS,
        to_play: bool = True,
    ) -> "RunFolder":
        """Read the experiment of a run folder, and import the code that was copied into it.

        Args:
            path: the folder.
            address: address of the Ray that it goes on with, which no folder keeps; None: this
                machine.
            trust: whether to count code as one's own that comes from elsewhere, or was changed.
            extension: what the run is to have more of.
            to_play: whether anything of it may be played or trained; of a run that an older model
                of the world made the tables alone can be read.

        Raises:
            SpecError: there is no experiment, or not a whole one, or one that was edited since the
                run began, or with code from elsewhere; or it cannot be extended so.
            OtherModelError: it is of another model of the world.
            RecordError: `environment.json` is damaged.
        """
        spec = read_experiment(path, trust=trust, extension=extension, to_play=to_play).at(address)
        return cls(path, spec, tuple(sweep_points(spec)), FINDER.found.digests())

    def use_code(self) -> None:
        """Import the code of the run, in place of that of another experiment.

        Raises:
            SpecError: it has changed since the run was created or read.
        """
        found = find(self.spec.as_kept().imports, self.path / IMPORTS)
        if found.digests() != self.code:
            raise SpecError(f"{self.path}: the code in {IMPORTS} has changed since: read it again")
        use(found)

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

    def tables(self) -> dict[JobKey, Tables]:
        """Return the tables of the jobs that have rows in all of them, as they are on disk.

        Raises:
            RecordError: a table was damaged.
        """
        rows = {}
        for name in TABLES:
            table = read_table(self.path, name, self.spec.metrics)
            rows[name] = dict(iter(table.groupby(["point", "seed"])))
        tables = {}
        for job in self.jobs:
            key = (job.label, job.seed)
            if all(key in rows[name] for name in job.tables):
                tables[key] = {name: rows[name][key] for name in job.tables}
        return tables

    def jobs_left(self) -> list[Job]:
        """Return the jobs that are not done, each with what it goes on from."""
        return self.left_of(self.tables())

    def left_of(self, tables: Mapping[JobKey, Tables]) -> list[Job]:
        """Return the jobs that are not done where these are the tables on disk."""
        left = []
        for job in self.jobs:
            done = tables.get((job.label, job.seed))
            if done is None:
                left.append(job)
            elif not job.is_done(done):
                left.append(job.going_on_from(done))
        return left

    def results(self, tables: Mapping[JobKey, Tables]) -> tuple[str, pd.DataFrame]:
        """Return the name of the table that is printed at the end of the run, and its rows.

        Args:
            tables: those of all jobs.
        """
        name = self.jobs[0].results
        rows = [tables[job.label, job.seed][name] for job in self.jobs]
        return name, pd.concat(rows, ignore_index=True)

    def training_jobs(self) -> list[TrainingJob]:
        """Return the jobs, in which policies can be played again.

        Raises:
            SpecError: it is a market study, in which no policy is compared, or its search is not
                done.
            OtherModelError: it is of another model of the world.
        """
        self.check_model()
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

    def check_model(self) -> None:
        """Check that the run was made with the present model of the world.

        Raises:
            OtherModelError: it was not, and nothing of it can be played.
            RecordError: `environment.json` is damaged.
        """
        if (self.path / EXPERIMENT).exists():  # else the run is not begun
            check_model(self.path, read_sections(self.path / EXPERIMENT))

    def check_trusted(self, *, trust: bool) -> None:
        """Check that going on runs no code from elsewhere, such as callbacks.

        Args:
            trust: whether to count such code as one's own from now on.

        Raises:
            SpecError: it would; the message says what names it.
        """
        named = code_of(self.points)
        if trust:
            sign(self.path, named=named)
        else:
            check_named(self.path, named)
        if self.spec.search is not None and (self.path / SEARCH / EXPERIMENT).is_file():
            self.search().check_trusted(trust=trust)


def code_of(points: Sequence[Point]) -> list[str]:
    """Return the code that the experiments of a sweep name beside their imports."""
    return list(dict.fromkeys(code for point in points for code in named_code(point.spec)))


def read_experiment(
    path: Path,
    *,
    trust: bool = False,
    extension: Extension = AS_IT_IS,
    to_play: bool = True,
) -> ExperimentSpec:
    """Read the experiment of a run folder, without the points of its sweep; import its code.

    After a search it is that of the setting chosen.

    Args:
        path: the folder.
        trust: whether to count code as one's own that comes from elsewhere, or was changed.
        extension: what it is to have more of.
        to_play: whether anything of it may be played or trained. Else one of an older model of the
            world is read without the keys that went.

    Raises:
        SpecError: there is none, or not a whole one, or one that was edited since the run began,
            or with code from elsewhere; or it cannot be extended so.
        OtherModelError: it is of another model of the world.
        RecordError: `environment.json` is damaged.
    """
    file = path / EXPERIMENT
    if not file.is_file():
        raise SpecError(f"{path}: no run folder, there is no {EXPERIMENT} in it")
    raw = read_sections(file)
    model = model_of(path, raw)
    if to_play or model > MODEL:
        check_model(path, raw)
    use_code(path, trust=trust)
    if (path / CHOSEN).is_file() and read_sections(file).get("search"):
        file = path / CHOSEN
        use_code(path, trust=trust, file=file)
    as_read = dict if model == MODEL else without_gone

    def load(file: Path) -> ExperimentSpec:
        return load_experiment(
            str(file), code=path / IMPORTS, read=lambda file: as_read(read_sections(file))
        )

    spec = load(file)
    check_inputs(spec, path)
    if file.name == CHOSEN:
        if extension:
            raise SpecError(
                f"{path}: a run with a search cannot be extended: {CHOSEN} in it is an experiment "
                "of its own"
            )
        check_as_begun(path, load(path / EXPERIMENT), read=as_read)
        return spec
    return check_as_begun(path, spec, extension, read=as_read)


def use_code(path: Path, *, trust: bool = False, file: Path | None = None) -> Found:
    """Import the code of a run folder, without reading the rest of its experiment.

    Only what lies in its folder `imports`, or is installed, is imported.

    Args:
        path: the folder; one without an experiment has no code.
        trust: whether to count code as one's own that comes from elsewhere, or was changed.
        file: the experiment; None: `experiment.yaml`.

    Returns:
        What was imported.

    Raises:
        SpecError: the experiment is no YAML, or the code comes from elsewhere or cannot be
            imported.
    """
    file = file or path / EXPERIMENT
    raw = read_sections(file) if file.is_file() else {}
    try:
        found = find(imports_of(raw, path / IMPORTS), path / IMPORTS)
    except SpecError as error:
        raise SpecError(f"{file}: {error}") from None
    if trust:
        for folder in (path, path / SEARCH):
            if folder.is_dir():
                sign(folder, found=found)
    else:
        check_imports(path, found)
    try:
        use(found)
    except SpecError as error:
        raise SpecError(f"{file}: {error}") from None
    return found


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
