"""Transitions as columns: those drawn from a replay, and the decisions of a side of the market."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Sampled(NamedTuple):
    """Transitions drawn from a replay, B of them, with n-step returns."""

    observation: NDArray[np.float32]  # (B, D)
    action: NDArray[np.int64]  # (B,)
    reward: NDArray[np.float32]  # (B,), discounted sum
    following: NDArray[np.float32]  # (B, D), to bootstrap from
    discount: NDArray[np.float32]  # (B,), of what follows; 0 where an episode terminated


@dataclass(frozen=True)
class Decisions:
    """Transitions from one decision to the next, T of them, of whichever agents and worlds.

    Attributes:
        observation: (T, D) of the slot in which it was taken.
        action: (T,) the choice.
        reward: (T,) of the interval that it decided.
        following: (T, D) observation of the next decision, or of the last slot of the episode.
        ends: (T,) whether the episode ended there, so that no value follows.
    """

    observation: NDArray[np.float32]
    action: NDArray[np.int64]
    reward: NDArray[np.float32]
    following: NDArray[np.float32]
    ends: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence["Decisions"]) -> Self:
        """Return all transitions of some parts, at least one, in their order."""
        return cls(*(np.concatenate([vars(part)[name] for part in parts]) for name in COLUMNS))

    def __len__(self) -> int:
        """Return T."""
        return len(self.action)


COLUMNS = tuple(Decisions.__dataclass_fields__)
