"""The value of a slot to a user with a budget, from its budget and its episode alone."""

from math import log

import torch
from torch import Tensor, nn

from envs.features import BUDGET_FEATURES, REST
from marl_moe.policies.columns import ColumnNames


class BudgetValue(nn.Module):
    """Network from the shares left of a user's budgets and of the episode to what follows, credits.

    It begins with the worth of a budget times the column `rest`, as `Prior` does.

    Args:
        columns: of the observations.
        budget_worth: that it begins with, credits.
        hidden: width of its two layers.
    """

    def __init__(self, columns: ColumnNames, budget_worth: float, hidden: int) -> None:
        super().__init__()
        self.register_buffer(
            "columns",
            torch.tensor([columns.user.index(feature.name) for feature in BUDGET_FEATURES]),
            persistent=False,
        )
        self.rest = columns.user.index(REST)
        self.log_budget_worth = nn.Parameter(torch.tensor(log(budget_worth)))
        self.layers = nn.Sequential(
            nn.Linear(len(BUDGET_FEATURES), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, observation: Tensor) -> Tensor:
        """Return values, (B, D) -> (B,) credits."""
        begun = self.log_budget_worth.exp() * observation[:, self.rest]
        return begun + self.layers(observation[:, self.columns]).squeeze(-1)
