"""Replay of the decisions of a side of the market."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marl_moe.rllib.transitions import COLUMNS, Decisions, Sampled

LEAST_UNIT = 1e-6  # credits; rewards that differ by less are the same


class DecisionRing:
    """The last `capacity` transitions.

    Rewards are sampled less their mean, in units of their standard deviation, both of all that is
    held: credits of an interval may be of any size, and a temperature should suit them all.

    Args:
        capacity: transitions to hold.
        gamma: discount an interval.
    """

    def __init__(self, capacity: int, gamma: float) -> None:
        self.capacity, self.gamma = capacity, gamma
        self._columns: dict[str, NDArray[Any]] = {}  # allocated by the first that are added
        self._filled = self._cursor = 0

    def __len__(self) -> int:
        """Return the number of transitions that can be sampled."""
        return self._filled

    def add(self, decisions: Decisions) -> None:
        """Append transitions, over the oldest when full."""
        count = min(len(decisions), self.capacity)
        rows = (self._cursor + np.arange(count)) % self.capacity
        for name in COLUMNS:
            new = getattr(decisions, name)[-count:]
            if name not in self._columns:
                self._columns[name] = np.zeros((self.capacity, *new.shape[1:]), new.dtype)
            self._columns[name][rows] = new
        self._cursor = (self._cursor + count) % self.capacity
        self._filled = min(self._filled + count, self.capacity)

    def sample(self, size: int, rng: np.random.Generator) -> Sampled:
        """Draw transitions, uniformly with replacement."""
        row = rng.integers(self._filled, size=size)
        held = self._columns["reward"][: self._filled]
        unit = max(float(held.std(dtype=float)), LEAST_UNIT)
        observation, action, reward, following, ends = (
            self._columns[name][row] for name in COLUMNS
        )
        reward = ((reward - held.mean(dtype=float)) / unit).astype(np.float32)
        discount = np.where(ends, np.float32(0), np.float32(self.gamma))
        return Sampled(observation, action, reward, following, discount)

    def get_state(self) -> dict[str, Any]:
        """Return what it holds; the arrays are the ring's own: the next `add` writes to them."""
        held = {name: column[: self._filled] for name, column in self._columns.items()}
        return {"cursor": self._cursor, "columns": held}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state of `get_state` of a ring of this capacity."""
        self._columns, self._filled, self._cursor = {}, 0, 0
        if state["columns"]:
            self.add(Decisions(**state["columns"]))
        self._cursor = state["cursor"]
