"""Computing at an expert: work, and the time until it is done. Pure functions on arrays.

Work is counted in words: those of the answer times the compute need of the subtask, in units of
the mean need. An expert does the work of a slot after its backlog, as one `batch`, whose answers
are all there at its end, or first in, first out (`fifo`), in the order of the lots.
"""

import numpy as np

from envs.arrays import Bool, Float, Int
from envs.per_expert import per_expert
from envs.sections import RequestConfig


def work_words(config: RequestConfig, words: Float, compute: Float) -> Float:
    """Return work, words: W c over the middle of the range that compute needs c are drawn from."""
    return words * compute * (2 / sum(config.compute_need))


def batch_s(own_s: Float, cell: Int, served: Bool, shape: tuple[int, int]) -> Float:
    """Return the time until the batch of each request's expert is done, (N, R) s.

    Args:
        own_s: (N, R) time that the expert computes on each request, s.
        cell: (N, R) the expert of each, as in `per_expert`.
        served: (N, R) requests that are served.
        shape: (N, E).
    """
    return per_expert(cell, own_s * served, shape).take(cell)


def fifo_s(own_s: Float, cell: Int, served: Bool, lot: Float) -> Float:
    """Return the time until each request is done, those of a smaller lot before it, (N, R) s.

    Args:
        own_s: (N, R) time that the expert computes on each request, s.
        cell: (N, R) the expert of each, as in `per_expert`.
        served: (N, R) requests that are served.
        lot: (N, R) lots.
    """
    order = np.lexsort((lot.ravel(), cell.ravel()))
    done = np.cumsum((own_s * served).ravel()[order])
    queue = cell.ravel()[order]
    is_head = np.diff(queue, prepend=-1) != 0
    # what was done before the first of each queue; sums rise, so the greatest so far is the last
    before = np.maximum.accumulate(np.where(is_head, np.concatenate([[0.0], done[:-1]]), 0.0))
    waited = np.empty_like(done)
    waited[order] = done - before
    return waited.reshape(own_s.shape)
