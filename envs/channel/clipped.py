"""Processes whose SNR is clipped to the range `snr_db` of the configuration."""

from dataclasses import dataclass

import numpy as np

from envs.arrays import Arrays, Float
from envs.channel.process import ChannelProcess


@dataclass(frozen=True)
class ClippedProcess(ChannelProcess):
    """A latent SNR, `latent_db`, which the SNR follows within a range.

    Attributes:
        snr_db: least and greatest SNR, dB. The observation's energy is bounded by the least.
    """

    snr_db: tuple[float, float]

    def snr_of(self, state: Arrays) -> Float:
        """Return the latent clipped to the range, (N, U, C) dB; the latent itself is not."""
        latent_db = state["latent_db"]
        low, high = (latent_db.dtype.type(bound) for bound in self.snr_db)
        clipped = np.maximum(latent_db, low)
        return np.minimum(clipped, high, out=clipped)
