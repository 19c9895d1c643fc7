"""Shares of an expert's band among the users that it serves: pure functions on arrays."""

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float, Int
from envs.channel.config import ChannelConfig
from envs.channel.rates import min_delay_weight, snr_gap, spectral_efficiency


def per_expert(cell: Int, amount: NDArray, shape: tuple[int, int]) -> Float:
    """Sum amounts over the users of each expert.

    Args:
        cell: (N, U) the expert that each user requests, as a flat index into (N, E):
            world * E + expert.
        amount: (N, U).
        shape: (N, E).

    Returns:
        (N, E) sums.
    """
    total = np.bincount(cell.ravel(), amount.ravel(), minlength=shape[0] * shape[1])
    return total.reshape(shape).astype(float, copy=False)


def band_share(
    config: ChannelConfig,
    bits: Float,
    snr: Float,
    cell: Int,
    load: Float,
    served: Bool,
) -> Float:
    """Return each user's share of its expert's band, (N, U), in 0..1; 1 where it is not served.

    `equal` gives all users of an expert the same, `min_delay` the shares of the least sum of their
    delays (`rates.min_delay_weight`).

    Args:
        config: the channel's configuration.
        bits: (N, U) bits of each transfer, both ways.
        snr: (N, U) linear SNR alone on the band.
        cell: (N, U) the expert that each user requests, as in `per_expert`.
        load: (N, E) users that each expert serves.
        served: (N, U) users that are served.
    """
    if config.split == "equal":
        return np.where(served, 1 / np.maximum(load.take(cell), 1.0), 1.0)
    weight = min_delay_weight(bits, spectral_efficiency(snr, snr_gap(config)))
    total = per_expert(cell, weight * served, load.shape).take(cell)
    return np.divide(weight, total, out=np.ones_like(weight), where=served)
