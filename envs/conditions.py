"""The conditions of a slot: everything that it begins with, before prices are set."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from envs import quality
from envs.arrays import Bool, Float, Int
from envs.candidates import Candidates
from envs.channel.links import Links
from envs.channel.rates import subtask_bits
from envs.config import WorldConfig
from envs.experts import ExpertPool
from envs.occupancy import Occupancy
from envs.requests import Subtasks


@dataclass(frozen=True, eq=False)
class Conditions:
    """Requests, channels, availability, loads and backlogs of N worlds at the start of a slot.

    Attributes:
        config: configuration of the worlds.
        index: number of the slot in its episode, from 0.
        pool: the experts.
        attraction: (N, E) share of all requests that each expert would draw if users chose by
            competence alone (`experts.attraction`).
        candidates: the experts that each user can choose.
        subtasks: the pending subtask of each user, (N, U) each.
        links: the channels, (N, U, C) each.
        available: (N, E) experts that are up.
        occupancy: loads, backlogs, and the expert that served each user in the last slot.
        loss: (N, U) points that abandoning the pending subtask loses, D.
        compute_s: (N, U) time that an expert computes on the pending subtask, s.
        transmission_alone_s: (N, U, C) time to send prompt and answer alone on each candidate's
            band, s.
        competence: (N, U, C) competence of every candidate for the topic of the pending subtask.
    """

    config: WorldConfig
    index: int
    pool: ExpertPool
    attraction: Float
    candidates: Candidates
    subtasks: Subtasks
    links: Links
    available: Bool
    occupancy: Occupancy
    loss: Float
    compute_s: Float
    transmission_alone_s: NDArray[np.float32]
    competence: NDArray[np.float32]

    @classmethod
    def begin(
        cls,
        config: WorldConfig,
        index: int,
        pool: ExpertPool,
        attraction: Float,
        candidates: Candidates,
        subtasks: Subtasks,
        links: Links,
        available: Bool,
        occupancy: Occupancy,
    ) -> Self:
        """Return the conditions of these parts, which are the attributes of the same names."""
        num_subtasks, speed = config.requests.num_subtasks, config.experts.words_per_second
        words = subtasks.words
        return cls(
            config=config,
            index=index,
            pool=pool,
            attraction=attraction,
            candidates=candidates,
            subtasks=subtasks,
            links=links,
            available=available,
            occupancy=occupancy,
            loss=quality.abandon_loss(config.quality, subtasks.weight, num_subtasks),
            compute_s=np.zeros(words.shape) if speed is None else words / speed,
            transmission_alone_s=_transmission_alone_s(config, subtasks, links),
            competence=_competence(pool, candidates, subtasks.topic),
        )

    @property
    def num_worlds(self) -> int:
        """Number of worlds, N."""
        return self.available.shape[0]

    @property
    def num_users(self) -> int:
        """Number of users, U."""
        return self.subtasks.pending.shape[1]

    @property
    def num_experts(self) -> int:
        """Number of experts, E."""
        return self.available.shape[1]

    @property
    def num_candidates(self) -> int:
        """Number of experts that a user can choose, C; abandoning is the action of that number."""
        return self.candidates.count


def _transmission_alone_s(
    config: WorldConfig, subtasks: Subtasks, links: Links
) -> NDArray[np.float32]:
    bits = subtask_bits(config.channel, subtasks.words) * subtasks.pending
    seconds_by_efficiency = (bits / config.channel.bandwidth_hz).astype(np.float32)
    return seconds_by_efficiency[..., None] / links.efficiency


def _competence(pool: ExpertPool, candidates: Candidates, topic: Int) -> NDArray[np.float32]:
    by_topic = pool.by_topic
    num_worlds, num_topics, num_experts = by_topic.shape
    world = np.arange(num_worlds)[:, None]
    if not candidates.listed:
        return by_topic[world, topic]
    row = world * num_topics + topic  # of the rows of all worlds
    return by_topic.reshape(-1).take(row[..., None] * num_experts + candidates.expert)
