"""Critics of a learned policy, kept beside it: the return that they expect of each action."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from envs import Slot
from marl_moe.errors import RecordError
from marl_moe.policies.base import NETWORKS
from marl_moe.policies.learned import by_module, load_policy
from marl_moe.policies.weights import read_weights

CRITIC = "critic."  # begins the names of the parameters of twin critics


@dataclass(frozen=True)
class Critics:
    """Twin critics of each module of a policy.

    Attributes:
        name: of the policy.
        critics: by module.
        module_users: users of each module.
    """

    name: str
    critics: Mapping[str, nn.Module]
    module_users: Mapping[str, list[int]]

    @torch.no_grad()
    def values(self, slot: Slot) -> NDArray[np.float32]:
        """Return Q of each action, the lesser of the twins, (N, U, C + 1) credits.

        That of an action that the mask excludes means nothing.
        """

        def lesser(module_id: str, batch: Tensor) -> NDArray[np.float32]:
            return np.asarray(self.critics[module_id](batch).amin(dim=0).numpy(), np.float32)

        return by_module(self.name, slot, self.module_users, lesser)


def load_critics(folder: Path, name: str) -> Critics | None:
    """Read the critics that training kept beside a policy.

    Args:
        folder: of the policy.
        name: of the policy.

    Returns:
        The critics; None where none were kept.

    Raises:
        RecordError: they, or the policy, are damaged, or they are of other networks.
    """
    if not (folder / NETWORKS).is_file():
        return None
    policy = load_policy(folder, name)
    weights, critics = read_weights(folder / NETWORKS), {}
    try:
        for module_id in policy.module_users:
            critic = policy.network.critics(copies=2)
            critic.load_state_dict(
                {
                    name.removeprefix(CRITIC): value
                    for name, value in weights[module_id].items()
                    if name.startswith(CRITIC)
                }
            )
            critics[module_id] = critic.requires_grad_(False).eval()
    except (KeyError, RuntimeError) as error:
        raise RecordError(
            f"{folder / NETWORKS}: no critics of the policy beside it ({error})"
        ) from None
    return Critics(name, critics, policy.module_users)
