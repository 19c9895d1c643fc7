"""Running an experiment: for each sweep point and seed train, evaluate and record."""

import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

import mechanisms
from envs import World
from marl_moe.experiment import records
from marl_moe.experiment.evaluation import evaluate, make_heuristic, policy_generator, with_shares
from marl_moe.experiment.jobs import run_jobs
from marl_moe.experiment.progress import Progress, Row
from marl_moe.experiment.spec import ExperimentSpec, SpecError
from marl_moe.experiment.sweep import sweep_points
from marl_moe.experiment.training import algorithm_config, check_algorithm, train
from marl_moe.experiment.tuning import tuned_better_response
from marl_moe.policies.equilibrium import BetterResponse
from marl_moe.policies.heuristics import Policy

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class SeedJob:
    """One seed at one sweep point."""

    spec: ExperimentSpec
    label: str
    seed: int
    checkpoint: Path


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and the table of its evaluation."""

    folder: Path
    evaluation: pd.DataFrame


def run_experiment(spec: ExperimentSpec, out: Path, progress: Progress | None = None) -> Run:
    """Train and evaluate at each sweep point with each seed, and record it all in a new folder below `out`.

    Seeds and points run side by side where the cores allow, with the same results. The tables are written anew after
    each of them, so that what is done is never lost.

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
    jobs = [
        SeedJob(point, label, seed, folder / "checkpoints" / label / f"seed_{seed}")
        for (label, point), seed in product(points, spec.seed_list())
    ]
    finished: dict[int, Tables] = {}
    for number, tables in run_jobs(run_seed, jobs, progress, _side_by_side(jobs)):
        finished[number] = tables
        for name in records.TABLES:
            frames = [finished[done][name] for done in sorted(finished) if len(finished[done][name])]
            if frames:
                records.write_table(folder, name, pd.concat(frames, ignore_index=True))
    evaluation = pd.concat([finished[number]["evaluation"] for number in sorted(finished)], ignore_index=True)
    return Run(folder, evaluation)


def _check_world(spec: ExperimentSpec) -> None:
    """Raise SpecError where the world cannot be built, as without the file of measured competence that it names."""
    try:
        World(spec.env, mechanism=mechanisms.make(**spec.mechanism.parameters()))
    except ValueError as error:
        raise SpecError(str(error)) from None


def run_seed(job: SeedJob, progress: Progress) -> Tables:
    """Train with one seed at one sweep point, and evaluate: the rows of each table."""
    spec, seed = job.spec, job.seed
    rows: list[Row] = []
    policies = [_reference_policy(name, spec, seed) for name in spec.evaluation.policies]
    if spec.algorithm is not None:
        rows, learned = train(spec, seed, job.checkpoint, progress.on_epoch)
        drawing = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0x570C,)))
        policies = [learned, learned.stochastic(drawing), *policies]
    scores, markets = [], []
    for policy in policies:
        progress.on_policy(seed, policy.name)
        mechanism = mechanisms.make(**spec.mechanism.parameters())
        evaluation, market = evaluate(policy, spec.env, mechanism, seed, spec.evaluation.episodes)
        scores.append(evaluation)
        markets.append(market)
    tables = {
        "training": pd.DataFrame(rows),
        "evaluation": with_shares(pd.concat(scores)),
        "market": pd.concat(markets),
    }
    return {name: frame.assign(seed=seed, point=job.label) for name, frame in tables.items()}


def _reference_policy(name: str, spec: ExperimentSpec, seed: int) -> Policy:
    """A policy that does not learn; better response tuned to this world."""
    if name != BetterResponse.name:
        return make_heuristic(name, seed)
    mechanism = mechanisms.make(**spec.mechanism.parameters())
    return tuned_better_response(spec.env, mechanism, seed, policy_generator(name, seed))


def _side_by_side(jobs: list[SeedJob]) -> int:
    """How many jobs fit on this machine's cores; 1 where any of them has remote runners or learners of its own."""
    cores = 1
    for job in jobs:
        if job.spec.algorithm is not None:
            config = algorithm_config(job.spec, job.seed)
            if config.num_env_runners or config.num_learners:
                return 1
            cores = max(cores, config.torch_threads)
    return max(1, min(len(jobs), (os.cpu_count() or 1) // cores))
