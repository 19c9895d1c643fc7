"""How large a run would be: jobs, work, and the room on disk that its checkpoints take."""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from envs.observation import Layout
from marl_moe.errors import MissingExtraError
from marl_moe.experiment.run.checks import (
    check_algorithms,
    checked_but_for_algorithms,
    checked_search,
    trains,
)
from marl_moe.experiment.run.job import Job
from marl_moe.experiment.run.planning import bundles_of_jobs, how_many_at_once, jobs_of
from marl_moe.experiment.run.population import population_table
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.sweep import Point
from marl_moe.experiment.training.cluster import Resources, address_of, nodes
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.engines import engine_of
from marl_moe.experiment.training.local_ray import temporary_folder
from marl_moe.experiment.training.resources import check_fits
from mechanisms import make

BESIDE = 12  # bytes a transition: its action (8) and its reward (4)


def describe_run(spec: ExperimentSpec, out: Path) -> str:
    """Return how large a run would be, comment lines in YAML; checks it as `create_run` does.

    The users and experts of its first point come first, with what they differ in.

    A search has a line of its own, before that of the run with the setting that it chooses. Where
    RLlib is not installed, what it would check is left unchecked, and the line says so.

    Args:
        spec: the experiment.
        out: where the run folder would be made.

    Raises:
        SpecError: RLlib or the world does not take the experiment.
        MissingExtraError: it searches, and RLlib is not installed.
        OSError: it trains, and Ray could keep its sockets nowhere, or there is no room.
    """
    points = checked_but_for_algorithms(spec)
    check_folder(out)
    if trains(points) and address_of(spec.cluster) is None:
        temporary_folder()
    lines = [_size(spec, points, "sweep points x seeds", out)]
    if spec.search is not None:
        tried, tried_points = checked_search(spec)
        size = _size(tried, tried_points, "trials x sweep points x seeds", out)
        lines = [f"search: {size}", f"then {lines[0]}"]
    first = points[0].spec
    told = population_table(first.env)
    if len(points) > 1 and any(point.spec.env != first.env for point in points):
        told = [f"of {points[0].label}, the first of {len(points)} sweep points:", *told]
    evaluated = first.evaluated_env()
    if population_table(evaluated) != population_table(first.env):
        told += ["in the evaluation:", *population_table(evaluated)]
    told += [*lines, *notes(points)]
    return "\n".join(f"# {line}" for line in told)


def check_folder(out: Path) -> None:
    """Check that a folder is one, or can be made.

    Raises:
        OSError: it cannot.
    """
    place = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def check_places(jobs: Sequence[Job], there: Sequence[Resources]) -> None:
    """Check that Ray can place env runners and learners of each job.

    Args:
        jobs: the jobs.
        there: resources of each node of Ray.

    Raises:
        SpecError: it cannot.
    """
    for bundles in bundles_of_jobs(jobs):
        check_fits(bundles[1:], there)


def notes(points: Sequence[Point]) -> list[str]:
    """Return lines on what an experiment may not mean: topics that no expert is of."""
    lines = []
    for point in points:
        env = point.spec.env
        topics = env.requests.num_topics
        if env.num_experts < topics:
            where = f" at {point.label}" if point.label else ""
            lines.append(
                f"note: {env.num_experts} experts for {topics} topics{where}: none is of the last "
                f"{topics - env.num_experts}"
            )
    return lines


def check_room(points: Sequence[Point], seeds: Sequence[int], out: Path) -> int:
    """Return the bytes that checkpoints of a run take at most, all at once.

    A checkpoint is written beside the one before; those of jobs that are done go, unless they are
    kept.

    Args:
        points: points of its sweep, which RLlib takes.
        seeds: its seeds.
        out: where the run folder would be made.

    Raises:
        OSError: there is less room than that; the message says how much.
    """
    jobs = jobs_of(points, seeds, Path())
    sizes = {point.label: _checkpoint_bytes(point.spec) for point in points}
    largest = sorted((sizes[job.label] for job in jobs), reverse=True)
    at_once = how_many_at_once(jobs, bundles_of_jobs(jobs)) if any(largest) else 0
    kept = [
        sizes[job.label]
        for job in jobs
        if job.spec.algorithm is not None and job.spec.algorithm.stop.keep_checkpoint
    ]
    needed = max(2 * sum(largest[:at_once]), sum(kept) + sum(largest[:at_once]) if kept else 0)
    place = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise OSError(
            f"{out}: checkpoints take up to {_amount(needed)} at once, there is room for "
            f"{_amount(free)}; give another --out, or lower "
            "algorithm.training.replay_buffer_config.capacity or cluster.max_concurrent_trials"
        )
    return needed


def _checkpoint_bytes(spec: ExperimentSpec) -> int:
    """Return the bytes of the replay in the largest checkpoint of a job, nearly all of it."""
    if spec.algorithm is None or not engine_of(spec.algorithm).resumable:
        return 0
    config = algorithm_config(spec, 0)
    num_worlds = config.num_envs_per_env_runner * max(1, config.num_env_runners)
    slots = spec.algorithm.stop.training_iteration * spec.env.episode_slots
    collected = slots * num_worlds * spec.env.num_users
    held: int = min(collected, config.replay_buffer_config["capacity"])
    allocates = make(**spec.mechanism.parameters()).allocates
    return held * (4 * Layout(spec.env, allocates).size + BESIDE)


def _size(spec: ExperimentSpec, points: Sequence[Point], factors: str, out: Path) -> str:
    jobs = jobs_of(points, spec.seed_list(), Path())
    amounts: Counter[str] = Counter()
    for job in jobs:
        amounts.update(job.amounts)
    work = ", ".join(f"{amount:,} {kind}" for kind, amount in amounts.items())
    count = f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'} ({factors})"
    try:
        check_algorithms(points)
        at_once = how_many_at_once(jobs, bundles_of_jobs(jobs))
        if trains(points):
            check_places(jobs, nodes() if address_of(spec.cluster) else [_this_machine()])
        room = check_room(points, spec.seed_list(), out)
    except MissingExtraError as error:
        return f"{count}: {work}; not all is checked: {error}"
    place = "this machine" if address_of(spec.cluster) is None else "the cluster"
    said = f"{count}, {at_once} side by side on {place}: {work}"
    return f"{said}; up to {_amount(room)} of checkpoints at once" if room else said


def _this_machine() -> Resources:
    """Return the resources that a Ray of this machine would have."""
    import torch

    return {"CPU": os.cpu_count() or 1, "GPU": torch.cuda.device_count()}


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
