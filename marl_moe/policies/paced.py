"""A rule for users with a budget over the episode: a price on it keeps some for later.

A user who could see the whole episode would spend on what brings the most a joule or credit, down
to a ratio that just exhausts the budget: the multiplier of the budget's constraint. The rule takes
a multiplier and raises it when the budget runs down faster than the episode, as bidders pace their
budgets in repeated auctions (Balseiro and Gur, Management Science 2019).
"""

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from envs.prospects import expected_spending
from marl_moe.policies.base import register
from marl_moe.policies.crowd import Crowd
from marl_moe.policies.heuristics import setting_of

LEAST_LEFT = 1e-3  # of a budget: what is less counts as that
MOST = {"price": 1e6, "feedback": 5.0}


@register("paced")
class Paced(Crowd):
    """`crowd`, less the price of what a transfer takes of the user's budgets.

    A candidate is worth its expected gain less

        price credits_per_point (episode_left / budget_left)^feedback spending / budget

    with the shares left of the episode and of the budget, and what the transfer is expected to
    spend of it, at most all that is left, since the transfer that overspends completes; under
    budgets of energy and of credits, less both. Without any it is `crowd`.

    Args:
        rng: as in `crowd`, as are `attraction`, `last`, `threshold` and `response_probability`.
        price: of a whole budget, points; 0 to 1e6.
        feedback: how the price answers the budget left, 0 to 5; 0: not at all.

    Raises:
        ValueError: one of them is out of range.
    """

    name = "paced"

    def __init__(
        self,
        rng: np.random.Generator,
        price: float = 8.0,
        feedback: float = 1.0,
        attraction: float = 0.3,
        last: float = 0.3,
        threshold: float = 0.8,
        response_probability: float = 0.2,
    ) -> None:
        super().__init__(rng, attraction, last, threshold, response_probability)
        self.setting += " " + setting_of({"price": price, "feedback": feedback}, MOST)
        self.price, self.feedback = price, feedback

    def _worth(self, slot: Slot, others: NDArray[np.floating]) -> NDArray[np.floating]:
        worth, conditions = super()._worth(slot, others), slot.conditions
        budgets, users = conditions.budgets, conditions.users
        given = (
            (budgets.energy_j, users.energy_budget_j),
            (budgets.credits, users.credit_budget),
        )
        if all(left is None for left, _ in given):
            return worth
        spending = expected_spending(conditions, slot.offer, others + 1)
        episode_left = 1 - slot.index / slot.config.episode_slots
        for spent, (left, budget) in zip(spending, given, strict=True):
            if left is None:
                continue
            # A user without this budget has an infinite one, which nothing takes a share of.
            share = np.divide(left, budget, out=np.ones(left.shape), where=np.isfinite(left))
            ratio = episode_left / np.maximum(share, LEAST_LEFT)
            price = self.price * users.credits_per_point * ratio**self.feedback / budget
            taken = np.minimum(spent, np.maximum(left, 0)[..., None])
            worth = worth - price[..., None].astype(np.float32) * taken
        return worth
