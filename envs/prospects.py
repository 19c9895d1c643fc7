"""What a user may expect of each expert from what it knows. Functions of a world; the action mask is not applied."""

import numpy as np
from numpy.typing import NDArray

from envs import quality
from envs.channel import word_survival
from envs.experts import other_topic_mean, own_topic_mean
from envs.world import World


def expected_competence(world: World) -> NDArray[np.float32]:
    """Competence each user expects of each expert for its topic, (N, U, E); with types only, the mean of the type."""
    if world.config.information == "known":
        return world.competence_of_topic()
    own = own_topic_mean(world.config.experts)
    other = other_topic_mean(world.config.experts, world.config.requests.num_topics)
    return np.where(world.requests.topic[..., None] == world.pool.topic, own, other).astype(np.float32)


def expected_gain_alone(world: World) -> NDArray[np.float32]:
    """Gain each user expects of each expert if nobody else chose it, (N, U, E), credits."""
    config = world.config
    loss = world.loss[..., None]
    transmission_s = world.transmission_alone_s()
    delay_s = transmission_s + world.compute_s()[..., None] + world.backlog_s[:, None]
    competence = expected_competence(world)
    timely = quality.timeliness(config.quality, delay_s) * word_survival(config.channel)
    effective = quality.effective_competence(competence * world.market.effort[:, None], timely)
    points = quality.deliverable_points(config.quality, loss, competence)
    return quality.transfer_gain(
        config.quality,
        config.reward,
        loss,
        effective,
        world.requests.words[..., None],
        config.channel.tx_power_w * transmission_s,
        (world.market.unit_price * world.market.effort)[:, None] * points,
    ).astype(np.float32)
