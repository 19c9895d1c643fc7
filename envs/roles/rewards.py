"""Rewards of edge devices and the platform: the books of the interval that a slot ended."""

from typing import NamedTuple

import numpy as np

from envs.arrays import Float
from envs.clearing import Clearing
from envs.roles.config import PlatformReward


class Rewards(NamedTuple):
    """Rewards of a slot, N worlds; those of users are their gains.

    Attributes:
        edge_devices: (N, E) payment less true cost, credits.
        platform: (N,) what it aims at, credits a user.
    """

    edge_devices: Float
    platform: Float


def rewards_of(
    closed: Clearing | None, aim: PlatformReward, num_worlds: int, num_experts: int
) -> Rewards:
    """Return the rewards of a slot: of the whole interval where it ended one, else 0.

    Args:
        closed: the clearing whose interval the slot ended; None where it ended none.
        aim: `roles.platform_reward`.
        num_worlds: N.
        num_experts: E.
    """
    if closed is None:
        return Rewards(np.zeros((num_worlds, num_experts)), np.zeros(num_worlds))
    earned = closed.edge_utility
    aimed = aimed_at(aim, closed.user_gain, earned, closed.balance)
    newcomers = num_experts - earned.shape[-1]
    if newcomers:
        earned = np.pad(earned, ((0, 0), (0, newcomers)))
    return Rewards(earned, aimed)


def aimed_at(aim: PlatformReward, gain: Float, earned: Float, balance: Float) -> Float:
    """Return what the platform aims at, (N,) credits a user.

    Args:
        aim: `roles.platform_reward`.
        gain: (N, U) of the users, after charges.
        earned: (N, E) payments less true costs.
        balance: (N,) charges less payments.
    """
    gained = gain.sum(axis=-1)
    total = {"welfare": gained + earned.sum(axis=-1) + balance, "users": gained, "profit": balance}
    return np.asarray(total[aim] / gain.shape[-1])
