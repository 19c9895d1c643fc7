"""N worlds at once, each with U users and E experts: the only place where a slot happens."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import mechanisms
from envs import actions as act
from envs import channel as ch
from envs import observation, quality, snapshot
from envs.accounts import RequestAccounts
from envs.candidates import Candidates
from envs.clearing import Clearing
from envs.config import WorldConfig
from envs.delivery import deliver
from envs.experts import ExpertPool, attraction, draw_pool, lottery
from envs.marketplace import Marketplace
from envs.reports import user_reports
from envs.requests import RequestQueue, topic_popularity
from envs.sharing import per_expert
from envs.state import State

Float = NDArray[np.floating]
Info = dict[str, NDArray[Any]]
_STREAMS = (
    "pool",
    "channel",
    "requests",
    "availability",
    "lottery",
    "judge",
    "candidates",
)  # of randomness


class World:
    """Users who transfer subtasks to edge experts over fading channels, N worlds in lockstep.

    One step is one slot. Actions are integers (N, U): c < C transfers the pending subtask to the
    expert in column c of the user's candidates, C abandons it. Without candidate lists C = E and
    column e is expert e. A masked action is scored as abandoning and marked `rejected`; only an
    integer out of range raises. Rewards (N, U) float32 are gains over abandoning, credits. Episodes
    last `config.episode_slots` and only truncate: `done` turns true and the next call must be
    `reset`.

    Requests, channels, availability and judge noise are drawn from generators of their own and
    never depend on what users do: under one seed every policy meets the same world.

    Args:
        config: the world's configuration.
        num_worlds: N.
        seed: seed of all randomness; None draws one from the operating system.
        mechanism: sets prices and payments; None is `mechanisms.make("none")`, the paper's free
            edge devices.
    """

    config: WorldConfig
    worlds: NDArray[np.int64]  # (N, 1), indices
    users: NDArray[np.int64]  # (1, U), indices
    pool: ExpertPool
    candidates: Candidates  # whom each user can choose from
    requests: RequestQueue
    channel: ch.FadingChannel
    market: Marketplace
    accounts: RequestAccounts
    slot: int  # of the episode, from 0
    available: NDArray[np.bool_]  # (N, E), experts up in this slot
    load: Float  # (N, E), users served in the last slot
    recent_load: Float  # (N, E), the same averaged over past slots
    usable: NDArray[np.bool_]  # (N, E), those of them that take part
    # (N, E), share of all requests if users chose by competence alone (`experts.attraction`)
    attraction: Float
    last_expert: NDArray[np.int64]  # (N, U), who served each user in the last slot, -1: nobody
    backlog_s: Float  # (N, E), work left over, s
    rng: dict[str, np.random.Generator]  # one for each of `_STREAMS`
    _mask: NDArray[np.bool_]  # (N, U, C + 1)
    _seen: NDArray[np.float32] | None  # (N, U, D), written when first asked for

    def __init__(
        self,
        config: WorldConfig | None = None,
        num_worlds: int = 1,
        seed: int | None = None,
        mechanism: mechanisms.Mechanism | None = None,
    ) -> None:
        if num_worlds < 1:
            raise ValueError(f"num_worlds should be at least 1, got {num_worlds}")
        self.config = config if config is not None else WorldConfig()
        self.num_worlds = num_worlds
        self.mechanism = mechanism if mechanism is not None else mechanisms.make("none")
        self.worlds, self.users = np.ogrid[:num_worlds, : self.config.num_users]
        self._seed(seed)
        self._begin_episode()
        self.fresh = True  # the first reset hands out the episode begun here

    @property
    def num_users(self) -> int:
        """U."""
        return self.config.num_users

    @property
    def num_experts(self) -> int:
        """E; grows with `add_experts`."""
        return self.config.num_experts

    @property
    def num_candidates(self) -> int:
        """C, the experts that a user can choose from; abandoning is the action of that number."""
        return self.candidates.count

    @property
    def done(self) -> bool:
        """Whether the episode is truncated and `reset` is due."""
        return self.slot >= self.config.episode_slots

    @property
    def closed_clearing(self) -> Clearing | None:
        """The clearing whose interval ended in the last slot, with what came of it; None in other
        slots.
        """
        return self.market.closed

    def reset(self, seed: int | None = None) -> NDArray[np.float32]:
        """Begin an episode; with a seed, all randomness starts anew from it.

        Returns observations (N, U, D).
        """
        if seed is not None:
            self._seed(seed)
        if seed is not None or not self.fresh:
            if seed is None and self.config.experts.resample == "episode":
                self._draw_pool()
            self._begin_episode()
        self.fresh = False
        return self.observe()

    def step(self, actions: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32], Info]:
        """Play one slot. Returns observations (N, U, D) float32, rewards (N, U) float32 and a
        dictionary:

        - (N, U): `gain` (the reward in double precision), `qos` (points recovered), `delay_s`,
          `energy_j`, `charge`, `transferred`, `rejected`, `pending`; `utility`, credits of the
          request completed in this slot, else NaN; `local_gain`, `local_qos`, `local_utility`: the
          same had the device run the subtask itself;
        - (N, E): `load`, `payment`, `edge_cost`; (N,): `platform_balance`.

        Raises ValueError for actions of a wrong shape, not integer or out of range; RuntimeError
        after the end.
        """
        if self.done:
            raise RuntimeError("the episode is over: call reset before the next step")
        actions = act.checked(actions, (self.num_worlds, self.num_users), self.num_candidates)
        self.fresh = False
        requests = self.requests
        allowed = self._mask[self.worlds, self.users, actions]
        wanted = allowed & (actions < self.num_candidates)
        column = np.where(wanted, actions, 0)
        expert = self.candidates.at(column)
        served = self._served(expert, wanted)
        shape = self.num_worlds, self.num_experts
        cell = self.worlds * self.num_experts + expert  # a flat index into (N, E)
        load = per_expert(cell, served, shape)
        delivery = deliver(self, column, expert, cell, wanted, served, load)

        loss = self.loss
        local_gain = quality.local_gain(self.config.reward, loss, requests.words)
        gain, local_gain, utility, local_utility = self.accounts.settle(
            requests, delivery.gain, local_gain
        )
        asked = per_expert(cell, delivery.requested, shape)
        delivered = asked if served is wanted else per_expert(cell, delivery.points, shape)
        payment, edge_cost = self.market.settle(asked, delivered, delivery.charge, gain)
        self.backlog_s = np.maximum(
            self.backlog_s + per_expert(cell, delivery.work_s, shape) - self.config.slot_s, 0.0
        )
        self.load, self.last_expert = load, np.where(served, expert, -1)
        self.recent_load = self.recent_load + observation.RECENT_WEIGHT * (load - self.recent_load)
        info: Info = {
            "gain": gain,
            "local_gain": local_gain,
            "utility": utility,
            "local_utility": local_utility,
            "local_qos": loss,
            "qos": delivery.qos,
            "delay_s": delivery.delay_s,
            "energy_j": delivery.energy_j,
            "charge": delivery.charge,
            "transferred": served,
            "rejected": ~allowed | (wanted & ~served),
            "pending": requests.pending,
            "load": load,
            "payment": payment,
            "edge_cost": edge_cost,
            "platform_balance": delivery.charge.sum(axis=-1) - payment.sum(axis=-1),
        }
        self._next_slot()
        return self.observe(), gain.astype(np.float32), info

    def observe(self) -> NDArray[np.float32]:
        """Observations of the present slot, (N, U, D) float32, written once a slot, not to be
        written to.
        """
        if self._seen is None:
            self._seen = observation.write(self)
        return self._seen

    def action_mask(self) -> NDArray[np.bool_]:
        """What each user may do in this slot, (N, U, C + 1): experts that are available and
        participate; abandoning.

        Without a pending subtask only abandoning. With `allow_abandon: false` abandoning only when
        nothing else is.
        """
        return self._mask.copy()

    def snr_db(self) -> NDArray[np.float32]:
        """SNR of each user and candidate in this slot, (N, U, C), dB."""
        return self.channel.snr_db()

    def transmission_alone_s(self) -> NDArray[np.float32]:
        """Time to send prompt and answer of the pending subtask alone on each candidate's band, (N,
        U, C), s.
        """
        bits = ch.subtask_bits(self.config.channel, self.requests.words) * self.requests.pending
        return (bits / self.config.channel.bandwidth_hz).astype(np.float32)[
            ..., None
        ] / self.channel.efficiency

    def competence_of_topic(self) -> NDArray[np.float32]:
        """Competence of every candidate for each user's topic, (N, U, C)."""
        by_topic, topic = self.pool.by_topic, self.requests.topic
        if not self.candidates.listed:
            return by_topic[self.worlds, topic]
        row = self.worlds * by_topic.shape[1] + topic  # of all worlds' rows
        return by_topic.reshape(-1).take(row[..., None] * self.num_experts + self.candidates.expert)

    def compute_s(self) -> Float:
        """Time an expert computes on each user's pending subtask, (N, U), s."""
        speed = self.config.experts.words_per_second
        return np.zeros(self.requests.words.shape) if speed is None else self.requests.words / speed

    @property
    def loss(self) -> Float:
        """Points that abandoning the pending subtask loses, D, (N, U)."""
        return quality.abandon_loss(
            self.config.quality, self.requests.weight, self.config.requests.num_subtasks
        )

    def place_subtask(
        self, world: int, user: int, weight: float, words: float, compute: float, topic: int
    ) -> None:
        """Have a user transfer this subtask in the present slot: a request of its own, in place of
        what it has.

        A mechanism that allocates is cleared again, with it. Raises ValueError naming what lies
        outside the model.
        """
        self.requests.place(world, user, weight, words, compute, topic)
        self.accounts.reopen(world, user)
        self.market.due |= self.mechanism.allocates
        self.refresh()

    def add_experts(self, count: int) -> None:
        """Add `count` experts to every world (the paper's model upgrade); topics go on as e mod M.

        What the world is in goes on: requests, slot, channels and backlog of the experts present.
        Prices are set anew, since the market is another. Observations and actions have the new size
        from now on; on candidate lists, which keep theirs, newcomers take the place of those that
        the rule no longer puts there.
        """
        if count < 1:
            raise ValueError(f"count should be at least 1, got {count}")
        self.pool = self.pool.joined(self._drawn_experts(count, self.num_experts))
        self.config = self.accounts.config = replace(
            self.config, num_experts=self.num_experts + count
        )
        self.channel.add_experts(count)
        self.candidates, kept = self.candidates.joined(
            self.config, self.pool.topic, self.channel.mean_db, self.rng
        )
        if kept is not None:
            self.channel.keep(kept)
        self.backlog_s = np.pad(self.backlog_s, ((0, 0), (0, count)))
        self.load = np.pad(self.load, ((0, 0), (0, count)))
        self.recent_load = np.pad(self.recent_load, ((0, 0), (0, count)))
        self.expect_crowds()
        self.market.admit(self.pool)
        self.available = np.concatenate([self.available, self._drawn_availability(count)], axis=-1)
        self.refresh()

    def get_state(self) -> State:
        """Everything that a world is in, mid-episode too: copies, from which `set_state` goes on
        bit for bit.

        Nested dictionaries of arrays, numbers, strings and None, without configuration and
        mechanism.
        """
        return snapshot.taken_of(self)

    def set_state(self, state: State) -> None:
        """Go on as the world that gave `state` would, if it was built with this one's config, size
        and mechanism.

        Raises ValueError naming the entry that does not fit, before anything has changed: a world
        to which experts were added needs one whose config has as many.
        """
        snapshot.put_into(self, state)

    def _seed(self, seed: int | None) -> None:
        children = np.random.SeedSequence(seed).spawn(len(_STREAMS))
        self.rng = {
            name: np.random.default_rng(child)
            for name, child in zip(_STREAMS, children, strict=True)
        }
        if self.config.experts.pool_seed is not None:
            self.rng["pool"] = np.random.default_rng(self.config.experts.pool_seed)
        self._draw_pool()

    def _draw_pool(self) -> None:
        self.pool = self._drawn_experts(self.num_experts, first=0)
        self.expect_crowds()

    def _drawn_experts(self, count: int, first: int) -> ExpertPool:
        config = self.config
        return draw_pool(
            config.experts,
            self.num_worlds,
            count,
            config.requests.num_topics,
            self.rng["pool"],
            first,
        )

    def expect_crowds(self) -> None:
        """Where users may expect each other, from what they know of the pool; read by every slot's
        observation.
        """
        self.attraction = attraction(
            self.pool.seen(self.config.information), topic_popularity(self.config.requests)
        )

    def _begin_episode(self) -> None:
        config, shape = self.config, (self.num_worlds, self.num_users, self.config.num_candidates)
        self.slot = 0
        self.candidates = Candidates.drawn(config, self.num_worlds, self.pool.topic, self.rng)
        correlation = config.channel.slot_correlation(config.slot_s)
        self.channel = ch.FadingChannel(
            config.channel, shape, correlation, self.rng["channel"], self.candidates.rank
        )
        self.requests = RequestQueue(
            config.requests, self.num_worlds, self.num_users, self.rng["requests"]
        )
        self.accounts = RequestAccounts(config, shape[:2], self.rng["judge"])
        self.backlog_s = np.zeros((self.num_worlds, self.num_experts))
        self.load = np.zeros((self.num_worlds, self.num_experts))
        self.recent_load = np.zeros((self.num_worlds, self.num_experts))
        self.last_expert = np.full(shape[:2], -1)
        initial_demand = (
            config.quality.recovered_share
            * config.quality.drop_loss
            * self.num_users
            / self.num_experts
        )
        self.market = Marketplace(
            self.mechanism, config.market, self.pool, self.num_users, initial_demand
        )
        self.available = self._drawn_availability(self.num_experts)
        self.refresh()

    def _next_slot(self) -> None:
        self.slot += 1
        self.requests.advance()
        self.channel.advance()
        if self.config.experts.availability_probability < 1:
            self.available = self._drawn_availability(self.num_experts)
        if self.done and self.market.closed is None:
            self.market.close()
        self.refresh()

    def refresh(self) -> None:
        """Clear the market if that is due, and compute once what several parts of a slot read."""
        self._seen = None
        if self.market.due:
            self.market.clear(self.slot, user_reports(self) if self.mechanism.allocates else None)
        self.usable = self.available & self.market.participates
        self._mask = act.mask(
            self.candidates.of(self.usable), self.requests.pending, self.config.allow_abandon
        )

    def _drawn_availability(self, num_experts: int) -> NDArray[np.bool_]:
        drawn = self.rng["availability"].random((self.num_worlds, num_experts))
        return drawn < self.config.experts.availability_probability

    def _served(self, expert: NDArray, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if (places := self.config.experts.max_concurrent) is None:
            return wanted
        first = (
            None if (allocation := self.market.allocation) is None else expert == allocation.expert
        )
        return lottery(expert, wanted, places, self.rng["lottery"], first)
