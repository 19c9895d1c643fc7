"""What a network's scores begin with: what the laws of the world let expect of an action.

The network learns the difference (residual learning: Silver et al., arXiv 1812.06298). So an
untrained policy responds to what experts served of late, and abandons only what is worth nothing,
or less than what it takes of a budget.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn

from envs.config import WorldConfig
from envs.features import GAIN_BESIDE, REST, REST_BESIDE
from marl_moe.policies.columns import ColumnNames, is_named

LOG_WORTH = "log_budget_worth"  # name of the parameter
SLOT_POINTS = 0.3  # that users with a budget gain a slot, about: what learning begins with


def worth_at_first(world: WorldConfig, gamma: float) -> float:
    """Return what learning takes a whole budget over an episode for at first, credits.

    That is `SLOT_POINTS` in each slot that follows, discounted, and 0 where no user has a budget.

    Args:
        world: the world.
        gamma: discount a slot.
    """
    if not world.limits_users:
        return 0.0
    slots = sum(gamma**slot for slot in range(1, world.episode_slots + 1))
    return SLOT_POINTS * slots * world.bounds["credits_per_point"].greatest


@dataclass(frozen=True)
class Prior:
    """Forward hook of a network, which adds to each score a multiple of what the action is worth.

    An expert is worth its gain, the column `gain_beside`, or `gain_beside_drawn` in its place,
    credits; abandoning gains nothing. Where users have a budget over the episode, what an action
    leaves of it is worth something later: W times the column `rest_beside` of an expert (or
    `rest_beside_drawn`), or `rest` where the user abandons. That is an approximate value of what
    follows, so that the greatest sum is the best action by one step of lookahead. W is a parameter
    of the network, one in each copy, and so learned. A hook, so that other parameters keep their
    names.

    Attributes:
        columns: of the observations.
        per_credit: the multiple.
        budget_worth: W that learning begins with, credits; 0 where nothing is worth keeping.
    """

    columns: ColumnNames
    per_credit: float
    budget_worth: float

    def put_on(self, network: nn.Module, copies: int) -> nn.Module:
        """Put the hook on a network of so many copies, and return the network."""
        if self.budget_worth:
            worth = torch.full((copies, 1, 1), log(self.budget_worth))
            network.register_parameter(LOG_WORTH, nn.Parameter(worth))
        network.register_forward_hook(self)
        return network

    def __call__(self, network: nn.Module, given: tuple[Tensor], scores: Tensor) -> Tensor:
        """Return the sum, (copies, B, C + 1); `given` holds the observations (B, D)."""
        (observation,) = given
        worth = nn.functional.pad(self._of_experts(observation, GAIN_BESIDE), (0, 1))
        if self.budget_worth:
            kept = observation[:, self.columns.user.index(REST), None]
            rest = torch.cat([self._of_experts(observation, REST_BESIDE), kept], dim=-1)
            worth = worth + network.get_parameter(LOG_WORTH).exp() * rest
        return scores + self.per_credit * worth

    def _of_experts(self, observation: Tensor, name: str) -> Tensor:
        """Return a column of all experts, (B, C), by its name, whomever it counts on."""
        experts = enumerate(self.columns.expert)
        place = next(place for place, column in experts if is_named(column, name))
        first = len(self.columns.user) + place
        return observation[:, first :: len(self.columns.expert)]
