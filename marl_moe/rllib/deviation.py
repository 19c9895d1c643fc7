"""One agent that learns alone, all others playing policies that stay as they are."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float
from envs.roles.levers import EDGE_DEVICES, PLATFORM, USERS, num_agents
from envs.roles.view import RoleView
from marl_moe.policies.learned import load_policy
from marl_moe.policies.learned_sides import SIDES, load_sides
from marl_moe.policies.sides import NOBODY, seen_by
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.exploring import explored
from marl_moe.rllib.replay import Fragment
from marl_moe.rllib.runner_sides import RunnerSides

DEVIATOR = "deviator"  # id of its module


class DeviationKeys(NamedTuple):
    """What `env_config` says of a deviation.

    Attributes:
        role: of the agent that learns.
        folder: where training left the policies that the others play.
    """

    role: str
    folder: str


class Deviation:
    """An agent of a role in each of N worlds, drawn for every episode anew.

    Args:
        keys: the role, and where the others' policies are.
        world: the worlds.
        rng: draws agents and their actions.
    """

    def __init__(self, keys: DeviationKeys, world: RoleView, rng: np.random.Generator) -> None:
        self.role = keys.role
        folder = Path(keys.folder)
        self._users = load_policy(folder, "users")
        self._sides = NOBODY
        if (folder / SIDES).is_file():
            self._sides = load_sides(folder, world.config.roles, rng)
        self._rng = rng
        self.begin(world)

    def begin(self, world: RoleView) -> None:
        """Draw the agents of an episode."""
        agents = num_agents(self.role, world.num_users, world.num_experts)
        self.agent = self._rng.integers(agents, size=world.num_worlds)

    def act(self, world: RoleView, module: Any) -> NDArray[np.int64]:
        """Return the actions of the users, (N, U)."""
        action = np.array(self._users.act(world.slot))
        if self.role == USERS:
            self._deviate(action, world.slot.observation, module)
        return action

    def choose(self, world: RoleView, module: Any) -> dict[str, NDArray[np.int64]]:
        """Return what the other sides choose, as `World.step` takes it."""
        chosen = self._sides.choices(world)
        if not world.decides or self.role == USERS:
            return chosen
        agents = num_agents(self.role, world.num_users, world.num_experts)
        shape = world.num_worlds, agents
        keep = np.full(shape, -1)
        action = chosen[self.role].reshape(shape) if self.role in chosen else keep
        seen = seen_by(self.role, world)
        self._deviate(action, seen, module)
        if self.role == EDGE_DEVICES and self.role not in chosen:  # the others tell the truth
            action[action < 0] = world.config.roles.truth
        chosen[self.role] = action[:, 0] if self.role == PLATFORM else action
        return chosen

    def own(self, of_agents: NDArray[Any]) -> NDArray[Any]:
        """Return what belongs to the agents that learn, (N, A, ...) -> (N, 1, ...)."""
        return of_agents[np.arange(len(self.agent)), self.agent][:, None]

    def _deviate(self, action: NDArray[np.int64], seen: NDArray[np.float32], module: Any) -> None:
        """Put the actions that the agents explore in the place of those of their role."""
        own = explored(module, self.own(seen), self._rng)
        action[np.arange(len(action)), self.agent] = own[:, 0]


class DeviatingSides(RunnerSides):
    """The sides of the market where one agent learns and the others play as they were trained."""

    deviation: Deviation

    def choose(self, world: RoleView, modules: Any) -> dict[str, NDArray[np.int64]]:
        """See `RunnerSides`."""
        role, self._now = self.deviation.role, {}
        module = modules[DEVIATOR if role == USERS else role]
        chosen = self.deviation.choose(world, module)
        if role in self.learning and world.decides:
            action = chosen[role].reshape(world.num_worlds, -1)
            self._now[role] = self.deviation.own(seen_by(role, world)), self.deviation.own(action)
        return chosen

    def _earned(self, rewards: Float) -> Float:
        return self.deviation.own(rewards)


class DeviationRunner(WorldRunner):
    """Env runner in whose worlds one agent learns; `env_config["deviation"]` says which.

    Fragments and decisions are of that agent alone.
    """

    sides_class = DeviatingSides
    sides: DeviatingSides

    def make_env(self, collected: int = 0) -> None:
        """See `WorldRunner`."""
        super().make_env(collected)
        keys = DeviationKeys(**self.config.env_config["deviation"])
        self.sides.deviation = self.deviation = Deviation(keys, self.world, self._rng)

    def sample(self, **kwargs: Any) -> Fragment:
        """See `WorldRunner`."""
        if self.world.slot.index == 0:
            self.deviation.begin(self.world)
        fragment = super().sample(**kwargs)
        if self.deviation.role != USERS:
            return fragment

        def own(of_users: NDArray[Any]) -> NDArray[Any]:
            return np.stack([self.deviation.own(row) for row in of_users])

        return replace(
            fragment,
            observation=own(fragment.observation),
            action=own(fragment.action),
            reward=own(fragment.reward),
        )

    def _explore(self, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        module = None
        if self.deviation.role == USERS:
            module = self.module[DEVIATOR]
        return self.deviation.act(self.world, module)
