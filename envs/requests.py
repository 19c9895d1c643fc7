"""Requests: a prompt becomes subtasks (task decomposition), the device keeps what it can afford (resource assessment).

The rest is transferred, one subtask a slot. Which subtasks are asked for never depends on what users do with them, so
that every policy meets the same requests under the same seed.
"""

import numpy as np
from numpy.typing import NDArray

from envs.config import RequestConfig


def topic_popularity(config: RequestConfig) -> NDArray[np.float64]:
    """Zipf popularity of the topics, shape (M,), summing to 1."""
    popularity = np.arange(1, config.num_topics + 1) ** -config.zipf_exponent
    return popularity / popularity.sum()


def assessment_order(weight: NDArray, compute: NDArray, private: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Order in which the device considers subtasks, (..., K): private first, then by g / c, best first."""
    return np.argsort(np.where(private, -np.inf, -weight / compute), axis=-1, kind="stable")


def assess(config: RequestConfig, weight: NDArray, compute: NDArray, private: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Resource assessment: which subtasks must be transferred, (..., K) bool.

    In the order of `assessment_order` subtasks run on the device until `local_compute` is spent (the first that does
    not fit and all after it are transferred), or all but the last `num_transferred`. Private subtasks always stay.
    """
    order = assessment_order(weight, compute, private)
    if config.num_transferred is None:
        spent = np.cumsum(np.take_along_axis(compute, order, axis=-1), axis=-1)
        transferred_in_order = spent > config.local_compute
    else:
        keep = config.num_subtasks - config.num_transferred
        transferred_in_order = np.broadcast_to(np.arange(config.num_subtasks) >= keep, order.shape)
    transferred = np.empty(order.shape, bool)
    np.put_along_axis(transferred, order, transferred_in_order, axis=-1)
    return transferred & ~private


class RequestQueue:
    """The requests of N x U users. Arrays (N, U, K) hold the subtasks to transfer first, in the prompt's order.

    `active` (N, U): the user has a request. `pending` (N, U): it has a subtask to transfer in this slot. A request
    with nothing to transfer is active for one slot without anything pending.
    """

    def __init__(self, config: RequestConfig, num_worlds: int, num_users: int, rng: np.random.Generator) -> None:
        self.config = config
        self._rng = rng
        self._cumulative_popularity = np.cumsum(topic_popularity(config))[:-1]
        shape = (num_worlds, num_users, config.num_subtasks)
        self.all_weight = np.zeros(shape)  # gating weights g
        self.all_words = np.zeros(shape)
        self.all_compute = np.zeros(shape)
        self.all_topic = np.zeros(shape, np.int64)
        self.num_transferred = np.zeros(shape[:2], np.int64)
        self.transferred_weight = np.zeros(shape[:2])  # sum over the subtasks to transfer
        self.transferred_words = np.zeros(shape[:2])
        self.position = np.zeros(shape[:2], np.int64)
        self.active = np.zeros(shape[:2], bool)
        self._last_topic = rng.choice(config.num_topics, shape[:2], p=topic_popularity(config))
        self._arrive()

    def advance(self) -> NDArray[np.bool_]:
        """End the slot: whatever was pending is behind the user now. Returns who completed a request, (N, U) bool.

        What a completed request was remains readable only through what the caller noted before this call.
        """
        completed = self.completing
        self.position += self.pending
        self.active &= ~completed
        self._arrive()
        return completed

    @property
    def completing(self) -> NDArray[np.bool_]:
        """Whose request is complete at the end of this slot, (N, U) bool."""
        return self.active & (self.position + 1 >= self.num_transferred)

    def _arrive(self) -> None:
        """Give new requests to users without one."""
        arriving = ~self.active
        if self.config.arrival_probability < 1:
            arriving &= self._rng.random(arriving.shape) < self.config.arrival_probability
        if arriving.any():
            self._draw(arriving)
        self._select()

    def _draw(self, arriving: NDArray[np.bool_]) -> None:
        config, rng = self.config, self._rng
        shape = (int(arriving.sum()), config.num_subtasks)
        compute = rng.uniform(*config.compute_need, shape)
        words = rng.uniform(*config.words, shape)
        if config.num_transferred is None:
            weight = rng.standard_exponential(shape)  # Dirichlet(1): exponentials over their sum
            weight /= weight.sum(axis=-1, keepdims=True)
        else:
            weight = np.full(shape, 1 / config.num_subtasks)
        private = np.zeros(shape, bool)
        if config.private_probability > 0:
            private = rng.random(shape) < config.private_probability
        transferred = assess(config, weight, compute, private)
        first = np.argsort(~transferred, axis=-1, kind="stable")
        self.transferred_weight[arriving] = (weight * transferred).sum(axis=-1)
        self.transferred_words[arriving] = (words * transferred).sum(axis=-1)
        self.all_compute[arriving] = np.take_along_axis(compute, first, axis=-1)
        self.all_words[arriving] = np.take_along_axis(words, first, axis=-1)
        self.all_weight[arriving] = np.take_along_axis(weight, first, axis=-1)
        self.all_topic[arriving] = self._topics(self._last_topic[arriving], shape)
        self.num_transferred[arriving] = count = transferred.sum(axis=-1)
        last = np.take_along_axis(self.all_topic[arriving], np.maximum(count - 1, 0)[:, None], axis=-1)[:, 0]
        self._last_topic[arriving] = np.where(count > 0, last, self._last_topic[arriving])
        self.position[arriving] = 0
        self.active[arriving] = True

    def _topics(self, last_topic: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int64]:
        """A Markov chain along the subtasks to transfer: keep the topic, or draw one by popularity."""
        drawn = np.searchsorted(self._cumulative_popularity, self._rng.random(shape), side="right")
        if self.config.topic_persistence == 0:
            return drawn
        kept = self._rng.random(shape) < self.config.topic_persistence
        source = np.maximum.accumulate(np.where(kept, -1, np.arange(shape[1])), axis=-1)
        chained = np.take_along_axis(drawn, np.maximum(source, 0), axis=-1)
        return np.where(source >= 0, chained, last_topic[:, None])

    def _select(self) -> None:
        """Gather the subtask of this slot of each user, (N, U); weight, words and compute are 0 with none pending."""
        self.pending = self.active & (self.position < self.num_transferred)
        at = np.minimum(self.position, self.config.num_subtasks - 1)[..., None]
        self.topic = np.take_along_axis(self.all_topic, at, axis=-1)[..., 0]
        self.weight = np.take_along_axis(self.all_weight, at, axis=-1)[..., 0] * self.pending
        self.words = np.take_along_axis(self.all_words, at, axis=-1)[..., 0] * self.pending
        self.compute = np.take_along_axis(self.all_compute, at, axis=-1)[..., 0] * self.pending
