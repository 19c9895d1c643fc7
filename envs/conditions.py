"""The conditions of a slot: everything that it begins with, before prices are set."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from envs import access, quality
from envs.arrays import Arrays, Bool, Float, Int
from envs.batteries import Batteries
from envs.budgets import UserBudgets
from envs.candidates import Candidates
from envs.channel.config import ChannelConfig
from envs.channel.links import Links
from envs.channel.process import Positions
from envs.channel.rates import subtask_bits
from envs.compute import work_words
from envs.config import WorldConfig
from envs.experts import ExpertPool
from envs.occupancy import Occupancy
from envs.requests import Subtasks
from envs.users import Users


@dataclass(frozen=True, eq=False)
class Conditions:
    """Requests, channels, availability, loads and backlogs of N worlds at the start of a slot.

    Attributes:
        config: configuration of the worlds.
        index: number of the slot in its episode, from 0.
        pool: the experts.
        users: the users.
        mean_work: of a subtask that is transferred, words.
        attraction: (N, E) share of all requests that each expert would draw if users chose by
            competence alone (`experts.attraction`).
        candidates: the experts that each user can choose.
        subtasks: the pending subtask of each user, (N, U) each.
        links: the channels, (N, U, C) each.
        positions: places of users and experts, m; None where the channel process has none.
        placed_experts: all that the channel process has of experts, (N, 1, E, ...) by name.
        available: (N, E) experts that are up, and whose battery is not empty.
        occupancy: loads, backlogs, and the expert that served each user in the last slot.
        budgets: what users may still spend in the episode.
        serving_share: share of the slot in which each expert's band serves, (N, E), or one number.
        batteries: what experts have left in the episode.
        loss: (N, U) points that abandoning the pending subtask loses, D.
        work: (N, U) work of the pending subtask, words.
        transmission_alone_s: (N, U, C) airtime to send prompt and answer alone on each candidate's
            band, s.
        competence: (N, U, C) competence of every candidate for the topic of the pending subtask.
    """

    config: WorldConfig
    index: int
    pool: ExpertPool
    users: Users
    mean_work: float
    attraction: Float
    candidates: Candidates
    subtasks: Subtasks
    links: Links
    positions: Positions | None
    placed_experts: Arrays
    available: Bool
    occupancy: Occupancy
    budgets: UserBudgets
    serving_share: Float | float
    batteries: Batteries
    loss: Float
    work: Float
    transmission_alone_s: NDArray[np.float32]
    competence: NDArray[np.float32]

    @classmethod
    def begin(
        cls,
        config: WorldConfig,
        index: int,
        pool: ExpertPool,
        users: Users,
        mean_work: float,
        attraction: Float,
        candidates: Candidates,
        subtasks: Subtasks,
        links: Links,
        positions: Positions | None,
        placed_experts: Arrays,
        available: Bool,
        occupancy: Occupancy,
        budgets: UserBudgets,
        serving_share: Float | float,
        batteries: Batteries,
    ) -> Self:
        """Return the conditions of these parts, which are the attributes of the same names."""
        num_subtasks = config.requests.num_subtasks
        return cls(
            config=config,
            index=index,
            pool=pool,
            users=users,
            mean_work=mean_work,
            attraction=attraction,
            candidates=candidates,
            subtasks=subtasks,
            links=links,
            positions=positions,
            placed_experts=placed_experts,
            available=available,
            occupancy=occupancy,
            budgets=budgets,
            serving_share=serving_share,
            batteries=batteries,
            loss=quality.abandon_loss(config.quality, subtasks.weight, num_subtasks),
            work=work_words(config.requests, subtasks.words, subtasks.compute),
            transmission_alone_s=_transmission_alone_s(config, pool, candidates, subtasks, links),
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

    @cached_property
    def transfers(self) -> Bool:
        """Users that have a subtask to transfer and may still spend, (N, U)."""
        pending, spent = self.subtasks.pending, self.budgets.spent
        return pending if spent is None else pending & ~spent

    @cached_property
    def usable(self) -> Bool:
        """Candidates that are up and in coverage, (N, U, C), or (N, 1, C) where all users alike."""
        up, covered = self.candidates.of(self.available), self.links.covered
        return up if covered is None else up & covered

    @cached_property
    def round_trip_s(self) -> Float | None:
        """Time of a signal to each candidate and back, (N, U, C) s; None where it takes none."""
        one_way_s = self.links.propagation_s
        return None if one_way_s is None else 2 * one_way_s

    @property
    def arrives_within_s(self) -> Float | None:
        """Delay beyond which a transfer to each candidate is lost, (N, U, C) s; None: none is."""
        return self.links.covered_for_s if self.config.experts.handover == "lost" else None

    @cached_property
    def computing_alone_s(self) -> NDArray[np.float32]:
        """Time that each candidate computes on the pending subtask, s, (N, U, C or 1)."""
        speed = self.candidates.of(self.pool.words_per_second)
        return (self.work[..., None] / speed).astype(np.float32)

    @cached_property
    def airtime_wait_s(self) -> Float:
        """Time until each expert's band has sent what it has left over, (N, E) s."""
        return self.occupancy.airtime_backlog_s / self.serving_share

    def stretched(self, airtime_s: Float) -> Float:
        """Return the time in which the bands of candidates serve for so long, (..., N, U, C) s.

        An expert whose band serves for the share s of a slot, evenly spread, sends in a / s seconds
        what takes a seconds of its band.
        """
        if isinstance(self.serving_share, float) and self.serving_share == 1:
            return airtime_s
        return airtime_s / self.of_expert(self.serving_share)

    def of_user(self, amount: float | NDArray) -> float | NDArray:
        """Arrange a quantity of users for pairs: a number, or (N, U, 1) float32."""
        return amount if isinstance(amount, float) else amount[..., None].astype(np.float32)

    def of_expert(self, amount: float | NDArray) -> float | NDArray:
        """Arrange a quantity of experts for pairs: a number, or (N, U or 1, C) float32."""
        if isinstance(amount, float):
            return amount
        return self.candidates.of(amount.astype(np.float32))

    def others_seen(self, last: float = 0.0) -> NDArray[np.float32]:
        """Return how many others were seen at each candidate, (N, U, C).

        Args:
            last: weight of the last slot, against the average over past slots (`recent_load`).
        """
        occupancy, of = self.occupancy, self.candidates.of
        late = np.maximum(of(occupancy.recent_load) - occupancy.own_recent_load, 0)
        if last:
            mine = occupancy.last_expert[..., None] == self.candidates.expert
            late = last * (of(occupancy.load) - mine) + (1 - last) * late
        return late.astype(np.float32)

    @cached_property
    def reference_points(self) -> Float:
        """Points that the cost of serving the pending subtask is counted in, w, (N, U)."""
        return quality.reference_points(self.config, self.work)

    @cached_property
    def effort_points(self) -> Float:
        """`reference_points`, but at least 1e-30, so that the effort for no work is defined."""
        return np.maximum(self.reference_points, 1e-30)

    @cached_property
    def answer_share(self) -> Float:
        """Share of the answer in the bits of the pending subtask, (N, U)."""
        return access.answer_share(self.config.channel, self.subtasks.words)

    @cached_property
    def survival(self) -> Float | float:
        """Share of an answer's worth that the codec of every pair leaves: (N, U, C), or one number.

        With `words` it is that of words that arrive without a bit error.
        """
        sent = _sent(self.config, self.pool, self.candidates, self.links)
        return self.config.codecs.survival(*sent)


