"""The adapter between PettingZoo and RLlib, over a small environment and over the world."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo import ParallelEnv
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

import mechanisms
from envs import WorldConfig, edge_experts_v0
from marl_moe.rllib.stock_env import EdgeExpertsEnv, ParallelAdapter

Endings = dict[str, tuple[int, str]]


class Ending(ParallelEnv):
    """Environment whose agents end each in a step and a way of its own, in reversed order."""

    metadata: dict[str, Any] = {}  # noqa: RUF012
    render_mode = "ansi"

    def __init__(self, endings: Endings) -> None:
        self.endings = endings
        self.possible_agents = list(endings)
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> gym.Space:
        return gym.spaces.Box(0, 9, (1,), np.float32)

    def action_space(self, agent: str) -> gym.Space:
        return gym.spaces.Discrete(2 + self.possible_agents.index(agent))

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.now, self.seed = 0, seed
        self.agents = list(self.possible_agents)
        return self._each(np.zeros(1, np.float32)), self._each({"now": 0})

    def step(self, actions: dict[str, int]) -> Any:
        assert actions.keys() == set(self.agents)
        self.now += 1
        ended = {
            how: {agent: self.endings[agent] == (self.now, how) for agent in reversed(self.agents)}
            for how in ("terminated", "truncated")
        }
        results = (
            self._each(np.full(1, self.now, np.float32)),
            self._each(1.0),
            *ended.values(),
            self._each({"x": 1}),
        )
        self.agents = [agent for agent in self.agents if self.endings[agent][0] > self.now]
        return results

    def render(self) -> str:
        return f"step {self.now}"

    def _each(self, value: Any) -> dict[str, Any]:
        return dict.fromkeys(reversed(self.agents), value)


def play(endings: Endings) -> tuple[list[tuple[bool, bool]], MultiAgentEpisode]:
    """Return the two flags `__all__` of each step, and the episode as RLlib records it."""
    env = ParallelAdapter(Ending(endings))
    episode = MultiAgentEpisode(
        observation_space=env.observation_spaces,
        action_space=env.action_spaces,
        agent_to_module_mapping_fn=lambda agent, episode: "shared",
    )
    observations, infos = env.reset()
    episode.add_env_reset(observations=observations, infos=infos)
    flags = []
    while env.agents:
        actions = dict.fromkeys(env.agents, 0)
        observations, rewards, terminateds, truncateds, infos = env.step(actions)
        episode.add_env_step(
            observations,
            actions,
            rewards,
            infos,
            terminateds=terminateds,
            truncateds=truncateds,
            extra_model_outputs={},
        )
        flags.append((terminateds["__all__"], truncateds["__all__"]))
    return flags, episode


@pytest.mark.parametrize(
    ("endings", "last"),
    [
        ({"user_0": (2, "terminated"), "user_1": (2, "terminated")}, (True, False)),
        ({"user_0": (2, "truncated"), "user_1": (2, "truncated")}, (False, True)),
        ({"user_0": (2, "terminated"), "user_1": (2, "truncated")}, (False, True)),
        ({"user_0": (1, "terminated"), "user_1": (3, "truncated")}, (False, True)),
        ({"user_0": (1, "truncated"), "user_1": (3, "terminated")}, (False, True)),
        ({"user_0": (1, "terminated"), "user_1": (3, "terminated")}, (True, False)),
        (
            {"user_0": (1, "truncated"), "user_1": (2, "terminated"), "user_2": (4, "truncated")},
            (False, True),
        ),
    ],
)
def test_exactly_one_all_flag_is_true_and_only_in_the_last_step(
    endings: Endings, last: tuple[bool, bool]
) -> None:
    flags, episode = play(endings)
    assert len(flags) == max(step for step, _ in endings.values())
    assert flags == [(False, False)] * (len(flags) - 1) + [last]
    assert episode.is_done
    for agent, (step, _) in endings.items():
        assert len(episode.agent_episodes[agent]) == step
        assert episode.agent_episodes[agent].is_done


@pytest.mark.parametrize(
    "others", [(2, "truncated"), (2, "terminated"), (1, "terminated"), (1, "truncated")]
)
def test_an_agent_truncated_in_the_last_step_is_bootstrapped_by_rllib(
    others: tuple[int, str],
) -> None:
    _, episode = play({"user_0": others, "user_1": (2, "truncated")})
    assert episode.agent_episodes["user_1"].is_truncated
    assert not episode.agent_episodes["user_1"].is_terminated
    assert episode.agent_episodes["user_0"].is_terminated == (others[1] == "terminated")


def test_agents_keep_the_order_of_the_environment_though_it_answers_in_another() -> None:
    names = [f"user_{u}" for u in range(12)]
    env = ParallelAdapter(
        Ending({name: (2 if name != "user_3" else 1, "truncated") for name in names})
    )
    assert env.possible_agents == list(env.observation_spaces) == list(env.action_spaces) == names
    observations, infos = env.reset()
    assert list(observations) == list(infos) == env.agents == names
    observations, rewards, terminateds, truncateds, infos = env.step(dict.fromkeys(names, 0))
    for answer in (observations, rewards, infos):
        assert list(answer) == names
    for flags in (terminateds, truncateds):
        assert list(flags) == [*names, "__all__"]
    assert env.agents == [name for name in names if name != "user_3"]


def test_render_spaces_and_seeds_pass_through_and_infos_stay_behind() -> None:
    parallel = Ending({"user_0": (2, "truncated"), "user_1": (2, "truncated")})
    env = ParallelAdapter(parallel)
    _, infos = env.reset(seed=5)
    assert parallel.seed == 5
    assert infos == {"user_0": {}, "user_1": {}}
    assert env.infos["user_0"] == {"now": 0}
    assert env.render() == "step 0"
    assert env.render_mode == "ansi"
    assert env.get_action_space("user_1") == gym.spaces.Discrete(3)
    assert env.get_observation_space("user_1") == parallel.observation_space("user_1")


def world_env(config: WorldConfig, seed: int = 0, worker: int = 0) -> EdgeExpertsEnv:
    env_config = {
        "world": config.as_dict(),
        "mechanism": {"name": "posted_price"},
        "metrics": [],
        "seed": seed,
    }
    return EdgeExpertsEnv(EnvContext(env_config, worker_index=worker))


def episode_of(env: EdgeExpertsEnv, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return observations (T + 1, U, D) and rewards (T, U) of an episode of fixed actions."""
    rng = np.random.default_rng(7)
    seen, _ = env.reset(seed=seed)
    observations, rewards = [list(seen.values())], []
    while env.agents:
        assert all(env.observation_spaces[agent].contains(seen[agent]) for agent in env.agents)
        actions = {agent: int(rng.integers(env.action_spaces[agent].n)) for agent in env.agents}
        seen, reward, *_ = env.step(actions)
        observations.append(list(seen.values()))
        rewards.append(list(reward.values()))
    assert all(env.observation_spaces[agent].contains(seen[agent]) for agent in seen)
    return np.array(observations), np.array(rewards)


