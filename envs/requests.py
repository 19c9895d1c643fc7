"""Requests: a prompt becomes subtasks (task decomposition), the device keeps what it can afford
(resource assessment).

The rest is transferred, one subtask a slot. Which subtasks are asked for never depends on what
users do with them, so that every policy meets the same requests under the same seed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.config import RequestConfig
from envs.state import State, put, taken

# What is not here is derived from it.
_STATE = ("drawn", "drawn_count", "drawn_weight", "request", "position", "active", "last_topic")
MOST_AHEAD = 16  # requests drawn at a time for a user
# fewer requests where all users' subtasks would be more: then the draws cost more than the calls
SUBTASKS_AHEAD = 8192


def topic_popularity(config: RequestConfig) -> NDArray[np.float64]:
    """Zipf popularity of the topics, shape (M,), summing to 1."""
    popularity = np.arange(1, config.num_topics + 1) ** -config.zipf_exponent
    return popularity / popularity.sum()


def assessment_order(
    weight: NDArray, compute: NDArray, private: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Order in which the device considers subtasks, (..., K): private first, then by g / c, best
    first.
    """
    return np.argsort(np.where(private, -np.inf, -weight / compute), axis=-1, kind="stable")


def assess(
    config: RequestConfig, weight: NDArray, compute: NDArray, private: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Resource assessment: which subtasks must be transferred, (..., K) bool.

    In the order of `assessment_order` subtasks run on the device until `local_compute` is spent;
    the first that does not fit and all after it are transferred. Private subtasks always stay.
    """
    order = assessment_order(weight, compute, private)
    spent = np.cumsum(np.take_along_axis(compute, order, axis=-1), axis=-1)
    transferred = np.empty(order.shape, bool)
    np.put_along_axis(transferred, order, spent > config.local_compute, axis=-1)
    return transferred & ~private


def largest_of(draws: int, uniform: NDArray) -> NDArray[np.floating]:
    """The largest of `draws` numbers uniform in 0..1, falling, (rows, how many), from as many
    uniform draws.

    The largest of n is V^(1/n) with V uniform, and those below it are uniform up to it (Lurie and
    Hartley 1972).
    """
    return (uniform ** (1 / np.arange(draws, draws - uniform.shape[-1], -1))).cumprod(axis=-1)


class Subtasks(NamedTuple):
    """The subtask that each user has to transfer in a slot, (N, U) each."""

    pending: NDArray[np.bool_]  # users that have one
    weight: NDArray[np.float64]  # gating weight, 0 with none pending
    words: NDArray[np.float64]  # words of the answer, 0 with none pending
    compute: NDArray[np.float64]  # compute need, units, 0 with none pending
    topic: NDArray[np.int64]


class RequestQueue:
    """The requests of N x U users: the subtask of this slot, and what is still to come.

    A request with nothing to transfer is active for one slot without anything pending. Each user's
    next requests are drawn several at a time, since a call of NumPy costs as much as many draws.

    Attributes:
        subtasks: the pending subtask of each user, (N, U) each.
        active: (N, U) users that have a request.
        num_transferred: (N, U) subtasks of the request to transfer.
        transferred_weight: (N, U) their total weight.
        position: (N, U) how many of them are behind the user.
        drawn: (N, U, R, S, 4) weight, words, compute need and topic of each subtask of R requests,
            those to transfer first and in the prompt's order; S is the most that may be
            transferred: subtasks that are sure to stay on the device are not kept.
        drawn_count: (N, U, R) subtasks of each of these requests to transfer.
        drawn_weight: (N, U, R) their total weight.
        request: (N, U) which of the R requests the user has.
        last_topic: (N U,) topic of the last subtask drawn for each user.
    """

    def __init__(
        self, config: RequestConfig, num_worlds: int, num_users: int, rng: np.random.Generator
    ) -> None:
        self.config = config
        self._rng = rng
        self._cumulative_popularity = np.cumsum(topic_popularity(config))[:-1]
        self._shape = (num_worlds, num_users)
        users = num_worlds * num_users
        self._users = np.arange(users)
        most = config.num_transferred or config.num_subtasks
        requests = max(1, min(MOST_AHEAD, SUBTASKS_AHEAD // (users * most)))
        self.drawn = np.zeros((*self._shape, requests, most, 4))
        self.drawn_count = np.zeros((*self._shape, requests), np.int64)
        self.drawn_weight = np.zeros((*self._shape, requests))
        self.request = np.full(
            self._shape, requests - 1
        )  # the last: who wants another has some drawn
        self.num_transferred = np.zeros(self._shape, np.int64)
        self.transferred_weight = np.zeros(self._shape)
        self.position = np.zeros(self._shape, np.int64)
        self.active = np.zeros(self._shape, bool)
        self.last_topic = self._popular(rng.random(users))
        self._arrive()

    @property
    def completing(self) -> NDArray[np.bool_]:
        """Users whose request is complete at the end of this slot, (N, U)."""
        return self.active & (self.position + 1 >= self.num_transferred)

    @property
    def request_subtasks(self) -> NDArray[np.float64]:
        """Weight, words, compute need and topic of each request's subtasks, (N, U, S, 4).

        Those to transfer come first.
        """
        return np.take_along_axis(self.drawn, self.request[..., None, None, None], axis=2)[:, :, 0]

    def advance(self) -> None:
        """Go on to the next slot: what was pending is behind the user, new requests may arrive."""
        self.active &= ~self.completing
        self.position += self.subtasks.pending
        self._arrive()

    def place(
        self, world: int, user: int, weight: float, words: float, compute: float, topic: int
    ) -> None:
        """Give a user a request with this one subtask to transfer in this slot, in place of the one
        it has.

        Raises ValueError naming what lies outside the model: a weight or a topic that no request
        has, more words or more compute than a subtask of `config` may need.
        """
        config = self.config
        for name, value, limit in (
            ("weight", weight, 1.0),
            ("words", words, config.words[1]),
            ("compute", compute, config.compute_need[1]),
        ):
            if not 0 < value <= limit:
                raise ValueError(
                    f"{name} should be greater than 0 and at most {limit:g}, got {value}"
                )
        if topic not in range(config.num_topics):
            raise ValueError(f"topic should lie in 0..{config.num_topics - 1}, got {topic}")
        request = self.request[world, user]
        self.drawn[world, user, request, 0] = weight, words, compute, topic
        self.drawn_count[world, user, request] = 1
        self.drawn_weight[world, user, request] = weight
        self.position[world, user] = 0
        self.active[world, user] = True
        self._select()

    def get_state(self) -> State:
        """The requests under way, and those drawn ahead."""
        return taken(self, _STATE)

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        put(self, _STATE, state)
        self._select()

    def _of_user(self, table: NDArray) -> NDArray:
        """A view of a table (N, U, ...) with one row a user."""
        return table.reshape(len(self._users), *table.shape[2:])

    def _arrive(self) -> None:
        """Give new requests to users without one."""
        arriving = ~self.active
        if self.config.arrival_probability < 1:
            arriving &= self._rng.random(arriving.shape) < self.config.arrival_probability
        self.request += arriving
        self.position[arriving] = 0
        self.active |= arriving
        spent = (self.request == self.drawn.shape[2]).ravel().nonzero()[0]
        if spent.size:
            self._draw(spent)
        self._select()

    def _draw(self, users: NDArray[np.int64]) -> None:
        """Draw the next requests of these users, in place of those that are behind them."""
        requests, most = self.drawn.shape[2:4]
        drawn = self._rng.random((len(users) * requests, most, 4))
        weight, words, compute, topic = drawn.transpose(2, 0, 1)
        count, transferred_weight = self._assess(weight, compute)
        low, high = self.config.words
        words *= high - low
        words += low
        self._draw_topics(
            users, topic.reshape(len(users), requests, most), count.reshape(len(users), requests)
        )
        self._of_user(self.drawn)[users] = drawn.reshape(len(users), requests, most, 4)
        self._of_user(self.drawn_count)[users] = count.reshape(len(users), requests)
        self._of_user(self.drawn_weight)[users] = transferred_weight.reshape(len(users), requests)
        self._of_user(self.request)[users] = 0

    def _assess(self, weight: NDArray, compute: NDArray) -> tuple[NDArray[np.int64], NDArray]:
        """Put weight and compute need of new subtasks, (users, S) each, those to transfer first,
        for uniform draws.

        Returns the number of these and their weight, (users,) each. With equal weights those
        transferred are the `num_transferred` of the greatest need, which are drawn alone.
        """
        config, rng = self.config, self._rng
        low, high = config.compute_need
        if config.num_transferred is not None:
            compute[...] = low + (high - low) * largest_of(config.num_subtasks, compute)
            if config.num_transferred > 1:
                rng.permuted(compute, axis=-1, out=compute)
            weight[...] = 1 / config.num_subtasks
            count = np.full(len(weight), config.num_transferred)
            return count, count / config.num_subtasks
        needs = low + (high - low) * compute
        shares = -np.log1p(-weight)  # Dirichlet(1): exponentials over their sum
        shares /= shares.sum(axis=-1, keepdims=True)
        private = np.zeros(weight.shape, bool)
        if config.private_probability > 0:
            private = rng.random(weight.shape) < config.private_probability
        transferred = assess(config, shares, needs, private)
        first = np.argsort(~transferred, axis=-1, kind="stable")
        weight[...], compute[...] = (
            np.take_along_axis(table, first, axis=-1) for table in (shares, needs)
        )
        return transferred.sum(axis=-1), (shares * transferred).sum(axis=-1)

    def _draw_topics(
        self, users: NDArray[np.int64], topic: NDArray, count: NDArray[np.int64]
    ) -> None:
        """Put a Markov chain along the subtasks to transfer for uniform draws: keep the topic, or
        draw by popularity.

        topic: (users, R, S); count: subtasks to transfer, (users, R).
        """
        topic[...] = self._popular(topic)
        if self.config.topic_persistence == 0:
            return
        kept = self._rng.random(topic.shape) < self.config.topic_persistence
        last_topic = self.last_topic[users]
        for r in range(topic.shape[1]):
            for k in range(topic.shape[2]):
                np.copyto(
                    topic[:, r, k], topic[:, r, k - 1] if k else last_topic, where=kept[:, r, k]
                )
            last_topic = np.where(
                count[:, r] > 0, topic[self._users[: len(users)], r, count[:, r] - 1], last_topic
            )
        self.last_topic[users] = last_topic

    def _popular(self, uniform: NDArray) -> NDArray[np.int64]:
        """Topics by popularity, from uniform draws."""
        return self._cumulative_popularity.searchsorted(uniform, side="right")

    def _select(self) -> None:
        """Gather the request and the subtask of this slot of each user."""
        requests, most = self.drawn.shape[2:4]
        request = self._users * requests + self.request.ravel()
        self.num_transferred = self.drawn_count.take(request).reshape(self._shape)
        self.transferred_weight = self.drawn_weight.take(request).reshape(self._shape)
        pending = self.active & (self.position < self.num_transferred)
        at = request * most + np.minimum(self.position.ravel(), most - 1)
        columns = self.drawn.reshape(-1, 4).take(at, axis=0).T.reshape(4, *self._shape)
        weight, words, compute, topic = columns
        self.subtasks = Subtasks(
            pending=pending,
            weight=weight * pending,
            words=words * pending,
            compute=compute * pending,
            topic=topic.astype(np.int64),
        )
