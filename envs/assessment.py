"""Resource assessment: which subtasks of a request the user's device keeps."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs.arrays import Bool, Int


def assessment_order(weight: NDArray, compute: NDArray, private: Bool) -> Int:
    """Return the order in which the device considers subtasks, (..., K).

    Private subtasks come first, then the others by weight per compute need, g / c, greatest first.

    Args:
        weight: (..., K) gating weights, g.
        compute: (..., K) compute needs, c, units.
        private: (..., K) subtasks that must stay on the device.
    """
    return np.argsort(np.where(private, -np.inf, -weight / compute), axis=-1, kind="stable")


def assess(local_compute: ArrayLike, weight: NDArray, compute: NDArray, private: Bool) -> Bool:
    """Return the subtasks that must be transferred (resource assessment), (..., K).

    In the order of `assessment_order` subtasks run on the device until `local_compute` is spent;
    the first that does not fit and all after it are transferred. Private subtasks always stay.
    Arguments are `local_compute`, which broadcasts against (..., K), and those of
    `assessment_order`.
    """
    order = assessment_order(weight, compute, private)
    spent = np.cumsum(np.take_along_axis(compute, order, axis=-1), axis=-1)
    transferred = np.empty(order.shape, bool)
    np.put_along_axis(transferred, order, spent > local_compute, axis=-1)
    return transferred & ~private
