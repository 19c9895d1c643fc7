"""The wrapper `ParallelPettingZooEnv` of RLlib around the environment, under PPO and DQN.

`marl_moe.rllib.stock_env.ParallelAdapter`, which our experiments use, is tested beside the rest of
`marl_moe.rllib`; here stands what RLlib's wrapper does, and what it does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune import register_env

from envs import WorldConfig, edge_experts_v0
from marl_moe.policies.columns import columns_of
from marl_moe.rllib.stock_env import ParallelAdapter
from marl_moe.rllib.stock_modules import MaskedDqnModule, MaskedPpoModule

pytestmark = [
    pytest.mark.usefixtures("ray_started"),
    pytest.mark.filterwarnings("ignore:.*Overriding environment rllib-multi-agent-env:UserWarning"),
]
MODULES = {"ppo": MaskedPpoModule, "dqn": MaskedDqnModule}
ITERATIONS, EPISODES = 2, 2  # episodes of an iteration


@dataclass
class Played:
    """Entries for each user and slot that RLlib's runner saw."""

    allowed: list[bool] = field(default_factory=list)
    rejected: list[bool] = field(default_factory=list)
    gain: list[float] = field(default_factory=list)

    def add(self, episode: MultiAgentEpisode) -> None:
        """Add the last step of an episode."""
        for user in episode.agent_episodes.values():
            before, after = user.get_infos(-2), user.get_infos(-1)
            self.allowed.append(bool(before["action_mask"][user.get_actions(-1)]))
            self.rejected.append(after["rejected"])
            self.gain.append(after["gain"])


@contextmanager
def algorithm(name: str, world: WorldConfig, masked: bool, played: Played) -> Iterator[Algorithm]:
    """Return a stock algorithm of RLlib, one policy for all users."""
    register_env(
        "edge_experts", lambda _: ParallelPettingZooEnv(edge_experts_v0.parallel_env(world))
    )
    slots = EPISODES * world.episode_slots
    model: dict[str, Any] = {"fcnet_hiddens": [16]}
    if name == "ppo":
        config = PPOConfig().training(
            train_batch_size_per_learner=slots, minibatch_size=slots, num_epochs=2
        )
    else:
        replay = {"type": "MultiAgentEpisodeReplayBuffer", "capacity": 1000}
        config = DQNConfig().training(
            train_batch_size_per_learner=16,
            replay_buffer_config=replay,
            num_steps_sampled_before_learning_starts=12,
        )
    config.environment("edge_experts").env_runners(num_env_runners=0)
    config.multi_agent(policies={"shared"}, policy_mapping_fn=lambda *args, **kwargs: "shared")
    config.reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=slots)
    if masked:
        columns = columns_of(world, allocates=False)
        model |= {"allow_abandon": world.allow_abandon}
        model |= {"user_features": columns.user, "expert_features": columns.expert}
        config.rl_module(
            rl_module_spec=RLModuleSpec(module_class=MODULES[name], model_config=model)
        )
    else:
        config.rl_module(model_config=model)
    # A function, since RLlib would copy an object.
    config.callbacks(on_episode_step=lambda *, episode, **kwargs: played.add(episode))
    built = config.debugging(seed=0, log_level="ERROR").build_algo()
    yield built
    built.stop()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_stock_algorithms_train_and_with_our_modules_heed_the_mask(
    name: str, masked: bool, patchy_world: WorldConfig
) -> None:
    played = Played()
    with algorithm(name, patchy_world, masked, played) as built:
        before = built.get_weights()["shared"]
        for _ in range(ITERATIONS):
            so_far = len(played.gain)
            result = built.train()
            assert result["env_runners"]["num_episodes"] == EPISODES
            mean_return = sum(played.gain[so_far:]) / EPISODES
            assert result["env_runners"]["episode_return_mean"] == pytest.approx(
                mean_return, rel=1e-5
            )
        after = built.get_weights()["shared"]
    losses = {
        "ppo": ("total_loss", "policy_loss", "vf_loss", "entropy"),
        "dqn": ("qf_loss", "td_error_mean"),
    }[name]
    assert np.isfinite([float(result["learners"]["shared"][loss]) for loss in losses]).all()
    assert all(np.isfinite(weight).all() for weight in after.values())
    assert any(not np.array_equal(before[key], after[key]) for key in after)
    slots = ITERATIONS * EPISODES * patchy_world.episode_slots
    assert result["env_runners"]["num_env_steps_sampled_lifetime"] == slots
    assert len(played.gain) == slots * patchy_world.num_users
    assert [not allowed for allowed in played.allowed] == played.rejected
    assert all(played.allowed) == masked


@pytest.mark.parametrize(
    ("wrapper", "terminated"), [(ParallelPettingZooEnv, True), (ParallelAdapter, False)]
)
def test_only_through_our_adapter_does_rllib_take_the_end_of_an_episode_for_no_termination(
    wrapper: type[MultiAgentEnv], terminated: bool, patchy_world: WorldConfig
) -> None:
    env = wrapper(edge_experts_v0.parallel_env(patchy_world))
    episode = MultiAgentEpisode(agent_to_module_mapping_fn=lambda agent, episode: "shared")
    observations, infos = env.reset(seed=0)
    episode.add_env_reset(observations=observations, infos=infos)
    while not episode.is_done:
        actions = dict.fromkeys(observations, patchy_world.num_experts)
        observations, rewards, terminateds, truncateds, infos = env.step(actions)
        episode.add_env_step(
            observations, actions, rewards, infos, terminateds=terminateds, truncateds=truncateds
        )
    assert len(episode) == patchy_world.episode_slots
    users = episode.agent_episodes.values()
    assert [user.is_truncated for user in users] == [True] * patchy_world.num_users
    assert [user.is_terminated for user in users] == [terminated] * patchy_world.num_users
