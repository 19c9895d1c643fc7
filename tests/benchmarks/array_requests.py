"""Requests of `array_step.py`: their draws in one code for NumPy and for torch."""

from typing import Any, NamedTuple

from envs.requests import RequestConfig

Array = Any  # of either library


class DrawnRequests(NamedTuple):
    """Requests of some users, `ahead` of each; subtasks to transfer come first.

    Attributes:
        weight: (users * ahead, most) weight of each subtask.
        words: (users * ahead, most) words of each.
        compute: (users * ahead, most) compute need of each.
        transferred: (users * ahead,) sum of the weights to transfer.
        count: (users, ahead) number of subtasks to transfer.
        topic: (users, ahead, most) uniform numbers that topics are drawn by.
    """

    weight: Array
    words: Array
    compute: Array
    transferred: Array
    count: Array
    topic: Array


def draw_requests(xp: Any, config: RequestConfig, uniform: Array, num_users: int) -> DrawnRequests:
    """Draw requests as `RequestQueue` does.

    Args:
        xp: the namespace.
        config: the world's requests.
        uniform: (users * ahead, most, 4) in double precision.
        num_users: number of the users who need requests.
    """
    weight, words, compute, topic = (uniform[..., column] for column in range(4))
    low, high = config.compute_need
    if config.num_transferred is not None:  # one, that of the greatest need
        compute = low + (high - low) * compute ** (1 / config.num_subtasks)
        weight = xp.full_like(weight, 1 / config.num_subtasks)
        transferred = xp.ones_like(weight, dtype=xp.bool)
    else:
        compute = low + (high - low) * compute
        weight = -xp.log1p(-weight)
        weight = weight / xp.sum(weight, axis=-1, keepdims=True)
        order = xp.argsort(-weight / compute, axis=-1, stable=True)  # `assess`
        spent = xp.cumulative_sum(xp.take_along_axis(compute, order, axis=-1), axis=-1)
        spent = xp.take_along_axis(spent, xp.argsort(order, axis=-1), axis=-1)
        transferred = spent > config.local_compute
    total = xp.sum(weight * transferred, axis=-1)
    first = xp.argsort(xp.astype(~transferred, xp.int8), axis=-1, stable=True)
    count = xp.sum(xp.astype(transferred, xp.int64), axis=-1)
    return DrawnRequests(
        weight=xp.take_along_axis(weight, first, axis=-1),
        words=config.words[0] + (config.words[1] - config.words[0]) * words,
        compute=xp.take_along_axis(compute, first, axis=-1),
        transferred=total,
        count=xp.reshape(count, (num_users, -1)),
        topic=xp.reshape(topic, (num_users, -1, topic.shape[-1])),
    )


def persist(xp: Any, topic: Array, kept: Array, last: Array, count: Array) -> tuple[Array, Array]:
    """Replace topics along the subtasks to transfer by the one before, where that is kept.

    Args:
        xp: the namespace.
        topic: (users, ahead, most) topics drawn by popularity; they are overwritten.
        kept: whether the topic before is kept, of the same shape.
        last: (users,) last topic that each user transferred.
        count: (users, ahead) number of subtasks to transfer.

    Returns:
        The topics, and the last ones after these requests.
    """
    for r in range(topic.shape[1]):
        for k in range(topic.shape[2]):
            before = topic[:, r, k - 1] if k else last
            topic[:, r, k] = xp.where(kept[:, r, k], before, topic[:, r, k])
        place = xp.clip(count[:, r] - 1, 0, None)[:, None]
        final = xp.take_along_axis(topic[:, r], place, axis=1)[:, 0]
        last = xp.where(count[:, r] > 0, final, last)
    return topic, last
