"""Runs done, from their beginning or from where they were stopped.

A run that was stopped keeps the jobs that are done, and goes on with the others from their
checkpoints.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from marl_moe.experiment.progress import Progress
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.tables import further_columns, write_table
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import EXPERIMENT, JobKey, RunFolder, import_code
from marl_moe.experiment.run.job import Tables, do
from marl_moe.experiment.run.jobs import run_jobs
from marl_moe.experiment.run.lock import sole_use
from marl_moe.experiment.run.planning import bundles_of_jobs, how_many_at_once
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
    """Do the jobs of a run that are not done.

    Seeds and points run side by side where the cores allow, with the same results, on the Ray
    cluster of the experiment's address or else on this machine. The tables are written anew after
    each of them, so that what is done is never lost.

    Raises:
        UnderWayError: another process is at it.
        RecordError: a table or a checkpoint was damaged.
    """
    import_code(run.path, trust=True)  # as it was when the run was created or read
    with sole_use(run.path, EXPERIMENT):
        return _continue_alone(run, progress or Progress())


def _continue_alone(run: RunFolder, progress: Progress) -> Run:
    finished = run.finished()
    left = []
    for job in run.jobs:
        if (job.label, job.seed) in finished:
            job.clean_up()
        else:
            left.append(job)
    needs = bundles_of_jobs(left)
    at_once = how_many_at_once(left, needs)
    for number, tables in run_jobs(do, left, progress, at_once, needs, run.path, run.spec.cluster):
        job = left[number]
        finished[job.label, job.seed] = tables
        _write_tables(run, finished)
        job.clean_up()
    table = run.jobs[0].results
    rows = [finished[job.label, job.seed][table] for job in run.jobs]
    return Run(run.path, table, pd.concat(rows, ignore_index=True))


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
