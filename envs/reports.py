"""Reports of users to the platform about a slot, for a mechanism that allocates."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import prospects
from envs.arrays import Int
from envs.conditions import Conditions
from mechanisms import UserReports


class Reports(NamedTuple):
    """Fields of a `mechanisms.Market` that a mechanism which allocates needs, for N worlds."""

    users: UserReports  # value: gain over abandoning at full effort, before any charge
    capacity: Int  # (N, E), users
    bandwidth_limit: NDArray[np.float64]  # (N, E), Hz


def user_reports(conditions: Conditions) -> Reports:
    """Return the truthful reports of users about a slot (`prospects`).

    Each user assumes that every expert serves as many users as the market may allocate to it, and
    shares its band equally among them. An expert that is not available has no capacity. Where no
    time is left before the deadline a user needs the whole band, and its value counts the lateness.
    """
    config = conditions.config
    pool, candidates, occupancy = conditions.pool, conditions.candidates, conditions.occupancy
    shape = conditions.available.shape
    places = np.minimum(pool.max_concurrent, config.market.capacity)
    load = np.minimum(places, conditions.num_users)
    value, service = prospects.expected_service(conditions, conditions.of_expert(load))
    own_s = conditions.work[..., None] / candidates.of(pool.words_per_second)
    busy_s = own_s + candidates.of(occupancy.compute_backlog_s)
    deadline_s = np.broadcast_to(conditions.users.deadline_s, conditions.work.shape)[..., None]
    left_s = deadline_s - busy_s - candidates.of(conditions.airtime_wait_s)
    alone_s = conditions.stretched(conditions.transmission_alone_s)
    share = np.divide(alone_s, left_s, out=np.ones(alone_s.shape), where=left_s > 0)
    transfers = conditions.transfers[..., None]
    if conditions.links.covered is not None:  # who cannot be reached is worth nothing
        transfers = transfers & conditions.links.covered
    work = np.broadcast_to(conditions.reference_points[..., None], alone_s.shape)
    users = UserReports(
        value=np.multiply(value, transfers, dtype=np.float64),
        points=np.multiply(service.points, transfers, dtype=np.float64),
        work=np.multiply(work, transfers, dtype=np.float64),
        fixed_cost=np.broadcast_to(service.fixed * transfers, alone_s.shape),
        bandwidth_need=candidates.of(pool.bandwidth_hz) * share * transfers,
        topic=np.where(conditions.transfers, conditions.subtasks.topic, -1),
        candidates=candidates.expert if candidates.listed else None,
    )
    return Reports(
        users=users,
        capacity=(places * conditions.available).astype(np.int64),
        bandwidth_limit=np.full(shape, pool.bandwidth_hz),
    )
