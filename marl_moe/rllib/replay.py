"""Replay: slots of many worlds in a preallocated ring, each observation stored once. NumPy only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marl_moe.rllib.transitions import Decisions, Sampled

COLUMNS = ("observation", "action", "reward", "starts", "ends")


@dataclass(frozen=True)
class Fragment:
    """Consecutive slots of N worlds x U users, as one runner collected them.

    A row whose `starts` is False holds only an observation: the last of an episode or of the
    fragment. Then no transition starts in it, but one may end there.

    Attributes:
        observation: what users observe at the beginning of each slot.
        action: their actions.
        reward: their rewards, credits.
        starts: whether a transition starts in the row.
        runner: index of the env runner that collected it.
        continues: whether the first row is the last row of the fragment that the runner collected
            before.
        terminated: whether an episode terminated in its last row, so that no value follows; an
            episode that is truncated there goes on in what is bootstrapped.
        decisions: of each side of the market that learns, those whose interval ended.
    """

    observation: NDArray[np.float32]  # (rows, N, U, D)
    action: NDArray[np.int64]  # (rows, N, U)
    reward: NDArray[np.float32]  # (rows, N, U), credits
    starts: NDArray[np.bool_]  # (rows,)
    runner: int
    continues: bool
    terminated: bool = False
    decisions: Mapping[str, Decisions] = field(default_factory=dict)


class ReplayRing:
    """The last `capacity` agent transitions, row after row of N x U users.

    Sampling returns n-step transitions: the discounted sum of up to `n_step` rewards, and the
    observation and discount to bootstrap from. Where the episode (or what one runner sent at a
    time) ends earlier, fewer steps are summed. Where an episode terminated, nothing follows: the
    discount of what is bootstrapped from is 0.

    Args:
        capacity: agent transitions to hold; rounded down to whole rows, at least those of two
            fragments.
        n_step: rewards summed before bootstrapping.
        gamma: discount a slot.
    """

    def __init__(self, capacity: int, n_step: int, gamma: float) -> None:
        self.capacity = capacity
        self.n_step = n_step
        self.gamma = gamma
        self._num_rows = 0  # allocated at the first fragment, which tells the shapes
        self._filled = 0
        self._cursor = 0
        self._last_runner: int | None = None

    def __len__(self) -> int:
        """Return the number of agent transitions that can be sampled."""
        return int(self._starts.sum()) * self._agents if self._num_rows else 0

    def add(self, fragment: Fragment) -> None:
        """Append a fragment, over the oldest rows when full."""
        if not self._num_rows:
            rows, *shape = fragment.observation.shape
            agents = fragment.action[0].size
            self._allocate(max(self.capacity // agents, 2 * rows), shape)
        if (
            fragment.continues
            and self._last_runner == fragment.runner
            and self._ends_with(fragment.observation[0])
        ):
            self._cursor -= 1  # the open end of the fragment before is the first row of this one
        rows = (self._cursor + np.arange(len(fragment.starts))) % self._num_rows
        self._observation[rows] = fragment.observation
        self._action[rows] = fragment.action
        self._reward[rows] = fragment.reward
        self._starts[rows] = fragment.starts
        self._ends[rows] = False
        self._ends[rows[-1]] = fragment.terminated
        self._filled = max(self._filled, int(rows.max()) + 1)
        self._cursor = int(rows[-1] + 1) % self._num_rows
        self._last_runner = fragment.runner

    def sample(self, size: int, users: NDArray[np.int64], rng: np.random.Generator) -> Sampled:
        """Draw transitions of the given users, uniformly with replacement.

        Args:
            size: number of transitions.
            users: indices of the users.
            rng: draws them.

        Returns:
            The transitions; the discount of those that follow is gamma^m after m steps.
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
        discount[self._ends[end]] = 0.0
        return Sampled(
            self._observation[row, world, user],
            self._action[row, world, user],
            total,
            self._observation[end, world, user],
            discount,
        )

    def get_state(self) -> dict[str, Any]:
        """Return the rows that hold something, and where the ring stands.

        The arrays are the ring's own: the next `add` writes to them.
        """
        columns = {}
        if self._num_rows:
            columns = {name: getattr(self, f"_{name}")[: self._filled] for name in COLUMNS}
        return {
            "capacity": self.capacity,
            "num_rows": self._num_rows,
            "cursor": self._cursor,
            "last_runner": self._last_runner,
            "columns": columns,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state of `get_state`.

        Raises:
            ValueError: it came from a ring of another capacity.
        """
        if state["capacity"] != self.capacity:
            raise ValueError(
                f"replay: a state of capacity {state['capacity']}, where the capacity is "
                f"{self.capacity}"
            )
        columns = state["columns"]
        self._num_rows, self._filled = state["num_rows"], 0
        if columns:
            self._filled = len(columns["starts"])
            self._allocate(state["num_rows"], columns["observation"].shape[1:])
            for name, column in columns.items():
                getattr(self, f"_{name}")[: self._filled] = column
        self._cursor, self._last_runner = state["cursor"], state["last_runner"]

    def _ends_with(self, observation: NDArray[np.float32]) -> bool:
        """Return whether that is the last row.

        It is not where a fragment in between was lost, with its runner or on the way.
        """
        return np.array_equal(self._observation[self._cursor - 1], observation)

    def _allocate(self, num_rows: int, shape: Sequence[int]) -> None:
        """Allocate rows of observations of a shape (N, U, D)."""
        worlds, users, _ = shape
        self._agents = worlds * users
        self._num_rows = num_rows
        self._observation = np.zeros((num_rows, *shape), np.float32)
        self._action = np.zeros((num_rows, worlds, users), np.int64)
        self._reward = np.zeros((num_rows, worlds, users), np.float32)
        self._starts = np.zeros(num_rows, bool)
        self._ends = np.zeros(num_rows, bool)
