"""The job of training and evaluation: a policy trained with one seed at one sweep point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

import mechanisms
from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.job import Job, Tables
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.study.evaluation import (
    Evaluation,
    evaluate,
    make_heuristic,
    with_shares,
)
from marl_moe.experiment.study.tuning import tuned_better_response
from marl_moe.experiment.training.checkpoint import remove_checkpoint
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.engines import engine_of
from marl_moe.experiment.training.loop import train
from marl_moe.experiment.training.resources import Bundles, bundles_of
from marl_moe.policies import POLICIES
from marl_moe.policies.equilibrium import BetterResponse
from marl_moe.policies.heuristics import STOCHASTIC, Policy
from marl_moe.seeds import policy_generator, stochastic_policy_generator


@dataclass(frozen=True)
class TrainingJob(Job):
    """A policy trained, if the experiment has an algorithm, and compared with others.

    Attributes:
        checkpoint: folder of the policy and of what training goes on from.
    """

    checkpoint: Path
    results: ClassVar[str] = "evaluation"

    @property
    def tables(self) -> tuple[str, ...]:
        """See `Job`."""
        algorithm = self.spec.algorithm
        names = []
        if algorithm is not None and algorithm.stop.training_iteration:
            names.append("training")
        if self.spec.mechanism.name != "none":
            names += ["market", "market_users"]
        return (*names, "evaluation")

    @property
    def steps(self) -> int:
        """See `Job`: training iterations, those of a pretraining among them."""
        algorithms = [phase.algorithm for phase in self.spec.phases()]
        return sum(algorithm.stop.training_iteration for algorithm in algorithms if algorithm)

    @property
    def amounts(self) -> Mapping[str, int]:
        """See `Job`."""
        episodes = len(policy_names(self.spec)) * self.spec.evaluation.episodes
        return {"epochs of training": self.steps, "episodes of evaluation": episodes}

    def bundles(self) -> Bundles:
        """See `Job`."""
        if self.spec.algorithm is None:
            return bundles_of(None)
        return bundles_of(algorithm_config(self.spec, self.seed))

    def run(self, progress: Progress) -> Tables:
        """See `Job`."""
        training = pd.DataFrame()
        if self.spec.algorithm is not None:
            training = pd.DataFrame(train(self.spec, self.seed, self.checkpoint, progress))
        policies = [self.policy(name) for name in policy_names(self.spec)]
        tables = self.evaluate(policies, self.spec.evaluation.episodes, progress)
        tables["training"] = self.identified(training)
        return tables

    def clean_up(self) -> None:
        """See `Job`: a policy stays, the checkpoint of its training goes."""
        remove_checkpoint(self.checkpoint)

    def policy(self, name: str) -> Policy:
        """Return a policy by name, learned ones as this job trained them.

        Better response is tuned to this world.

        Raises:
            SpecError: there is none of that name, or it was not trained yet, or what plays it is
                not installed.
        """
        names = {*policy_names(self.spec), *POLICIES}
        if name not in names:
            raise SpecError(f"policy: {unknown_key(name, sorted(names))}")
        if name == BetterResponse.name:
            mechanism = mechanisms.make(**self.spec.mechanism.parameters())
            generator = policy_generator(name, self.seed)
            return tuned_better_response(self.spec.evaluated_env(), mechanism, self.seed, generator)
        if name in POLICIES:
            return make_heuristic(name, self.seed)
        assert self.spec.algorithm is not None
        try:
            learned = engine_of(self.spec.algorithm).load(self.checkpoint)
        except OSError as error:
            raise SpecError(f"policy {name} was not trained yet: {error}") from None
        if not name.endswith(STOCHASTIC):
            return learned
        return learned.stochastic(stochastic_policy_generator(self.seed))

    def evaluate(
        self, policies: Sequence[Policy], episodes: int, progress: Progress | None = None
    ) -> Tables:
        """Evaluate policies in the same worlds: the rows of the tables that `Evaluation` names."""
        evaluations = []
        for policy in policies:
            if progress is not None:
                progress.on_policy(self.seed, policy.name)
            mechanism = mechanisms.make(**self.spec.mechanism.parameters())
            evaluations.append(
                evaluate(
                    policy,
                    self.spec.evaluated_env(),
                    mechanism,
                    self.seed,
                    episodes,
                    self.spec.evaluation.market_episodes,
                )
            )
        tables = {}
        for name in Evaluation._fields:
            tables[name] = pd.concat([getattr(evaluation, name) for evaluation in evaluations])
        tables["evaluation"] = with_shares(tables["evaluation"])
        return {name: self.identified(frame) for name, frame in tables.items()}


def policy_names(spec: ExperimentSpec) -> list[str]:
    """Return the policies of an experiment: the learned one, and those it is compared with.

    The learned one plays twice: its likeliest actions, and actions drawn.
    """
    learned = []
    if spec.algorithm is not None:
        learned = [spec.algorithm.name, f"{spec.algorithm.name}{STOCHASTIC}"]
    return [*learned, *spec.evaluation.policies]
