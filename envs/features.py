"""The table of an observation's columns: what each one means, how it is read, and its bounds.

No column depends on what others choose in the same slot.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float
from envs.channel.rates import Rate, db_to_linear, spectral_efficiency, subtask_bits
from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.offer import Offer
from envs.prospects import right_type

Scale = Callable[[WorldConfig], float]
LARGEST = 10.0  # delays, backlogs and prices beyond this many units look alike
LOAD_UNIT, LARGEST_LOAD = 4.0, 25.0
COMPETENCE_BOUND = 2.0


def _one(config: WorldConfig) -> float:
    return 1.0


class Sight(NamedTuple):
    """What users see of a slot.

    Attributes:
        conditions: of the slot.
        offer: in force.
        effort: (N, U, C) effort that each candidate gives for each user alone.
        mask: (N, U, C + 1) actions that each may take.
    """

    conditions: Conditions
    offer: Offer
    effort: NDArray[np.float32]
    mask: Bool


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
    read: Callable[[Sight], NDArray | float]
    scale: Scale = _one
    low: float = 0.0
    high: Scale = _one
    cut: float = np.inf


def _competence(sight: Sight) -> NDArray[np.float32]:
    conditions = sight.conditions
    known = conditions.config.information == "known"
    competence = conditions.competence if known else right_type(conditions)
    bought = competence * sight.effort
    return np.maximum(bought, -COMPETENCE_BOUND, out=bought)


def _delay_alone(sight: Sight) -> NDArray[np.float32]:
    compute_s = sight.conditions.compute_s[..., None].astype(np.float32)
    delay = sight.conditions.transmission_alone_s + compute_s
    delay *= np.float32(1 / sight.conditions.config.quality.deadline_s)
    return delay


def _seen_alone_s(sight: Sight) -> NDArray[np.float32]:
    """Return the time to send alone on the band, cut where the SNR has no lower bound."""
    alone_s, config = sight.conditions.transmission_alone_s, sight.conditions.config
    if not config.channel.clips:
        alone_s = np.minimum(alone_s, np.float32(LARGEST * config.quality.deadline_s))
    if config.reward.downlink_energy == "edge_device":
        alone_s = alone_s * (1 - sight.conditions.answer_share[..., None]).astype(np.float32)
    return alone_s


def _left(left: Float | None, budget: float | None) -> Float | float:
    """Return the share left of a budget, 0..1."""
    if left is None or budget is None:
        return 0.0
    return np.maximum(left / budget, 0.0)


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
    worst_rate = channel.bandwidth_hz * spectral_efficiency(worst_snr, Rate.of(channel))
    longest_s = subtask_bits(channel, np.array(config.requests.words[1])) / worst_rate
    return float(config.reward.credits_per_joule * channel.tx_power_w * longest_s)


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
        low=-COMPETENCE_BOUND,
        cut=COMPETENCE_BOUND,
    ),
    Feature(
        "energy",
        "cost of the energy that I pay for alone on the band, credits; under a process of one's "
        "own, which does not clip the SNR, at most that of sending for 10 deadlines",
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
        "credits a delivered point (of the expert assigned to me, by my charge) / its value, "
        "at most 10",
        lambda sight: sight.offer.unit_price,
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
BUDGET_FEATURES = (
    Feature(
        "energy_left",
        "share left of my energy for the episode, 0 without such a budget",
        lambda sight: _left(
            sight.conditions.budgets.energy_j, sight.conditions.config.energy_budget_j
        ),
    ),
    Feature(
        "credits_left",
        "share left of my credits for the episode, 0 without such a budget",
        lambda sight: _left(
            sight.conditions.budgets.credits, sight.conditions.config.credit_budget
        ),
    ),
    Feature(
        "episode_left",
        "share left of the episode, this slot included",
        lambda sight: 1 - sight.conditions.index / sight.conditions.config.episode_slots,
    ),
)
# Columns that each user sees for itself, and those of an expert that all users see alike.
OF_PAIRS = frozenset({"competence", "energy", "delay", "assigned"})


def user_features(config: WorldConfig) -> tuple[Feature, ...]:
    """Return the columns of a user; three more where users have a budget over the episode."""
    return USER_FEATURES + BUDGET_FEATURES if config.limits_users else USER_FEATURES


def expert_features(config: WorldConfig, allocates: bool) -> tuple[Feature, ...]:
    """Return the columns of an expert.

    Args:
        config: of the world: one column more where experts take time to compute.
        allocates: whether the mechanism allocates: one column more.
    """
    features: tuple[Feature, ...] = EXPERT_FEATURES
    if config.experts.words_per_second is not None:
        features += COMPUTE_FEATURES
    return features + ALLOCATION_FEATURES if allocates else features
