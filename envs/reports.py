"""What users tell the platform about the coming slot, for a mechanism that says who serves whom."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import prospects, quality

if TYPE_CHECKING:
    from envs.world import World

Float = NDArray[np.floating]


class Reports(NamedTuple):
    """The fields of a `mechanisms.Market` that only users who report can fill, for N worlds."""

    candidates: (
        NDArray[np.int64] | None
    )  # (N, U, C), experts; None without candidate lists, where C = E
    user_value: Float  # (N, U, C), credits: gain over abandoning at full effort, before any charge
    user_points: Float  # (N, U, C), points deliverable at full effort
    capacity: NDArray[np.int64]  # (N, E), users
    bandwidth_need: (
        Float  # (N, U, C), Hz: the share of the band on which the answer comes by the deadline
    )
    bandwidth_limit: Float  # (N, E), Hz
    topic: NDArray[np.int64]  # (N, U), -1: nothing to transfer
    expert_topic: NDArray[np.int64]  # (N, E)


def user_reports(world: "World") -> Reports:
    """What the users of a world say in the present slot: truthfully, of what they know
    (`prospects`).

    Each takes it that every expert serves as many as the market may allocate to it, and shares its
    band equally among them. An expert that is not available has no capacity. Where no time is left
    before the deadline a user asks for the whole band, and its value counts the lateness.
    """
    config, pending = world.config, world.requests.pending
    places = config.market.capacity
    if config.experts.max_concurrent is not None:
        places = min(places, config.experts.max_concurrent)
    value = prospects.expected_value(world, load=min(places, world.num_users))
    points = quality.deliverable_points(
        config.quality, world.loss[..., None], prospects.expected_competence(world)
    )
    band, shape = config.channel.bandwidth_hz, (world.num_worlds, world.num_experts)
    left_s = (
        config.quality.deadline_s
        - world.compute_s()[..., None]
        - world.candidates.of(world.backlog_s)
    )
    alone_s = world.transmission_alone_s()
    share = np.divide(alone_s, left_s, out=np.ones(alone_s.shape), where=left_s > 0)
    asking = pending[..., None]
    return Reports(
        candidates=world.candidates.expert if world.candidates.listed else None,
        user_value=value * asking,
        user_points=points * asking,
        capacity=places * world.available.astype(np.int64),
        bandwidth_need=band * share * asking,
        bandwidth_limit=np.full(shape, band),
        topic=np.where(pending, world.requests.topic, -1),
        expert_topic=np.broadcast_to(world.pool.topic, shape),
    )
