"""Users that nobody has seen: draws of what is commonly known of users, in a slot as it is.

Everybody knows the experts (places, competence as users see it, costs, availability, backlogs and
prices) and the laws by which users, requests and channels are drawn; nobody knows another's channel
or request. Strangers are drawn by these laws, and meet the experts of the slot.
"""

from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Arrays
from envs.budgets import UserBudgets
from envs.candidates import Candidates
from envs.channel.fading import FadingChannel
from envs.channel.links import Links
from envs.channel.placement import Placement, given_of_experts
from envs.channel.process import ChannelProcess
from envs.channel.rates import Rate
from envs.conditions import Conditions
from envs.experts import ExpertPool
from envs.laws import Laws
from envs.offer import Offer, nobody
from envs.prospects import expected_gain
from envs.requests import RequestQueue, Subtasks
from envs.slot import open_to
from envs.state import State
from envs.traced_requests import begun
from envs.users import Users

LEAST_SCALE = 1e-9  # temperature of a softmax where nobody gains, credits


class Meeting(NamedTuple):
    """Strangers in a slot, S of them in each of N worlds.

    Attributes:
        conditions: they meet the experts in.
        offer: they are made.
        alone: (N, S, C) gain that each expects beside nobody, credits; -inf where a candidate
            cannot be chosen.
    """

    conditions: Conditions
    offer: Offer
    alone: NDArray[np.float32]


