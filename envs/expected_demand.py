"""Demand that the platform expects before it has seen a request."""

from dataclasses import replace
from functools import cache

import numpy as np

from envs.config import RequestConfig, WorldConfig
from envs.requests import RequestQueue

SUBTASKS = 400_000  # drawn for the mean of requests, about; it is then within 1 %


def initial_demand(config: WorldConfig) -> float:
    """Return the mean demand of an expert, full-effort points a slot.

    Users are taken to ask, whenever they have a subtask to transfer, an expert of competence 1, and
    each expert as often as any other.
    """
    points = config.quality.recovered_share * config.quality.drop_loss
    share = transferred_share(config.requests)
    return points * share * config.num_users / config.num_experts


@cache
def transferred_share(config: RequestConfig) -> float:
    """Return the weight that a user transfers a slot on average, in weights of 1/K.

    A request of n >= 1 subtasks to transfer, of total weight W, takes n slots, one without any a
    slot too, and the next one arrives with probability p a slot:

        p K E[W] / (1 + p (E[max(n, 1)] - 1))

    It is exact where `num_transferred` fixes n, with W = n / K. Elsewhere the device's assessment
    decides, and the means are those of requests drawn from a seed of their own.
    """
    arrival = config.arrival_probability
    if config.num_transferred is not None:
        weight, slots = float(config.num_transferred), float(config.num_transferred)
    else:
        users = max(1000, SUBTASKS // config.num_subtasks)
        # Topics do not matter: one spares their draws.
        drawn = replace(config, num_topics=1, topic_persistence=0.0, arrival_probability=1.0)
        queue = RequestQueue(drawn, 1, users, np.random.default_rng(0))
        weight = config.num_subtasks * float(queue.drawn_weight.mean())
        slots = float(np.maximum(queue.drawn_count, 1).mean())
    return arrival * weight / (1.0 + arrival * (slots - 1.0))
