"""How columns of an observation are read from a slot, where that takes more than a line."""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs.arrays import Float
from envs.channel.rates import Rate, db_to_linear, spectral_efficiency, subtask_bits
from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.feature import Sight
from envs.poisson_load import ByLoad
from envs.prospects import expected_gain, expected_rest, right_type

STRANGERS_WEIGHT = 0.7  # of others whom the offer draws, against those seen of late
LARGEST = 10.0  # delays, backlogs and prices beyond this many units look alike
COMPETENCE_BOUND = 2.0
GAIN_BOUND = 10.0  # points


def competence(sight: Sight) -> NDArray[np.float32]:
    """Return the competence for the user's topic, or whether the type matches, times effort."""
    conditions = sight.conditions
    known = conditions.config.information == "known"
    full = conditions.competence if known else right_type(conditions)
    bought = full * sight.effort
    return np.maximum(bought, -COMPETENCE_BOUND, out=bought)


def delay_alone(sight: Sight) -> NDArray[np.float32]:
    """Return the delay alone on the band, without backlogs, in deadlines of the user."""
    conditions = sight.conditions
    delay = conditions.stretched(conditions.transmission_alone_s) + conditions.computing_alone_s
    if conditions.round_trip_s is not None:
        delay += conditions.round_trip_s
    delay *= conditions.of_user(1 / conditions.users.deadline_s)
    return delay


def energy_cost(sight: Sight) -> NDArray[np.float32]:
    """Return the cost of sending alone on the band, cut where nothing bounds it.

    The unit is `energy_unit` credits where all users pay alike and all experts' power is one.
    """
    conditions, config = sight.conditions, sight.conditions.config
    alone_s = conditions.transmission_alone_s
    if not _bounded(config):
        seen_s = LARGEST * config.bounds["deadline_s"].greatest
        alone_s = np.minimum(alone_s, np.float32(seen_s))
    if config.reward.downlink_energy == "edge_device":
        alone_s = alone_s * (1 - conditions.answer_share[..., None]).astype(np.float32)
    users, pool = conditions.users, conditions.pool
    for own in (
        conditions.of_user(users.credits_per_joule),
        conditions.of_expert(pool.tx_power_w),
    ):
        if not isinstance(own, float):
            alone_s = alone_s * own
    return alone_s


def energy_unit(config: WorldConfig) -> float:
    """Return credits of a second of sending, or of the part of it that all have in common."""
    common = (config.bounds[key].number for key in ("credits_per_joule", "tx_power_w"))
    return prod(number for number in common if number is not None)


def gain_alone(sight: Sight) -> NDArray[np.float32]:
    """Return the gain that a user may expect were it alone, credits."""
    return _gain(sight, 1)


def gain_beside(sight: Sight) -> NDArray[np.float32]:
    """Return the gain that a user may expect beside as many others as it expects, credits."""
    return _beside(sight, partial(_gain, sight))


def rest_beside(sight: Sight) -> NDArray[np.float32]:
    """Return what is left for later (`prospects.rest`) once a user spent what it expects to."""
    return _beside(sight, partial(expected_rest, sight.conditions, sight.offer))


def _beside(sight: Sight, of_load: Callable[[NDArray[np.float32]], NDArray]) -> NDArray:
    """Return what follows from the load that users expect of candidates, (N, U, C)."""
    conditions = sight.conditions
    if sight.drawn is None:
        return of_load(conditions.others_seen() + 1)
    others = _expected_others(conditions, sight.drawn)
    return ByLoad(of_load, conditions.num_users - 1).expected(others)


def _expected_others(conditions: Conditions, drawn: Float) -> NDArray[np.float32]:
    """Return the mean number of others that users expect at candidates, (N, U, C)."""
    seen = conditions.others_seen()
    attracted: NDArray[np.float32] = conditions.candidates.of(drawn.astype(np.float32))
    return seen + np.float32(STRANGERS_WEIGHT) * (attracted - seen)


def _gain(sight: Sight, load: ArrayLike) -> NDArray[np.float32]:
    gain = expected_gain(sight.conditions, sight.offer, load)
    most = most_gain(sight.conditions.config)
    return np.clip(gain, -most, most, out=gain)


def most_gain(config: WorldConfig) -> float:
    """Return the greatest gain that is seen, credits."""
    return GAIN_BOUND * config.bounds["credits_per_point"].greatest


def covered_for(sight: Sight) -> NDArray[np.float32]:
    """Return the time until a pair leaves coverage, slots."""
    conditions = sight.conditions
    left_s = conditions.links.covered_for_s
    assert left_s is not None  # the column is there where the process knows it
    return left_s * np.float32(1 / conditions.config.slot_s)


def left(left: Float | None, budget: Float | float) -> Float | float:
    """Return the share left of a budget, 0..1; 1 where a user has none and others do."""
    if left is None:
        return 0.0
    share = np.divide(left, budget, out=np.ones(left.shape), where=np.isfinite(left))
    return np.maximum(share, 0.0)


def _bounded(config: WorldConfig) -> bool:
    """Return whether the time to send has an upper bound: that of SNRs, and the bits of words."""
    return config.channel.clips and config.codecs.are_words


def most_energy(config: WorldConfig) -> float:
    """Return the greatest cost of energy that is seen, credits.

    That is of the longest answer at the lowest SNR; where the SNR has no lower bound, or a codec is
    no `words`, of sending for as long as the greatest delay that is seen.
    """
    channel, bounds = config.channel, config.bounds
    dearest = bounds["credits_per_joule"].greatest * bounds["tx_power_w"].greatest
    if not _bounded(config):
        return dearest * LARGEST * bounds["deadline_s"].greatest
    worst_snr = db_to_linear(np.array(channel.snr_db[0]))
    worst_rate = bounds["bandwidth_hz"].least * spectral_efficiency(worst_snr, Rate.of(channel))
    longest_s = subtask_bits(channel, np.array(config.requests.words[1])) / worst_rate
    return float(dearest * longest_s)


def value_of_point(config: WorldConfig) -> float:
    """Return what the platform takes a point to be worth, credits; 1 where it takes it for 0."""
    return config.market.value or 1.0
