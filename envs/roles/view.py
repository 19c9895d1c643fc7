"""What the sides of the market need of worlds in a slot: `World` has it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from envs.clearing import Clearing
from envs.config import WorldConfig
from envs.marketplace import Marketplace
from envs.roles.rewards import Rewards
from envs.slot import Slot
from mechanisms import Mechanism


class RoleView(Protocol):
    """Worlds as those see them who choose for a side; `envs.World` documents each."""

    config: WorldConfig
    mechanism: Mechanism
    market: Marketplace
    num_worlds: int
    slot: Slot

    @property
    def num_users(self) -> int:
        """See `World`."""

    @property
    def num_experts(self) -> int:
        """See `World`."""

    @property
    def decides(self) -> bool:
        """See `World`."""

    @property
    def done(self) -> bool:
        """See `World`."""

    @property
    def terminates(self) -> bool:
        """See `World`."""

    @property
    def closed_clearing(self) -> Clearing | None:
        """See `World`."""

    @property
    def role_rewards(self) -> Rewards:
        """See `World`."""

    @property
    def edge_device_observation(self) -> NDArray[np.float32]:
        """See `World`."""

    @property
    def platform_observation(self) -> NDArray[np.float32]:
        """See `World`."""
