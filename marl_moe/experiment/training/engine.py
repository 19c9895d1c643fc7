"""Engines: the interface behind which an experiment trains, whichever algorithm it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.policies.base import Policy

# Columns of the training table that an algorithm's learner reports, if it has such a thing.
LEARNER_COLUMNS = ("critic_loss", "actor_loss", "temperature", "entropy", "q_mean")


class TrainedPolicy(Policy, Protocol):
    """A policy that training leaves behind: deterministic, and stochastic on demand."""

    def stochastic(self, rng: np.random.Generator) -> Policy:
        """Return the same policy, drawing its actions; named apart."""


class Engine(Protocol):
    """One algorithm: how it is configured, and how its policy and its state are kept.

    Attributes:
        name: name of the algorithm in an experiment.
        resumable: whether the algorithm's state is enough to go on from, bit for bit.
        learner_metrics: for some of `LEARNER_COLUMNS`, RLlib's names of the metrics whose sum the
            column is.
    """

    name: str
    resumable: bool
    learner_metrics: Mapping[str, tuple[str, ...]]

    def config(self, spec: ExperimentSpec, model_config: Any) -> Any:
        """Return RLlib's configuration, before the experiment's sections are applied to it.

        Args:
            spec: the experiment.
            model_config: its key `algorithm.rl_module.model_config`.

        Raises:
            SpecError: the model cannot be.
        """

    def begin_with(self, algorithm: Any, folder: Path) -> None:
        """Begin a training with the networks that another one saved into a folder."""

    def save(self, algorithm: Any, spec: ExperimentSpec, env_steps: int, folder: Path) -> None:
        """Write the policy that was trained into a folder.

        Args:
            algorithm: RLlib's algorithm.
            spec: the experiment.
            env_steps: slots of all worlds that it was trained on.
            folder: where the policy goes.
        """

    def load(self, folder: Path) -> TrainedPolicy:
        """Read a policy that `save` wrote.

        Raises:
            FileNotFoundError: there is none.
            RecordError: it is damaged.
        """
