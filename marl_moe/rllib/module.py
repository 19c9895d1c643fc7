"""The RLModule of our SAC: a masked discrete actor, its average, twin critics and their targets."""

from copy import deepcopy
from typing import Any, ClassVar

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI, TargetNetworkAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from marl_moe.policies.masks import action_mask, masked_logits
from marl_moe.policies.networks import NetworkConfig
from marl_moe.policies.role_networks import RoleNetworkConfig

MASK = "action_mask"
LOG_PROBABILITIES, LOG_PROBABILITIES_NEXT = "log_probabilities", "log_probabilities_next"
Q_VALUES, Q_TARGET_NEXT = "q_values", "q_target_next"
AVERAGE = "average."  # begins the names of what is kept of the actor's average
AVERAGE_ACTOR = f"{AVERAGE}module."  # begins the names of its parameters
AVERAGED = f"{AVERAGE}n_averaged"  # the updates that it is of
DECAY = 8  # eta of the average
Tensors = tuple[Tensor, ...] | list[Tensor]


class MaskedSacModule(TorchRLModule, InferenceOnlyAPI, TargetNetworkAPI):
    """Actor and twin critics over the same observation.

    `model_config` is a `NetworkConfig` as a dictionary. The action mask is read from the
    observation. On env runners (inference only) just the actor exists.

    Users who learn beside each other chase each other's last policies. What plays after training
    is therefore the actor's polynomial-decay average (Shamir and Zhang, ICML 2013),

        average_t = average_{t-1} + (1 + eta) / (t + eta) (actor_t - average_{t-1})

    over its updates t = 1, 2, ..., eta = 8: update t counts about as t^8 does, the last tenth of
    training for 60 % of the sum, however long training was.
    """

    config_of_network: ClassVar[Any] = NetworkConfig

    def setup(self) -> None:
        """Build the networks."""
        self.network = self.config_of_network(**self.model_config)
        self.actor = self.network.actor()
        if not self.inference_only:
            self.critic = self.network.critics(copies=2)

    def make_target_networks(self) -> None:
        """Copy the critics as target critics, and the actor as its average."""
        self.target_critic = deepcopy(self.critic).requires_grad_(False)
        self.average = AveragedModel(self.actor, multi_avg_fn=_draw_near).requires_grad_(False)

    def get_target_network_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the pairs of networks that Polyak averaging joins."""
        return [(self.critic, self.target_critic)]

    def get_non_inference_attributes(self) -> list[str]:
        """Return the names of the networks that env runners do without."""
        return ["critic", "target_critic", "average"]

    def forward_target(self, batch: dict[str, Any]) -> Tensor:
        """Return target Q values of the next observations, the lesser of the twins, (B, E + 1)."""
        return self.target_critic(batch[Columns.NEXT_OBS]).amin(dim=0)

    def logits(self, observation: Tensor) -> Tensor:
        """Return masked logits of the policy, (B, D) -> (B, E + 1).

        Env runners call this rather than `forward_exploration`, which sets the mode of every
        submodule at each call.
        """
        return masked_logits(self.actor, observation, self._mask(observation))

    def _mask(self, observation: Tensor) -> Tensor:
        return action_mask(observation, self.network.allow_abandon, self.network.columns)

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Tensor]:
        return {Columns.ACTION_DIST_INPUTS: self.logits(batch[Columns.OBS])}

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Tensor]:
        observation, following = batch[Columns.OBS], batch[Columns.NEXT_OBS]
        mask = self._mask(observation)
        with torch.no_grad():
            mask_next = self._mask(following)
            log_next = torch.log_softmax(masked_logits(self.actor, following, mask_next), dim=-1)
            q_next = self.forward_target(batch)
        return {
            MASK: mask,
            LOG_PROBABILITIES: torch.log_softmax(
                masked_logits(self.actor, observation, mask), dim=-1
            ),
            LOG_PROBABILITIES_NEXT: log_next,
            Q_VALUES: self.critic(observation),
            Q_TARGET_NEXT: q_next,
        }


class SideSacModule(MaskedSacModule):
    """Actor and twin critics of a side of the market, which may choose anything when it does.

    `model_config` is a `RoleNetworkConfig` as a dictionary.
    """

    config_of_network = RoleNetworkConfig

    def _mask(self, observation: Tensor) -> Tensor:
        shape = observation.shape[0], self.network.choices
        return torch.ones(shape, dtype=torch.bool, device=observation.device)


def _draw_near(average: Tensors, actor: Tensors, updates: Tensor | int) -> None:
    """Draw an average of so many updates towards the actor of the next, see `MaskedSacModule`."""
    torch._foreach_lerp_(average, actor, (1 + DECAY) / (int(updates) + 1 + DECAY))
