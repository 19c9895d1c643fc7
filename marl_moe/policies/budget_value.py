"""The value of a slot to a user with a budget, from what is left of it and of the episode alone.

What users do now hardly changes what they meet later but for their budgets: requests and channels
are exogenous (Dietterich, Trimponias and Chen, ICML 2018). So the mean value over these is what
critics should bootstrap from, rather than the value of what the next slot happened to bring.
"""

from math import log

import torch
from torch import Tensor, nn

from envs.differences import OF_DIFFERENT_USERS
from envs.features import BUDGET_FEATURES, REST
from marl_moe.policies.columns import ColumnNames


class BudgetValue(nn.Module):
    """Network from what is left of a user's budgets and of the episode to the value of its slot.

    It sees the columns of budgets, and those of quantities in which users differ. It begins with
    the worth of a budget times the column `rest`, as `Prior` does.

    Args:
        columns: of the observations.
        budget_worth: that it begins with, credits.
        hidden: width of its two layers.
    """

    def __init__(self, columns: ColumnNames, budget_worth: float, hidden: int) -> None:
        super().__init__()
        seen = {feature.name for feature in (*BUDGET_FEATURES, *OF_DIFFERENT_USERS.values())}
        self.places = [place for place, name in enumerate(columns.user) if name in seen]
        self.rest = columns.user.index(REST)
        self.log_budget_worth = nn.Parameter(torch.tensor(log(budget_worth)))
        self.layers = nn.Sequential(
            nn.Linear(len(self.places), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, observation: Tensor) -> Tensor:
        """Return values, (B, D) -> (B,) credits."""
        begun = self.log_budget_worth.exp() * observation[:, self.rest]
        return begun + self.layers(observation[:, self.places]).squeeze(-1)
