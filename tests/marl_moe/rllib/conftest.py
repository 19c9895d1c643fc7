"""A learner and a batch of real transitions."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import mechanisms
from envs import World, WorldConfig, observation

Batch = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def make_learner(sac_config: Callable[..., Any]) -> Callable[..., Any]:
    """A built learner: `make_learner(world, **training)`, keys as of `sac_config`."""

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
    """Transitions of random allowed actions in a paid world, with discounts of one to three steps."""

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
