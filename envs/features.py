"""The table of an observation's columns: what each one means, how it is read, and its bounds.

No column depends on what others choose in the same slot.
"""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs.arrays import Float
from envs.channel.rates import Rate, db_to_linear, spectral_efficiency, subtask_bits
from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.differences import features_of_experts, features_of_users
from envs.feature import Feature, Sight
from envs.poisson_load import ByLoad
from envs.prospects import expected_gain, expected_rest, rest, right_type

GAIN_ALONE, GAIN_BESIDE = "gain_alone", "gain_beside"
REST, REST_BESIDE = "rest", "rest_beside"
DRAWN = "_drawn"  # ends the names of columns that count on strangers (`observation.expected_load`)
STRANGERS_WEIGHT = 0.7  # of others whom the offer draws, against those seen of late
LARGEST = 10.0  # delays, backlogs and prices beyond this many units look alike
LOAD_UNIT, LARGEST_LOAD = 4.0, 25.0
COMPETENCE_BOUND = 2.0
GAIN_BOUND = 10.0  # points


def _competence(sight: Sight) -> NDArray[np.float32]:
    conditions = sight.conditions
    known = conditions.config.information == "known"
    competence = conditions.competence if known else right_type(conditions)
    bought = competence * sight.effort
    return np.maximum(bought, -COMPETENCE_BOUND, out=bought)


def _delay_alone(sight: Sight) -> NDArray[np.float32]:
    conditions = sight.conditions
    delay = conditions.stretched(conditions.transmission_alone_s) + conditions.computing_alone_s
    if conditions.round_trip_s is not None:
        delay += conditions.round_trip_s
    delay *= conditions.of_user(1 / conditions.users.deadline_s)
    return delay


