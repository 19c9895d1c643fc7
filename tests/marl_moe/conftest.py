"""Small worlds and small networks for all tests of the package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from envs import ChannelConfig, ExpertConfig, RequestConfig, WorldConfig

Yaml = dict[str, Any]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_world() -> WorldConfig:
    """2 users, 6 experts of 2 topics, 10 slots; everybody has something to transfer in every slot."""
    return WorldConfig(
        num_users=2,
        num_experts=6,
        episode_slots=10,
        requests=RequestConfig(num_topics=2, num_transferred=1),
        experts=ExpertConfig(words_per_second=None),
    )


@pytest.fixture(scope="session")
def patchy_world() -> WorldConfig:
    """Experts come and go, users are idle at times, requests take several slots: masks are of all kinds."""
    return WorldConfig(
        num_users=3,
        num_experts=5,
        episode_slots=12,
        requests=RequestConfig(arrival_probability=0.6),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(availability_probability=0.5, max_concurrent=2),
    )


@pytest.fixture(scope="session")
def sac_config() -> Callable[..., Any]:
    """A small WorldSacConfig: `sac_config(world, network={...}, users={...}, seed=0, **training keys)`."""

    def build(
        world: WorldConfig,
        *,
        users: dict[str, list[int]] | None = None,
        network: Yaml | None = None,
        mechanism: str = "none",
        seed: int = 0,
        num_envs: int = 3,
        fragment: int = 5,
        runners: int = 0,
        learners: int = 0,
        **training: Any,
    ) -> Any:
        from marl_moe.rllib.algorithm import WorldSacConfig

        everybody = {"shared": list(range(world.num_users))}
        config = WorldSacConfig().world(world, {"name": mechanism}, users or everybody, {"hidden": 8} | (network or {}))
        defaults = {"train_batch_size_per_learner": 16, "num_steps_sampled_before_learning_starts": 0}
        config.training(**(defaults | training))
        config.env_runners(num_envs_per_env_runner=num_envs, rollout_fragment_length=fragment, num_env_runners=runners)
        config.learners(num_learners=learners)
        return config.debugging(seed=seed)

    return build


@pytest.fixture
def write_experiment(tmp_path: Path) -> Callable[[Yaml | str], Path]:
    """Write an experiment, as YAML or as it stands, to `experiment.yaml`."""

    def write(experiment: Yaml | str) -> Path:
        path = tmp_path / "experiment.yaml"
        path.write_text(experiment if isinstance(experiment, str) else yaml.safe_dump(experiment))
        return path

    return write
