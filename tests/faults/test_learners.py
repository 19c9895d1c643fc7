"""Two learners in processes of their own against one that is given the batches of both."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch

from envs import World, WorldConfig, features, observation
from mechanisms import make

pytestmark = pytest.mark.faults
SHARE, UPDATES = 16, 5
Batches = dict[str, dict[str, torch.Tensor]]


@pytest.fixture
def group(sac_config: Callable[..., Any], small_world: WorldConfig) -> Iterator[Callable[..., Any]]:
    """Yield a builder of learner groups, shut down at the end: `group(learners, batch share)`."""
    built = []

    def build(learners: int, share: int) -> Any:
        config = sac_config(
            small_world,
            users={"first": [0], "second": [1]},
            learners=learners,
            train_batch_size_per_learner=share,
            critic_lr=1e-2,
            alpha_lr=1e-2,
        )
        low, high = observation.bounds(small_world)
        spaces = (
            gym.spaces.Box(low, high, dtype=np.float32),
            gym.spaces.Discrete(small_world.num_experts + 1),
        )
        built.append(
            config.build_learner_group(
                spaces=dict.fromkeys(config.env_config["module_users"], spaces)
            )
        )
        return built[-1]

    yield build
    for one in built:
        one.shutdown()


def transitions(world_config: WorldConfig, size: int) -> Batches:
    """Return each user's transitions, whose halves pull the temperature apart."""
    rng = np.random.default_rng(0)
    world = World(world_config, size, 0, make("none"))
    seen = world.slot.observation.copy()
    actions = np.where(
        world.slot.mask, rng.random((*seen.shape[:2], world.num_experts + 1)), -1
    ).argmax(-1)
    following, reward, _ = world.step(actions)
    batches = {}
    for user, module in enumerate(("first", "second")):
        columns = seen[:, user].copy(), actions[:, user], reward[:, user], following[:, user].copy()
        names = ("obs", "actions", "rewards", "new_obs")
        batches[module] = {
            name: torch.from_numpy(column) for name, column in zip(names, columns, strict=True)
        }
        batches[module]["discounts"] = torch.full((size,), 0.9)
        experts = batches[module]["obs"][size // 2 :, -world.num_experts * expert_features(world) :]
        experts[:, :: expert_features(world)][:, 1:] = (
            0.0  # the first feature of an expert: it is available
        )
    return batches


def expert_features(world: World) -> int:
    return len(features.expert_features(world.config, world.mechanism.allocates))


def learn(group: Any, batches: Batches, share: int) -> None:
    rows = {name: SampleBatch(columns) for name, columns in batches.items()}
    size = len(next(iter(batches.values()))["obs"])
    told = {"num_env_steps_sampled_lifetime": 0}
    group.update(
        batch=MultiAgentBatch(rows, size), minibatch_size=share, num_epochs=1, timesteps=told
    )


def numbers(state: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return all that a learner holds: networks, targets, temperatures and optimisers' moments."""
    found = {
        f"{module} temperature": np.array(value) for module, value in state["log_alpha"].items()
    }
    for module, networks in state["rl_module"].items():
        found |= {f"{module} {name}": np.asarray(value) for name, value in networks.items()}
    for optimizer, held in state["optimizer"].items():
        for number, moments in held["state"]["state"].items():
            found |= {
                f"{optimizer} {number} {name}": np.asarray(value) for name, value in moments.items()
            }
    return found


def test_two_learners_stay_the_same_and_learn_what_one_learns_from_the_batches_of_both(
    four_cores: None, group: Callable[..., Any], small_world: WorldConfig
) -> None:
    """The mean gradient of two equal shares is the whole's, of the temperature too."""
    one, two = group(0, 2 * SHARE), group(2, SHARE)
    two.set_state(one.get_state())
    start = numbers(one.get_state()["learner"])
    batches = transitions(small_world, 2 * SHARE * UPDATES)
    # Learner i is sent the i-th half, and takes a share of it at a time.
    order = np.arange(2 * SHARE * UPDATES).reshape(2, UPDATES, SHARE).swapaxes(0, 1).ravel()
    learn(
        one,
        {
            module: {name: column[order] for name, column in rows.items()}
            for module, rows in batches.items()
        },
        32,
    )
    learn(two, batches, SHARE)

    first, second = (
        numbers(result.get()) for result in two.foreach_learner(lambda learner: learner.get_state())
    )
    expected = numbers(one.get_state()["learner"])
    assert first.keys() == second.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_allclose(first[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
    for module in ("first", "second"):
        assert abs(expected[f"{module} temperature"] - start[f"{module} temperature"]) > 1e-3
