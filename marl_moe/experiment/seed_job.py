"""One job of a run: train with one seed at one sweep point, and evaluate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import mechanisms
from marl_moe.experiment.cluster import resources
from marl_moe.experiment.evaluation import (
    Evaluation,
    evaluate,
    make_heuristic,
    policy_generator,
    with_shares,
)
from marl_moe.experiment.market_study import study
from marl_moe.experiment.progress import Progress, Row
from marl_moe.experiment.resources import Bundles, bundles_of, side_by_side
from marl_moe.experiment.spec import ExperimentSpec, SpecError, unknown_key
from marl_moe.experiment.training import algorithm_config, load_trained, train
from marl_moe.experiment.tuning import tuned_better_response
from marl_moe.policies import POLICIES
from marl_moe.policies.equilibrium import BetterResponse
from marl_moe.policies.heuristics import Policy
from marl_moe.policies.learned import STOCHASTIC

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class SeedJob:
    """One seed at one sweep point."""

    spec: ExperimentSpec
    label: str
    seed: int
    checkpoint: Path

    @property
    def epochs(self) -> int:
        """Training iterations of the job, those of a pretraining among them."""
        phases = [
            phase.algorithm for phase in (self.spec, self.spec.pretraining()) if phase is not None
        ]
        return sum(
            algorithm.stop.training_iteration for algorithm in phases if algorithm is not None
        )

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables in which it has rows once it is done."""
        if self.spec.kind == "market_study":
            return ("audit",)
        algorithm = self.spec.algorithm
        trained = (
            ("training",) if algorithm is not None and algorithm.stop.training_iteration else ()
        )
        priced = ("market", "market_users") if self.spec.mechanism.name != "none" else ()
        return (*trained, *priced, "evaluation")

    @property
    def steps(self) -> int:
        """What progress counts: training iterations, or the audit of a market study."""
        return 1 if self.spec.kind == "market_study" else self.epochs


def run_seed(job: SeedJob, progress: Progress) -> Tables:
    """Audit; or train if the experiment does, and evaluate: the rows of each table."""
    if job.spec.kind == "market_study":
        audit = study(job.spec, job.seed).assign(seed=job.seed, point=job.label)
        progress.on_audit(job.seed, job.spec.mechanism.name)
        return {"audit": audit}
    rows: list[Row] = []
    if job.spec.algorithm is not None:
        rows = train(job.spec, job.seed, job.checkpoint, progress)
    policies = [policy_of_job(job, name) for name in policy_names(job.spec)]
    tables = evaluate_policies(job, policies, job.spec.evaluation.episodes, progress)
    return tables | {"training": pd.DataFrame(rows).assign(point=job.label)}


def policy_names(spec: ExperimentSpec) -> list[str]:
    """The policies of an experiment: the learned one, likeliest action and drawn, and those it is
    compared with.
    """
    learned = (
        []
        if spec.algorithm is None
        else [spec.algorithm.name, f"{spec.algorithm.name}{STOCHASTIC}"]
    )
    return [*learned, *spec.evaluation.policies]


def policy_of_job(job: SeedJob, name: str) -> Policy:
    """A policy by name, learned ones as this job trained them; better response tuned to this world.

    Raises SpecError where there is none of that name.
    """
    names = {*policy_names(job.spec), *POLICIES}
    if name not in names:
        raise SpecError(f"policy: {unknown_key(name, sorted(names))}")
    if name == BetterResponse.name:
        mechanism = mechanisms.make(**job.spec.mechanism.parameters())
        return tuned_better_response(
            job.spec.evaluated_env(), mechanism, job.seed, policy_generator(name, job.seed)
        )
    if name in POLICIES:
        return make_heuristic(name, job.seed)
    try:
        learned = load_trained(job.spec, job.checkpoint)
    except OSError as error:
        raise SpecError(f"policy {name} was not trained yet: {error}") from None
    if not name.endswith(STOCHASTIC):
        return learned
    return learned.stochastic(
        np.random.default_rng(np.random.SeedSequence(job.seed, spawn_key=(0x570C,)))
    )


def evaluate_policies(
    job: SeedJob, policies: Sequence[Policy], episodes: int, progress: Progress | None = None
) -> Tables:
    """Evaluate policies in the same worlds: the rows of the tables that `Evaluation` names."""
    evaluations = []
    for policy in policies:
        if progress is not None:
            progress.on_policy(job.seed, policy.name)
        mechanism = mechanisms.make(**job.spec.mechanism.parameters())
        told = job.spec.evaluation.market_episodes
        evaluations.append(
            evaluate(policy, job.spec.evaluated_env(), mechanism, job.seed, episodes, told)
        )
    tables = {
        name: pd.concat(frames)
        for name, frames in zip(Evaluation._fields, zip(*evaluations, strict=True), strict=True)
    }
    tables["evaluation"] = with_shares(tables["evaluation"])
    return {name: frame.assign(seed=job.seed, point=job.label) for name, frame in tables.items()}


def bundles_of_jobs(jobs: Sequence[SeedJob]) -> list[Bundles]:
    """What each job asks of Ray; the seeds of a sweep point ask for the same."""
    points = {job.label: job for job in jobs}
    needs = {
        label: bundles_of(
            None if job.spec.algorithm is None else algorithm_config(job.spec, job.seed)
        )
        for label, job in points.items()
    }
    return [needs[job.label] for job in jobs]


def how_many_at_once(jobs: Sequence[SeedJob], needs: Sequence[Bundles]) -> int:
    """How many of the jobs, which need that, run side by side on this machine or the cluster, which
    is joined.
    """
    if not jobs:
        return 1
    cluster = jobs[0].spec.cluster
    return side_by_side(needs, resources(cluster), cluster.max_concurrent_trials)
