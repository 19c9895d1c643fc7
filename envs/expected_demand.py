"""Demand that the platform expects before it has seen a request."""

from dataclasses import replace
from functools import cache

import numpy as np

from envs.config import WorldConfig
from envs.pace import Pace
from envs.quality import reference_points
from envs.request_trace import RequestTrace
from envs.requests import RequestQueue
from envs.sections import RequestConfig
from envs.users import Owners

SUBTASKS = 400_000  # drawn for the mean of requests, about; it is then within 1 %


def pace_of(config: WorldConfig, trace: RequestTrace | None) -> Pace:
    """Return what a user transfers a slot on average: by the trace, or by draws without one.

    Where users differ it is the mean over them, each at the middle of the ranges that it draws
    from.
    """
    if trace is not None:
        return trace.pace
    ranges = [config.bounds[key] for key in Owners._fields]
    middles = np.stack([(one.low + one.high) / 2 for one in ranges], axis=-1)
    kinds, counts = np.unique(middles, axis=0, return_counts=True)
    paces = [_pace(config.requests, Owners(*map(float, kind))) for kind in kinds]
    return Pace(*(float(mean) for mean in np.average(paces, axis=0, weights=counts)))


def initial_demand(config: WorldConfig, pace: Pace | None = None) -> float:
    """Return the mean demand of an expert, full-effort points a slot.

    Users are taken to ask, whenever they have a subtask to transfer, an expert of competence 1, and
    each expert as often as any other.

    Args:
        config: of the worlds.
        pace: of `pace_of`; found anew if left out.
    """
    pace = pace or pace_of(config, RequestTrace.of(config))
    points = config.quality.recovered_share * config.quality.drop_loss
    return points * pace.weight * config.num_users / config.num_experts


def initial_work(config: WorldConfig, pace: Pace | None = None) -> float:
    """Return the mean work asked of an expert, reference points a slot, as `initial_demand`."""
    pace = pace or pace_of(config, RequestTrace.of(config))
    points = reference_points(config, np.array(pace.work))
    return float(points) * config.num_users / config.num_experts


@cache
def _pace(config: RequestConfig, owners: Owners) -> Pace:
    """Return what a user transfers a slot on average.

    A request of n >= 1 subtasks to transfer, of total weight W, takes n slots, one without any a
    slot too, and the next one arrives with probability p a slot:

        p K E[W] / (1 + p (E[max(n, 1)] - 1))

    It is exact where `num_transferred` fixes n, with W = n / K. Elsewhere the device's assessment
    decides, and the means are those of requests drawn from a seed of their own.
    """
    arrival, num_subtasks = float(owners.arrival_probability), config.num_subtasks
    users = max(1000, SUBTASKS // num_subtasks)
    # Topics do not matter: one spares their draws.
    drawn = replace(config, num_topics=1, topic_persistence=0.0)
    always = owners._replace(arrival_probability=1.0)
    queue = RequestQueue(drawn, always, 1, users, np.random.default_rng(0))
    if config.num_transferred is not None:
        weight, slots = float(config.num_transferred), float(config.num_transferred)
    else:
        weight = num_subtasks * float(queue.drawn_weight.mean())
        slots = float(np.maximum(queue.drawn_count, 1).mean())
    place = np.arange(queue.drawn.shape[3])
    goes = place < queue.drawn_count[..., np.newaxis]
    need = float((queue.drawn[..., 2] * goes).sum(axis=-1).mean()) * 2 / sum(config.compute_need)
    subtasks = float(queue.drawn_count.mean())
    a_slot = arrival / (1.0 + arrival * (slots - 1.0))
    # Words are drawn apart from needs.
    work = need * sum(config.words) / 2
    return Pace(a_slot * weight, a_slot * subtasks, a_slot * work)
