"""PettingZoo view of one world: `edge_experts_v0.parallel_env(num_users=8)`."""

from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

import mechanisms
from envs import observation
from envs.config import WorldConfig
from envs.world import World

Observations = dict[str, NDArray[np.float32]]
NOT_PER_USER = {
    "load",
    "payment",
    "edge_cost",
    "platform_balance",
}  # entries of World.step's info that agents do not get


class parallel_env(ParallelEnv):  # noqa: N801 - the name PettingZoo gives its constructors
    """Users compete for a shared pool of edge experts.

    Agents `user_0` ... `user_{U-1}`, present from the first slot to the last. Observation `Box` (D,) float32, laid out
    in `envs.observation`; action `Discrete(E + 1)`: transfer the pending subtask to expert e < E, or abandon it (E).
    Reward: gain over abandoning, credits. Nobody terminates; all are truncated after `episode_slots` slots.
    `infos[agent]` holds `action_mask` (E + 1,) int8 and the user's entries of `World.step`'s info; `utility` and
    `local_utility` only in the slot that completes a request.

    Args:
        config: the world; WorldConfig() if left out.
        mechanism: sets prices and payments; free edge devices if left out.
        **fields: fields of WorldConfig to change, as in `parallel_env(num_users=8)`.
    """

    metadata = {"name": "edge_experts_v0", "render_modes": [], "is_parallelizable": True}  # noqa: RUF012

    def __init__(
        self,
        config: WorldConfig | None = None,
        mechanism: mechanisms.Mechanism | None = None,
        **fields: Any,
    ) -> None:
        config = WorldConfig(**fields) if config is None else replace(config, **fields)
        self.world = World(config, num_worlds=1, mechanism=mechanism)
        self.render_mode = None
        self.possible_agents = [f"user_{u}" for u in range(config.num_users)]
        self.agents: list[str] = []
        low, high = observation.bounds(config)
        self.observation_spaces = {agent: spaces.Box(low, high, dtype=np.float32) for agent in self.possible_agents}
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(config.num_experts + 1) for agent in self.possible_agents
        }

    def observation_space(self, agent: str) -> spaces.Box:
        """Box (D,) of `agent`; the same object at every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """Discrete(E + 1) of `agent`; the same object at every call."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, dict[str, Any]]]:
        """Begin an episode; with a seed, the whole of it repeats bit for bit under the same actions."""
        self.agents = list(self.possible_agents)
        seen = self.world.reset(seed)[0].copy()
        mask = self.world.action_mask()[0].astype(np.int8)
        infos = {agent: {"action_mask": mask[u]} for u, agent in enumerate(self.agents)}
        return dict(zip(self.agents, seen, strict=True)), infos

    def step(
        self, actions: dict[str, int]
    ) -> tuple[Observations, dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Play one slot. Raises KeyError for a missing agent, ValueError for an action out of range."""
        agents = self.agents
        if not agents:
            raise RuntimeError("the episode is over: call reset before the next step")
        chosen = np.array([[actions[agent] for agent in agents]])
        seen, reward, info = self.world.step(chosen)
        mask = self.world.action_mask()[0].astype(np.int8)
        per_user = {key: value[0].tolist() for key, value in info.items() if key not in NOT_PER_USER}
        infos = {
            agent: {"action_mask": mask[u]}
            | {key: values[u] for key, values in per_user.items() if not isnan(values[u])}
            for u, agent in enumerate(agents)
        }
        done = self.world.done
        if done:
            self.agents = []
        return (
            dict(zip(agents, seen[0].copy(), strict=True)),
            dict(zip(agents, reward[0].tolist(), strict=True)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, done),
            infos,
        )

    def state(self) -> NDArray[np.float32]:
        """All users' observations in one vector, (U D,)."""
        return self.world.observe()[0].ravel()
