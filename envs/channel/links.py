"""The channels of a slot: SNR and spectral efficiency of every pair."""

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float, Int
from envs.channel.rates import Rate, db_to_linear

# SNR of any process, dB: beyond these, rates and delays are no numbers of single precision.
LIMITS_DB = -200.0, 200.0


class Links(NamedTuple):
    """Channels of a slot, a column for each candidate of a user, (N, U, C) float32 each."""

    snr_db: NDArray[np.float32]  # SNR alone on the band, dB
    efficiency: NDArray[np.float32]  # spectral efficiency at that SNR, bit/s/Hz

    @classmethod
    def at(cls, snr_db: NDArray[np.float32], rate: Rate) -> "Links":
        """Return the links at an SNR, with efficiency log2(1 + 10^(dB / 10) / gap), or as fixed.

        It is computed in place, since these are the largest arrays of a slot.
        """
        if rate.fixed is not None:
            return cls(snr_db, np.full_like(snr_db, rate.fixed))
        efficiency = snr_db * np.float32(log(10) / 10)
        if rate.gap != 1:
            efficiency -= np.float32(log(rate.gap))
        np.exp(efficiency, out=efficiency)
        np.log1p(efficiency, out=efficiency)
        efficiency *= np.float32(1 / log(2))
        return cls(snr_db, efficiency)

    def snr(self, pair: Int) -> Float:
        """Return the linear SNR of pairs, flat indices into (N, U, C), in double precision."""
        return db_to_linear(self.snr_db.reshape(-1).take(pair).astype(float))
