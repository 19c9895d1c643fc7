"""Runs before they begin: checked, sized, and written down in a folder of their own."""

import shutil
from collections import Counter
from pathlib import Path

import mechanisms
from envs import World
from marl_moe.errors import MetricError, SpecError
from marl_moe.experiment.records.environment import write_environment
from marl_moe.experiment.records.secrets import redacted
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder, code_of, create_run_folder
from marl_moe.experiment.run.planning import bundles_of_jobs, how_many_at_once, jobs_of
from marl_moe.experiment.run.policy_checks import check_policies
from marl_moe.experiment.run.trained_elsewhere import copy_policies
from marl_moe.experiment.run.trust import IMPORTS, write_trust
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.sweep import Point, sweep_points
from marl_moe.experiment.training.cluster import address_of, start_ray
from marl_moe.experiment.training.configuration import check_algorithm
from marl_moe.metrics import check_metrics
from marl_moe.plugins import sources_of
from marl_moe.sources import SUFFIX
from marl_moe.whole_file import write_text


def create_run(spec: ExperimentSpec, out: Path) -> RunFolder:
    """Check everything, and create a run folder below `out` with the experiment in it.

    Raises:
        SpecError: before anything is written, RLlib or the world does not take the experiment,
            it holds a secret, or a policy that it compares is not found or does not act.
        ConnectionError: there is no cluster at its address, which the folder does not keep.
    """
    points = _checked_points(spec)
    sources = sources_of(spec.imports)
    written = _as_kept(spec).to_yaml()
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
        copy_policies(folder, points, spec.seed_list())
        for source in sources:
            copy = folder / IMPORTS / source.path.relative_to(source.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.text)
        if spec.imports or code_of(points):
            write_trust(folder, _as_kept(spec).imports, code_of(points))
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return RunFolder(folder, spec, tuple(points))


def _as_kept(spec: ExperimentSpec) -> ExperimentSpec:
    """Return the experiment as a run folder keeps it.

    It has no address, and its files lie in the folder's `imports`, where each is found by its name.
    """
    names = [Path(name).name if name.endswith(SUFFIX) else name for name in spec.imports]
    return spec.at(None).model_copy(update={"imports": names})


def describe_run(spec: ExperimentSpec) -> str:
    """Return how large a run would be, a comment line in YAML; checks it as `create_run` does."""
    jobs = jobs_of(_checked_points(spec), spec.seed_list(), Path())
    place = "this machine" if address_of(spec.cluster) is None else "the cluster"
    at_once = how_many_at_once(jobs, bundles_of_jobs(jobs))
    amounts: Counter[str] = Counter()
    for job in jobs:
        amounts.update(job.amounts)
    work = ", ".join(f"{amount:,} {kind}" for kind, amount in amounts.items())
    return f"# {len(jobs)} jobs (sweep points x seeds), {at_once} side by side on {place}: {work}"


def _checked_points(spec: ExperimentSpec) -> list[Point]:
    """Return the points of a sweep.

    Raises:
        SpecError: RLlib or the world does not take a point, as without the competence file that it
            names, or a metric fails in its first slot.
    """
    points = sweep_points(spec)
    for point in points:
        check_algorithm(point.spec)
        for env in (point.spec.env, point.spec.evaluated_env()):
            mechanism = mechanisms.make(**point.spec.mechanism.parameters())
            try:
                World(env, mechanism=mechanism)
                check_metrics(spec.metrics, env, mechanism)
            except (ValueError, MetricError) as error:
                raise SpecError(str(error)) from None
            except MemoryError:
                raise SpecError(
                    f"env: {env.num_users:,} users and {env.num_experts:,} experts are more than "
                    "memory holds"
                ) from None
    check_policies(points, spec.seed_list())
    return points
