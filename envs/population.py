"""The population of N worlds: users and experts, what each has, and which experts are up."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Arrays, Bool, Float
from envs.channel.placement import given_of_experts
from envs.config import WorldConfig
from envs.experts import ExpertPool, attraction, draw_pool
from envs.state import State
from envs.users import Users


class Population:
    """Users and experts of N worlds.

    Attributes:
        users: the users.
        pool: the experts.
        attraction: (N, E) share of all requests that each expert would draw if users chose by
            competence alone (`experts.attraction`).
        available: (N, E) experts that are up.

    Args:
        config: the worlds' configuration.
        num_worlds: N.
        topic_popularity: (M,), summing to 1.
        rng: generators by stream: `users`, `pool`, `devices`, `serving` and `availability`.
    """

    pool: ExpertPool
    attraction: Float

    def __init__(
        self,
        config: WorldConfig,
        num_worlds: int,
        topic_popularity: NDArray[np.float64],
        rng: Mapping[str, np.random.Generator],
    ) -> None:
        self._config, self._num_worlds, self._rng = config, num_worlds, rng
        self._topic_popularity = topic_popularity
        self.users = Users.drawn(config, num_worlds, rng["users"])
        self.draw_pool()
        self.available = np.ones(self.pool.unit_cost.shape, bool)

    def draw_pool(self) -> None:
        """Draw the experts anew."""
        self._set_pool(self._drawn(first=0))

    def draw_available(self) -> None:
        """Draw which experts are up."""
        self.available = self._up(first=0)

    def advance(self) -> None:
        """Go on to the next slot."""
        if np.min(self.pool.availability_probability) < 1:
            self.draw_available()

    def grow(self, config: WorldConfig) -> None:
        """Add the experts that a grown configuration has more."""
        first, self._config = self._config.num_experts, config
        self._set_pool(self.pool.joined(self._drawn(first)))
        self.available = np.concatenate([self.available, self._up(first)], axis=-1)

    def given_of_experts(self, first: int = 0) -> Arrays:
        """Return band and power of the experts from one on, which the channel depends on."""
        pool = self.pool
        given = given_of_experts(pool.bandwidth_hz, pool.tx_power_w, pool.unit_cost.shape)
        return {name: array[..., first:] for name, array in given.items()}

    def get_state(self) -> State:
        """Return copies of all that was drawn."""
        return {
            "users": self.users.get_state(),
            "pool": self.pool.get_state(),
            "available": self.available.copy(),
        }

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        self.users = Users.from_state(state["users"])
        self._set_pool(ExpertPool.from_state(state["pool"]))
        self.available = state["available"].copy()

    def _drawn(self, first: int) -> ExpertPool:
        rng = self._rng
        streams = rng["pool"], rng["devices"], rng["serving"]
        return draw_pool(self._config, self._num_worlds, *streams, first)

    def _set_pool(self, pool: ExpertPool) -> None:
        self.pool = pool
        seen = pool.seen(self._config.information)
        self.attraction = attraction(seen, self._topic_popularity)

    def _up(self, first: int) -> Bool:
        """Draw which experts from one on are up, (N, E - first)."""
        probability = self.pool.availability_probability
        if not isinstance(probability, float):
            probability = probability[:, first:]
        shape = self._num_worlds, self._config.num_experts - first
        return self._rng["availability"].random(shape) < probability
