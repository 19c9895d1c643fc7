"""What edge devices end up reporting in the worlds of a sweep point, found once and kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

import mechanisms
from envs import WorldConfig
from marl_moe.errors import RecordError, SpecError
from marl_moe.experiment.spec.evaluation import PlaySpec
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.labels import folder_of
from marl_moe.experiment.spec.section import merged
from marl_moe.experiment.study.evaluation import make_heuristic
from marl_moe.experiment.study.market_study import mix_of, play, sample_markets
from marl_moe.seeds import play_seed
from marl_moe.whole_file import write_text

FOLDER = "report_mix"  # in a run folder, a file for each sweep point
SEED = 0  # whatever the seed of a job: devices of all seeds of a point draw from the same mix
POLICY = "greedy"
MARKETS = 200  # sampled from the worlds; play draws from these

DEVIATORS = 8  # edge devices a market that learn, where each clearing is an allocation
# Rounds of play, the next where more than SETTLED of a device's utility is left to gain. Where each
# clearing is an allocation the first are dear enough.
ROUNDS, SETTLED = (600, 2400), 0.05
Mix = list[tuple[float, float]]  # factors, and their shares of play
TRUTH: Mix = [(1.0, 1.0)]


class Found(NamedTuple):
    """What edge devices end up reporting, and how settled it is (`ReportEquilibrium`)."""

    mix: Mix
    rounds: int
    exploitability_share: float
    truth_regret: float
    failed_clearings: int


_FOUND = TypeAdapter(Found)


def asks_for_mix(spec: ExperimentSpec) -> bool:
    """Return whether edge devices report as they end up reporting, and nobody said how."""
    return any(_lacks_mix(world) for world in _worlds(spec))


def filled(spec: ExperimentSpec, mix: Mix) -> ExperimentSpec:
    """Return an experiment whose strategic edge devices report by a mix, in all its worlds.

    Those of `evaluation.env` and of a pretraining too, where these are strategic.
    """
    env, evaluation, algorithm = spec.env, spec.evaluation, spec.algorithm
    own = replace(env.experts, report_mix=tuple(mix)) if _lacks_mix(env) else env.experts
    if evaluation.env:
        changes = _with_mix(evaluation.env, spec.evaluated_env(), mix)
        evaluation = evaluation.model_copy(update={"env": changes})
    if algorithm is not None and algorithm.pretraining is not None:
        changes = _with_mix(algorithm.pretraining.env, spec.pretrained_env(), mix)
        pretraining = algorithm.pretraining.model_copy(update={"env": changes})
        algorithm = algorithm.model_copy(update={"pretraining": pretraining})
    update = {"env": replace(env, experts=own), "evaluation": evaluation, "algorithm": algorithm}
    return spec.model_copy(update=update)


def with_mix(spec: ExperimentSpec, label: str, folder: Path) -> ExperimentSpec:
    """Return the experiment of a sweep point with the factors that its edge devices end up with.

    They are found in the worlds of `env`, under the point's mechanism, from markets that the policy
    `greedy` leaves; seeds and later commands read what the first has written.

    Args:
        spec: the experiment.
        label: of the sweep point.
        folder: the run folder.

    Raises:
        RecordError: what was written is damaged; the message names the file.
        SpecError: episodes are too short for markets to be sampled.
        MechanismError: the mechanism cannot clear markets of these worlds.
    """
    if not asks_for_mix(spec):
        return spec
    path = folder / FOLDER / f"{folder_of(label)}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(_found(spec)._asdict(), indent=1) + "\n")
    try:
        return filled(spec, _FOUND.validate_json(path.read_text(encoding="utf-8")).mix)
    except (ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RecordError(
            f"{path}: not what edge devices end up reporting ({reason}); delete it to find it anew"
        ) from None


def _worlds(spec: ExperimentSpec) -> list[WorldConfig]:
    worlds = [spec.env, spec.evaluated_env()]
    if spec.algorithm is not None and spec.algorithm.pretraining is not None:
        worlds.append(spec.pretrained_env())
    return worlds


def _lacks_mix(config: WorldConfig) -> bool:
    return config.experts.cost_report == "strategic" and config.experts.report_mix is None


def _with_mix(changes: dict[str, Any], world: WorldConfig, mix: Mix) -> dict[str, Any]:
    """Return changes of `env` that leave their world its mix, or none where it is not strategic."""
    if world.experts.cost_report == "strategic" and world.experts.report_mix is not None:
        return changes
    told = [list(pair) for pair in mix] if _lacks_mix(world) else None
    return merged(changes, {"experts": {"report_mix": told}})


def _found(spec: ExperimentSpec) -> Found:
    """Return factors and their shares."""
    experts = replace(spec.env.experts, cost_report="truthful", report_mix=None)
    truthful = replace(spec.env, experts=experts)
    try:
        markets = sample_markets(truthful, make_heuristic(POLICY, SEED), MARKETS, play_seed(SEED))
    except ValueError as error:
        raise SpecError(f"cost_report: strategic: {error}") from None
    mechanism = mechanisms.make(**spec.mechanism.parameters())
    deviators = DEVIATORS if mechanism.allocates else None
    for rounds in ROUNDS[:1] if mechanism.allocates else ROUNDS:
        found = play(mechanism, markets, PlaySpec(rounds=rounds, deviators=deviators), SEED)
        if found.exploitability_share <= SETTLED:
            break
    return Found(
        mix_of(found),
        found.rounds,
        found.exploitability_share,
        found.truth_regret,
        found.failed_clearings,
    )
