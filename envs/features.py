"""The table of an observation's columns: what each one means, how it is read, and its bounds.

No column depends on what others choose in the same slot.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.channel.rates import db_to_linear, snr_gap, spectral_efficiency, subtask_bits
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


def value_of_point(config: WorldConfig) -> float:
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
        scale=lambda config: 1 / value_of_point(config),
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


def user_features(config: WorldConfig) -> tuple[Feature, ...]:
    """Return the columns of the user in worlds of a configuration."""
    return USER_FEATURES


def expert_features(config: WorldConfig, allocates: bool) -> tuple[Feature, ...]:
    """Return the columns of an expert, for a mechanism that allocates or does not."""
    return EXPERT_FEATURES + ALLOCATION_FEATURES if allocates else EXPERT_FEATURES
