"""How those whom an expert serves in a slot share its band. Pure functions on arrays."""

import numpy as np
from numpy.typing import NDArray

from envs.channel import min_delay_weight, snr_gap, spectral_efficiency
from envs.config import ChannelConfig

Float = NDArray[np.floating]


def per_expert(expert: NDArray[np.int64], amount: NDArray, num_experts: int) -> Float:
    """Sum of `amount` (N, U) over the users of each expert, (N, E). expert: whom each user asks, (N, U)."""
    num_worlds = len(expert)
    cell = np.arange(num_worlds)[:, None] * num_experts + expert
    total = np.bincount(cell.ravel(), amount.ravel().astype(float), minlength=num_worlds * num_experts)
    return total.reshape(num_worlds, num_experts).astype(float, copy=False)


def band_share(
    config: ChannelConfig,
    bits: Float,
    snr: Float,
    expert: NDArray[np.int64],
    load: Float,
    served: NDArray[np.bool_],
) -> Float:
    """Each user's share of its expert's band, (N, U), in 0..1; 1 for who is not served.

    bits, snr (linear, alone): (N, U). load: users served by each expert, (N, E). `equal` gives each of them the same,
    `min_delay` what minimises the sum of their delays (`channel.min_delay_weight`).
    """
    worlds = np.arange(len(expert))[:, None]
    if config.split == "equal":
        return np.where(served, 1 / np.maximum(load[worlds, expert], 1.0), 1.0)
    weight = min_delay_weight(bits, spectral_efficiency(snr, snr_gap(config)))
    total = per_expert(expert, weight * served, load.shape[-1])[worlds, expert]
    return np.divide(weight, total, out=np.ones_like(weight), where=served)
