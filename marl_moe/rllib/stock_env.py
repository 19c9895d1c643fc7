"""The world as an RLlib `MultiAgentEnv`, for RLlib's stock algorithms."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from ray.rllib.env.multi_agent_env import MultiAgentEnv

import mechanisms
from envs import Slot, SlotResult, WorldConfig, edge_experts_v0
from marl_moe.seeds import stock_world_seed
from mechanisms.errors import FAILURES_OF_PARTS

ByAgent = dict[str, Any]


class ParallelAdapter(MultiAgentEnv):
    """A PettingZoo `ParallelEnv` as RLlib takes it, in place of RLlib's `ParallelPettingZooEnv`.

    Agents keep the order of `possible_agents`. When the last agent has ended, exactly one of the
    two flags `__all__` is true: that of `truncateds` if any agent was truncated in the course of
    the episode, else that of `terminateds`. Agents truncated in the very last step are truncated by
    `__all__` alone: RLlib (2.60) takes an episode in which every agent has a flag of its own for
    terminated, and would not bootstrap.

    RLlib keeps the infos that it is given in its replay buffer, so it is given empty ones; `infos`
    holds the environment's own of the last step.

    Args:
        parallel: the environment.
        seed_key: RLlib seeds environment i of runner r with run seed + r + i, so that environments
            of several runners and runs would coincide; where a key is given, they are seeded with
            its digits and RLlib's seed together.
    """

    def __init__(self, parallel: ParallelEnv, seed_key: tuple[int, ...] = ()) -> None:
        self.possible_agents = list(parallel.possible_agents)
        self.agents: list[str] = []
        super().__init__()
        self.agents = []
        self.parallel = parallel
        self.seed_key = seed_key
        self.render_mode = parallel.render_mode
        self.observation_spaces = {
            agent: parallel.observation_space(agent) for agent in self.possible_agents
        }
        self.action_spaces = {agent: parallel.action_space(agent) for agent in self.possible_agents}
        self.infos: ByAgent = {}
        self._any_truncated = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ByAgent, ByAgent]:
        """Begin an episode; return observations and empty infos of all agents."""
        if seed is not None and self.seed_key:
            seed = stock_world_seed(seed, self.seed_key)
        observations, self.infos = self.parallel.reset(seed=seed, options=options)
        self.agents = self._in_order(observations)
        self._any_truncated = False
        return {agent: observations[agent] for agent in self.agents}, {
            agent: {} for agent in self.agents
        }

    def step(
        self, action_dict: Mapping[str, Any]
    ) -> tuple[ByAgent, ByAgent, ByAgent, ByAgent, ByAgent]:
        """Step all agents; return observations, rewards, terminateds, truncateds, empty infos."""
        observations, rewards, terminated, truncated, self.infos = self.parallel.step(
            dict(action_dict)
        )
        stepped = self._in_order(observations)
        self.agents = self._in_order(self.parallel.agents)
        over = not self.agents
        self._any_truncated |= any(truncated.values())
        terminateds = {agent: bool(terminated[agent]) for agent in stepped}
        truncateds = {agent: bool(truncated[agent]) and not over for agent in stepped}
        terminateds["__all__"] = over and not self._any_truncated
        truncateds["__all__"] = over and self._any_truncated
        return (
            {agent: observations[agent] for agent in stepped},
            {agent: rewards[agent] for agent in stepped},
            terminateds,
            truncateds,
            {agent: {} for agent in stepped},
        )

    def render(self) -> NDArray[np.uint8] | str | None:
        """Return what the environment draws."""
        drawn: NDArray[np.uint8] | str | None = self.parallel.render()
        return drawn

    def close(self) -> None:
        """Close the environment."""
        self.parallel.close()

    def _in_order(self, agents: Any) -> list[str]:
        return [agent for agent in self.possible_agents if agent in agents]


class EdgeExpertsEnv(ParallelAdapter):
    """One world: `EdgeExpertsEnv(env_config)`, as RLlib builds environments from a class.

    `env_config` holds `world` (WorldConfig), `mechanism` (name and parameters), `metrics` (names)
    and `seed` (of the run); RLlib adds the index of the runner.

    Where users have a budget over the episode (`World.terminates`), its end is a termination, and
    RLlib bootstraps nothing; elsewhere it truncates.

    Where code of a part fails, the episode is truncated as it stands and `failure` says what
    failed: RLlib would restart a remote env runner that raises, and go on for ever.

    Attributes:
        played: the slot of the last step and its result; only where there are metrics to measure.
        failure: what failed, in words; empty where nothing did.
    """

    parallel: edge_experts_v0.parallel_env
    played: tuple[Slot, SlotResult]
    failure = ""
    _seen: ByAgent

    def __init__(self, env_config: Mapping[str, Any]) -> None:
        parallel = edge_experts_v0.parallel_env(
            WorldConfig(**env_config["world"]), mechanisms.make(**env_config["mechanism"])
        )
        super().__init__(
            parallel, seed_key=(env_config["seed"], getattr(env_config, "worker_index", 0) or 0)
        )
        self._is_measured = bool(env_config["metrics"])

    def step(
        self, action_dict: Mapping[str, Any]
    ) -> tuple[ByAgent, ByAgent, ByAgent, ByAgent, ByAgent]:
        """Step all agents, and keep what metrics are measured of."""
        slot = self.parallel.world.slot if self._is_measured else None
        try:
            stepped = super().step(action_dict)
        except FAILURES_OF_PARTS as error:
            return self._failed(error)
        self._seen = stepped[0]
        if slot is not None:
            assert self.parallel.result is not None
            self.played = slot, self.parallel.result
        return stepped

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ByAgent, ByAgent]:
        """Begin an episode; after a failure what was seen last is all there is."""
        if not self.failure:
            try:
                self._seen, _ = super().reset(seed=seed, options=options)
            except FAILURES_OF_PARTS as error:
                self._failed(error)
        self.agents = list(self._seen)
        return self._seen, {agent: {} for agent in self._seen}

    def _failed(self, error: Exception) -> tuple[ByAgent, ByAgent, ByAgent, ByAgent, ByAgent]:
        """Note a failure, and return a step that ends the episode without reward."""
        self.failure = self.failure or str(error)
        if not hasattr(self, "_seen"):
            raise error
        nobody = dict.fromkeys(self._seen, False)
        self.agents, self.infos = [], {}
        return (
            self._seen,
            dict.fromkeys(self._seen, 0.0),
            nobody | {"__all__": False},
            nobody | {"__all__": True},
            {agent: {} for agent in self._seen},
        )
