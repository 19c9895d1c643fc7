"""Candidates of a user: every expert, or in large worlds a list of a few for each user.

Arrays of pairs are (N, U, C), a column for each candidate; without lists C = E and column e is
expert e. With lists no array has the size U x E, so memory and time of a slot grow with the number
of candidates.

A list of k holds the experts of each topic with the best mean SNR to the user, as many of one topic
as of another (the last places, too few for all topics, go by SNR). Where the channel process gives
no means (`iid`: all are the same) experts are drawn by lot. Lists hold for an episode, as the means
do. Competence and price of an expert do not matter to the lists: users choose by them.
"""

from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Arrays, Float, Int
from envs.channel.fading import columns_of
from envs.channel.placement import Placement
from envs.config import WorldConfig
from envs.state import State
from mechanisms.candidates import cells, column_of, expert_of

PAIRS_AT_ONCE = 250_000  # users x experts ranked at a time while lists are made, for memory


class Candidates:
    """The experts that each user of N worlds can choose, by column.

    Attributes:
        expert: (N, U, C) experts, distinct and rising; (1, 1, E) where there are no lists.
        rank: (N, U, C) numbers that the lists were chosen by: mean SNR, dB, or lots; None where
            there are no lists.
        num_experts: E.
    """

    def __init__(self, expert: Int, rank: Float | None, num_experts: int) -> None:
        self.expert = expert
        self.rank = rank
        self.num_experts = num_experts

    @classmethod
    def everybody(cls, num_experts: int) -> "Candidates":
        """Return all experts as candidates of every user: column e is expert e."""
        return cls(np.arange(num_experts)[None, None], None, num_experts)

    @classmethod
    def drawn(
        cls,
        config: WorldConfig,
        num_worlds: int,
        topic: Int,
        placement: Placement,
        lots: np.random.Generator,
    ) -> tuple["Candidates", Arrays]:
        """Draw the candidates of an episode, and the large scale of their channels.

        Args:
            config: the worlds' configuration.
            num_worlds: N.
            topic: (E,) topic of each expert.
            placement: users and experts, of which pairs are drawn.
            lots: generator of lots, where the process gives no mean SNRs.

        Returns:
            The candidates, and what `ChannelProcess.large_scale` gave of them, (N, U, C, ...).
        """
        num_rows, num_experts = num_worlds * config.num_users, len(topic)
        count = config.observation.candidates
        if count is None:
            return cls.everybody(num_experts), placement.pairs()
        step = max(1, PAIRS_AT_ONCE // num_experts)
        experts, ranks, pairs = [], [], []
        for first in range(0, num_rows, step):
            last = min(first + step, num_rows)
            drawn, rank = placement.pairs_of(first, last)
            if rank is None:
                rank = lots.random((1, last - first, num_experts), np.float32)
            chosen = best_of_each_topic(rank, topic, count)
            experts.append(chosen)
            ranks.append(np.take_along_axis(rank, chosen, axis=-1))
            pairs.append(columns_of(drawn, chosen))
        shape = num_worlds, config.num_users, count
        candidates = cls(
            np.concatenate(experts, axis=1).reshape(shape),
            np.concatenate(ranks, axis=1).reshape(shape),
            num_experts,
        )
        large_scale = {
            name: np.concatenate([part[name] for part in pairs], axis=1) for name in pairs[0]
        }
        return candidates, {
            name: array.reshape(*shape, *array.shape[3:]) for name, array in large_scale.items()
        }

    def joined(
        self,
        topic: Int,
        mean_db: Float | None,
        lots: np.random.Generator,
    ) -> tuple["Candidates", Int | None]:
        """Return the candidates after experts were added, and the columns that are kept.

        Args:
            topic: (E,) topic of each expert, newcomers last.
            mean_db: (N, U, C + newcomers) mean SNR of the old candidates and of all newcomers, dB;
                None where the process gives none.
            lots: generator of lots, in their place.

        Returns:
            The candidates, and the old and new columns that stay, (N, U, C); None where all do.
        """
        if self.rank is None:
            return self.everybody(len(topic)), None
        newcomers = np.arange(self.num_experts, len(topic))
        shape = *self.rank.shape[:2], len(newcomers)
        if mean_db is None:
            of_newcomers = lots.random(shape, np.float32)
        else:
            of_newcomers = mean_db[..., -len(newcomers) :]
        expert = np.concatenate([self.expert, np.broadcast_to(newcomers, shape)], axis=-1)
        rank = np.concatenate([self.rank, of_newcomers], axis=-1)
        kept = best_of_each_topic(rank, topic[expert], self.count)
        expert, rank = (np.take_along_axis(array, kept, axis=-1) for array in (expert, rank))
        return Candidates(expert, rank, len(topic)), kept

    @property
    def listed(self) -> bool:
        """True where there are lists."""
        return self.rank is not None

    @property
    def lists(self) -> Int | None:
        """The experts by column, (N, U, C); None where there are no lists."""
        return self.expert if self.listed else None

    @property
    def count(self) -> int:
        """Number of candidates of a user, C."""
        return self.expert.shape[-1]

    @cached_property
    def cell(self) -> Int:
        """Candidates as flat indices into (N, E), of the shape of `expert`."""
        return cells(self.expert, self.num_experts)

    @overload
    def of(self, per_expert: NDArray) -> NDArray: ...
    @overload
    def of(self, per_expert: float | NDArray) -> float | NDArray: ...
    def of(self, per_expert: float | NDArray) -> float | NDArray:
        """Arrange values of experts, (N, E), by column: (N, U, C), or (N, 1, E) without lists.

        One number stands for all experts.
        """
        if isinstance(per_expert, float):
            return per_expert
        return per_expert.reshape(-1).take(self.cell) if self.listed else per_expert[:, None]

    def at(self, column: Int) -> Int:
        """Return the expert in a column of each user's list, (N, U)."""
        return expert_of(column, self.lists)

    def column(self, expert: Int) -> Int:
        """Return the column of an expert in each user's list, (N, U); -1 where it has none.

        An expert of -1 (none) has no column.
        """
        return column_of(expert, self.expert) if self.listed else expert

    def get_state(self) -> State | None:
        """Return the lists; None where there are none."""
        if self.rank is None:
            return None
        return {"expert": self.expert.copy(), "rank": self.rank.copy()}

    @classmethod
    def from_state(cls, state: State | None, num_experts: int) -> "Candidates":
        """Return the candidates that gave this state."""
        if state is None:
            return cls.everybody(num_experts)
        return cls(state["expert"].copy(), state["rank"].copy(), num_experts)


def best_of_each_topic(rank: Float, topic: Int, count: int) -> Int:
    """Return the positions of each row that the rule chooses, (..., count), rising.

    Args:
        rank: (..., P), greater is better within a topic.
        topic: (P,) or (..., P) topic of each position.
        count: positions to choose.
    """
    topic = np.broadcast_to(topic, rank.shape)
    span = 1.0 + float(np.ptp(rank))  # greater than any difference of two ranks
    by_topic = np.argsort(topic * span - rank, axis=-1)
    position = np.arange(rank.shape[-1])
    is_first = np.diff(np.take_along_axis(topic, by_topic, axis=-1), axis=-1, prepend=-1) != 0
    begin = np.maximum.accumulate(np.where(is_first, position, 0), axis=-1)  # of the topic
    place = position - begin  # within the topic, from 0
    order = place * span - np.take_along_axis(rank, by_topic, axis=-1)
    chosen = np.argpartition(order, count - 1, axis=-1)[..., :count]
    return np.sort(np.take_along_axis(by_topic, chosen, axis=-1), axis=-1)
