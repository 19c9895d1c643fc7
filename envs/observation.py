"""Observations: how a slot is written into vectors, whose columns `envs.features` lists.

An observation is a vector: the columns of `USER_FEATURES`, then a block of `EXPERT_FEATURES` for
each of the user's candidates, followed by those of `ALLOCATION_FEATURES` where the mechanism
allocates. Every column is bounded (`bounds`). The first of a block is the action mask.
"""

import numpy as np
from numpy.typing import NDArray

from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.features import (
    EXPERT_FEATURES,
    LARGEST,
    LARGEST_LOAD,
    LOAD_UNIT,
    USER_FEATURES,
    expert_features,
    user_features,
    value_of_point,
)
from envs.offer import Offer
from envs.prospects import expected_competence
from envs.quality import deliverable_points

_ROUNDING = 1 + 1e-5  # single precision may round a feature just past its bound
_PLACE = {feature.name: place for place, feature in enumerate(EXPERT_FEATURES)}
_OF_PAIRS = tuple(_PLACE[name] for name in ("competence", "energy", "delay"))
_ALIKE = tuple(place for place in range(len(EXPERT_FEATURES)) if place not in _OF_PAIRS)
_CUTS = np.array([feature.cut for feature in EXPERT_FEATURES], np.float32)


def observation_size(config: WorldConfig, allocates: bool = False) -> int:
    """Return the length D of an observation."""
    experts = config.num_candidates * len(expert_features(config, allocates))
    return len(user_features(config)) + experts


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
    experts = expert_features(config, allocates) * config.num_candidates
    features = [*user_features(config), *experts]
    low = np.array([feature.low for feature in features])
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
        self._features = expert_features(config, allocates)
        self._scales = [np.float32(feature.scale(config)) for feature in self._features]
        self._alike_scales = np.array(self._scales[: len(EXPERT_FEATURES)])
        self.size = observation_size(config, allocates)

    def write(self, conditions: Conditions, offer: Offer) -> NDArray[np.float32]:
        """Write the observations of a slot, (N, U, D)."""
        num_worlds, num_users = conditions.subtasks.pending.shape
        observation = np.empty((num_worlds, num_users, self.size), np.float32)
        for place, feature in enumerate(USER_FEATURES):
            observation[..., place] = feature.read(conditions, offer)
        block = observation[..., len(USER_FEATURES) :]
        block = block.reshape(num_worlds, num_users, -1, len(self._features))
        self._write_alike(conditions, offer, block)
        for place in _OF_PAIRS:
            self._write_pairs(conditions, offer, place, block)
        self._write_own_expert(conditions, observation)
        if offer.allocates:
            for place in range(len(EXPERT_FEATURES), len(self._features)):
                self._write_pairs(conditions, offer, place, block)
            _write_own_price(conditions, offer, block)
        return observation

    def _write_alike(
        self, conditions: Conditions, offer: Offer, block: NDArray[np.float32]
    ) -> None:
        """Write the columns that all users of a world see alike.

        They are written together, since strided writes are slow; the other columns of
        `EXPERT_FEATURES` become 0.
        """
        candidates, pending = conditions.candidates, conditions.subtasks.pending
        alike = np.zeros((*conditions.available.shape, len(EXPERT_FEATURES)), np.float32)
        for place in _ALIKE:
            alike[..., place] = EXPERT_FEATURES[place].read(conditions, offer)
        alike *= self._alike_scales
        np.minimum(alike, _CUTS, out=alike)
        if candidates.listed:
            alike = alike.reshape(-1, len(EXPERT_FEATURES)).take(candidates.cell, axis=0)
        else:
            alike = alike[:, None]
        block[..., : len(EXPERT_FEATURES)] = alike
        if not pending.all():
            block[~pending, :, _PLACE["available"]] = 0.0

    def _write_pairs(
        self, conditions: Conditions, offer: Offer, place: int, block: NDArray[np.float32]
    ) -> None:
        """Write a column that each user sees for itself."""
        feature, scale, column = self._features[place], self._scales[place], block[..., place]
        values = feature.read(conditions, offer)
        if feature.cut == np.inf:
            np.multiply(values, scale, out=column)
        else:
            np.minimum(values, np.float32(feature.cut), out=column)

    def _write_own_expert(self, conditions: Conditions, observation: NDArray[np.float32]) -> None:
        """Write `mine`, and subtract the user from the load of the expert that served it."""
        num_users = observation.shape[1]
        mine = conditions.candidates.column(conditions.occupancy.last_expert)
        row = (mine >= 0).ravel().nonzero()[0]  # of all worlds' users
        expert = conditions.occupancy.last_expert.take(row)
        cell = row // num_users * conditions.num_experts + expert
        others = conditions.occupancy.load.take(cell) - 1
        begin = row * self.size + len(USER_FEATURES) + mine.take(row) * len(self._features)
        flat = observation.reshape(-1)
        flat[begin + _PLACE["load"]] = np.minimum(others * (1 / LOAD_UNIT), LARGEST_LOAD)
        flat[begin + _PLACE["mine"]] = 1.0


def _write_own_price(conditions: Conditions, offer: Offer, block: NDArray[np.float32]) -> None:
    """Write each user's charge for a delivered point as price of the expert allocated to it."""
    config, allocation = conditions.config, offer.allocation
    column = conditions.candidates.column(allocation.expert)
    world, user = np.nonzero(column >= 0)
    own, expert = column[world, user], allocation.expert[world, user]
    competence = expected_competence(conditions)[world, user, own]
    points = deliverable_points(config.quality, conditions.loss[world, user], competence)
    points = offer.effort[world, expert] * points
    highest = np.full(points.shape, LARGEST)  # also where nothing is delivered
    charge, value = allocation.charge[world, user], value_of_point(config)
    price = np.divide(charge, points * value, out=highest, where=points > 0)
    block[world, user, own, _PLACE["unit_price"]] = np.minimum(price, LARGEST)
