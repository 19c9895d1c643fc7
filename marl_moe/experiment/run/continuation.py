"""Runs done, from their beginning or from where they were stopped.

A run that was stopped keeps the jobs that are done, and goes on with the others from their
checkpoints.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from marl_moe.errors import DivergedError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.tables import further_columns, write_table
from marl_moe.experiment.run.creation import create_run, write_run
from marl_moe.experiment.run.folder import CHOSEN, EXPERIMENT, JobKey, RunFolder
from marl_moe.experiment.run.job import Job, Tables, do
from marl_moe.experiment.run.jobs import Work, run_jobs
from marl_moe.experiment.run.lock import sole_use
from marl_moe.experiment.run.planning import bundles_of_jobs, how_many_at_once
from marl_moe.experiment.run.search import choose, write_search
from marl_moe.experiment.spec.experiment import ExperimentSpec


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: the run folder.
        table: name of the table of its results, such as `evaluation`.
        results: the rows of that table.
    """

    folder: Path
    table: str
    results: pd.DataFrame


def run_experiment(spec: ExperimentSpec, out: Path, progress: Progress | None = None) -> Run:
    """Create a run below `out` and do all of it; see `create_run` and `continue_run`."""
    return continue_run(create_run(spec, out), progress)


def continue_run(run: RunFolder, progress: Progress | None = None) -> Run:
    """Do the jobs of a run that are not done, those of its search first if it has one.

    Seeds and points run side by side where the cores allow, with the same results, on the Ray
    cluster of the experiment's address or else on this machine. The tables are written anew after
    each of them, so that what is done is never lost.

    Raises:
        UnderWayError: another process is at it.
        OtherModelError: it was begun with another model of the world.
        RecordError: a table or a checkpoint was damaged.
        SpecError: every setting of its search diverged, or has no value of the metric.
        MissingExtraError: before anything is written, RLlib or PyTorch is not installed, and a job
            that is left trains.
    """
    run.check_model()
    run.use_code()
    progress = progress or Progress()
    run = continue_search(run, progress)
    with sole_use(run.path, EXPERIMENT):
        finished = _do_jobs(run, progress, do)
        table, results = run.results(finished)
        if (run.path / CHOSEN).is_file():
            write_search(run.path, results)
    return Run(run.path, table, results)


def continue_search(run: RunFolder, progress: Progress) -> RunFolder:
    """Do what is left of a run's search, and return the run with the setting that it chooses.

    A run without a search, or whose search is done, is returned as it is. Training that diverges
    is a result here: that setting is ranked last, and tried again if the search is interrupted.

    Raises: as `continue_run`.
    """
    if run.spec.search is None:
        return run
    with sole_use(run.path, EXPERIMENT):
        tried = run.search()
        if not (tried.path / EXPERIMENT).is_file():
            tried.path.mkdir(exist_ok=True)
            write_run(tried.path, tried.spec, tried.points)
        with sole_use(tried.path, EXPERIMENT):
            _do_jobs(tried, progress, _do_or_diverge)
        return choose(run)


def _do_or_diverge(job: Job, progress: Progress) -> Tables:
    """Do a job; one whose training diverges has no tables."""
    try:
        return do(job, progress)
    except DivergedError:
        return {}


def _do_jobs(run: RunFolder, progress: Progress, work: Work[Job, Tables]) -> dict[JobKey, Tables]:
    """Do the jobs of a run that are not done, and return the tables of all."""
    finished = run.tables()
    left = run.left_of(finished)
    needs = bundles_of_jobs(left)
    at_once = how_many_at_once(left, needs)
    not_done = {(job.label, job.seed) for job in left}
    for job in run.jobs:
        if (job.label, job.seed) not in not_done:
            job.clean_up()
    cluster = run.spec.cluster
    for number, tables in run_jobs(work, left, progress, at_once, needs, run.path, cluster):
        job = left[number]
        finished[job.label, job.seed] = tables
        _write_tables(run, finished)
        job.clean_up()
    return finished


def _write_tables(run: RunFolder, finished: dict[JobKey, Tables]) -> None:
    """Write the rows of the jobs that are done, in the order of the jobs."""
    for name in TABLES:
        frames = []
        for job in run.jobs:
            rows = finished.get((job.label, job.seed), {}).get(name)
            if rows is not None and len(rows):
                frames.append(rows)
        if frames:
            table = pd.concat(frames, ignore_index=True)
            further = further_columns(name, run.spec.metrics, table.columns)
            write_table(run.path, name, table, further)