def _transmission_alone_s(
    config: WorldConfig,
    pool: ExpertPool,
    candidates: Candidates,
    subtasks: Subtasks,
    links: Links,
) -> NDArray[np.float32]:
    bits_per_word = config.codecs.bits_per_word(*_sent(config, pool, candidates, links))
    words = subtasks.words[..., None]
    bits = subtask_bits(config.channel, words, bits_per_word) * subtasks.pending[..., None]
    seconds_by_efficiency = bits / candidates.of(pool.bandwidth_hz)
    return seconds_by_efficiency.astype(np.float32) / links.efficiency


def _sent(
    config: WorldConfig, pool: ExpertPool, candidates: Candidates, links: Links
) -> tuple[ChannelConfig, Int, Float, Float | float]:
    """Return channel, experts, SNR and shared knowledge of every pair, as codecs are given them."""
    shared = pool.shared_knowledge
    known = shared if isinstance(shared, float) else candidates.of(shared.astype(np.float32))
    return config.channel, candidates.expert, links.snr_db, known


def _competence(pool: ExpertPool, candidates: Candidates, topic: Int) -> NDArray[np.float32]:
    by_topic = pool.by_topic
    num_worlds, num_topics, num_experts = by_topic.shape
    world = np.arange(num_worlds)[:, None]
    if not candidates.listed:
        return by_topic[world, topic]
    row = world * num_topics + topic  # of the rows of all worlds
    return by_topic.reshape(-1).take(row[..., None] * num_experts + candidates.expert)
