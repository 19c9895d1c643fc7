"""Runs before they begin: checked, sized, and written down in a folder of their own."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import mechanisms
from envs import World
from marl_moe.errors import (
    MissingExtraError,
    SpecError,
    unknown_key,
)
from marl_moe.experiment.records.environment import write_environment
from marl_moe.experiment.records.secrets import redacted
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder, code_of, create_run_folder
from marl_moe.experiment.run.input_copies import copy_inputs
from marl_moe.experiment.run.planned_tables import planned_tables
from marl_moe.experiment.run.planning import bundles_of_jobs, how_many_at_once, jobs_of
from marl_moe.experiment.run.policy_checks import check_policies
from marl_moe.experiment.run.search import check_metric
from marl_moe.experiment.run.trained_elsewhere import copy_policies
from marl_moe.experiment.run.training_job import policy_names
from marl_moe.experiment.run.trust import write_trust
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.imports import IMPORTS, OF_ONES_OWN
from marl_moe.experiment.spec.input_files import with_runs_from
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import Point, sweep_points
from marl_moe.experiment.spec.trials import tried_experiment
from marl_moe.experiment.spec.yaml_loader import parse_yaml, written_yaml
from marl_moe.experiment.study.market_study import sampled_slots
from marl_moe.experiment.training.cluster import address_of, start_ray
from marl_moe.experiment.training.configuration import check_algorithm
from marl_moe.experiment.training.local_ray import temporary_folder
from marl_moe.metrics import check_metrics
from marl_moe.sources import FINDER, Found, module_of
from marl_moe.whole_file import write_text
from mechanisms import MechanismError, PartError
from mechanisms.errors import described
from paper_figures import FIGURES
from paper_figures.figures import unmet


def create_run(spec: ExperimentSpec, out: Path) -> RunFolder:
    """Check everything, and create a run folder below `out` with the experiment in it.

    Raises:
        SpecError: before anything is written, RLlib or the world does not take the experiment,
            it holds a secret, or a policy that it compares is not found or does not act.
        MissingExtraError: it trains, and RLlib or PyTorch is not installed.
        ConnectionError: there is no cluster at its address, which the folder does not keep.
        OSError: it trains, and Ray does not start on this machine; or a file cannot be written.
    """
    points = checked_points(spec)
    if spec.search is not None:
        checked_search(spec)
    found = _found(spec)
    written = spec.as_kept().to_yaml()
    if written != redacted(written):
        raise SpecError(
            "holds a key, token or password, and experiments are written down; leave it to the "
            "environment"
        )
    if address_of(spec.cluster) is not None or _trains(points):
        start_ray(spec.cluster)
    folder = create_run_folder(out, spec.name)
    try:
        spec = write_run(folder, spec, points)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if spec.inputs:
        points = sweep_points(spec)  # which read the copies
    return RunFolder(folder, spec, tuple(points), found.digests())


def write_run(folder: Path, spec: ExperimentSpec, points: Sequence[Point]) -> ExperimentSpec:
    """Write an experiment, and all that it runs with, into its folder; the experiment comes last.

    Args:
        folder: the run folder.
        spec: the experiment, whose code was imported.
        points: the points of its sweep.

    Returns:
        The experiment, which reads the copies of the files that it names.

    Raises:
        OSError: a file cannot be written.
    """
    copy_policies(folder, points, spec.seed_list())
    found = _found(spec)
    for source in found.sources.values():
        copy = folder / IMPORTS / source.relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.text)
    write_trust(folder, found, code_of(points))
    spec = copy_inputs(spec, folder)
    kept = with_runs_from(spec.as_kept().as_dict(), folder)
    write_environment(folder, kept, spec.seed_list())
    write_text(folder / EXPERIMENT, written_yaml(kept))
    return spec


def _found(spec: ExperimentSpec) -> Found:
    """Return the code of an experiment.

    Raises:
        SpecError: that of another one was imported since.
    """
    if list(map(module_of, spec.imports)) != list(FINDER.found.modules):
        raise SpecError("imports: another experiment was read since: read this one again")
    return FINDER.found


def describe_run(spec: ExperimentSpec) -> str:
    """Return how large a run would be, a comment line in YAML; checks it as `create_run` does.

    A search has a line of its own, before that of the run with the setting that it chooses. Where
    RLlib is not installed, what it would check is left unchecked, and the line says so.

    Raises:
        SpecError: RLlib or the world does not take the experiment.
        MissingExtraError: it searches, and RLlib is not installed.
        OSError: it trains, and Ray could keep its sockets nowhere.
    """
    points = sweep_points(spec)
    _check_results(points)
    _check_worlds(points)
    check_policies(points, spec.seed_list())
    _check_drawable(spec, points)
    if _trains(points) and address_of(spec.cluster) is None:
        temporary_folder()
    size = _size(spec, points, "sweep points x seeds")
    if spec.search is None:
        return f"# {size}"
    tried, points = checked_search(spec)
    return f"# search: {_size(tried, points, 'trials x sweep points x seeds')}\n# then {size}"


def _trains(points: Sequence[Point]) -> bool:
    return any(point.spec.algorithm is not None for point in points)


def _size(spec: ExperimentSpec, points: Sequence[Point], factors: str) -> str:
    jobs = jobs_of(points, spec.seed_list(), Path())
    amounts: Counter[str] = Counter()
    for job in jobs:
        amounts.update(job.amounts)
    work = ", ".join(f"{amount:,} {kind}" for kind, amount in amounts.items())
    count = f"{len(jobs)} jobs ({factors})"
    try:
        _check_algorithms(points)
        at_once = how_many_at_once(jobs, bundles_of_jobs(jobs))
    except MissingExtraError as error:
        return f"{count}: {work}; not all is checked: {error}"
    place = "this machine" if address_of(spec.cluster) is None else "the cluster"
    return f"{count}, {at_once} side by side on {place}: {work}"


def checked_search(spec: ExperimentSpec) -> tuple[ExperimentSpec, list[Point]]:
    """Return the experiment that tries the settings of a search, and its points.

    Raises:
        SpecError: RLlib or the world does not take a setting, or the search does not fit.
    """
    try:
        tried = tried_experiment(spec)
        points = checked_points(tried)
        check_metric(spec, points)
        parse_experiment(parse_yaml(tried.to_yaml(), "trials"), "trials")  # as it is read again
    except MissingExtraError:
        raise
    except SpecError as error:
        line = str(error)
        raise SpecError(line if line.startswith("search") else f"search: {line}") from None
    return tried, points


def checked_points(spec: ExperimentSpec) -> list[Point]:
    """Return the points of a sweep.

    Raises:
        SpecError: RLlib or the world does not take a point, a metric fails in its first slot, or a
            policy is not found or does not act.
        MissingExtraError: RLlib or PyTorch is not installed, and a point trains.
    """
    points = sweep_points(spec)
    _check_results(points)
    _check_algorithms(points)
    _check_worlds(points)
    check_policies(points, spec.seed_list())
    _check_drawable(spec, points)
    return points


def check_figures(spec: ExperimentSpec, where: str = "") -> None:
    """Check that there are the figures that an experiment names.

    Raises:
        SpecError: for the first that is none; it begins with `where`.
    """
    for name in spec.figures:
        if name not in FIGURES:
            begin = f"{where}: " if where else ""
            raise SpecError(f"{begin}figures: {unknown_key(name, FIGURES)}; {OF_ONES_OWN}")


def _check_results(points: Sequence[Point]) -> None:
    """Check that there will be results at each point.

    Raises:
        SpecError: points are of different kinds, which have different tables, no policy is played,
            or episodes are too short for the markets of a study.
    """
    if len({point.spec.kind for point in points}) > 1:
        raise SpecError("sweep.kind: all points of a run are of one kind")
    for point in points:
        spec = point.spec
        where = f"sweep {point.label}: " if point.label else ""
        if spec.kind == "market_study":
            try:
                sampled_slots(spec.env, spec.audit.markets)
            except ValueError as error:
                raise SpecError(f"{where}{error}") from None
        elif not policy_names(spec):
            raise SpecError(
                f"{where}evaluation.policies: nothing is trained, so it should name a policy"
            )


def _check_drawable(spec: ExperimentSpec, points: Sequence[Point]) -> None:
    """Check that the figures that an experiment names can be drawn of what it will record.

    Raises:
        SpecError: for the first that cannot.
    """
    check_figures(spec)
    if not spec.figures:
        return
    planned = planned_tables(points, spec.seed_list())
    for name in spec.figures:
        try:
            reason = unmet(name, planned)
        except Exception as error:  # of whatever a figure of a user's own does
            reason = described(error)
        if reason is not None:
            raise SpecError(
                f"figures: {name!r} cannot be drawn of this experiment, leave it out: {reason}"
            )


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
        SpecError: one cannot, as without the competence file that it names, or a metric fails in
            its first slot.
    """
    for point in points:
        for env in (point.spec.env, point.spec.evaluated_env()):
            mechanism = mechanisms.make(**point.spec.mechanism.parameters())
            try:
                World(env, mechanism=mechanism)
                check_metrics(point.spec.metrics, env, mechanism)
            except (ValueError, MechanismError, PartError) as error:
                raise SpecError(str(error)) from None
            except MemoryError:
                raise SpecError(
                    f"env: {env.num_users:,} users and {env.num_experts:,} experts are more than "
                    "memory holds"
                ) from None
