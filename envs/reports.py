"""What users tell the platform about the coming slot, for a mechanism that says who serves whom."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import prospects, quality
from mechanisms import UserReports

if TYPE_CHECKING:
    from envs.world import World

Float = NDArray[np.floating]


class Reports(NamedTuple):
    """The fields of a `mechanisms.Market` that a mechanism which allocates needs, for N worlds."""

    users: UserReports  # value: gain over abandoning at full effort, before any charge
    capacity: NDArray[np.int64]  # (N, E), users
    bandwidth_limit: Float  # (N, E), Hz
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
        users=UserReports(
            value=np.multiply(value, asking, dtype=np.float64),
            points=np.multiply(points, asking, dtype=np.float64),
            bandwidth_need=band * share * asking,  # on which the answer comes by the deadline
            topic=np.where(pending, world.requests.topic, -1),
            candidates=world.candidates.expert if world.candidates.listed else None,
        ),
        capacity=places * world.available.astype(np.int64),
        bandwidth_limit=np.full(shape, band),
        expert_topic=np.broadcast_to(world.pool.topic, shape),
    )
