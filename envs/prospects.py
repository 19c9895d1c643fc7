"""Prospects: competence and gain that a user may expect of each candidate from what it knows.

The action mask is not applied.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import quality
from envs.arrays import Bool, Float
from envs.channel.rates import word_survival
from envs.conditions import Conditions
from envs.experts import other_topic_mean, own_topic_mean
from envs.offer import Offer


def expected_competence(conditions: Conditions) -> NDArray[np.float32]:
    """Return the competence that each user expects of each candidate for its topic, (N, U, C).

    With `information: type` that is the mean of the expert's type: the mean that it is drawn with,
    or that of the measured table.
    """
    config = conditions.config
    if config.information == "known":
        return conditions.competence
    if config.experts.competence is None:
        own = own_topic_mean(config.experts)
        other = other_topic_mean(config.experts, config.requests.num_topics)
    else:
        own, other = conditions.pool.type_means
    return np.where(right_type(conditions), own, other).astype(np.float32)


def right_type(conditions: Conditions) -> Bool:
    """Return the candidates whose topic is that of the user's subtask, (N, U, C)."""
    topic = conditions.pool.topic[conditions.candidates.expert]
    return conditions.subtasks.topic[..., None] == topic


def expected_gain(conditions: Conditions, offer: Offer, load: ArrayLike = 1) -> NDArray[np.float32]:
    """Return the gain that each user expects of each candidate at a load, credits.

    The band is shared equally among those served (under `min_delay` the shares depend on who the
    others are, and equal shares stand for them). Where an expert is requested by more users than
    it serves, the gain is that of being served times the chance of it.

    Args:
        conditions: conditions of the slot.
        offer: offer in force, for efforts and charges.
        load: users of the candidate, this user among them, at least 1; broadcasts against
            (N, U, C).

    Returns:
        (..., N, U, C) gains over abandoning.
    """
    competence = expected_competence(conditions)
    points = quality.deliverable_points(
        conditions.config.quality, conditions.loss[..., None], competence
    )
    effort = conditions.candidates.of(offer.effort)
    charge = offer.charges(points, conditions.candidates)
    return _gain(conditions, load, competence * effort, charge)


def expected_value(conditions: Conditions, load: ArrayLike = 1) -> NDArray[np.float32]:
    """Return the gain of `expected_gain` at full effort and before any charge, credits."""
    return _gain(conditions, load, expected_competence(conditions), charge=0.0)


def _gain(
    conditions: Conditions,
    load: ArrayLike,
    competence: Float,
    charge: Float | float,
) -> NDArray[np.float32]:
    config = conditions.config
    load = np.asarray(load, np.float32)
    places = config.experts.max_concurrent
    served = load if places is None else np.minimum(load, places)
    transmission_s = conditions.transmission_alone_s * served
    backlog_s = conditions.candidates.of(conditions.occupancy.backlog_s)
    delay_s = transmission_s + conditions.compute_s[..., None] + backlog_s
    timely = quality.timeliness(config.quality, delay_s) * word_survival(config.channel)
    gain = quality.transfer_gain(
        config.quality,
        config.reward,
        conditions.loss[..., None],
        quality.effective_competence(competence, timely),
        conditions.subtasks.words[..., None],
        config.channel.tx_power_w * transmission_s,
        charge,
    )
    return (gain * (served / load)).astype(np.float32)
