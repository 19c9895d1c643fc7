"""The job of training and evaluation: a policy trained with one seed at one sweep point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

import mechanisms
from envs.roles.levers import ROLES
from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.compared_policies import compared_policy, named
from marl_moe.experiment.run.job import Job, Tables
from marl_moe.experiment.run.policy_copies import trained_policy
from marl_moe.experiment.run.strategic import with_mix
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.labels import folder_of
from marl_moe.experiment.spec.policies import PolicyOfRoles, RegisteredPolicy
from marl_moe.experiment.spec.trials import COMPARED_WITH
from marl_moe.experiment.study.evaluation import Evaluation, evaluate, with_shares
from marl_moe.experiment.study.exploitability import exploitability
from marl_moe.experiment.training.best_response import best_response
from marl_moe.experiment.training.checkpoint import remove_checkpoint
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.loop import train
from marl_moe.experiment.training.resources import Bundles, bundles_of
from marl_moe.extras import PYTORCH, check_training
from marl_moe.policies import POLICIES
from marl_moe.policies.base import ARCHITECTURE, Policy
from marl_moe.policies.sides import FIXED, NOBODY, TRUTHFUL, Sides
from marl_moe.seeds import sides_generator, stochastic_policy_generator


@dataclass(frozen=True)
class TrainingJob(Job):
    """A policy trained, if the experiment has an algorithm, and compared with others.

    Attributes:
        folder: the run folder.
        trained: rows of the training where that is over; None where it is not.
    """

    folder: Path
    trained: pd.DataFrame | None = field(default=None, compare=False)
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
        if self.spec.evaluation.best_response_epochs:
            names.append("exploitability")
        return (*names, "evaluation")

    @property
    def steps(self) -> int:
        """See `Job`: training iterations, those of a pretraining among them."""
        if self.trained is not None:
            return 0
        algorithms = [phase.algorithm for phase in self.spec.phases()]
        return sum(algorithm.stop.training_iteration for algorithm in algorithms if algorithm)

    @property
    def amounts(self) -> Mapping[str, int]:
        """See `Job`."""
        episodes = len(policy_names(self.spec)) * self.spec.evaluation.episodes
        amounts = {"epochs of training": self.steps}
        if self.spec.evaluation.best_response_epochs:
            alone = self.spec.evaluation.best_response_epochs * len(self._roles)
            amounts["epochs of best responses"] = alone
            episodes += 2 * self.spec.evaluation.episodes * len(self._roles)
        return amounts | {"episodes of evaluation": episodes}

    @cached_property
    def played(self) -> ExperimentSpec:
        """The experiment as it is played: with what strategic edge devices end up reporting."""
        return with_mix(self.spec, self.label, self.folder)

    def bundles(self) -> Bundles:
        """See `Job`."""
        if self.spec.algorithm is None:
            return bundles_of(None)
        return bundles_of(algorithm_config(self.spec, self.seed))

    def run(self, progress: Progress) -> Tables:
        """See `Job`."""
        training = self.trained
        if training is None:
            training = pd.DataFrame()
            if self.spec.algorithm is not None:
                training = pd.DataFrame(train(self.played, self.seed, self.checkpoint, progress))
        policies = [self.policy(name) for name in policy_names(self.spec)]
        tables = self.evaluate(policies, self.spec.evaluation.episodes, progress)
        tables["training"] = self.identified(training)
        if self.spec.evaluation.best_response_epochs:
            tables["exploitability"] = self.identified(self._exploitability(progress))
        return tables

    def _exploitability(self, progress: Progress) -> pd.DataFrame:
        """Train an agent of each role alone in turn, and measure what it gains."""
        assert self.spec.algorithm is not None
        frames, policy = [], self.policy(self.spec.algorithm.name)
        for role in self._roles:
            progress.on_policy(self.seed, f"best response of {role}")
            response = best_response(self.played, self.seed, role, self.checkpoint, progress)
            episodes = self.spec.evaluation.episodes
            env = self.played.evaluated_env()
            arguments = policy, self.sides, env, self._mechanism, self.seed, episodes
            frames.append(exploitability(role, response, *arguments))
        return pd.concat(frames, ignore_index=True)

    @property
    def _roles(self) -> tuple[str, ...]:
        """The roles that can gain anything by what they choose."""
        return ROLES[:1] if mechanisms.is_free(self._mechanism()) else ROLES

    def _mechanism(self) -> mechanisms.Mechanism:
        return mechanisms.make(**self.spec.mechanism.parameters())

    def clean_up(self) -> None:
        """See `Job`: a policy stays, the checkpoint of its training goes if it is not to stay."""
        algorithm = self.spec.algorithm
        if algorithm is None or not algorithm.stop.keep_checkpoint:
            remove_checkpoint(self.checkpoint)

    def is_done(self, tables: Tables) -> bool:
        """See `Job`: so many epochs, and so many episodes of each policy."""
        played = tables["evaluation"].groupby("policy").size()
        episodes = dict.fromkeys(policy_names(self.spec), self.spec.evaluation.episodes)
        return played.to_dict() == episodes and self._is_trained(tables)

    def going_on_from(self, tables: Tables) -> "TrainingJob":
        """See `Job`: a training that is over is kept, and the evaluation is done again."""
        if not self._is_trained(tables) or not (self.checkpoint / ARCHITECTURE).is_file():
            return self
        return replace(self, trained=tables["training"])

    def _is_trained(self, tables: Tables) -> bool:
        if self.spec.algorithm is None:
            return True
        epochs = self.spec.algorithm.stop.training_iteration
        return len(tables.get("training", ())) == epochs

    @property
    def checkpoint(self) -> Path:
        """Folder of the policy that is trained, and of what training goes on from."""
        return self.folder / "checkpoints" / folder_of(self.label) / f"seed_{self.seed}"

    def policy(self, name: str) -> Policy:
        """Return a policy by its name in the records, or of one that is registered.

        Learned ones are as this job trained them.

        Raises:
            SpecError: there is none of that name, or it was not trained yet, or what plays it is
                not installed.
            RecordError: its files are damaged.
        """
        entry = self.spec.evaluation.entry(name)
        if isinstance(entry, PolicyOfRoles):
            return self._of_roles(entry)
        algorithm = self.spec.algorithm
        if entry is None and algorithm is not None and name in algorithm.learned:
            rng = stochastic_policy_generator(self.seed)
            try:
                return trained_policy(self.checkpoint, name, rng)
            except OSError as error:
                raise SpecError(f"policy {name} was not trained yet: {error}") from None
        if entry is None:
            if name not in POLICIES:
                names = sorted({*policy_names(self.spec), *POLICIES})
                raise SpecError(f"policy: {unknown_key(name, names)}")
            entry = RegisteredPolicy.of(name)
        return compared_policy(entry, self.played, self.label, self.seed, self.folder)

    def _of_roles(self, entry: PolicyOfRoles) -> Policy:
        """Return the users of an entry, who bring the sides that they play among."""
        sides = self.sides()
        if entry.edge_devices == TRUTHFUL:
            sides = replace(sides, edge_devices=None)
        if entry.platform == FIXED:
            sides = replace(sides, platform=None)
        return named(self.policy(entry.users), entry.shown_as, sides=sides)

    def sides(self) -> Sides:
        """Return edge devices and the platform as this job trained them.

        Raises:
            SpecError: they were not trained yet.
            RecordError: their files are damaged.
        """
        if self.spec.algorithm is None or not self.spec.algorithm.roles.learning:
            return NOBODY
        check_training("sides that learned", *PYTORCH)
        from marl_moe.policies.learned_sides import load_sides

        try:
            rng = sides_generator(self.seed)
            return load_sides(self.checkpoint, self.played.evaluated_env().roles, rng)
        except OSError as error:
            raise SpecError(f"edge devices or platform not trained yet: {error}") from None

    def sides_of(self, policy: Policy) -> Sides:
        """Return the sides that a policy plays among: those it brings, or as they were trained."""
        return getattr(policy, "sides", None) or self.sides()

    def evaluate(
        self, policies: Sequence[Policy], episodes: int, progress: Progress | None = None
    ) -> Tables:
        """Evaluate policies in the same worlds: the rows of the tables that `Evaluation` names."""
        evaluations = []
        for policy in policies:
            if progress is not None:
                if progress.is_stopping():
                    raise KeyboardInterrupt
                progress.on_policy(self.seed, policy.name)
            evaluations.append(
                evaluate(
                    policy,
                    self.played.evaluated_env(),
                    self._mechanism(),
                    self.seed,
                    episodes,
                    self.spec.evaluation.market_episodes,
                    self.spec.metrics,
                    self.sides_of(policy),
                )
            )
        tables = {}
        for name in Evaluation._fields:
            tables[name] = pd.concat([getattr(evaluation, name) for evaluation in evaluations])
        tables["evaluation"] = with_shares(tables["evaluation"])
        elsewhere = {policy.name for policy in policies if getattr(policy, "sides", None)}
        if elsewhere:  # among other sides of the market, so that shares would be of another market
            rows = tables["evaluation"]["policy"].isin(elsewhere)
            tables["evaluation"].loc[rows, list(COMPARED_WITH)] = np.nan
        return {name: self.identified(frame) for name, frame in tables.items()}


def policy_names(spec: ExperimentSpec) -> list[str]:
    """Return the policies of an experiment: the learned one, and those it is compared with.

    The learned one plays twice: its likeliest actions, and actions drawn.
    """
    learned = [] if spec.algorithm is None else spec.algorithm.learned
    return [*learned, *(entry.shown_as for entry in spec.evaluation.policies)]
