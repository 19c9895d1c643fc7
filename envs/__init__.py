"""The world: users, edge experts, channels and a market, as batched simulator and PettingZoo env.

>>> from envs import World, WorldConfig, edge_experts_v0
>>> env = edge_experts_v0.parallel_env(num_users=8)
>>> world = World(WorldConfig(num_users=8), num_worlds=64, seed=0)
>>> observation = world.reset()
>>> observation, reward, result = world.step(actions)
"""

from envs import channel, duty, edge_experts_v0, edge_market_v0, prospects
from envs.channel.config import ChannelConfig
from envs.clearing import Clearing
from envs.config import MODEL, WorldConfig
from envs.duty.config import DutyConfig
from envs.expert_section import ExpertConfig
from envs.quantity import Each
from envs.roles.config import RolesConfig
from envs.sections import (
    MarketConfig,
    ObservationConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
)
from envs.slot import Slot, SlotResult
from envs.world import World

__all__ = [
    "MODEL",
    "ChannelConfig",
    "Clearing",
    "DutyConfig",
    "Each",
    "ExpertConfig",
    "MarketConfig",
    "ObservationConfig",
    "QualityConfig",
    "RequestConfig",
    "RewardConfig",
    "RolesConfig",
    "Slot",
    "SlotResult",
    "World",
    "WorldConfig",
    "channel",
    "duty",
    "edge_experts_v0",
    "edge_market_v0",
    "prospects",
]
