"""Batteries of experts over an episode: what they hold, spend and are charged with."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from envs.arrays import Bool, Float
from envs.experts import ExpertPool
from envs.state import State, copied, taken

_STATE = ("left_j",)


@dataclass(frozen=True, eq=False)
class Batteries:
    """What the batteries of N x E experts hold; an expert with an empty one is not available.

    The slot that overspends completes, and the battery owes what it lacked until it is recharged.

    Attributes:
        left_j: (N, E) energy left, J, infinite for experts without a battery; None where none has
            one.
    """

    left_j: Float | None

    @classmethod
    def full(cls, pool: ExpertPool) -> Self:
        """Return the batteries at the beginning of an episode."""
        if not np.isfinite(pool.battery_j).any():
            return cls(None)
        return cls(np.broadcast_to(pool.battery_j, pool.unit_cost.shape).astype(float))

    def powered(self, available: Bool) -> Bool:
        """Return the experts that are up and not empty, (N, E)."""
        return available if self.left_j is None else available & (self.left_j > 0)

    def after(self, spent_j: Float, pool: ExpertPool, slot_s: float) -> "Batteries":
        """Return the batteries after a slot.

        Args:
            spent_j: (N, E) energy taken from them, J.
            pool: the experts.
            slot_s: for which they are recharged, up to what they hold when full, s.
        """
        if self.left_j is None:
            return self
        charged_j = self.left_j - spent_j + pool.recharge_w * slot_s
        return Batteries(np.minimum(charged_j, pool.battery_j))

    def share(self, pool: ExpertPool) -> Float | float:
        """Return the share left, (N, E) in 0..1; 1 of an expert without a battery."""
        if self.left_j is None:
            return 1.0
        limited = np.isfinite(self.left_j)
        share = np.divide(self.left_j, pool.battery_j, out=np.ones(limited.shape), where=limited)
        return np.maximum(share, 0.0)

    def grown(self, pool: ExpertPool) -> "Batteries":
        """Return the batteries with those of the pool's newcomers, which are full."""
        if self.left_j is None:
            return self
        newcomers = Batteries.full(pool).left_j
        assert newcomers is not None  # the old experts have some
        return Batteries(np.concatenate([self.left_j, newcomers[:, self.left_j.shape[1] :]], 1))

    def get_state(self) -> State:
        """Return a copy of what is left."""
        return taken(self, _STATE)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Return the batteries that gave this state."""
        return cls(**copied(state))
