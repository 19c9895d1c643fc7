"""Runs before they begin: checked, sized, and written down in a folder of their own."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import mechanisms
from envs import World
from marl_moe.errors import MissingExtraError, SpecError
from marl_moe.experiment.records.environment import write_environment
from marl_moe.experiment.records.secrets import redacted
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder, create_run_folder
from marl_moe.experiment.run.planning import bundles_of_jobs, how_many_at_once, jobs_of
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.sweep import Point, sweep_points
from marl_moe.experiment.training.cluster import address_of, start_ray
from marl_moe.experiment.training.configuration import check_algorithm
from marl_moe.whole_file import write_text


def create_run(spec: ExperimentSpec, out: Path) -> RunFolder:
    """Check everything, and create a run folder below `out` with the experiment in it.

    Raises:
        SpecError: before anything is written, RLlib or the world does not take the experiment, or
            it holds a secret.
        MissingExtraError: it trains, and RLlib or PyTorch is not installed.
        ConnectionError: there is no cluster at its address, which the folder does not keep.
    """
    points = sweep_points(spec)
    _check_algorithms(points)
    _check_worlds(points)
    written = spec.at(None).to_yaml()
    if written != redacted(written):
        raise SpecError(
            "holds a key, token or password, and experiments are written down; leave it to the "
            "environment"
        )
    if address_of(spec.cluster) is not None:
        start_ray(spec.cluster)
    folder = create_run_folder(out, spec.name)
    try:
        write_text(folder / EXPERIMENT, written)
        write_environment(folder, spec.seed_list())
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return RunFolder(folder, spec, tuple(points))


def describe_run(spec: ExperimentSpec) -> str:
    """Return how large a run would be, a comment line in YAML; checks it as `create_run` does.

    Where RLlib is not installed, what it would check is left unchecked, and the line says so.

    Raises:
        SpecError: RLlib or the world does not take the experiment.
    """
    points = sweep_points(spec)
    _check_worlds(points)
    jobs = jobs_of(points, spec.seed_list(), Path())
    amounts: Counter[str] = Counter()
    for job in jobs:
        amounts.update(job.amounts)
    work = ", ".join(f"{amount:,} {kind}" for kind, amount in amounts.items())
    count = f"# {len(jobs)} jobs (sweep points x seeds)"
    try:
        _check_algorithms(points)
        at_once = how_many_at_once(jobs, bundles_of_jobs(jobs))
    except MissingExtraError as error:
        return f"{count}: {work}; not all is checked: {error}"
    place = "this machine" if address_of(spec.cluster) is None else "the cluster"
    return f"{count}, {at_once} side by side on {place}: {work}"


def _check_algorithms(points: Sequence[Point]) -> None:
    """Check what each point passes on to RLlib.

    Raises:
        SpecError: RLlib does not take it.
        MissingExtraError: RLlib or PyTorch is not installed.
    """
    for point in points:
        check_algorithm(point.spec)


def _check_worlds(points: Sequence[Point]) -> None:
    """Check that the worlds of each point can be.

    Raises:
        SpecError: one cannot, as without the competence file that it names.
    """
    for point in points:
        for env in (point.spec.env, point.spec.evaluated_env()):
            mechanism = mechanisms.make(**point.spec.mechanism.parameters())
            try:
                World(env, mechanism=mechanism)
            except ValueError as error:
                raise SpecError(str(error)) from None
            except MemoryError:
                raise SpecError(
                    f"env: {env.num_users:,} users and {env.num_experts:,} experts are more than "
                    "memory holds"
                ) from None