def _energy_cost(sight: Sight) -> NDArray[np.float32]:
    """Return the cost of sending alone on the band, cut where nothing bounds it.

    The unit is `_energy_unit` credits where all users pay alike and all experts' power is one.
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


def _energy_unit(config: WorldConfig) -> float:
    """Return credits of a second of sending, or of the part of it that all have in common."""
    common = (config.bounds[key].number for key in ("credits_per_joule", "tx_power_w"))
    return prod(number for number in common if number is not None)


def _gain_alone(sight: Sight) -> NDArray[np.float32]:
    return _gain(sight, 1)


def _gain_beside(sight: Sight) -> NDArray[np.float32]:
    return _beside(sight, partial(_gain, sight))


def _rest_beside(sight: Sight) -> NDArray[np.float32]:
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


def _covered_for(sight: Sight) -> NDArray[np.float32]:
    conditions = sight.conditions
    left_s = conditions.links.covered_for_s
    assert left_s is not None  # the column is there where the process knows it
    return left_s * np.float32(1 / conditions.config.slot_s)


def _left(left: Float | None, budget: Float | float) -> Float | float:
    """Return the share left of a budget, 0..1; 1 where a user has none and others do."""
    if left is None:
        return 0.0
    share = np.divide(left, budget, out=np.ones(left.shape), where=np.isfinite(left))
    return np.maximum(share, 0.0)


def _bounded(config: WorldConfig) -> bool:
    """Return whether the time to send has an upper bound: that of SNRs, and the bits of words."""
    return config.channel.clips and config.codecs.are_words


def _most_energy(config: WorldConfig) -> float:
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
    return config.market.value or 1.0


USER_FEATURES = (
    Feature(
        "pending",
        "1 with a subtask to transfer, else 0",
        lambda sight: sight.conditions.subtasks.pending,
    ),
    Feature(
        "weight",
        "gating weight times number of subtasks, K g",
        lambda sight: (
            sight.conditions.subtasks.weight * sight.conditions.config.requests.num_subtasks
        ),
        high=lambda config: float(config.requests.num_subtasks),
    ),
    Feature(
        "words",
        "words of the answer / largest configured",
        lambda sight: sight.conditions.subtasks.words / sight.conditions.config.requests.words[1],
    ),
    Feature(
        "compute_need",
        "compute need / largest configured",
        lambda sight: (
            sight.conditions.subtasks.compute / sight.conditions.config.requests.compute_need[1]
        ),
    ),
)
EXPERT_FEATURES = (
    Feature(
        "available",
        "1 where this expert may be chosen in this slot (the action mask), else 0",
        lambda sight: sight.mask[..., :-1],
    ),
    Feature(
        "competence",
        "competence for this topic (known) or whether the type matches, times its effort for me",
        _competence,
        low=lambda config: -COMPETENCE_BOUND,
        cut=COMPETENCE_BOUND,
    ),
    Feature(
        "energy",
        "cost of the energy that I pay for alone on the band, credits; under a process or "
        "codec of one's own, which does not bound it, at most that of sending for 10 deadlines",
        _energy_cost,
        scale=_energy_unit,
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
        lambda sight: sight.conditions.occupancy.load,
        scale=lambda config: 1 / LOAD_UNIT,
        cut=LARGEST_LOAD,
    ),
    Feature(
        "mine",
        "1 where it served me in the last slot, else 0",
        lambda sight: 0.0,  # except for one expert a user, see `_write_own_expert`
    ),
    Feature(
        "airtime_backlog",
        "seconds of airtime it has left over / slot, at most 10",
        lambda sight: sight.conditions.occupancy.airtime_backlog_s,
        scale=lambda config: 1 / config.slot_s,
        cut=LARGEST,
    ),
    Feature(
        "unit_price",
        "what I pay for a delivered point (of the expert assigned to me, by my charge) / its "
        "value, at most 10",
        lambda sight: sight.offer.user_price,
        scale=lambda config: 1 / value_of_point(config),
        cut=LARGEST,
    ),
    Feature(
        "recent_load",
        "users that it served, exponential average over past slots of weight 0.3 / 4, at most 25",
        lambda sight: sight.conditions.occupancy.recent_load,
        scale=lambda config: 1 / LOAD_UNIT,
        cut=LARGEST_LOAD,
    ),
    Feature(
        "attraction",
        "requests drawn if all users chose by competence alone (`experts.attraction`) / mean, "
        "at most 10",
        lambda sight: sight.conditions.attraction,
        scale=lambda config: float(config.num_experts),
        cut=LARGEST,
    ),
    Feature(
        GAIN_ALONE,
        "gain that I may expect of it were I alone there, credits, of at most 10 points",
        _gain_alone,
        low=lambda config: -most_gain(config),
        high=most_gain,
    ),
    Feature(
        GAIN_BESIDE,
        "the same beside as many others as I expect (`observation.expected_load`), with the mean "
        "work",
        _gain_beside,
        low=lambda config: -most_gain(config),
        high=most_gain,
    ),
)
ALLOCATION_FEATURES = (
    Feature(
        "assigned",
        "1 where the mechanism assigns me this expert, else 0",
        lambda sight: (
            sight.offer.allocation.expert[..., None] == sight.conditions.candidates.expert
        ),
    ),
)
COMPUTE_FEATURES = (
    Feature(
        "compute_backlog",
        "seconds of computing it has left over / slot, at most 10",
        lambda sight: sight.conditions.occupancy.compute_backlog_s,
        scale=lambda config: 1 / config.slot_s,
        cut=LARGEST,
    ),
)
BATTERY_FEATURES = (
    Feature(
        "battery_left",
        "share left of its battery, 1 without one",
        lambda sight: sight.conditions.batteries.share(sight.conditions.pool),
    ),
)
COVERAGE_FEATURES = (
    Feature(
        "covered_for",
        "time until we leave coverage / slot, at most 10 and where no end is known; 0 without "
        "coverage",
        _covered_for,
        cut=LARGEST,
    ),
)
BUDGET_FEATURES = (
    Feature(
        "energy_left",
        "share left of my energy for the episode, 0 without such a budget",
        lambda sight: _left(
            sight.conditions.budgets.energy_j, sight.conditions.users.energy_budget_j
        ),
    ),
    Feature(
        "credits_left",
        "share left of my credits for the episode, 0 without such a budget",
        lambda sight: _left(sight.conditions.budgets.credits, sight.conditions.users.credit_budget),
    ),
    Feature(
        "episode_left",
        "share left of the episode, this slot included",
        lambda sight: 1 - sight.conditions.index / sight.conditions.config.episode_slots,
    ),
    Feature(
        REST,
        "geometric mean of the share of the episode after this slot and of the share left of my "
        "budget (the lesser of two)",
        lambda sight: rest(sight.conditions)[..., 0],
    ),
)
REST_FEATURES = (
    Feature(
        REST_BESIDE,
        "the same once I have spent what may be expected of it beside as many others as in "
        "`gain_beside`",
        _rest_beside,
    ),
)
BESIDE = frozenset({GAIN_BESIDE, REST_BESIDE})
# Columns that each user sees for itself, and those of an expert that all users see alike.
OF_PAIRS = frozenset(
    {
        "competence",
        "energy",
        "delay",
        GAIN_ALONE,
        GAIN_BESIDE,
        GAIN_BESIDE + DRAWN,
        REST_BESIDE,
        REST_BESIDE + DRAWN,
        "covered_for",
        "assigned",
    }
)


def user_features(config: WorldConfig) -> tuple[Feature, ...]:
    """Return the columns of a user.

    There are four more where users have a budget over the episode, and one for each quantity in
    which users may differ.
    """
    features: tuple[Feature, ...] = USER_FEATURES
    if config.limits_users:
        features += BUDGET_FEATURES
    return features + features_of_users(config)


def expert_features(config: WorldConfig, allocates: bool) -> tuple[Feature, ...]:
    """Return the columns of an expert.

    Args:
        config: of the world: one column more each where experts take time to compute, where users
            have a budget over the episode, where experts have batteries and where ends of coverage
            are known, and one for each quantity in which experts may differ. What is expected
            beside others has another name where users count on strangers.
        allocates: whether the mechanism allocates: one column more.
    """
    features = EXPERT_FEATURES + features_of_experts(config)
    if config.computes:
        features += COMPUTE_FEATURES
    if config.limits_users:
        features += REST_FEATURES
    if config.has_batteries:
        features += BATTERY_FEATURES
    if config.limits_time:
        features += COVERAGE_FEATURES
    if allocates:
        features += ALLOCATION_FEATURES
    if config.observation.expected_load == "recent":
        return features
    return tuple(
        feature._replace(name=feature.name + DRAWN) if feature.name in BESIDE else feature
        for feature in features
    )
