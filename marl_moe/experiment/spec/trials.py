"""The two experiments of a search: the one that tries the settings, and that of the one chosen."""

from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.search import draw
from marl_moe.experiment.spec.sweep import MOST_POINTS, Settings, set_key, swept_settings

# Policies that must be played beside one whose share of them is the metric.
COMPARED_WITH = {"share_of_equilibrium": "nash", "share_of_optimum": "optimum"}


def tried_experiment(spec: ExperimentSpec) -> ExperimentSpec:
    """Return the experiment that tries the settings of a search with the seeds that choose.

    It sweeps over the settings drawn and, in each, over the points of the experiment's own sweep.
    Of the policies beside the learned one only those are evaluated that the metric needs.

    Raises:
        SpecError: the search does not fit the rest of the experiment, or cannot draw its settings.
    """
    assert spec.search is not None
    _check(spec)
    search = spec.search
    cells = swept_settings(spec)
    drawn = draw(search)
    if len(drawn) * len(cells) > MOST_POINTS:
        raise SpecError(
            f"search.trials: {len(drawn):,} at {len(cells):,} sweep points are more than "
            f"{MOST_POINTS:,} points"
        )
    sweep = [settings | cell for settings in drawn for cell in cells]
    needed = {search.policy, COMPARED_WITH.get(search.metric)}
    policies = [entry for entry in spec.evaluation.policies if entry.shown_as in needed]
    changes: dict[str, Any] = {
        "search": None,
        "sweep": sweep,
        "seeds": search.seed_list(),
        "evaluation": spec.evaluation.model_copy(update={"policies": policies}),
        "figures": [],
        "sizes": {},
    }
    return spec.model_copy(update=changes)


def chosen_experiment(spec: ExperimentSpec, settings: Settings) -> ExperimentSpec:
    """Return the experiment with one setting of its search, and without the search.

    Raises:
        SpecError: the setting does not fit.
    """
    plain = spec.as_dict() | {"search": None, "sizes": {}}
    for key, value in settings.items():
        set_key(plain, key, value)
    return parse_experiment(plain, spec.name, inputs=spec.inputs).at(spec.cluster.address)


def _check(spec: ExperimentSpec) -> None:
    """Check what must hold between a search and the rest of its experiment.

    Raises:
        SpecError: for the first thing that does not.
    """
    assert spec.search is not None
    search = spec.search
    if spec.kind != "train":
        raise SpecError(
            f"search: is for kind: train; {spec.kind} has no evaluation whose metric could choose"
        )
    both = sorted(set(search.seed_list()) & set(spec.seed_list()))
    if both:
        raise SpecError(
            f"search.seeds: should be none of the experiment's seeds, which judge, got {both[0]}"
        )
    swept = {key for settings in swept_settings(spec) for key in settings}
    for key in search.spaces():
        if key.startswith(("algorithm.callbacks", "cluster.", "imports")):
            raise SpecError(f"search.{key}: names code or processes, which a search does not draw")
        if spec.algorithm is None and key.partition(".")[0] == "algorithm":
            raise SpecError(f"search.{key}: there is nothing to search with algorithm: null")
        for other in swept:
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise SpecError(f"search.{key}: sweep.{other} sets it too; leave out one of them")
    if spec.algorithm is None and search.policy is None:
        raise SpecError(
            "search.policy: should name one of evaluation.policies: with algorithm: null nothing "
            "is learned"
        )
    needed = COMPARED_WITH.get(search.metric)
    compared = [entry.shown_as for entry in spec.evaluation.policies]
    if needed is not None and needed not in compared:
        raise SpecError(f"search.metric: {search.metric} needs {needed} among evaluation.policies")
