"""The world that is measured in, of any size: `contention.yaml` beside this file."""

from functools import cache
from pathlib import Path
from typing import Any

from envs import WorldConfig
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment


@cache
def contention() -> ExperimentSpec:
    """Return the experiment that is measured."""
    return load_experiment(str(Path(__file__).with_suffix(".yaml")))


def contention_world(num_users: int = 16, num_experts: int = 30) -> WorldConfig:
    """Return the contention world with so many users and experts."""
    return contention_spec(num_users=num_users, num_experts=num_experts).env


def contention_spec(algorithm: dict[str, Any] | None = None, **env: Any) -> ExperimentSpec:
    """Return the experiment at one size, with `env` keys and an `algorithm` section changed."""
    raw = contention().as_dict()
    raw["sweep"] = {}
    raw["env"] |= env
    if algorithm is not None:
        raw["algorithm"] = algorithm
    return parse_experiment(raw, "benchmark")
