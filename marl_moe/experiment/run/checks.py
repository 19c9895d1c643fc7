"""Checks of an experiment before a run is begun: all that would otherwise show at its end."""

from collections.abc import Sequence

import mechanisms
from envs import World
from marl_moe.errors import MissingExtraError, SpecError, unknown_key
from marl_moe.experiment.run.planned_tables import planned_tables
from marl_moe.experiment.run.policy_checks import check_policies
from marl_moe.experiment.run.search import check_metric
from marl_moe.experiment.run.strategic import MARKETS, TRUTH, asks_for_mix, filled
from marl_moe.experiment.run.training_job import policy_names
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.imports import OF_ONES_OWN
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import Point, sweep_points
from marl_moe.experiment.spec.trials import tried_experiment
from marl_moe.experiment.spec.yaml_loader import parse_yaml
from marl_moe.experiment.study.market_study import sampled_slots
from marl_moe.experiment.training.configuration import check_algorithm
from marl_moe.metrics import check_metrics
from mechanisms import MechanismError, PartError
from mechanisms.errors import described
from paper_figures import FIGURES, Asked
from paper_figures.figures import unmet
from paper_figures.options import asked


def trains(points: Sequence[Point]) -> bool:
    """Return whether anything is trained at a point."""
    return any(point.spec.algorithm is not None for point in points)


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
    points = checked_but_for_algorithms(spec)
    check_algorithms(points)
    return points


def checked_but_for_algorithms(spec: ExperimentSpec) -> list[Point]:
    """Return the points of a sweep, checked in all but what RLlib checks.

    Raises:
        SpecError: the world does not take a point, a metric fails in its first slot, a policy is
            not found or does not act, or a figure cannot be drawn.
    """
    points = sweep_points(spec)
    _check_results(points)
    _check_worlds(points)
    check_policies(points, spec.seed_list())
    _check_drawable(spec, points)
    return points


def check_figures(spec: ExperimentSpec, where: str = "") -> list[Asked]:
    """Return the figures that an experiment names.

    Raises:
        SpecError: for the first that is none, or whose options are none; it begins with `where`.
    """
    begin = f"{where}: figures" if where else "figures"
    try:
        figures = asked(spec.figures)
    except ValueError as error:
        raise SpecError("\n".join(f"{begin}: {line}" for line in str(error).splitlines())) from None
    for name, _ in figures:
        if name not in FIGURES:
            raise SpecError(f"{begin}: {unknown_key(name, FIGURES)}; {OF_ONES_OWN}")
    return figures


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
        is_study = spec.kind == "market_study"
        if is_study and spec.env.experts.cost_report != "truthful":
            raise SpecError(
                f"{where}env.experts.cost_report: a market study takes reports for the truth and "
                f"tries others: should be truthful, got {spec.env.experts.cost_report}"
            )
        if is_study or asks_for_mix(spec):
            try:
                sampled_slots(spec.env, spec.audit.markets if is_study else MARKETS)
            except ValueError as error:
                raise SpecError(f"{where}{error}") from None
        if is_study:
            continue
        if not policy_names(spec):
            raise SpecError(
                f"{where}evaluation.policies: nothing is trained, so it should name a policy"
            )


def _check_drawable(spec: ExperimentSpec, points: Sequence[Point]) -> None:
    """Check that the figures that an experiment names can be drawn of what it will record.

    Raises:
        SpecError: some cannot, a line for each.
    """
    figures = check_figures(spec)
    if not figures:
        return
    planned = planned_tables(points, spec.seed_list())
    mistakes = []
    for figure in figures:
        try:
            reason = unmet(figure, planned)
        except Exception as error:  # of whatever a figure of a user's own does
            reason = described(error)
        if reason is not None:
            mistakes.append(
                f"figures: {figure.kind!r} cannot be drawn of this experiment, leave it out or "
                f"mend this: {reason}"
            )
    if mistakes:
        raise SpecError("\n".join(mistakes))


def check_algorithms(points: Sequence[Point]) -> None:
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
        spec = filled(point.spec, TRUTH)
        for env in (spec.env, spec.evaluated_env()):
            mechanism = mechanisms.make(**spec.mechanism.parameters())
            try:
                World(env, mechanism=mechanism)
                check_metrics(spec.metrics, env, mechanism)
            except (ValueError, MechanismError, PartError) as error:
                raise SpecError(str(error)) from None
            except MemoryError:
                raise SpecError(
                    f"env: {env.num_users:,} users and {env.num_experts:,} experts are more than "
                    "memory holds"
                ) from None
