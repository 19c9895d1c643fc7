"""Running an experiment: for each sweep point and seed train, evaluate and record."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

import mechanisms
from envs import World
from marl_moe.experiment import records
from marl_moe.experiment.evaluation import evaluate, make_heuristic
from marl_moe.experiment.progress import Progress, Row
from marl_moe.experiment.spec import ExperimentSpec, SpecError
from marl_moe.experiment.sweep import sweep_points
from marl_moe.experiment.training import check_algorithm, train
from marl_moe.policies.heuristics import Policy


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and the table of its evaluation."""

    folder: Path
    evaluation: pd.DataFrame


def run_experiment(spec: ExperimentSpec, out: Path, progress: Progress | None = None) -> Run:
    """Train and evaluate at each sweep point with each seed, and record it all in a new folder below `out`.

    The tables are written anew after each seed, so that what is done is never lost.

    Raises SpecError before anything is written where RLlib does not take the experiment.
    """
    progress = progress or Progress()
    points = sweep_points(spec)
    for _, point in points:
        check_algorithm(point)
        _check_world(point)
    folder = records.create_run_folder(out, spec.name)
    records.write_text(folder / "experiment.yaml", spec.to_yaml())
    records.write_environment(folder, spec.seed_list())
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in records.TABLES}
    for (label, point), seed in product(points, spec.seed_list()):
        for name, frame in _one_seed(point, seed, folder / "checkpoints" / label, progress).items():
            if len(frame):
                tables[name].append(frame.assign(seed=seed, point=label))
                records.write_table(folder, name, pd.concat(tables[name], ignore_index=True))
    return Run(folder, pd.concat(tables["evaluation"], ignore_index=True))


def _check_world(spec: ExperimentSpec) -> None:
    """Raise SpecError where the world cannot be built, as without the file of measured competence that it names."""
    try:
        World(spec.env, mechanism=mechanisms.make(**spec.mechanism.parameters()))
    except ValueError as error:
        raise SpecError(str(error)) from None


def _one_seed(spec: ExperimentSpec, seed: int, checkpoints: Path, progress: Progress) -> dict[str, pd.DataFrame]:
    rows: list[Row] = []
    policies: list[Policy] = [make_heuristic(name, seed) for name in spec.evaluation.policies]
    if spec.algorithm is not None:
        rows, learned = train(spec, seed, checkpoints / f"seed_{seed}", progress.on_epoch)
        drawing = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0x570C,)))
        policies = [learned, learned.stochastic(drawing), *policies]
    scores, markets = [], []
    for policy in policies:
        progress.on_policy(seed, policy.name)
        mechanism = mechanisms.make(**spec.mechanism.parameters())
        evaluation, market = evaluate(policy, spec.env, mechanism, seed, spec.evaluation.episodes)
        scores.append(evaluation)
        markets.append(market)
    return {
        "training": pd.DataFrame(rows),
        "evaluation": pd.concat(scores, ignore_index=True),
        "market": pd.concat(markets, ignore_index=True),
    }
