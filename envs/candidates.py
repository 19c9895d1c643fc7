"""Whom a user can choose from: every expert, or in large worlds a list of a few for each user.

Arrays of pairs are (N, U, C), a column for each candidate; without lists C = E and column e is
expert e. With lists nothing has the size U x E, so memory and the cost of a slot go with the
candidates.

The rule of a list of k: of each topic the experts of the best mean SNR to the user, as many of one
topic as of another (the k-th rank is filled by SNR). Where no channel is better than another in the
mean (`iid`) they are drawn by lot. Lists hold for an episode, as the means do. What an expert can
and asks for does not matter: to choose by that is for the users.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from envs.channel import uniform_db
from envs.config import ChannelConfig, WorldConfig
from envs.state import State
from mechanisms.candidates import cells, column_of, expert_of

Float = NDArray[np.floating]
PAIRS_AT_ONCE = 250_000  # of user and expert, looked at together while lists are made


class Candidates:
    """The experts that each user of N worlds can choose, by column.

    Attributes:
        expert: (N, U, C), distinct and rising; (1, 1, E) where there are no lists.
        rank: (N, U, C), what the lists were chosen by: mean SNR, dB, or lots; None where there are
            no lists.
    """

    def __init__(self, expert: NDArray[np.int64], rank: Float | None, num_experts: int) -> None:
        self.expert = expert
        self.rank = rank
        self.num_experts = num_experts

    @classmethod
    def everybody(cls, num_experts: int) -> "Candidates":
        """No lists: column e is expert e."""
        return cls(np.arange(num_experts)[None, None], None, num_experts)

    @classmethod
    def drawn(
        cls,
        config: WorldConfig,
        num_worlds: int,
        topic: NDArray[np.int64],
        rng: Mapping[str, np.random.Generator],
    ) -> "Candidates":
        """The candidates of an episode among experts of these topics, (E,).

        rng: the generators of `channel`, for the means that channels then have, and of
        `candidates`, for lots.
        """
        num_rows, num_experts, count = (
            num_worlds * config.num_users,
            len(topic),
            config.observation.candidates,
        )
        if count is None:
            return cls.everybody(num_experts)
        step = max(1, PAIRS_AT_ONCE // num_experts)
        experts, ranks = [], []
        for first in range(0, num_rows, step):
            rank = _drawn_rank(config.channel, (min(step, num_rows - first), num_experts), rng)
            chosen = best_of_each_topic(rank, topic, count)
            experts.append(chosen)
            ranks.append(np.take_along_axis(rank, chosen, axis=-1))
        shape = num_worlds, config.num_users, count
        return cls(
            np.concatenate(experts).reshape(shape),
            np.concatenate(ranks).reshape(shape),
            num_experts,
        )

    def joined(
        self,
        config: WorldConfig,
        topic: NDArray[np.int64],
        mean_db: Float,
        rng: Mapping[str, np.random.Generator],
    ) -> tuple["Candidates", NDArray[np.int64] | None]:
        """The candidates when there are experts of these topics, (E,), more than before; and which
        columns are kept.

        mean_db: of the channels to the old candidates and to all newcomers behind, (N, U, C +
        newcomers). The columns kept are of these, (N, U, C); None where all are.
        """
        if self.rank is None:
            return self.everybody(len(topic)), None
        newcomers = np.arange(self.num_experts, len(topic))
        shape = *self.rank.shape[:2], len(newcomers)
        of_newcomers = mean_db[..., -len(newcomers) :]
        if config.channel.process == "iid":
            of_newcomers = _drawn_rank(config.channel, shape, rng)
        expert = np.concatenate([self.expert, np.broadcast_to(newcomers, shape)], axis=-1)
        rank = np.concatenate([self.rank, of_newcomers], axis=-1)
        kept = best_of_each_topic(rank, topic[expert], self.count)
        expert, rank = (np.take_along_axis(array, kept, axis=-1) for array in (expert, rank))
        return Candidates(expert, rank, len(topic)), kept

    @property
    def listed(self) -> bool:
        """Whether there are lists."""
        return self.rank is not None

    @property
    def count(self) -> int:
        """C."""
        return self.expert.shape[-1]

    @cached_property
    def cell(self) -> NDArray[np.int64]:
        """Each candidate as a flat index into (N, E), of the shape of `expert`."""
        return cells(self.expert, self.num_experts)

    def of(self, per_expert: NDArray) -> NDArray:
        """What is told of experts, (N, E), by column: (N, U, C), or (N, 1, E) where users see all
        of them alike.
        """
        return per_expert.reshape(-1).take(self.cell) if self.listed else per_expert[:, None]

    def at(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """The expert in a column of each user's list, (N, U)."""
        return expert_of(column, self.expert if self.listed else None)

    def column(self, expert: NDArray[np.int64]) -> NDArray[np.int64]:
        """The column of an expert in each user's list, (N, U); -1 for one that is not on it, and
        for -1.
        """
        return column_of(expert, self.expert) if self.listed else expert

    def get_state(self) -> State | None:
        """The lists; None where there are none."""
        return (
            None if self.rank is None else {"expert": self.expert.copy(), "rank": self.rank.copy()}
        )

    @classmethod
    def from_state(cls, state: State | None, num_experts: int) -> "Candidates":
        """The lists that gave this state."""
        if state is None:
            return cls.everybody(num_experts)
        return cls(state["expert"].copy(), state["rank"].copy(), num_experts)


def best_of_each_topic(rank: Float, topic: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The positions of each row that the rule chooses, (..., count), rising.

    rank: (..., P), greater is better within a topic. topic: of each position, (P,) or (..., P).
    """
    topic = np.broadcast_to(topic, rank.shape)
    span = 1.0 + float(np.ptp(rank))  # more than any two differ by
    by_topic = np.argsort(topic * span - rank, axis=-1)
    position = np.arange(rank.shape[-1])
    is_first = np.diff(np.take_along_axis(topic, by_topic, axis=-1), axis=-1, prepend=-1) != 0
    place = position - np.maximum.accumulate(
        np.where(is_first, position, 0), axis=-1
    )  # within the topic, from 0
    order = place * span - np.take_along_axis(rank, by_topic, axis=-1)
    chosen = np.argpartition(order, count - 1, axis=-1)[..., :count]
    return np.sort(np.take_along_axis(by_topic, chosen, axis=-1), axis=-1)


def _drawn_rank(
    config: ChannelConfig, shape: tuple[int, ...], rng: Mapping[str, np.random.Generator]
) -> Float:
    """What experts are put on lists by: mean SNR, or lots where no channel is better than another
    in the mean.
    """
    if config.process == "iid":
        return rng["candidates"].random(shape, np.float32)
    return uniform_db(config, rng["channel"], shape)
