"""Fixtures of our SAC, its learner and RLlib's stock algorithms, small."""

import copy
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import mechanisms
from envs import World, WorldConfig, observation
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.engines import ENGINES
from marl_moe.experiment.training.loop import train
from marl_moe.rllib.stock_policy import StockPolicy

Batch = dict[str, torch.Tensor]
Yaml = dict[str, Any]
SMALL_BATCHES = {"ppo": {"num_epochs": 2}, "dqn": {"train_batch_size_per_learner": 16}}


@pytest.fixture(scope="session")
def make_learner(sac_config: Callable[..., Any]) -> Callable[..., Any]:
    """Return a builder of learners: `make_learner(world, **training)`, keys as of `sac_config`."""

    def make(world: WorldConfig, **settings: Any) -> Any:
        config = sac_config(world, **settings)
        low, high = observation.bounds(world)
        spaces = (
            gym.spaces.Box(low, high, dtype=np.float32),
            gym.spaces.Discrete(world.num_experts + 1),
        )
        return config.build_learner(spaces=dict.fromkeys(config.env_config["module_users"], spaces))

    return make


@pytest.fixture(scope="session")
def transitions() -> Callable[..., Batch]:
    """Return a sampler of transitions of random allowed actions, discounted over 1 to 3 steps."""

    def collect(world_config: WorldConfig, size: int, seed: int = 0) -> Batch:
        rng = np.random.default_rng(seed)
        world = World(world_config, size, seed, mechanisms.make("posted_price"))
        world.step(np.full((size, world.num_users), world.num_experts))
        seen = world.slot.observation[:, 0].copy()
        mask = world.slot.mask
        actions = np.where(mask, rng.random(mask.shape), -1).argmax(axis=-1)
        following, reward, _ = world.step(actions)
        return {
            "obs": torch.from_numpy(seen),
            "actions": torch.from_numpy(actions[:, 0]),
            "rewards": torch.from_numpy(reward[:, 0]),
            "new_obs": torch.from_numpy(following[:, 0].copy()),
            "discounts": torch.from_numpy(0.9 ** rng.integers(1, 4, size)).float(),
        }

    return collect


@pytest.fixture
def build(sac_config: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Yield a builder of algorithms, stopped at the end: `build(world, **keys of sac_config)`."""
    built = []

    def make(world: WorldConfig, **settings: Any) -> Any:
        built.append(sac_config(world, **settings).build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()


@dataclass(frozen=True)
class Trained:
    """A run of two iterations."""

    spec: ExperimentSpec
    rows: list[dict[str, Any]]
    folder: Path

    def policy(self) -> StockPolicy:
        assert self.spec.algorithm is not None
        policy = ENGINES[self.spec.algorithm.name].load(self.folder)
        assert isinstance(policy, StockPolicy)
        return policy


@pytest.fixture(scope="session")
def tiny_algorithm(tiny_experiment: Yaml) -> Callable[..., Yaml]:
    """Return a maker of tiny sections `algorithm`: `tiny_algorithm("ppo", epochs=2, runners=1)`."""

    def make(name: str, epochs: int, runners: int) -> Yaml:
        algorithm = deepcopy(tiny_experiment["algorithm"])
        if name != "sac":
            model = {"rl_module": {"model_config": {"fcnet_hiddens": [8]}}}
            algorithm = model | {"name": name, "env_runners": {}, "training": {"num_epochs": 1}}
        algorithm["stop"] = {"training_iteration": epochs}
        algorithm["env_runners"]["num_env_runners"] = runners
        return algorithm

    return make


@pytest.fixture(scope="session")
def stock_spec(tiny_experiment: Yaml) -> Callable[..., ExperimentSpec]:
    """Return a maker of tiny experiments: `stock_spec("ppo", policies="shared", **sections)`."""

    def build(
        name: str, policies: Any = "shared", env: Yaml | None = None, **sections: Yaml
    ) -> ExperimentSpec:
        raw = copy.deepcopy(tiny_experiment)
        small = {
            "training": SMALL_BATCHES.get(name, SMALL_BATCHES["dqn"]) | sections.pop("training", {})
        }
        model = {"rl_module": {"model_config": {"fcnet_hiddens": [16]}}}
        raw["algorithm"] = {"name": name, "policies": policies, "stop": {"training_iteration": 2}}
        raw["algorithm"] |= model | small | sections
        raw["env"] |= env or {}
        return parse_experiment(raw, "tiny")

    return build


@pytest.fixture(scope="session")
def trained(
    ray_started: None,
    stock_spec: Callable[..., ExperimentSpec],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Trained]:
    """Return a trainer that trains once and keeps the run: `trained("ppo", "shared", seed=0)`."""
    kept: dict[str, Trained] = {}

    def get(name: str, policies: Any = "shared", seed: int = 0, fresh: bool = False) -> Trained:
        key = f"{name} {policies} {seed}"
        if fresh or key not in kept:
            spec, folder = stock_spec(name, policies), tmp_path_factory.mktemp(name)
            kept[key] = Trained(spec, train(spec, seed, folder), folder)
        return kept[key]

    return get


@pytest.fixture
def build_stock(stock_spec: Callable[..., ExperimentSpec]) -> Iterator[Callable[..., Any]]:
    """Yield a builder of algorithms, stopped at the end: `build_stock(name, **sections)`."""
    built = []

    def make(name: str, **settings: Any) -> Any:
        built.append(algorithm_config(stock_spec(name, **settings), seed=0).build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()
