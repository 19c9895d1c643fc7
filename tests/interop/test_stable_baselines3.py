"""The environment as a vector environment of SuperSuit, under Stable-Baselines3's PPO.

Two things SuperSuit 3.11 leaves out are done here as a user has to. It has no `seed` for
Stable-Baselines3 to call, so the worlds are seeded by `vector.venv.reset(seed=...)`: world i gets
seed + i. And it hands the end of an episode on without saying that it was truncated, so
`Truncating` does.
"""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
from supersuit import concat_vec_envs_v1, pettingzoo_env_to_vec_env_v1

from envs import WorldConfig, edge_experts_v0

pytestmark = pytest.mark.filterwarnings(
    "ignore:The `render_mode` attribute is not defined:UserWarning"
)
WORLDS, SEED = 2, 5


class Truncating(VecEnvWrapper):
    """Tells Stable-Baselines3 that episodes are truncated, so that it bootstraps."""

    def reset(self) -> np.ndarray:
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, dones, infos = self.venv.step_wait()
        for info, done in zip(infos, dones, strict=True):
            info["TimeLimit.truncated"] = bool(done)
        return observations, rewards, dones, infos


def make_vector(config: WorldConfig, base_class: str = "stable_baselines3") -> Any:
    vector = pettingzoo_env_to_vec_env_v1(edge_experts_v0.parallel_env(config))
    return concat_vec_envs_v1(vector, WORLDS, base_class=base_class)


class Worlds:
    """The same worlds played one by one through the environment itself, users in one row."""

    def __init__(self, config: WorldConfig, seed: int) -> None:
        self.envs = [edge_experts_v0.parallel_env(config) for _ in range(WORLDS)]
        self.reset([seed + world for world in range(WORLDS)])

    def reset(self, seeds: list[int | None]) -> None:
        observations, infos = zip(
            *(env.reset(seed=s) for env, s in zip(self.envs, seeds, strict=True)), strict=True
        )
        self.observations, self.infos = self._row(observations), self._row(infos)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, bool]:
        """Rewards of all users and whether the episodes are over; then the next ones have begun."""
        results = []
        for env, chosen in zip(self.envs, np.split(actions, WORLDS), strict=True):
            results.append(env.step(dict(zip(env.agents, chosen, strict=True))))
        observations, rewards, _, truncated, infos = map(self._row, zip(*results, strict=True))
        self.observations, self.infos = observations, infos
        over = all(truncated)
        if over:
            self.last_observations = observations
            self.reset([None] * WORLDS)
        return np.array(rewards, np.float32), over

    @staticmethod
    def _row(by_world: tuple[dict[str, Any], ...]) -> list[Any]:
        return [value for by_agent in by_world for value in by_agent.values()]


def test_a_vector_environment_returns_the_environments_own_numbers(
    patchy_world: WorldConfig,
) -> None:
    vector, worlds = make_vector(patchy_world, "gymnasium"), Worlds(patchy_world, SEED)
    rng = np.random.default_rng(0)
    seen, infos = vector.reset(seed=SEED)
    ends = []
    for _ in range(30):
        np.testing.assert_array_equal(seen, worlds.observations)
        for info, own in zip(infos, worlds.infos, strict=True):
            np.testing.assert_array_equal(info["action_mask"], own["action_mask"])
        actions = rng.integers(patchy_world.num_experts + 1, size=vector.num_envs)
        expected, over = worlds.step(actions)
        seen, rewards, terminated, truncated, infos = vector.step(actions)
        np.testing.assert_array_equal(rewards, expected)
        assert not terminated.any()
        assert truncated.tolist() == [over] * vector.num_envs
        if over:
            np.testing.assert_array_equal(
                [info["terminal_observation"] for info in infos], worlds.last_observations
            )
        ends.append(over)
    assert np.flatnonzero(ends).tolist() == [11, 23]


def test_worlds_differ_though_supersuit_copies_one_and_nobody_seeds_them(
    patchy_world: WorldConfig,
) -> None:
    first, second = np.split(make_vector(patchy_world).reset(), WORLDS)
    assert not np.array_equal(first, second)


def test_ppo_learns_from_the_environments_own_rewards_and_bootstraps(
    patchy_world: WorldConfig,
) -> None:
    vector = Truncating(make_vector(patchy_world))
    vector.venv.venv.reset(seed=SEED)
    slots, width = patchy_world.episode_slots, vector.num_envs
    still = PPO(
        "MlpPolicy", vector, n_steps=slots, batch_size=slots * width, learning_rate=0.0, n_epochs=1
    )
    still.learn(slots * width)  # the networks stay as they are
    worlds = Worlds(patchy_world, SEED)
    worlds.reset([None] * WORLDS)  # `learn` resets once more
    buffer = still.rollout_buffer
    # The buffer is left with a row for each user and slot.
    chosen = buffer.actions.reshape(width, slots).T.astype(int)
    rewards = np.array([worlds.step(actions)[0] for actions in chosen])
    np.testing.assert_array_equal(buffer.rewards[:-1], rewards[:-1])
    with torch.no_grad():
        values = (
            still.policy.predict_values(torch.as_tensor(np.array(worlds.last_observations)))
            .squeeze(-1)
            .numpy()
        )
    np.testing.assert_allclose(
        buffer.rewards[-1] - rewards[-1], still.gamma * values, rtol=1e-4, atol=1e-5
    )
    assert np.abs(values).max() > 1e-2


def test_ppo_learns_a_few_hundred_steps_with_finite_losses(patchy_world: WorldConfig) -> None:
    model = PPO(
        "MlpPolicy", Truncating(make_vector(patchy_world)), n_steps=24, batch_size=36, device="cpu"
    )
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(300)
    assert model.num_timesteps >= 300
    losses = {
        name: value
        for name, value in model.logger.name_to_value.items()
        if name.startswith("train/")
    }
    assert "train/value_loss" in losses
    assert np.isfinite(list(losses.values())).all()
    after = list(model.policy.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
