"""Requests: a prompt becomes subtasks (task decomposition), part of which is transferred.

The user's device keeps the subtasks that it can afford (resource assessment); the others are
transferred, one a slot. Requests never depend on the actions of users, so that every policy meets
the same ones under the same seed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float, Int
from envs.assessment import assess
from envs.sections import RequestConfig
from envs.state import State, put, taken
from envs.users import Owners

# all other attributes are derived from these
_STATE = (
    "drawn",
    "drawn_count",
    "drawn_weight",
    "drawn_refused",
    "request",
    "position",
    "active",
    "refused",
    "last_topic",
)
MOST_AHEAD = 16  # requests drawn at a time for a user, at most
# subtasks drawn at a time for all users, about: with more the draws cost more than the calls
SUBTASKS_AHEAD = 8192


def topic_popularity(config: RequestConfig) -> NDArray[np.float64]:
    """Return the Zipf popularity of the topics, (M,), summing to 1."""
    popularity = np.arange(1, config.num_topics + 1) ** -config.zipf_exponent
    return popularity / popularity.sum()


def largest_of(draws: int, uniform: NDArray) -> Float:
    """Return the largest of `draws` numbers uniform in 0..1, falling.

    The largest of n is V^(1/n) with V uniform, and those below it are uniform up to it (Lurie and
    Hartley 1972).

    Args:
        draws: n.
        uniform: (rows, count) uniform draws, as many as numbers to return.

    Returns:
        (rows, count) numbers.
    """
    return (uniform ** (1 / np.arange(draws, draws - uniform.shape[-1], -1))).cumprod(axis=-1)


class Subtasks(NamedTuple):
    """The subtask that each user has to transfer in a slot, (N, U) each."""

    pending: Bool  # users that have one
    weight: NDArray[np.float64]  # gating weight, 0 with none pending
    words: NDArray[np.float64]  # words of the answer, 0 with none pending
    compute: NDArray[np.float64]  # compute need, units, 0 with none pending
    topic: Int


class RequestQueue:
    """Requests of N x U users: the subtask of this slot, and the requests drawn ahead.

    A request with nothing to transfer is active for one slot without anything pending. One that a
    device without compute cannot run the private part of is refused: it is gone with its slot.
    Each user's next requests are drawn several at a time, since a call of NumPy costs as much as
    many draws.

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
        drawn_refused: (N, U, R) requests that are refused.
        refused: (N, U) users whose request of this slot is refused; they have none.
        request: (N, U) number of the user's request among the R.
        last_topic: (N U,) topic of the last subtask drawn for each user.

    Args:
        config: the requests' configuration.
        owners: the users, of their compute, and how likely arrivals and private subtasks are.
        num_worlds: N.
        num_users: U.
        rng: generator of all draws.
    """

    def __init__(
        self,
        config: RequestConfig,
        owners: Owners,
        num_worlds: int,
        num_users: int,
        rng: np.random.Generator,
    ) -> None:
        self.config = config
        self.owners = owners
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
        self.drawn_refused = np.zeros((*self._shape, requests), bool)
        # the last of those drawn, so that the first request to arrive has them drawn anew
        self.request = np.full(self._shape, requests - 1)
        self.num_transferred = np.zeros(self._shape, np.int64)
        self.transferred_weight = np.zeros(self._shape)
        self.position = np.zeros(self._shape, np.int64)
        self.active = np.zeros(self._shape, bool)
        self.last_topic = self._popular(rng.random(users))
        self._arrive()

    @property
    def completing(self) -> Bool:
        """Users whose request is complete at the end of this slot, (N, U)."""
        return self.active & (self.position + 1 >= self.num_transferred)

    @property
    def request_subtasks(self) -> NDArray[np.float64]:
        """Weight, words, compute need and topic of the subtasks, those to transfer first.

        The shape is (N, U, S, 4).
        """
        return np.take_along_axis(self.drawn, self.request[..., None, None, None], axis=2)[:, :, 0]

    def advance(self) -> None:
        """Go on to the next slot: pending subtasks are over, new requests may arrive."""
        self.active &= ~self.completing
        self.position += self.subtasks.pending
        self._arrive()

    def place(
        self, world: int, user: int, weight: float, words: float, compute: float, topic: int
    ) -> None:
        """Replace a user's request by one with this subtask alone to transfer, in this slot.

        Args:
            world: number of the world.
            user: number of the user in it.
            weight: gating weight, above 0 and at most 1.
            words: words of the answer.
            compute: compute need, units.
            topic: topic, in 0..M-1.

        Raises:
            ValueError: a weight or a topic that no request has, or more words or compute than a
                subtask of the configuration may need; the message names it.
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
        self.drawn_refused[world, user, request] = False
        self.position[world, user] = 0
        self.active[world, user] = True
        self.refused[world, user] = False
        self._select()

    def get_state(self) -> State:
        """Return the requests under way, and those drawn ahead."""
        return taken(self, _STATE)

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        put(self, _STATE, state)
        self._select()

    def _of_user(self, table: NDArray) -> NDArray:
        """Return a view of a table (N, U, ...) with one row a user."""
        return table.reshape(len(self._users), *table.shape[2:])

    def _arrive(self) -> None:
        """Give new requests to users without one."""
        arriving = ~self.active
        if np.min(self.owners.arrival_probability) < 1:
            arriving &= self._rng.random(arriving.shape) < self.owners.arrival_probability
        self.request += arriving
        self.position[arriving] = 0
        self.active |= arriving
        spent = (self.request == self.drawn.shape[2]).ravel().nonzero()[0]
        if spent.size:
            self._draw(spent)
        self.refused = np.zeros(self._shape, bool)
        if np.min(self.owners.local_compute) == 0 and np.max(self.owners.private_probability) > 0:
            drawn = np.take_along_axis(self.drawn_refused, self.request[..., None], axis=-1)
            self.refused = arriving & drawn[..., 0]
            self.active &= ~self.refused
        self._select()

    def _draw(self, users: Int) -> None:
        """Draw the next requests of these users, in place of those that are behind them."""
        requests, most = self.drawn.shape[2:4]
        drawn = self._rng.random((len(users) * requests, most, 4))
        weight, words, compute, topic = drawn.transpose(2, 0, 1)
        count, transferred_weight, refused = self._assess(
            weight, compute, np.repeat(users, requests)
        )
        low, high = self.config.words
        words *= high - low
        words += low
        self._draw_topics(
            users, topic.reshape(len(users), requests, most), count.reshape(len(users), requests)
        )
        self._of_user(self.drawn)[users] = drawn.reshape(len(users), requests, most, 4)
        self._of_user(self.drawn_count)[users] = count.reshape(len(users), requests)
        self._of_user(self.drawn_weight)[users] = transferred_weight.reshape(len(users), requests)
        self._of_user(self.drawn_refused)[users] = refused.reshape(len(users), requests)
        self._of_user(self.request)[users] = 0

    def _assess(self, weight: NDArray, compute: NDArray, users: Int) -> tuple[Int, NDArray, Bool]:
        """Turn uniform draws into weight and compute need of subtasks, those to transfer first.

        With equal weights the subtasks transferred are the `num_transferred` of the greatest need,
        and only these are drawn.

        Args:
            weight: (requests, S) uniform draws, overwritten by gating weights.
            compute: (requests, S) uniform draws, overwritten by compute needs, units.
            users: (requests,) whose each is.

        Returns:
            Number of the subtasks to transfer, their total weight, and which requests are refused,
            (requests,) each.
        """
        config, rng = self.config, self._rng
        low, high = config.compute_need
        if config.num_transferred is not None:
            compute[...] = low + (high - low) * largest_of(config.num_subtasks, compute)
            if config.num_transferred > 1:
                rng.permuted(compute, axis=-1, out=compute)
            weight[...] = 1 / config.num_subtasks
            count = np.full(len(weight), config.num_transferred)
            return count, count / config.num_subtasks, np.zeros(len(weight), bool)
        needs = low + (high - low) * compute
        shares = -np.log1p(-weight)  # Dirichlet(1): exponentials over their sum
        shares /= shares.sum(axis=-1, keepdims=True)
        private = np.zeros(weight.shape, bool)
        likely = _each(self.owners.private_probability, users)
        local_compute = _each(self.owners.local_compute, users)
        if np.max(likely) > 0:
            private = rng.random(weight.shape) < likely
        transferred = assess(local_compute, shares, needs, private)
        first = np.argsort(~transferred, axis=-1, kind="stable")
        weight[...] = np.take_along_axis(shares, first, axis=-1)
        compute[...] = np.take_along_axis(needs, first, axis=-1)
        refused = private.any(axis=-1) & np.equal(local_compute, 0).reshape(-1)
        transferred &= ~refused[..., np.newaxis]
        return transferred.sum(axis=-1), (shares * transferred).sum(axis=-1), refused

    def _draw_topics(self, users: Int, topic: NDArray, count: Int) -> None:
        """Turn uniform draws into topics of the subtasks to transfer, a Markov chain.

        Each keeps the topic of the one before with probability `topic_persistence`, or is drawn by
        popularity.

        Args:
            users: the users of the rows.
            topic: (users, R, S) uniform draws, overwritten by topics.
            count: (users, R) subtasks to transfer.
        """
        topic[...] = self._popular(topic)
        if self.config.topic_persistence == 0:
            return
        kept = self._rng.random(topic.shape) < self.config.topic_persistence
        last_topic = self.last_topic[users]
        row = self._users[: len(users)]
        for r in range(topic.shape[1]):
            for k in range(topic.shape[2]):
                before = topic[:, r, k - 1] if k else last_topic
                np.copyto(topic[:, r, k], before, where=kept[:, r, k])
            last_transferred = topic[row, r, count[:, r] - 1]
            last_topic = np.where(count[:, r] > 0, last_transferred, last_topic)
        self.last_topic[users] = last_topic

    def _popular(self, uniform: NDArray) -> Int:
        """Return topics by popularity, from uniform draws."""
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


def _each(amount: float | NDArray, users: Int) -> float | NDArray:
    """Return a quantity of users for each request, (requests, 1); a number if all have the same."""
    return amount if isinstance(amount, float) else amount.reshape(-1)[users, np.newaxis]
