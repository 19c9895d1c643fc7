"""Policies that another run trained: found by run, sweep point and seed, and copied from there."""

from pathlib import Path
from typing import NamedTuple

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder
from marl_moe.experiment.run.policy_copies import copy_folder, write_copy
from marl_moe.experiment.run.training_job import TrainingJob
from marl_moe.experiment.spec.policies import PolicyOfRun
from marl_moe.experiment.spec.sweep import Point, Settings
from marl_moe.plugins import aside
from marl_moe.policies.learned import ARCHITECTURE
from mechanisms.registry import nearest


class Origin(NamedTuple):
    """Where a policy was trained.

    Attributes:
        run: the run folder.
        point: label of the sweep point.
        seed: the seed.
        folder: the folder of the policy.
    """

    run: Path
    point: str
    seed: int
    folder: Path


def origin_of(entry: PolicyOfRun, settings: Settings, seed: int) -> Origin:
    """Find the policy that an entry names.

    Args:
        entry: the entry.
        settings: of the sweep point that it plays at.
        seed: the seed that it plays under.

    Raises:
        SpecError: there is no such run, sweep point or policy, or it was not trained with the seed.
    """
    run = Path(entry.run)
    jobs = _at_point(entry, _training_jobs(run), settings)
    algorithm = jobs[0].spec.algorithm
    learned = [] if algorithm is None else algorithm.learned
    if entry.policy not in learned:
        there_are = unknown_key(entry.policy, learned) if learned else "nothing learns there"
        raise SpecError(f"policy: {run}: {there_are}")
    trained = [job for job in jobs if (job.checkpoint / ARCHITECTURE).is_file()]
    wanted = seed if entry.seed is None else entry.seed
    for job in trained:
        if job.seed == wanted:
            return Origin(run, job.label, job.seed, job.checkpoint)
    seeds = ", ".join(str(job.seed) for job in trained)
    there_are = f"the seeds trained there are {seeds}" if seeds else "nothing was trained there yet"
    raise SpecError(f"seed: {run}: {entry.policy} was not trained with seed {wanted}; {there_are}")


def copy_policies(folder: Path, points: list[Point], seeds: list[int]) -> None:
    """Copy the policies of other runs that an experiment compares into its run folder.

    Args:
        folder: the run folder.
        points: points of the experiment's sweep.
        seeds: its seeds.

    Raises:
        SpecError: one is not found.
    """
    for point in points:
        for entry in point.spec.evaluation.policies:
            if not isinstance(entry, PolicyOfRun):
                continue
            for seed in seeds:
                origin = origin_of(entry, point.settings, seed)
                told = {"run": str(origin.run), "point": origin.point, "seed": origin.seed}
                copy = copy_folder(folder, entry.shown_as, point.label, seed)
                write_copy(copy, origin.folder, told | {"policy": entry.policy})


def _training_jobs(run: Path) -> list[TrainingJob]:
    """Return the jobs of another run.

    Raises:
        SpecError: there is no run, or it trains nothing; the message gives the nearest run.
    """
    if not (run / EXPERIMENT).is_file():
        runs = sorted(str(path.parent) for path in run.parent.glob(f"*/{EXPERIMENT}"))
        raise SpecError(f"run: {run}: no run folder; {nearest(str(run), runs)}")
    with aside():
        try:
            return RunFolder.read(run).training_jobs()
        except SpecError as error:
            raise SpecError(f"run: {error}") from None


def _at_point(entry: PolicyOfRun, jobs: list[TrainingJob], settings: Settings) -> list[TrainingJob]:
    """Return the jobs at the sweep point that an entry names, or else means.

    Raises:
        SpecError: there is none, or it does not say which.
    """
    labels = list(dict.fromkeys(job.label for job in jobs))
    if entry.point is not None:
        found = [job for job in jobs if job.label == entry.point]
        if not found:
            raise SpecError(f"point: {entry.run}: {unknown_key(entry.point, labels)}")
        return found
    if len(labels) == 1:
        return jobs
    found = [job for job in jobs if job.settings == settings]
    if not found:
        raise SpecError(
            f"point: {entry.run} has none of these settings; say which: {', '.join(labels)}"
        )
    return found
