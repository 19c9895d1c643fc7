"""Observations: the table of their columns, and how a slot is written into them.

An observation is a vector: the columns of `USER_FEATURES`, then a block of `EXPERT_FEATURES` for
each of the user's candidates, followed by those of `ALLOCATION_FEATURES` where the mechanism
allocates. Every column is bounded (`bounds`). The first of a block is the action mask. No column
depends on what others choose in the same slot.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.channel.rates import db_to_linear, snr_gap, spectral_efficiency, subtask_bits
from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.offer import Offer
from envs.prospects import expected_competence, right_type
from envs.quality import deliverable_points

Scale = Callable[[WorldConfig], float]
LARGEST = 10.0  # delays, backlogs and prices beyond this many units look alike
LOAD_UNIT, LARGEST_LOAD = 4.0, 25.0
COMPETENCE_BOUND = 2.0
_ROUNDING = 1 + 1e-5  # single precision may round a feature just past its bound


def _one(config: WorldConfig) -> float:
    return 1.0


class Feature(NamedTuple):
    """A column of the observation: `read` times `scale`, at least `low` and at most `high`.

    Attributes:
        name: its name.
        doc: meaning and unit.
        read: its values before scaling, from the slot: (N, U) of a user, (N, E) where all users
            see an expert alike, (N, U, C) where they do not.
        scale: factor on them, 1 for values of pairs that are cut.
        low: least value.
        high: greatest value, where none is cut.
        cut: limit to which greater values are cut.
    """

    name: str
    doc: str
    read: Callable[[Conditions, Offer], NDArray | float]
    scale: Scale = _one
    low: float = 0.0
    high: Scale = _one
    cut: float = np.inf


def _competence(conditions: Conditions, offer: Offer) -> NDArray[np.float32]:
    known = conditions.config.information == "known"
    competence = conditions.competence if known else right_type(conditions)
    bought = competence * conditions.candidates.of(offer.effort).astype(np.float32)
    return np.maximum(bought, -COMPETENCE_BOUND, out=bought)


def _delay_alone(conditions: Conditions, offer: Offer) -> NDArray[np.float32]:
    compute_s = conditions.compute_s[..., None].astype(np.float32)
    delay = conditions.transmission_alone_s + compute_s
    delay *= np.float32(1 / conditions.config.quality.deadline_s)
    return delay


def _seen_alone_s(conditions: Conditions, offer: Offer) -> NDArray[np.float32]:
    """Return the time to send alone on the band, cut where the SNR has no lower bound."""
    alone_s = conditions.transmission_alone_s
    if conditions.config.channel.clips:
        return alone_s
    return np.minimum(alone_s, np.float32(LARGEST * conditions.config.quality.deadline_s))


def _most_energy(config: WorldConfig) -> float:
    """Return the greatest cost of energy that is seen, credits.

    That is of the longest answer at the lowest SNR; where the SNR has no lower bound, of sending
    for as long as the greatest delay that is seen.
    """
    channel = config.channel
    if not channel.clips:
        seen_s = LARGEST * config.quality.deadline_s
        return config.reward.credits_per_joule * channel.tx_power_w * seen_s
    worst_snr = db_to_linear(np.array(channel.snr_db[0]))
    worst_rate = channel.bandwidth_hz * spectral_efficiency(worst_snr, snr_gap(channel))
    longest_s = subtask_bits(channel, np.array(config.requests.words[1])) / worst_rate
    return float(config.reward.credits_per_joule * channel.tx_power_w * longest_s)


def _value(config: WorldConfig) -> float:
    return config.market.value or 1.0


USER_FEATURES = (
    Feature(
        "pending",
        "1 with a subtask to transfer, else 0",
        lambda conditions, offer: conditions.subtasks.pending,
    ),
    Feature(
        "weight",
        "gating weight times number of subtasks, K g",
        lambda conditions, offer: (
            conditions.subtasks.weight * conditions.config.requests.num_subtasks
        ),
        high=lambda config: float(config.requests.num_subtasks),
    ),
    Feature(
        "words",
        "words of the answer / largest configured",
        lambda conditions, offer: conditions.subtasks.words / conditions.config.requests.words[1],
    ),
    Feature(
        "compute_need",
        "compute need / largest configured",
        lambda conditions, offer: (
            conditions.subtasks.compute / conditions.config.requests.compute_need[1]
        ),
    ),
)
EXPERT_FEATURES = (
    Feature(
        "available",
        "1 where this expert may be chosen in this slot (the action mask), else 0",
        lambda conditions, offer: conditions.available & offer.participates,
    ),
    Feature(
        "competence",
        "competence for this topic (known) or whether the type matches, times the effort bought",
        _competence,
        low=-COMPETENCE_BOUND,
        cut=COMPETENCE_BOUND,
    ),
    Feature(
        "energy",
        "cost of the energy that the transfer takes alone on the band, credits; under a process "
        "of one's own, which does not clip the SNR, at most that of sending for 10 deadlines",
        _seen_alone_s,
        scale=lambda config: config.reward.credits_per_joule * config.channel.tx_power_w,
        high=_most_energy,
    ),
    Feature(
        "delay",
        "delay alone on the band (up, compute, down; no backlog) / deadline, at most 10",
        _delay_alone,
        cut=LARGEST,
    ),
    Feature(
        "load",
        "users other than me that it served in the last slot / 4, at most 25",
        lambda conditions, offer: conditions.occupancy.load,
        scale=lambda config: 1 / LOAD_UNIT,
        cut=LARGEST_LOAD,
    ),
    Feature(
        "mine",
        "1 where it served me in the last slot, else 0",
        lambda conditions, offer: 0.0,  # except for one expert a user, see `_write_own_expert`
    ),
    Feature(
        "backlog",
        "seconds of work it has left over / slot, at most 10",
        lambda conditions, offer: conditions.occupancy.backlog_s,
        scale=lambda config: 1 / config.slot_s,
        cut=LARGEST,
    ),
    Feature(
        "unit_price",
        "credits a delivered point (of the expert assigned to me, by my charge) / its value, "
        "at most 10",
        lambda conditions, offer: offer.unit_price,
        scale=lambda config: 1 / _value(config),
        cut=LARGEST,
    ),
    Feature(
        "recent_load",
        "users that it served, exponential average over past slots of weight 0.3 / 4, at most 25",
        lambda conditions, offer: conditions.occupancy.recent_load,
        scale=lambda config: 1 / LOAD_UNIT,
        cut=LARGEST_LOAD,
    ),
    Feature(
        "attraction",
        "requests drawn if all users chose by competence alone (`experts.attraction`) / mean, "
        "at most 10",
        lambda conditions, offer: conditions.attraction,
        scale=lambda config: float(config.num_experts),
        cut=LARGEST,
    ),
)
ALLOCATION_FEATURES = (
    Feature(
        "assigned",
        "1 where the mechanism assigns me this expert, else 0",
        lambda conditions, offer: (
            offer.allocation.expert[..., None] == conditions.candidates.expert
        ),
    ),
)
NUM_USER_FEATURES, NUM_EXPERT_FEATURES = len(USER_FEATURES), len(EXPERT_FEATURES)
_PLACE = {feature.name: place for place, feature in enumerate(EXPERT_FEATURES)}
_OF_PAIRS = tuple(_PLACE[name] for name in ("competence", "energy", "delay"))
_ALIKE = tuple(place for place in range(NUM_EXPERT_FEATURES) if place not in _OF_PAIRS)
_CUTS = np.array([feature.cut for feature in EXPERT_FEATURES], np.float32)


def expert_features(allocates: bool) -> tuple[Feature, ...]:
    """Return the columns of an expert, for a mechanism that allocates or does not."""
    return EXPERT_FEATURES + ALLOCATION_FEATURES if allocates else EXPERT_FEATURES


def observation_size(num_candidates: int, allocates: bool = False) -> int:
    """Return the length D of an observation."""
    return NUM_USER_FEATURES + num_candidates * len(expert_features(allocates))


def column_names(num_candidates: int, allocates: bool = False) -> list[str]:
    """Return the name of each column, such as `words` or `expert_3.energy`.

    With candidate lists `expert_3` is the fourth expert on the list.
    """
    names = [feature.name for feature in USER_FEATURES]
    for candidate in range(num_candidates):
        for feature in expert_features(allocates):
            names.append(f"expert_{candidate}.{feature.name}")
    return names


def bounds(
    config: WorldConfig, allocates: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the least and the greatest value of each column, (D,) each."""
    features = [*USER_FEATURES, *expert_features(allocates) * config.num_candidates]
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
        self._features = expert_features(allocates)
        self._scales = [np.float32(feature.scale(config)) for feature in self._features]
        self._alike_scales = np.array(self._scales[:NUM_EXPERT_FEATURES])
        self.size = observation_size(config.num_candidates, allocates)

    def write(self, conditions: Conditions, offer: Offer) -> NDArray[np.float32]:
        """Write the observations of a slot, (N, U, D)."""
        num_worlds, num_users = conditions.subtasks.pending.shape
        observation = np.empty((num_worlds, num_users, self.size), np.float32)
        for place, feature in enumerate(USER_FEATURES):
            observation[..., place] = feature.read(conditions, offer)
        block = observation[..., NUM_USER_FEATURES:]
        block = block.reshape(num_worlds, num_users, -1, len(self._features))
        self._write_alike(conditions, offer, block)
        for place in _OF_PAIRS:
            self._write_pairs(conditions, offer, place, block)
        self._write_own_expert(conditions, observation)
        if offer.allocates:
            for place in range(NUM_EXPERT_FEATURES, len(self._features)):
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
        alike = np.zeros((*conditions.available.shape, NUM_EXPERT_FEATURES), np.float32)
        for place in _ALIKE:
            alike[..., place] = EXPERT_FEATURES[place].read(conditions, offer)
        alike *= self._alike_scales
        np.minimum(alike, _CUTS, out=alike)
        if candidates.listed:
            alike = alike.reshape(-1, NUM_EXPERT_FEATURES).take(candidates.cell, axis=0)
        else:
            alike = alike[:, None]
        block[..., :NUM_EXPERT_FEATURES] = alike
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
        begin = row * self.size + NUM_USER_FEATURES + mine.take(row) * len(self._features)
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
    charge, value = allocation.charge[world, user], _value(config)
    price = np.divide(charge, points * value, out=highest, where=points > 0)
    block[world, user, own, _PLACE["unit_price"]] = np.minimum(price, LARGEST)
