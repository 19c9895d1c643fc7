"""What a user may expect of each expert from what it knows.

Functions of a world; the action mask is not applied.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import quality
from envs.channel import db_to_linear, snr_gap, spectral_efficiency, word_survival
from envs.experts import other_topic_mean, own_topic_mean

if TYPE_CHECKING:
    from envs.world import World


def expected_competence(world: "World") -> NDArray[np.float32]:
    """Competence each user expects of each expert for its topic, (N, U, C); with types only, the
    mean of the type.

    That is the mean it is drawn with, or that of the measured table.
    """
    if world.config.information == "known":
        return world.competence_of_topic()
    if world.config.experts.competence is None:
        own = own_topic_mean(world.config.experts)
        other = other_topic_mean(world.config.experts, world.config.requests.num_topics)
    else:
        own, other = world.pool.type_means
    return np.where(right_type(world), own, other).astype(np.float32)


def right_type(world: "World") -> NDArray[np.bool_]:
    """Whether each candidate's topic is that of the user's subtask, (N, U, C)."""
    return world.requests.topic[..., None] == world.pool.topic[world.candidates.expert]


def expected_gain(world: "World", load: ArrayLike = 1) -> NDArray[np.float32]:
    """Gain each user expects of each candidate if `load` users, itself among them, chose it, (...,
    N, U, C), credits.

    load: broadcasts against (N, U, C); at least 1. The band is shared equally among those served
    (under `min_delay` the shares depend on who the others are, and equal shares stand for them).
    Where more ask than an expert serves, the gain is that of being served times the chance of it.
    At the efforts and charges of the market in force.
    """
    competence = expected_competence(world)
    points = quality.deliverable_points(world.config.quality, world.loss[..., None], competence)
    effort = world.candidates.of(world.market.effort)
    return _gain(world, load, competence * effort, world.market.asked(points, world.candidates))


def expected_value(world: "World", load: ArrayLike = 1) -> NDArray[np.float32]:
    """As `expected_gain`, at full effort and before any charge."""
    return _gain(world, load, expected_competence(world), charge=0.0)


def _gain(
    world: "World",
    load: ArrayLike,
    competence: NDArray[np.floating],
    charge: NDArray[np.floating] | float,
) -> NDArray[np.float32]:
    config = world.config
    load = np.asarray(load, np.float32)
    places = config.experts.max_concurrent
    served = load if places is None else np.minimum(load, places)
    loss = world.loss[..., None]
    transmission_s = world.transmission_alone_s() * served
    if config.channel.noise_scaling:
        gap = snr_gap(config.channel)
        snr = db_to_linear(world.snr_db())
        transmission_s = (
            transmission_s * spectral_efficiency(snr, gap) / spectral_efficiency(snr * served, gap)
        )
    delay_s = transmission_s + world.compute_s()[..., None] + world.candidates.of(world.backlog_s)
    timely = quality.timeliness(config.quality, delay_s) * word_survival(config.channel)
    effective = quality.effective_competence(competence, timely)
    gain = quality.transfer_gain(
        config.quality,
        config.reward,
        loss,
        effective,
        world.requests.words[..., None],
        config.channel.tx_power_w * transmission_s,
        charge,
    )
    return (gain * (served / load)).astype(np.float32)
