"""N worlds at once, each with U users and E experts: the only place where a slot happens."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import mechanisms
from envs import actions as act
from envs import channel as ch
from envs import observation, quality
from envs.accounts import RequestAccounts
from envs.clearing import Clearing
from envs.config import WorldConfig
from envs.delivery import deliver
from envs.experts import ExpertPool, attraction, draw_pool, lottery
from envs.marketplace import Marketplace
from envs.reports import user_reports
from envs.requests import RequestQueue, topic_popularity
from envs.sharing import per_expert
from envs.state import OrNone, State, check, put, taken

Float = NDArray[np.floating]
Info = dict[str, NDArray[Any]]
_STATE = ("slot", "available", "load", "recent_load", "last_expert", "backlog_s", "_fresh")  # beside those of the parts
_STREAMS = ("pool", "channel", "requests", "availability", "lottery", "judge")  # of randomness, each its own


class World:
    """Users who transfer subtasks to edge experts over fading channels, N worlds in lockstep.

    One step is one slot. Actions are integers (N, U): e < E transfers the pending subtask to expert e, E abandons it.
    A masked action is scored as abandoning and marked `rejected`; only an integer out of range raises.
    Rewards (N, U) float32 are gains over abandoning, credits. Episodes last `config.episode_slots` and only truncate:
    `done` turns true and the next call must be `reset`.

    Requests, channels, availability and judge noise are drawn from generators of their own and never depend on what
    users do: under one seed every policy meets the same world.

    Args:
        config: the world's configuration.
        num_worlds: N.
        seed: seed of all randomness; None draws one from the operating system.
        mechanism: sets prices and payments; None is `mechanisms.make("none")`, the paper's free edge devices.
    """

    config: WorldConfig
    worlds: NDArray[np.int64]  # (N, 1), indices
    users: NDArray[np.int64]  # (1, U), indices
    pool: ExpertPool
    requests: RequestQueue
    channel: ch.FadingChannel
    market: Marketplace
    accounts: RequestAccounts
    slot: int  # of the episode, from 0
    available: NDArray[np.bool_]  # (N, E), experts up in this slot
    load: Float  # (N, E), users served in the last slot
    recent_load: Float  # (N, E), the same averaged over past slots
    usable: NDArray[np.bool_]  # (N, E), those of them that take part
    attraction: Float  # (N, E), share of all requests if users chose by competence alone (`experts.attraction`)
    last_expert: NDArray[np.int64]  # (N, U), who served each user in the last slot, -1: nobody
    backlog_s: Float  # (N, E), work left over, s
    _mask: NDArray[np.bool_]  # (N, U, E + 1)
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
        self._fresh = True  # the first reset hands out the episode begun here

    @property
    def num_users(self) -> int:
        """U."""
        return self.config.num_users

    @property
    def num_experts(self) -> int:
        """E; grows with `add_experts`."""
        return self.config.num_experts

    @property
    def done(self) -> bool:
        """Whether the episode is truncated and `reset` is due."""
        return self.slot >= self.config.episode_slots

    @property
    def closed_clearing(self) -> Clearing | None:
        """The clearing whose interval ended in the last slot, with what came of it; None in other slots."""
        return self.market.closed

    def reset(self, seed: int | None = None) -> NDArray[np.float32]:
        """Begin an episode; with a seed, all randomness starts anew from it. Returns observations (N, U, D)."""
        if seed is not None:
            self._seed(seed)
        if seed is not None or not self._fresh:
            if seed is None and self.config.experts.resample == "episode":
                self._draw_pool()
            self._begin_episode()
        self._fresh = False
        return self.observe()

    def step(self, actions: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32], Info]:
        """Play one slot. Returns observations (N, U, D) float32, rewards (N, U) float32 and a dictionary:

        - (N, U): `gain` (the reward in double precision), `qos` (points recovered), `delay_s`, `energy_j`, `charge`,
          `transferred`, `rejected`, `pending`; `utility`, credits of the request completed in this slot, else NaN;
          `local_gain`, `local_qos`, `local_utility`: the same had the device run the subtask itself;
        - (N, E): `load`, `payment`, `edge_cost`; (N,): `platform_balance`.

        Raises ValueError for actions of a wrong shape, not integer or out of range; RuntimeError after the end.
        """
        if self.done:
            raise RuntimeError("the episode is over: call reset before the next step")
        actions = act.checked(actions, (self.num_worlds, self.num_users), self.num_experts)
        self._fresh = False
        requests = self.requests
        allowed = self._mask[self.worlds, self.users, actions]
        wanted = allowed & (actions < self.num_experts)
        expert = np.where(wanted, actions, 0)
        served = self._served(expert, wanted)
        shape = self.num_worlds, self.num_experts
        cell = self.worlds * self.num_experts + expert  # a flat index into (N, E)
        load = per_expert(cell, served, shape)
        delivery = deliver(self, expert, cell, wanted, served, load)

        loss = self.loss
        local_gain = quality.local_gain(self.config.reward, loss, requests.words)
        gain, local_gain, utility, local_utility = self.accounts.settle(requests, delivery.gain, local_gain)
        asked = per_expert(cell, delivery.requested, shape)
        delivered = asked if served is wanted else per_expert(cell, delivery.points, shape)
        payment, edge_cost = self.market.settle(asked, delivered, delivery.charge, gain)
        self.backlog_s = np.maximum(self.backlog_s + per_expert(cell, delivery.work_s, shape) - self.config.slot_s, 0.0)
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
        """Observations of the present slot, (N, U, D) float32, written once a slot, not to be written to."""
        if self._seen is None:
            self._seen = observation.write(self)
        return self._seen

    def action_mask(self) -> NDArray[np.bool_]:
        """What each user may do in this slot, (N, U, E + 1): experts that are available and participate; abandoning.

        Without a pending subtask only abandoning. With `allow_abandon: false` abandoning only when nothing else is.
        """
        return self._mask.copy()

    def snr_db(self) -> NDArray[np.float32]:
        """SNR of each user and expert in this slot, (N, U, E), dB."""
        return self.channel.snr_db()

    def transmission_alone_s(self) -> NDArray[np.float32]:
        """Time to send prompt and answer of the pending subtask alone on each expert's band, (N, U, E), s."""
        bits = ch.subtask_bits(self.config.channel, self.requests.words) * self.requests.pending
        return (bits / self.config.channel.bandwidth_hz).astype(np.float32)[..., None] / self.channel.efficiency

    def competence_of_topic(self) -> NDArray[np.float32]:
        """Competence of every expert for each user's topic, (N, U, E)."""
        return self.pool.by_topic[self.worlds, self.requests.topic]

    def compute_s(self) -> Float:
        """Time an expert computes on each user's pending subtask, (N, U), s."""
        speed = self.config.experts.words_per_second
        return np.zeros(self.requests.words.shape) if speed is None else self.requests.words / speed

    @property
    def loss(self) -> Float:
        """Points that abandoning the pending subtask loses, D, (N, U)."""
        return quality.abandon_loss(self.config.quality, self.requests.weight, self.config.requests.num_subtasks)

    def place_subtask(self, world: int, user: int, weight: float, words: float, compute: float, topic: int) -> None:
        """Have a user transfer this subtask in the present slot: a request of its own, in place of what it has.

        A mechanism that allocates is cleared again, with it. Raises ValueError naming what lies outside the model.
        """
        self.requests.place(world, user, weight, words, compute, topic)
        self.accounts.reopen(world, user)
        self.market.due |= self.mechanism.allocates
        self._refresh()

    def add_experts(self, count: int) -> None:
        """Add `count` experts to every world (the paper's model upgrade); topics go on as e mod M.

        What the world is in goes on: requests, slot, channels and backlog of the experts present. Prices are set
        anew, since the market is another. Observations and actions have the new size from now on.
        """
        if count < 1:
            raise ValueError(f"count should be at least 1, got {count}")
        self.pool = self.pool.joined(self._drawn_experts(count, self.num_experts))
        self.config = self.accounts.config = replace(self.config, num_experts=self.num_experts + count)
        self.channel.add_experts(count)
        self.backlog_s = np.pad(self.backlog_s, ((0, 0), (0, count)))
        self.load = np.pad(self.load, ((0, 0), (0, count)))
        self.recent_load = np.pad(self.recent_load, ((0, 0), (0, count)))
        self._expect_crowds()
        self.market.admit(self.pool)
        self.available = np.concatenate([self.available, self._drawn_availability(count)], axis=-1)
        self._refresh()

    def get_state(self) -> State:
        """Everything that a world is in, mid-episode too: copies, from which `set_state` goes on bit for bit.

        Nested dictionaries of arrays, numbers, strings and None, without configuration and mechanism.
        """
        return taken(self, _STATE) | {
            "pool": self.pool.get_state(),
            "channel": self.channel.get_state(),
            "requests": self.requests.get_state(),
            "accounts": self.accounts.get_state(),
            "market": self.market.get_state(),
            "rng": {name: rng.bit_generator.state for name, rng in self._rng.items()},
        }

    def set_state(self, state: State) -> None:
        """Go on as the world that gave `state` would, if it was built with this one's config, size and mechanism.

        Raises ValueError naming the entry that does not fit, before anything has changed: a world to which experts
        were added needs one whose config has as many.
        """
        like = self.get_state()
        like["market"]["closed"] = OrNone(like["market"]["under_way"])
        check(state, like)
        for name, rng in self._rng.items():
            rng.bit_generator.state = state["rng"][name]
        put(self, _STATE, state)
        self.pool = ExpertPool.from_state(state["pool"])
        self.channel.set_state(state["channel"])
        self.requests.set_state(state["requests"])
        self.accounts.set_state(state["accounts"])
        self.market.set_state(state["market"], self.pool)
        self._expect_crowds()
        self._refresh()

    def _seed(self, seed: int | None) -> None:
        children = np.random.SeedSequence(seed).spawn(len(_STREAMS))
        self._rng = {name: np.random.default_rng(child) for name, child in zip(_STREAMS, children, strict=True)}
        if self.config.experts.pool_seed is not None:
            self._rng["pool"] = np.random.default_rng(self.config.experts.pool_seed)
        self._draw_pool()

    def _draw_pool(self) -> None:
        self.pool = self._drawn_experts(self.num_experts, first=0)
        self._expect_crowds()

    def _drawn_experts(self, count: int, first: int) -> ExpertPool:
        config = self.config
        return draw_pool(config.experts, self.num_worlds, count, config.requests.num_topics, self._rng["pool"], first)

    def _expect_crowds(self) -> None:
        """Where users may expect each other, from what they know of the pool; read by every slot's observation."""
        self.attraction = attraction(self.pool.seen(self.config.information), topic_popularity(self.config.requests))

    def _begin_episode(self) -> None:
        config, shape = self.config, (self.num_worlds, self.num_users, self.num_experts)
        self.slot = 0
        correlation = config.channel.slot_correlation(config.slot_s)
        self.channel = ch.FadingChannel(config.channel, shape, correlation, self._rng["channel"])
        self.requests = RequestQueue(config.requests, self.num_worlds, self.num_users, self._rng["requests"])
        self.accounts = RequestAccounts(config, shape[:2], self._rng["judge"])
        self.backlog_s = np.zeros((self.num_worlds, self.num_experts))
        self.load = np.zeros((self.num_worlds, self.num_experts))
        self.recent_load = np.zeros((self.num_worlds, self.num_experts))
        self.last_expert = np.full(shape[:2], -1)
        initial_demand = config.quality.recovered_share * config.quality.drop_loss * self.num_users / self.num_experts
        self.market = Marketplace(self.mechanism, config.market, self.pool, self.num_users, initial_demand)
        self.available = self._drawn_availability(self.num_experts)
        self._refresh()

    def _next_slot(self) -> None:
        self.slot += 1
        self.requests.advance()
        self.channel.advance()
        if self.config.experts.availability_probability < 1:
            self.available = self._drawn_availability(self.num_experts)
        if self.done and self.market.closed is None:
            self.market.close()
        self._refresh()

    def _refresh(self) -> None:
        """Clear the market if that is due, and compute once what several parts of a slot read."""
        self._seen = None
        if self.market.due:
            self.market.clear(self.slot, user_reports(self) if self.mechanism.allocates else None)
        self.usable = self.available & self.market.participates
        self._mask = act.mask(self.usable, self.requests.pending, self.config.allow_abandon)

    def _drawn_availability(self, num_experts: int) -> NDArray[np.bool_]:
        drawn = self._rng["availability"].random((self.num_worlds, num_experts))
        return drawn < self.config.experts.availability_probability

    def _served(self, expert: NDArray, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if (places := self.config.experts.max_concurrent) is None:
            return wanted
        first = None if (allocation := self.market.allocation) is None else expert == allocation.expert
        return lottery(expert, wanted, places, self._rng["lottery"], first)
