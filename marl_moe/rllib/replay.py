"""Replay: slots of many worlds in a preallocated ring, each observation stored once. NumPy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fragment:
    """Consecutive slots of N worlds x U users, as one runner collected them.

    A row whose `starts` is False holds only an observation: the last of an episode or of the fragment. Then no
    transition starts in it, but one may end there.
    """

    observation: NDArray[np.float32]  # (rows, N, U, D)
    action: NDArray[np.int64]  # (rows, N, U)
    reward: NDArray[np.float32]  # (rows, N, U), credits
    starts: NDArray[np.bool_]  # (rows,)
    runner: int  # who collected it
    continues: bool  # whether its first row is the last row of the runner's fragment before


class ReplayRing:
    """The last `capacity` agent transitions, row after row of N x U users.

    Sampling returns n-step transitions: the discounted sum of up to `n_step` rewards, and the observation and discount
    to bootstrap from. Where the episode (or what one runner sent at a time) ends earlier, fewer steps are summed.

    Args:
        capacity: agent transitions to hold; rounded down to whole rows, at least those of two fragments.
        n_step: rewards summed before bootstrapping.
        gamma: discount a slot.
    """

    def __init__(self, capacity: int, n_step: int, gamma: float) -> None:
        self.capacity = capacity
        self.n_step = n_step
        self.gamma = gamma
        self._num_rows = 0  # allocated at the first fragment, which tells the shapes
        self._cursor = 0
        self._last_runner: int | None = None

    def __len__(self) -> int:
        """Agent transitions that can be sampled."""
        return int(self._starts.sum()) * self._agents if self._num_rows else 0

    def add(self, fragment: Fragment) -> None:
        """Append a fragment, over the oldest rows when full."""
        if not self._num_rows:
            self._allocate(fragment)
        if fragment.continues and self._last_runner == fragment.runner:
            self._cursor -= 1  # the open end of the fragment before is the first row of this one
        rows = (self._cursor + np.arange(len(fragment.starts))) % self._num_rows
        self._observation[rows] = fragment.observation
        self._action[rows] = fragment.action
        self._reward[rows] = fragment.reward
        self._starts[rows] = fragment.starts
        self._cursor = int(rows[-1] + 1) % self._num_rows
        self._last_runner = fragment.runner

    def sample(
        self, size: int, users: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Draw `size` transitions of the given users, uniformly with replacement.

        Returns observations (size, D), actions (size,), n-step returns (size,), observations to bootstrap from
        (size, D) and their discounts gamma^m (size,).
        """
        row = rng.choice(np.flatnonzero(self._starts), size)
        world = rng.integers(self._observation.shape[1], size=size)
        user = rng.choice(users, size)
        total = np.zeros(size, np.float32)
        discount = np.ones(size, np.float32)
        end, alive = row.copy(), np.ones(size, bool)
        for _ in range(self.n_step):
            total += alive * discount * self._reward[end, world, user]
            discount = np.where(alive, discount * np.float32(self.gamma), discount)
            end = np.where(alive, (end + 1) % self._num_rows, end)
            alive &= self._starts[end]
        return (
            self._observation[row, world, user],
            self._action[row, world, user],
            total,
            self._observation[end, world, user],
            discount,
        )

    def _allocate(self, fragment: Fragment) -> None:
        _, worlds, users, features = fragment.observation.shape
        self._agents = worlds * users
        self._num_rows = max(self.capacity // self._agents, 2 * len(fragment.starts))
        self._observation = np.zeros((self._num_rows, worlds, users, features), np.float32)
        self._action = np.zeros((self._num_rows, worlds, users), np.int64)
        self._reward = np.zeros((self._num_rows, worlds, users), np.float32)
        self._starts = np.zeros(self._num_rows, bool)
