"""Default modules of RLlib's PPO, DQN and SAC, masked by the mask that an observation carries.

All three are masked in full, in collecting, learning and acting; networks and losses are RLlib's.
`model_config` is RLlib's, with `allow_abandon`, `user_features` and `expert_features` of the world
(names of columns) beside its keys. SAC's may be that of our networks, `{network: pointer, hidden:
64}`: then these stand where RLlib's own would, which tells apart what network and engine give.
"""

from typing import Any

import torch
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import (
    QF_PREDS,
    DefaultDQNTorchRLModule,
)
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.algorithms.sac.sac_catalog import SACCatalog
from ray.rllib.algorithms.sac.sac_learner import (
    ACTION_LOG_PROBS,
    ACTION_LOG_PROBS_NEXT,
    ACTION_PROBS,
    ACTION_PROBS_NEXT,
)
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.core.columns import Columns
from ray.rllib.core.models.base import ENCODER_OUT
from torch import Tensor, nn

from marl_moe.policies.columns import ColumnNames
from marl_moe.policies.masks import NEVER, action_mask
from marl_moe.policies.network_checks import check_network
from marl_moe.policies.networks import GIVEN, NetworkConfig

# Keys of `model_config`, and of NetworkConfig, that the world decides.
COLUMNS, WORTH = ("user_features", "expert_features"), "budget_worth"
Batch = dict[str, Any]


def columns_in(model_config: Batch) -> ColumnNames:
    """Return the columns of observations that a `model_config` names."""
    return ColumnNames(*(tuple(model_config[key]) for key in COLUMNS))


def mask_of(observation: Tensor, model_config: Batch) -> Tensor:
    """Return the action mask that observations carry, (B, D) -> (B, E + 1) bool."""
    return action_mask(observation, model_config["allow_abandon"], columns_in(model_config))


class MaskedPpoModule(DefaultPPOTorchRLModule):
    """PPO with masked logits of `NEVER`.

    That is finite, so that entropy and Kullback-Leibler term are finite too.
    """

    def _forward(self, batch: Batch, **kwargs: Any) -> Batch:
        return self._masked(batch, super()._forward(batch, **kwargs))

    def _forward_train(self, batch: Batch, **kwargs: Any) -> Batch:
        return self._masked(batch, super()._forward_train(batch, **kwargs))

    def _masked(self, batch: Batch, output: Batch) -> Batch:
        mask = mask_of(batch[Columns.OBS], self.model_config)
        output[Columns.ACTION_DIST_INPUTS] = output[Columns.ACTION_DIST_INPUTS].masked_fill(
            ~mask, NEVER
        )
        return output


class MaskedDqnModule(DefaultDQNTorchRLModule):
    """DQN with masked Q values of minus infinity.

    RLlib's loss and its epsilon-greedy draws leave these out.
    """

    def _qf_forward_helper(self, batch: Batch, encoder: Any, head: Any) -> Batch:
        output: Batch = super()._qf_forward_helper(batch, encoder, head)
        mask = mask_of(batch[Columns.OBS], self.model_config)
        output[QF_PREDS] = output[QF_PREDS].masked_fill(~mask, -torch.inf)
        return output


class MaskedRllibSacModule(DefaultSACTorchRLModule):
    """SAC with probabilities from `log_softmax` of the masked logits.

    RLlib takes them as `softmax().log()`. The logarithm of a probability rounded to zero, as of a
    masked action or of a logit far below the best, is minus infinity, and RLlib's losses are NaN
    from then on. Here a masked action has probability 0 and a finite logarithm, and adds 0 to every
    sum of the losses.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "network" in (kwargs.get("model_config") or {}):
            kwargs["catalog_class"] = ScorerCatalog
        super().__init__(*args, **kwargs)

    def _forward_inference(self, batch: Batch) -> Batch:
        return {Columns.ACTION_DIST_INPUTS: self._masked_logits(batch[Columns.OBS])}

    def _forward_train(self, batch: Batch) -> Batch:
        output: Batch = super()._forward_train(batch)
        for column, probabilities, log_probabilities in (
            (Columns.OBS, ACTION_PROBS, ACTION_LOG_PROBS),
            (Columns.NEXT_OBS, ACTION_PROBS_NEXT, ACTION_LOG_PROBS_NEXT),
        ):
            log_pi = torch.log_softmax(self._masked_logits(batch[column]), dim=-1)
            output[probabilities], output[log_probabilities] = log_pi.exp(), log_pi
        return output

    def _masked_logits(self, observation: Tensor) -> Tensor:
        logits = self.pi(self.pi_encoder({Columns.OBS: observation})[ENCODER_OUT])
        return logits.masked_fill(~mask_of(observation, self.model_config), NEVER)


class ScorerCatalog(SACCatalog):
    """Catalog that has RLlib's SAC build our networks.

    Encoders hand the observation on, heads score all actions from it.
    """

    def build_encoder(self, framework: str) -> nn.Module:
        """Build the actor's encoder."""
        return _ObservationItself()

    def build_qf_encoder(self, framework: str) -> nn.Module:
        """Build a critic's encoder."""
        return _ObservationItself()

    def build_pi_head(self, framework: str) -> nn.Module:
        """Build the head of the actor's logits."""
        return _Scores(self._network().actor())

    def build_qf_head(self, framework: str) -> nn.Module:
        """Build the head of a critic's Q values."""
        return _Scores(self._network().critics(copies=1))

    def _network(self) -> NetworkConfig:
        keys = (*GIVEN, *COLUMNS, WORTH)
        given = {
            key: self._model_config_dict[key] for key in keys if key in self._model_config_dict
        }
        network = NetworkConfig(num_experts=int(self.action_space.n) - 1, **given)
        check_network(network)
        return network


class _ObservationItself(nn.Module):
    def forward(self, batch: Batch) -> Batch:
        return {ENCODER_OUT: batch[Columns.OBS]}


class _Scores(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, observation: Tensor) -> Tensor:
        """Return scores of all actions, (B, D) -> (B, E + 1)."""
        scores: Tensor = self.network(observation)[0]
        return scores
