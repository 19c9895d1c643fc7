"""Budgets of users over an episode: energy and credits that they may still spend."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from envs.arrays import Bool, Float
from envs.state import State, copied, taken
from envs.users import Users

_STATE = ("energy_j", "credits")


@dataclass(frozen=True, eq=False)
class UserBudgets:
    """What N x U users have left; the transfer that overspends completes, and is the last.

    Attributes:
        energy_j: (N, U) energy left, J, infinite for users without such a budget; None where none
            has one.
        credits: (N, U) charges left, credits, likewise.
    """

    energy_j: Float | None
    credits: Float | None

    @classmethod
    def full(cls, users: Users, shape: tuple[int, int]) -> Self:
        """Return the budgets at the beginning of an episode."""
        given = users.energy_budget_j, users.credit_budget
        return cls(*(np.full(shape, most) if np.isfinite(most).any() else None for most in given))

    @property
    def spent(self) -> Bool | None:
        """Users that have nothing left of a budget, (N, U); None without any."""
        lefts = [left <= 0 for left in (self.energy_j, self.credits) if left is not None]
        return np.logical_or.reduce(lefts) if lefts else None

    def after(self, energy_j: Float, charge: Float) -> "UserBudgets":
        """Return the budgets after a slot.

        Args:
            energy_j: (N, U) energy that each user paid for, J.
            charge: (N, U) charges, credits.
        """
        if self.energy_j is None and self.credits is None:
            return self
        return UserBudgets(
            None if self.energy_j is None else self.energy_j - energy_j,
            None if self.credits is None else self.credits - charge,
        )

    def get_state(self) -> State:
        """Return copies of what is left."""
        return taken(self, _STATE)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Return the budgets that gave this state."""
        return cls(**copied(state))
