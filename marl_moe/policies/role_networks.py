"""Networks of edge devices and the platform: a score for each choice, from a few columns."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from envs.roles import features
from envs.roles.config import RolesConfig
from envs.roles.levers import EDGE_DEVICES, num_choices
from marl_moe.policies.networks import CopiedLinear


@dataclass(frozen=True)
class RoleNetworkConfig:
    """Configuration of the network of a side of the market.

    Attributes:
        columns: names of the columns of its observations.
        choices: choices before a clearing, K.
        hidden: width of the two hidden layers.
    """

    columns: tuple[str, ...]
    choices: int
    hidden: int = 64

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))  # JSON has lists

    @classmethod
    def of(cls, config: RolesConfig, role: str) -> "RoleNetworkConfig":
        """Return the configuration of a role's network."""
        return cls(columns_of_role(role), num_choices(config, role))

    def actor(self) -> nn.Module:
        """Build the network of an actor, whose scores are logits, in one copy."""
        return RoleNetwork(1, self)

    def critics(self, copies: int) -> nn.Module:
        """Build the networks of critics, whose scores are Q values."""
        return RoleNetwork(copies, self)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON writes them."""
        return asdict(self)


def columns_of_role(role: str) -> tuple[str, ...]:
    """Return the names of the columns that a side observes."""
    table: Sequence[features.RoleFeature] = features.PLATFORM_FEATURES
    if role == EDGE_DEVICES:
        table = features.EDGE_DEVICE_FEATURES
    return tuple(feature.name for feature in table)


class RoleNetwork(nn.Module):
    """Network of two hidden layers, (B, D) -> (copies, B, K)."""

    def __init__(self, copies: int, config: RoleNetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden
        self.first = CopiedLinear(copies, len(config.columns), hidden)
        self.second = CopiedLinear(copies, hidden, hidden)
        self.out = CopiedLinear(copies, hidden, config.choices)

    def forward(self, observation: Tensor) -> Tensor:
        """Return scores of all choices, (B, D) -> (copies, B, K)."""
        hidden = torch.relu(self.first(observation[None]))
        return self.out(torch.relu(self.second(hidden)))