class Strangers:
    """Whole populations of users drawn anew for each of N worlds, who live through an episode.

    With P populations of U users a world has S = P U strangers, in which each group of users is as
    frequent as among the users. They begin as users do, and go on from slot to slot; where a trace
    of requests has a single episode, which the users play, each is at another of its slots. Experts
    move, such as satellites; strangers stand still, and their channels change with the experts'
    places alone (of a trace of channels they have the first slot of any of its episodes). They
    spend nothing of budgets. A mechanism that allocates gives them nobody: they see unit prices
    alone.

    Attributes:
        laws: of the worlds.
        candidates: that each stranger can choose.

    Args:
        conditions: of the slot in which they begin.
        count: S, about; there are whole populations, at least one.
        rng: makes all draws.
        laws: of the worlds; None, or those of other worlds: made anew.
    """

    def __init__(
        self,
        conditions: Conditions,
        count: int,
        rng: np.random.Generator,
        laws: Laws | None = None,
    ) -> None:
        config = conditions.config
        self._populations = populations = -(-count // conditions.num_users)
        self.laws = laws if laws is not None and laws.config == config else Laws.of(config)
        self._index, self._pool = conditions.index, conditions.pool
        self._allow_abandon = config.allow_abandon
        rows = conditions.num_worlds * populations
        self._shape = conditions.num_worlds, populations * conditions.num_users
        self._drawn = Users.drawn(config, rows, rng)  # (N P, U)
        self._users = self._of_worlds(self._drawn)
        self._requests = begun(
            config, self._drawn.owners, self.laws.requests, rows, rng, apart=True
        )
        self.candidates, self._channel = self._linked(conditions, rng, self.laws.channel)
        self._placed = conditions.placed_experts

    @classmethod
    def at(
        cls,
        conditions: Conditions,
        count: int,
        rng: np.random.Generator,
        before: "Strangers | None",
    ) -> "Strangers":
        """Return the strangers of the slot before in this slot, or new ones where it begins anew.

        Args:
            conditions: of the slot.
            count: of new ones, about.
            rng: draws new ones.
            before: those of the last slot; None: new ones.
        """
        if before is None:
            return cls(conditions, count, rng)
        if not before.continues_to(conditions):
            return cls(conditions, count, rng, before.laws)
        before.advance()
        return before

    def continues_to(self, conditions: Conditions) -> bool:
        """Return whether a slot is the next one of the episode, with the same experts."""
        return conditions.index == self._index + 1 and conditions.pool is self._pool

    def advance(self) -> None:
        """Go on to the next slot."""
        self._index += 1
        self._requests.advance()

    def lost(self, conditions: Conditions) -> bool:
        """Return whether experts of any world have moved away from where they were met last."""
        placed = conditions.placed_experts
        return any(
            array is not self._placed[name] and not np.array_equal(array, self._placed[name])
            for name, array in placed.items()
        )

    def get_state(self) -> State:
        """Return copies of all that was drawn."""
        return {
            "index": self._index,
            "users": self._drawn.get_state(),
            "requests": self._requests.get_state(),
            "candidates": self.candidates.get_state(),
            "channel": self._channel.get_state(),
        }

    def set_state(self, state: State, pool: ExpertPool) -> None:
        """Be the strangers that gave a state, in worlds of as many users and with these experts."""
        self._index, self._pool = state["index"], pool
        self._drawn = Users.from_state(state["users"])
        self._users = self._of_worlds(self._drawn)
        if isinstance(self._requests, RequestQueue):
            self._requests.owners = self._drawn.owners
        self._requests.set_state(state["requests"])
        self.candidates = Candidates.from_state(state["candidates"], pool.unit_cost.shape[-1])
        self._channel.set_state(state["channel"], self._of_rows(self.candidates.lists))
        placed = self._channel.experts.items()
        self._placed = {name: array[:: self._populations] for name, array in placed}

    def meet(self, given: Conditions, made: Offer) -> Meeting:
        """Return the strangers among the experts of a slot, who may have moved.

        Args:
            given: conditions of the slot.
            made: the offer in force.
        """
        if self.lost(given):
            self._placed = given.placed_experts
            self._channel.follow(_repeated(self._placed, self._populations))
        offer = replace(
            made,
            allocates=False,
            allocation=nobody(*self._shape),
            full_points=np.zeros(self._shape),
        )
        conditions = self._conditions(given)
        _, mask = open_to(conditions, offer)
        gain = expected_gain(conditions, offer)
        gain[~mask[..., :-1]] = -np.inf
        return Meeting(conditions, offer, gain)

    def shares(self, gain: NDArray[np.float32], scale: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the share of strangers who choose each expert, (N, E).

        Each takes the candidate of greatest gain, or abandons: by a softmax, so that shares of few
        strangers are smooth in the gain.

        Args:
            gain: (N, S, C) gain of each candidate, credits; -inf where it cannot be chosen.
            scale: (N,) temperature of the softmax, credits.
        """
        best = gain.max(axis=-1, keepdims=True)
        # Who must not abandon does so where there is nothing else.
        may_abandon = np.isneginf(best) | self._allow_abandon
        abandoning = np.where(may_abandon, np.float32(0), np.float32(-np.inf))
        most = np.maximum(best, abandoning)
        scale = np.maximum(scale, LEAST_SCALE).astype(np.float32)[:, None, None]
        chosen = gain - most
        chosen /= scale
        np.exp(chosen, out=chosen)
        each = chosen.sum(axis=-1, keepdims=True) + np.exp((abandoning - most) / scale)
        each = 1 / (each * chosen.shape[1])
        candidates = self.candidates
        if not candidates.listed:
            return (each.swapaxes(1, 2) @ chosen)[:, 0].astype(float)
        shape = self._shape[0], candidates.num_experts
        chosen *= each
        drawn = np.bincount(candidates.cell.ravel(), chosen.ravel(), shape[0] * shape[1])
        return drawn.astype(float, copy=False).reshape(shape)

    def _conditions(self, given: Conditions) -> Conditions:
        return Conditions.begin(
            config=given.config,
            index=given.index,
            pool=given.pool,
            users=self._users,
            mean_work=given.mean_work,
            attraction=given.attraction,
            candidates=self.candidates,
            subtasks=Subtasks(*map(self._joined, self._requests.subtasks)),
            links=Links(*map(self._joined, self._channel.links)),
            positions=None,
            placed_experts=given.placed_experts,
            available=given.available,
            occupancy=given.occupancy,
            budgets=UserBudgets(None, None),
            serving_share=given.serving_share,
            batteries=given.batteries,
        )

    def _linked(
        self, conditions: Conditions, rng: np.random.Generator, process: ChannelProcess
    ) -> tuple[Candidates, FadingChannel]:
        """Draw channels to the experts where they are, and candidate lists where users have any."""
        config, pool, times = conditions.config, conditions.pool, self._populations
        given = given_of_experts(pool.bandwidth_hz, pool.tx_power_w, pool.unit_cost.shape)
        shape = conditions.num_worlds * times, conditions.num_users
        placement = Placement(
            process,
            *shape,
            _repeated(given, times),
            rng,
            _repeated(conditions.placed_experts, times),
        )
        candidates, pairs = Candidates.drawn(config, shape[0], pool.topic, placement, rng)
        channel = FadingChannel(
            placement,
            pairs,
            (*shape, candidates.count),
            Rate.of(config.channel),
            config.slot_s,
            config.channel.min_snr_db,
            candidates.lists,
        )
        if candidates.listed:
            expert, rank = self._joined(candidates.expert), self._joined(candidates.rank)
            candidates = Candidates(expert, rank, conditions.num_experts)
        return candidates, channel

    def _of_worlds(self, users: Users) -> Users:
        """Arrange users of all populations by world."""
        return Users(
            **{field.name: self._joined(getattr(users, field.name)) for field in fields(Users)}
        )

    def _of_rows(self, of_worlds: NDArray | None) -> NDArray | None:
        """Arrange arrays of all worlds, (N, S, ...), by population, (N P, U, ...)."""
        if of_worlds is None:
            return None
        rows = self._shape[0] * self._populations
        return of_worlds.reshape(rows, -1, *of_worlds.shape[2:])

    def _joined(self, of_users: Any) -> Any:
        """Arrange arrays of all populations, (N P, U, ...), by world, (N, S, ...)."""
        if not isinstance(of_users, np.ndarray):
            return of_users
        return of_users.reshape(*self._shape, *of_users.shape[2:])


def mean_gain(alone: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean best gain of those who gain, (N,) credits, of gains (N, S, C)."""
    best = np.maximum(alone.max(axis=-1), 0)
    mean: NDArray[np.float32] = best.sum(axis=-1) / np.maximum((best > 0).sum(axis=-1), 1)
    return mean


def _repeated(of_experts: Arrays, times: int) -> Arrays:
    return {name: np.repeat(array, times, axis=0) for name, array in of_experts.items()}