def test_a_seed_repeats_a_whole_episode_and_the_one_after(patchy_world: WorldConfig) -> None:
    first, second = world_env(patchy_world), world_env(patchy_world)
    for seed in (3, None):
        for one, two in zip(episode_of(first, seed), episode_of(second, seed), strict=True):
            np.testing.assert_array_equal(one, two)
    again = episode_of(first, 3)
    assert (again[0] == episode_of(second, 3)[0]).all()
    assert (again[0] != episode_of(second, None)[0]).any()


def test_environments_of_all_runners_and_runs_are_different_worlds(
    patchy_world: WorldConfig,
) -> None:
    # RLlib seeds environment i of runner r with seed + r + i: each of these is reset with 3.
    worlds = [
        world_env(patchy_world, seed, worker).reset(seed=seed + worker + index)[0]["user_0"]
        for seed, worker, index in ((0, 1, 2), (0, 2, 1), (1, 1, 1), (1, 2, 0), (3, 0, 0))
    ]
    for one in range(len(worlds)):
        for other in range(one):
            assert (worlds[one] != worlds[other]).any()


def test_the_world_comes_through_unchanged(patchy_world: WorldConfig) -> None:
    adapter = world_env(patchy_world)
    seed = int(np.random.SeedSequence(4, spawn_key=(0, 0)).generate_state(1)[0])
    parallel = edge_experts_v0.parallel_env(
        config=patchy_world, mechanism=mechanisms.make("posted_price")
    )
    observations, rewards = episode_of(adapter, 4)
    seen, _ = parallel.reset(seed=seed)
    rng = np.random.default_rng(7)
    for slot in range(patchy_world.episode_slots):
        np.testing.assert_array_equal(observations[slot], list(seen.values()))
        seen, reward, *_ = parallel.step({agent: int(rng.integers(6)) for agent in parallel.agents})
        assert list(reward.values()) == rewards[slot].tolist()


def test_an_episode_of_the_world_only_truncates(small_world: WorldConfig) -> None:
    env = world_env(replace(small_world, episode_slots=2))
    env.reset(seed=0)
    for last in (False, True):
        _, _, terminateds, truncateds, _ = env.step(dict.fromkeys(env.agents, 6))
        assert not any(terminateds.values())
        assert truncateds["__all__"] == last
