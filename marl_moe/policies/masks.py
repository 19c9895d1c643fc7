"""Masks of the actions that users may take, of torch: read from observations, put on logits."""

import torch
from torch import Tensor, nn

from marl_moe.policies.columns import ColumnNames

NEVER = -1e9  # a logit whose probability is exactly zero in single precision


def action_mask(observation: Tensor, allow_abandon: bool, columns: ColumnNames) -> Tensor:
    """Return the action mask that an observation carries, (B, D) -> (B, E + 1) bool.

    Args:
        observation: the observations.
        allow_abandon: whether users may abandon although they have candidates.
        columns: of the observations.
    """
    usable = observation[:, len(columns.user) :: len(columns.expert)] > 0.5
    abandon = torch.ones_like(usable[:, :1]) if allow_abandon else ~usable.any(dim=-1, keepdim=True)
    return torch.cat([usable, abandon], dim=-1)


def masked_logits(actor: nn.Module, observation: Tensor, mask: Tensor) -> Tensor:
    """Return logits of the policy, `NEVER` where the mask excludes an action, (B, E + 1)."""
    return actor(observation)[0].masked_fill(~mask, NEVER)
