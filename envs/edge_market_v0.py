"""The PettingZoo view of a whole market: `edge_market_v0.parallel_env(num_users=8)`."""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

import mechanisms
from envs import edge_experts_v0
from envs.config import WorldConfig
from envs.edge_experts_v0 import Observations
from envs.roles import features
from envs.roles.levers import EDGE_DEVICES, PLATFORM, mask, num_choices
from envs.slot import ENTRIES, SlotResult

OF_EXPERTS = tuple(name for name, entry in ENTRIES.items() if entry.axis == "expert")
OF_WORLDS = tuple(name for name, entry in ENTRIES.items() if entry.axis == "world")


class parallel_env(edge_experts_v0.parallel_env):  # noqa: N801 - the name PettingZoo gives
    """Users, edge devices and a platform, each in its own interest.

    Agents are `user_0` ... `user_{U-1}` as in `edge_experts_v0`, `edge_0` ... `edge_{E-1}` and
    `platform`. An edge device chooses the factor on its costs that it reports, the platform a
    factor on what it holds a point to be worth and a margin on what users pay, from the grids of
    `config.roles` (`envs.roles.levers`). Their actions are `Discrete(K + 1)`; K keeps what was
    chosen before, and is all that their mask allows but in the slot before a clearing, whose choice
    the clearing decides by. Before the first clearing reports are true. In the last slot of an
    episode a choice has no effect.

    Their observations are a `Box` (D,) float32 each (`envs.roles.features`). Rewards are payment
    less true cost of an edge device, credits, and what `roles.platform_reward` says of the
    platform, credits a user: of the whole interval in the slot that ends it, else 0. So a choice is
    rewarded in the slot before the next one takes effect.

    `infos[agent]` holds `action_mask` (K + 1,) int8, and an agent's entries of a `SlotResult`.

    Args:
        config: the world; WorldConfig() if left out.
        mechanism: sets prices and payments; `posted_price` if left out. Under `none` nothing is
            ever decided, and nothing can be chosen.
        render_mode: as in `edge_experts_v0`.
        **fields: fields of WorldConfig to change.

    Raises:
        ValueError: an unknown render mode.
    """

    metadata = edge_experts_v0.parallel_env.metadata | {"name": "edge_market_v0"}

    def __init__(
        self,
        config: WorldConfig | None = None,
        mechanism: mechanisms.Mechanism | None = None,
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        mechanism = mechanism if mechanism is not None else mechanisms.make("posted_price")
        super().__init__(config, mechanism, render_mode, **fields)
        self.edge_devices = [f"edge_{e}" for e in range(self.world.num_experts)]
        self.possible_agents = [*self.users, *self.edge_devices, PLATFORM]
        roles, low, high = self.world.config.roles, [], []
        for agents, role, columns in (
            (self.edge_devices, EDGE_DEVICES, features.EDGE_DEVICE_FEATURES),
            ([PLATFORM], PLATFORM, features.PLATFORM_FEATURES),
        ):
            bounds = features.bounds(columns)
            for agent in agents:
                self.observation_spaces[agent] = spaces.Box(*bounds, dtype=np.float32)
                self.action_spaces[agent] = spaces.Discrete(num_choices(roles, role) + 1)
            low += [bounds[0]] * len(agents)
            high += [bounds[1]] * len(agents)
        self.state_space = spaces.Box(
            np.concatenate([self.state_space.low, *low]),
            np.concatenate([self.state_space.high, *high]),
            dtype=np.float32,
        )

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, dict[str, Any]]]:
        """Begin an episode, as in `edge_experts_v0`."""
        observations, infos = super().reset(seed, options)
        masks = self._masks()
        return observations | self._seen(), infos | {
            agent: {"action_mask": masks[agent]} for agent in masks
        }

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        Observations, dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Play one slot, as in `edge_experts_v0`; all agents need an action, masked ones keep."""
        observations, rewards, terminated, truncated, infos = super().step(actions)
        earned = self.world.role_rewards
        rewards |= dict(zip(self.edge_devices, earned.edge_devices[0].tolist(), strict=True))
        rewards[PLATFORM] = float(earned.platform[0])
        masks, result = self._masks(), self.result
        rows = zip(*(getattr(result, name)[0].tolist() for name in OF_EXPERTS), strict=True)
        for agent, row in zip(self.edge_devices, rows, strict=True):
            infos[agent] = dict(zip(OF_EXPERTS, row, strict=True)) | {"action_mask": masks[agent]}
        infos[PLATFORM] = {name: float(getattr(result, name)[0]) for name in OF_WORLDS}
        infos[PLATFORM]["action_mask"] = masks[PLATFORM]
        return observations | self._seen(), rewards, terminated, truncated, infos

    def state(self) -> NDArray[np.float32]:
        """Return all agents' observations in one vector, in `state_space`."""
        return np.concatenate([super().state(), *self._seen().values()])

    def _played(
        self, chosen: NDArray[np.integer], actions: dict[str, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], SlotResult]:
        factors = np.array([[actions[agent] for agent in self.edge_devices]])
        return self.world.step(chosen, factors, np.array([actions[PLATFORM]]))

    def _seen(self) -> Observations:
        of_edge_devices = self.world.edge_device_observation[0]
        seen = dict(zip(self.edge_devices, of_edge_devices, strict=True))
        return seen | {PLATFORM: self.world.platform_observation[0, 0]}

    def _masks(self) -> dict[str, NDArray[np.int8]]:
        roles, decides = self.world.config.roles, self.world.decides
        of_edge_devices = mask(roles, EDGE_DEVICES, decides).astype(np.int8)
        masks = {agent: of_edge_devices.copy() for agent in self.edge_devices}
        return masks | {PLATFORM: mask(roles, PLATFORM, decides).astype(np.int8)}
