"""Running an experiment: for each seed train, evaluate and record; then the figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mechanisms
from marl_moe.experiment import records
from marl_moe.experiment.evaluation import evaluate, make_heuristic
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.spec import ExperimentSpec
from marl_moe.experiment.training import algorithm_config, train


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and its tables."""

    folder: Path
    training: pd.DataFrame
    evaluation: pd.DataFrame


def run_experiment(spec: ExperimentSpec, out: Path, progress: Progress | None = None) -> Run:
    """Train and evaluate with each seed and record it all in a new folder below `out`.

    The tables are written anew after each seed, so that what is done is never lost.

    Raises SpecError before anything is written where RLlib does not take the experiment.
    """
    progress = progress or Progress()
    seeds = spec.seed_list()
    algorithm_config(spec, seeds[0])
    folder = records.create_run_folder(out, spec.name)
    records.write_text(folder / "experiment.yaml", spec.to_yaml())
    records.write_environment(folder, seeds)
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in records.TABLES}
    for seed in seeds:
        for name, frame in _one_seed(spec, seed, folder, progress).items():
            if len(frame):
                tables[name].append(frame.assign(seed=seed, point=""))
                records.write_table(folder, name, pd.concat(tables[name], ignore_index=True))
    return Run(folder, pd.concat(tables["training"]), pd.concat(tables["evaluation"]))


def _one_seed(spec: ExperimentSpec, seed: int, folder: Path, progress: Progress) -> dict[str, pd.DataFrame]:
    rows, learned = train(spec, seed, folder / "checkpoints" / f"seed_{seed}", progress.on_epoch)
    stochastic = learned.stochastic(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0x570C,))))
    policies: list[Any] = [learned, stochastic, *(make_heuristic(name, seed) for name in spec.evaluation.policies)]
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
