"""What plays the other sides of the market: edge devices and the platform, beside the users."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from envs.roles.levers import EDGE_DEVICES, PLATFORM
from envs.roles.view import RoleView
from mechanisms.strategic.play import draw_factors

TRUTHFUL, FIXED, SAC, HEDGE = "truthful", "fixed", "sac", "hedge"
OTHER_SIDES = (EDGE_DEVICES, PLATFORM)


class RolePolicy(Protocol):
    """Anything that chooses for a side before a clearing."""

    def act(self, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        """Choose for every agent of every world, (N, A, D) observations -> (N, A) choices."""


@dataclass(frozen=True)
class MixPolicy:
    """Agents that each draw what they choose by a mix of their own.

    Attributes:
        mix: (A, K) probability of each choice; a world of other agents has the mean over agents.
        rng: draws.
    """

    mix: NDArray[np.float64]
    rng: np.random.Generator

    def act(self, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `RolePolicy`."""
        num_worlds, num_agents, _ = seen.shape
        mix = self.mix
        if len(mix) != num_agents:
            mix = np.broadcast_to(mix.mean(axis=0), (num_agents, mix.shape[1]))
        return np.asarray(draw_factors(mix, num_worlds, self.rng), np.int64)


@dataclass(frozen=True)
class Sides:
    """Who plays the edge devices and the platform.

    Attributes:
        edge_devices: None: they report what they would without a choice, the truth as a rule.
        platform: None: it decides by `market.value` and takes no margin.
    """

    edge_devices: RolePolicy | None = None
    platform: RolePolicy | None = None

    def choices(self, world: RoleView) -> dict[str, NDArray[np.int64]]:
        """Return what they choose in the slot, as `World.step` takes it: nothing where none is due.

        A side without a policy keeps what was chosen.
        """
        chosen: dict[str, NDArray[np.int64]] = {}
        if not world.decides:
            return chosen
        if self.edge_devices is not None:
            chosen[EDGE_DEVICES] = self.edge_devices.act(world.edge_device_observation)
        if self.platform is not None:
            chosen[PLATFORM] = self.platform.act(world.platform_observation)[:, 0]
        return chosen


NOBODY = Sides()


def seen_by(role: str, world: RoleView) -> NDArray[np.float32]:
    """Return the observations of a side, (N, A, D)."""
    return world.edge_device_observation if role == EDGE_DEVICES else world.platform_observation
