"""The channels of a slot: SNR and spectral efficiency of every pair."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float, Int
from envs.channel.rates import Rate, efficiency_at

# SNR of any process, dB: beyond these, rates and delays are no numbers of single precision.
LIMITS_DB = -200.0, 200.0


class Links(NamedTuple):
    """Channels of a slot, a column for each candidate of a user, (N, U, C) each."""

    snr_db: NDArray[np.float32]  # SNR alone on the band, its mean over fading in the slot, dB
    efficiency: NDArray[np.float32]  # spectral efficiency at that SNR, bit/s/Hz
    covered: Bool | None = None  # pairs in coverage; None: all are
    covered_for_s: Float | None = None  # time until they are not, s; None: no end is known
    propagation_s: Float | None = None  # time of a signal one way, s; None: none

    @classmethod
    def at(
        cls,
        snr_db: NDArray[np.float32],
        rate: Rate,
        min_snr_db: float | None = None,
        in_reach: Bool | None = None,
    ) -> "Links":
        """Return the links at an SNR.

        Args:
            snr_db: SNR, (N, U, C) dB.
            rate: how the efficiency follows from it.
            min_snr_db: pairs below are out of coverage, dB; None: no pair is.
            in_reach: pairs that are not, whatever their SNR; None: all.
        """
        covered = in_reach
        if min_snr_db is not None and snr_db.min() < min_snr_db:
            strong = snr_db >= min_snr_db
            covered = strong if in_reach is None else strong & in_reach
        return cls(snr_db, efficiency_at(snr_db, rate), covered)

    def snr_db_of(self, pair: Int) -> Float:
        """Return the SNR of pairs, flat indices into (N, U, C), in double precision, dB."""
        return self.snr_db.reshape(-1).take(pair).astype(float)
