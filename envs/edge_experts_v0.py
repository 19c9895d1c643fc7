"""The PettingZoo view of one world: `edge_experts_v0.parallel_env(num_users=8)`."""

import secrets
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

import mechanisms
from envs import observation
from envs.config import WorldConfig
from envs.slot import OF_USERS, SlotResult
from envs.world import World
from mechanisms.registry import nearest

if TYPE_CHECKING:
    from envs.render import WorldRenderer
    from envs.render.window import Window

Observations = dict[str, NDArray[np.float32]]
RENDER_MODES = ["human", "rgb_array"]
RENDER_FPS = 4  # slots a second


class parallel_env(ParallelEnv):  # noqa: N801 - the name PettingZoo gives its constructors
    """Users who compete for a shared pool of edge experts.

    Agents are `user_0` ... `user_{U-1}`, present from the first slot to the last. An observation is
    a `Box` (D,) float32, laid out in `envs.observation`. Actions are `Discrete(C + 1)`: c < C
    transfers the pending subtask to candidate c, C abandons it; every expert is a candidate unless
    there are candidate lists. The reward is the gain over abandoning, credits. All are
    truncated after `episode_slots` slots, or terminate where users have a budget over the episode.
    `infos[agent]` holds `action_mask` (C + 1,) int8
    and the user's entries of a `SlotResult`; `utility` and `local_utility` only in the slot that
    completes a request.

    Attributes:
        result: of the last slot played; None before the first.
        users: the agents that are users.

    Args:
        config: the world; WorldConfig() if left out.
        mechanism: sets prices and payments; free edge devices if left out.
        render_mode: "rgb_array": `render` returns the picture of the last slot played; "human":
            every `reset` and `step` shows it in a window, which `close` closes.
        **fields: fields of WorldConfig to change, as in `parallel_env(num_users=8)`.

    Raises:
        ValueError: an unknown render mode.
    """

    metadata = {  # noqa: RUF012
        "name": "edge_experts_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        config: WorldConfig | None = None,
        mechanism: mechanisms.Mechanism | None = None,
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ValueError(
                f"render_mode should be None or one of {RENDER_MODES}, got {render_mode!r}"
            )
        config = WorldConfig(**fields) if config is None else replace(config, **fields)
        self.world = World(config, num_worlds=1, mechanism=mechanism)
        self.result: SlotResult | None = None
        self._seeded = False
        self.render_mode = render_mode
        # both are made at the first reset, where there is a render mode
        self._renderer: WorldRenderer | None = None
        self._window: Window | None = None
        self.users = [f"user_{u}" for u in range(config.num_users)]
        self.possible_agents = list(self.users)
        self.agents: list[str] = []
        low, high = observation.bounds(config, self.world.mechanism.allocates)
        self.observation_spaces = {
            agent: spaces.Box(low, high, dtype=np.float32) for agent in self.users
        }
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(config.num_candidates + 1) for agent in self.users
        }
        self.state_space = spaces.Box(
            np.tile(low, config.num_users), np.tile(high, config.num_users), dtype=np.float32
        )

    def observation_space(self, agent: str) -> spaces.Box:
        """Return the Box (D,) of `agent`, the same object at every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """Return the Discrete(C + 1) of `agent`, the same object at every call."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, dict[str, Any]]]:
        """Begin an episode; with a seed it repeats bit for bit under the same actions.

        The first reset without a seed draws one from the operating system: vector environments are
        made of copies of one that was never reset, and would all play the same world.

        Args:
            seed: seed of all randomness from now on.
            options: ignored; part of PettingZoo's interface.

        Returns:
            Observations and infos, by agent.
        """
        if seed is None and not self._seeded:
            seed = secrets.randbits(64)
        self._seeded = True
        self.agents = list(self.possible_agents)
        seen = self.world.reset(seed)[0].copy()
        self._look()
        mask = self.world.slot.mask[0].astype(np.int8)
        infos = {agent: {"action_mask": mask[u]} for u, agent in enumerate(self.users)}
        return dict(zip(self.users, seen, strict=True)), infos

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        Observations, dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Play one slot.

        Args:
            actions: integers in 0..C, by agent.

        Returns:
            Observations, rewards, terminations, truncations and infos, by agent.

        Raises:
            ValueError: an agent has no action, there is no such agent, or an action is out of
                range.
            RuntimeError: the episode is over.
        """
        agents = self.agents
        if not agents:
            raise RuntimeError("the episode is over: call reset before the next step")
        self._check_agents(actions)
        chosen = np.array([[actions[agent] for agent in self.users]])
        seen, reward, result = self._played(chosen, actions)
        self.result = result
        self._show(chosen, result)
        mask = self.world.slot.mask[0].astype(np.int8)
        rows = zip(*(getattr(result, name)[0].tolist() for name in OF_USERS), strict=True)
        infos: dict[str, dict[str, Any]] = {}
        for agent, allowed, row in zip(self.users, mask, rows, strict=True):
            infos[agent] = entry = dict(zip(OF_USERS, row, strict=True))
            entry["action_mask"] = allowed
            if isnan(entry["utility"]):
                del entry["utility"], entry["local_utility"]
        done = self.world.done
        if done:
            self.agents = []
        return (
            dict(zip(self.users, seen[0].copy(), strict=True)),
            dict(zip(self.users, reward[0].tolist(), strict=True)),
            dict.fromkeys(agents, done and self.world.terminates),
            dict.fromkeys(agents, done and not self.world.terminates),
            infos,
        )

    def state(self) -> NDArray[np.float32]:
        """Return all users' observations in one vector, (U D,), in `state_space`."""
        return self.world.slot.observation[0].ravel().copy()

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the slot just played, or after a reset the one about to be played.

        Returns:
            The picture, (height, width, 3), with "rgb_array". None with "human", where the window
            is brought up to date, and without a mode, where a warning is given.

        Raises:
            RuntimeError: there was no reset yet.
        """
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render does nothing without a render_mode: parallel_env(render_mode='rgb_array')"
            )
            return None
        if self._window is not None:
            self._window.refresh()
            return None
        if self._renderer is None:
            raise RuntimeError("there is nothing to render yet: call reset first")
        return self._renderer.frame()

    def close(self) -> None:
        """Close the window, if there is one; a later reset opens another."""
        if self._window is not None:
            self._window.close()
        self._window = self._renderer = None

    def _played(
        self, chosen: NDArray[np.integer], actions: dict[str, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], SlotResult]:
        """Play a slot with the actions (1, U) of the users; `actions` are those of all agents."""
        return self.world.step(chosen)

    def _check_agents(self, actions: dict[str, int]) -> None:
        """Raise ValueError unless there is an action for each agent, and for nobody else."""
        if actions.keys() == set(self.agents):
            return
        missing = [agent for agent in self.agents if agent not in actions]
        if missing:
            raise ValueError(f"actions: no action of {missing[0]!r}; all agents need one")
        unknown = next(agent for agent in actions if agent not in self.agents)
        raise ValueError(f"actions: there is no agent {unknown!r}; {nearest(unknown, self.agents)}")

    def _look(self) -> None:
        """Begin the picture of an episode.

        It imports matplotlib, which worlds do without, and pyplot only for a window.
        """
        if self._renderer is not None:
            self._renderer.look(self.world.slot)
        elif self.render_mode == "rgb_array":
            from envs.render import WorldRenderer

            self._renderer = WorldRenderer(self.world.slot)
        elif self.render_mode == "human" and self._window is None:
            from envs.render.window import Window

            self._window = Window(self.world.slot, RENDER_FPS)
            self._renderer = self._window.renderer
        if self._window is not None:
            self._window.refresh()

    def _show(self, actions: NDArray[np.integer], result: SlotResult) -> None:
        """Draw the slot just played."""
        if self._renderer is not None:
            self._renderer.show(actions, result, self.world.slot)
        if self._window is not None:
            self._window.refresh()
