"""Edge devices and the platform on an env runner: they choose, hedge, and leave decisions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float
from envs.roles import features
from envs.roles.config import RolesConfig
from envs.roles.levers import EDGE_DEVICES, PLATFORM, Levers, num_choices
from envs.roles.view import RoleView
from marl_moe.policies.sides import HEDGE, OTHER_SIDES, SAC, seen_by
from marl_moe.rllib.exploring import explored
from marl_moe.rllib.transitions import Decisions
from mechanisms.auditing.clearings import Clearings
from mechanisms.strategic.equilibrium import prior_of
from mechanisms.strategic.play import Hedge, alternatives, draw_factors

SUMS = "side_sums"  # key of RLlib's loggers, then names of these and `intervals`
ROLE_MEANS = ("edge_devices_reward", "platform_reward", *Levers._fields)  # over intervals
DEVIATORS = 2  # devices of each market whose factors are all tried, where a mechanism allocates


class RunnerSides:
    """The sides of the market in the worlds of an env runner.

    A side that learns by SAC chooses by its module and leaves a transition for each decision whose
    interval has ended. Edge devices that hedge learn what every factor would have brought them in
    the market that was just cleared, all others reporting as they did (`Hedge`): nothing is learned
    of what users do later.

    Args:
        learners: what each side is played by, {side: `sac`, `hedge` or another, which chooses
            nothing}.
        world: the worlds.
        rng: draws choices.
    """

    def __init__(
        self, learners: Mapping[str, str], world: RoleView, rng: np.random.Generator
    ) -> None:
        self.learning = [role for role in OTHER_SIDES if learners.get(role) == SAC]
        self._rng = rng
        self._parts: dict[str, list[Decisions]] = {role: [] for role in self.learning}
        # Of the last decision: what was seen and chosen, (N, A, D) and (N, A).
        self._pending: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}
        self._now: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}
        self.hedge: Hedge | None = None
        if learners.get(EDGE_DEVICES) == HEDGE:
            self._factors = np.array(world.config.roles.report_factors)
            self.hedge = Hedge(world.num_experts, prior_of(self._factors))
            self._clearings = Clearings(world.market.clears)
        self._drawn: NDArray[np.int64] | None = None
        self._sums = dict.fromkeys(("intervals", *ROLE_MEANS), 0.0)

    def choose(self, world: RoleView, modules: Mapping[str, Any]) -> dict[str, NDArray[np.int64]]:
        """Return what the sides choose in the slot, as `World.step` takes it.

        Args:
            world: the worlds.
            modules: of the sides that learn, by side.
        """
        self._now, self._drawn = {}, None
        if not world.decides:
            return {}
        for role in self.learning:
            seen = seen_by(role, world)
            self._now[role] = seen, explored(modules[role], seen, self._rng)
        chosen = {role: action for role, (_, action) in self._now.items()}
        if PLATFORM in chosen:
            chosen[PLATFORM] = chosen[PLATFORM][:, 0]
        if self.hedge is not None:
            self._drawn = draw_factors(self.hedge.mix, world.num_worlds, self._rng)
            chosen[EDGE_DEVICES] = self._drawn
        return chosen

    def add(self, world: RoleView) -> None:
        """Take note of the slot just played."""
        if world.closed_clearing is not None:
            self._reward(world)
        if self._now and not world.done:
            self._pending = self._now
        if self._drawn is not None and not world.done:
            self._hedge(world, self._drawn)

    def taken(self) -> dict[str, Decisions]:
        """Return the decisions whose interval ended since the last call."""
        decisions = {role: Decisions.joined(parts) for role, parts in self._parts.items() if parts}
        self._parts = {role: [] for role in self.learning}
        return decisions

    def log(self, logger: Any) -> None:
        """Log the sums over the intervals that ended since the last call, by RLlib's logger."""
        for name, total in self._sums.items():
            logger.log_value((SUMS, name), total, reduce="sum")
        self._sums = dict.fromkeys(self._sums, 0.0)

    def get_state(self) -> dict[str, Any]:
        """Return what the sides go on from, between two fragments."""
        return {
            "pending": dict(self._pending),
            "hedge": None if self.hedge is None else self.hedge.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state of `get_state`."""
        self._pending = dict(state["pending"])
        if self.hedge is not None:
            self.hedge.set_state(state["hedge"])

    def _reward(self, world: RoleView) -> None:
        """Reward the decisions of the interval that just ended."""
        rewards, clearing = world.role_rewards, world.closed_clearing
        assert clearing is not None
        earned = {EDGE_DEVICES: rewards.edge_devices, PLATFORM: rewards.platform[:, None]}
        for role, (seen, action) in self._pending.items():
            following, _ = self._now[role]
            size = seen.shape[-1]
            self._parts[role].append(
                Decisions(
                    seen.reshape(-1, size),
                    action.reshape(-1),
                    self._earned(earned[role]).reshape(-1).astype(np.float32),
                    following.reshape(-1, size),
                    np.full(action.size, world.done),  # nothing that is decided now counts later
                )
            )
        self._pending = {}
        if clearing.slot == 0:
            return  # nobody could choose
        self._sums["intervals"] += 1
        for role, reward in earned.items():
            self._sums[f"{role}_reward"] += float(reward.mean())
        for name in Levers._fields:
            self._sums[name] += float(getattr(clearing, name).mean())

    def _earned(self, rewards: Float) -> Float:
        """Return the rewards of the agents that learn, of all of a role (N, A)."""
        return rewards

    def _hedge(self, world: RoleView, drawn: NDArray[np.int64]) -> None:
        assert self.hedge is not None
        cleared, levers = world.market.cleared, world.market.levers
        tried = alternatives(
            self._clearings,
            replace(cleared, value=cleared.value * levers.value_factor[:, None]),
            drawn,
            self._factors,
            deviators=DEVIATORS if world.mechanism.allocates else None,
            rng=self._rng,
        )
        gained, count = tried.mean(tried.utility, world.num_experts)
        self.hedge.learn(gained, count > 0)


def space_of(role: str, config: RolesConfig) -> tuple[gym.Space, gym.Space]:
    """Return the observation and action space of a side that learns: it never keeps."""
    of_edge = role == EDGE_DEVICES
    columns = features.EDGE_DEVICE_FEATURES if of_edge else features.PLATFORM_FEATURES
    low, high = features.bounds(columns)
    choices = num_choices(config, role)
    return gym.spaces.Box(low, high, dtype=np.float32), gym.spaces.Discrete(choices)
