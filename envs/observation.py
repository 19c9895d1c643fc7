"""Observations: how a slot is written into vectors, whose columns `envs.features` lists.

An observation is a vector: the columns of `user_features`, then a block of `expert_features` for
each of the user's candidates. Every column is bounded (`bounds`). The first of a block is the
action mask.
"""

import numpy as np
from numpy.typing import NDArray

from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.feature import Sight
from envs.features import (
    LARGEST_LOAD,
    LOAD_UNIT,
    OF_PAIRS,
    expert_features,
    user_features,
)
from envs.readings import LARGEST, value_of_point

_ROUNDING = 1 + 1e-5  # single precision may round a feature just past its bound


def observation_size(config: WorldConfig, allocates: bool = False) -> int:
    """Return the length D of an observation."""
    return len(column_names(config, allocates))


def column_names(config: WorldConfig, allocates: bool = False) -> list[str]:
    """Return the name of each column, such as `words` or `expert_3.energy`.

    With candidate lists `expert_3` is the fourth expert on the list.
    """
    names = [feature.name for feature in user_features(config)]
    for candidate in range(config.num_candidates):
        for feature in expert_features(config, allocates):
            names.append(f"expert_{candidate}.{feature.name}")
    return names


def bounds(
    config: WorldConfig, allocates: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the least and the greatest value of each column, (D,) each."""
    of_expert = expert_features(config, allocates)
    features = [*user_features(config), *of_expert * config.num_candidates]
    low = np.array([feature.low(config) for feature in features])
    highest = {
        feature.name: feature.high(config) if np.isinf(feature.cut) else feature.cut
        for feature in set(features)
    }
    high = np.array([highest[feature.name] for feature in features])
    return (low * _ROUNDING).astype(np.float32), (high * _ROUNDING).astype(np.float32)


class Layout:
    """The columns of the observations of worlds of one configuration.

    Attributes:
        size: length D of an observation.

    Args:
        config: configuration of the worlds.
        allocates: true where the mechanism allocates experts to users.
    """

    def __init__(self, config: WorldConfig, allocates: bool) -> None:
        self._of_user = user_features(config)
        self._of_expert = expert_features(config, allocates)
        scales = [feature.scale(config) for feature in self._of_expert]
        self._scales = np.array(scales, np.float32)
        self._cuts = np.array([feature.cut for feature in self._of_expert], np.float32)
        self._place = {feature.name: place for place, feature in enumerate(self._of_expert)}
        self._of_pairs = [place for name, place in self._place.items() if name in OF_PAIRS]
        self._alike = [place for name, place in self._place.items() if name not in OF_PAIRS]
        self.size = len(self._of_user) + config.num_candidates * len(self._of_expert)

    def write(self, sight: Sight) -> NDArray[np.float32]:
        """Write the observations of a slot, (N, U, D)."""
        conditions, offer = sight.conditions, sight.offer
        num_worlds, num_users = conditions.subtasks.pending.shape
        observation = np.empty((num_worlds, num_users, self.size), np.float32)
        for place, feature in enumerate(self._of_user):
            observation[..., place] = feature.read(sight)
        block = observation[..., len(self._of_user) :]
        block = block.reshape(num_worlds, num_users, -1, len(self._of_expert))
        self._write_alike(sight, block)
        for place in self._of_pairs:
            self._write_pairs(sight, place, block)
        self._write_own_expert(conditions, observation)
        if offer.allocates:
            _write_own_price(sight, self._place["unit_price"], block)
        return observation

    def _write_alike(self, sight: Sight, block: NDArray[np.float32]) -> None:
        """Write the columns that all users of a world see alike.

        They are written together, since strided writes are slow; those of pairs become 0.
        """
        conditions = sight.conditions
        candidates, columns = conditions.candidates, len(self._of_expert)
        alike = np.zeros((*conditions.available.shape, columns), np.float32)
        for place in self._alike[1:]:
            alike[..., place] = self._of_expert[place].read(sight)
        # Else which experts take part depends on the user.
        seen_alike = sight.offer.free and conditions.links.covered is None
        if seen_alike:
            alike[..., 0] = conditions.available
        alike *= self._scales
        np.minimum(alike, self._cuts, out=alike)
        if candidates.listed:
            alike = alike.reshape(-1, columns).take(candidates.cell, axis=0)
        else:
            alike = alike[:, None]
        block[...] = alike
        transfers = conditions.transfers
        if not seen_alike:
            block[..., 0] = sight.mask[..., :-1]
        elif not transfers.all():
            block[~transfers, :, 0] = 0.0

    def _write_pairs(self, sight: Sight, place: int, block: NDArray[np.float32]) -> None:
        """Write a column that each user sees for itself."""
        feature, scale = self._of_expert[place], self._scales[place]
        column, values = block[..., place], feature.read(sight)
        if feature.cut == np.inf:
            np.multiply(values, scale, out=column)
        else:
            np.minimum(values, np.float32(feature.cut), out=column)

    def _write_own_expert(self, conditions: Conditions, observation: NDArray[np.float32]) -> None:
        """Write `mine`, and subtract the user from the load of the expert that served it."""
        num_users, num_columns = observation.shape[1], len(self._of_expert)
        mine = conditions.candidates.column(conditions.occupancy.last_expert)
        row = (mine >= 0).ravel().nonzero()[0]  # of all worlds' users
        expert = conditions.occupancy.last_expert.take(row)
        cell = row // num_users * conditions.num_experts + expert
        others = conditions.occupancy.load.take(cell) - 1
        begin = row * self.size + len(self._of_user) + mine.take(row) * num_columns
        flat = observation.reshape(-1)
        load = np.minimum(others * (1 / LOAD_UNIT), LARGEST_LOAD)
        flat[begin + self._place["load"]] = load
        flat[begin + self._place["mine"]] = 1.0


def _write_own_price(sight: Sight, place: int, block: NDArray[np.float32]) -> None:
    """Write each user's charge for a delivered point as price of the expert allocated to it."""
    conditions, offer = sight.conditions, sight.offer
    column = conditions.candidates.column(offer.allocation.expert)
    world, user = np.nonzero(column >= 0)
    points = offer.full_points[world, user]
    highest = np.full(points.shape, LARGEST)  # also where nothing is delivered
    charge = offer.allocation.charge[world, user] * (1 + offer.margin[world])
    value = value_of_point(conditions.config)
    price = np.divide(charge, points * value, out=highest, where=points > 0)
    block[world, user, column[world, user], place] = np.minimum(price, LARGEST)
