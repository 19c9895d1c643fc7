"""How those whom an expert serves in a slot share its band. Pure functions on arrays."""

import numpy as np
from numpy.typing import NDArray

from envs.channel import min_delay_weight, snr_gap, spectral_efficiency
from envs.config import ChannelConfig

Float = NDArray[np.floating]


def per_expert(cell: NDArray[np.int64], amount: NDArray, shape: tuple[int, int]) -> Float:
    """Sum of `amount` (N, U) over the users of each expert, `shape` (N, E).

    cell: whom each user asks, (N, U), as a flat index into (N, E): world * E + expert.
    """
    total = np.bincount(cell.ravel(), amount.ravel(), minlength=shape[0] * shape[1])
    return total.reshape(shape).astype(float, copy=False)


def band_share(
    config: ChannelConfig,
    bits: Float,
    snr: Float,
    cell: NDArray[np.int64],
    load: Float,
    served: NDArray[np.bool_],
) -> Float:
    """Each user's share of its expert's band, (N, U), in 0..1; 1 for who is not served.

    bits, snr (linear, alone), cell (see `per_expert`): (N, U). load: users served by each expert,
    (N, E). `equal` gives each of them the same, `min_delay` what minimises the sum of their delays
    (`channel.min_delay_weight`).
    """
    if config.split == "equal":
        return np.where(served, 1 / np.maximum(load.take(cell), 1.0), 1.0)
    weight = min_delay_weight(bits, spectral_efficiency(snr, snr_gap(config)))
    total = per_expert(cell, weight * served, load.shape).take(cell)
    return np.divide(weight, total, out=np.ones_like(weight), where=served)
