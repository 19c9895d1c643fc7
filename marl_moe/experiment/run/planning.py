"""The jobs of a run, in the order of their rows, and how many of them run at once."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from marl_moe.experiment.run.job import Job
from marl_moe.experiment.run.market_study_job import MarketStudyJob
from marl_moe.experiment.run.training_job import TrainingJob
from marl_moe.experiment.spec.sweep import Point
from marl_moe.experiment.training.cluster import resources
from marl_moe.experiment.training.resources import Bundles, side_by_side


def _training_job(point: Point, seed: int, folder: Path) -> Job:
    return TrainingJob(point.label, point.settings, seed, point.spec, folder)


def _market_study_job(point: Point, seed: int, folder: Path) -> Job:
    return MarketStudyJob(point.label, point.settings, seed, point.spec)


JOBS = {"train": _training_job, "market_study": _market_study_job}  # by kind of experiment


def jobs_of(points: Sequence[Point], seeds: Sequence[int], folder: Path) -> list[Job]:
    """Return a job for each point and seed of a run, in the order of their rows.

    Args:
        points: points of the sweep.
        seeds: seeds of the run.
        folder: the run folder.
    """
    jobs = []
    for point, seed in product(points, seeds):
        jobs.append(JOBS[point.spec.kind](point, seed, folder))
    return jobs


def bundles_of_jobs(jobs: Sequence[Job]) -> list[Bundles]:
    """Return the resources that each job needs; the seeds of a sweep point need the same."""
    needs: dict[str, Bundles] = {}
    for job in jobs:
        if job.label not in needs:
            needs[job.label] = job.bundles()
    return [needs[job.label] for job in jobs]


def how_many_at_once(jobs: Sequence[Job], needs: Sequence[Bundles]) -> int:
    """Return how many jobs run side by side on this machine, or on the cluster, which is joined.

    Args:
        jobs: the jobs.
        needs: the resources that each needs.
    """
    if not jobs:
        return 1
    cluster = jobs[0].spec.cluster
    return side_by_side(needs, resources(cluster), cluster.max_concurrent_trials)
