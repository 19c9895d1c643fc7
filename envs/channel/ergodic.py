"""Spectral efficiency averaged over the fading within a slot, from a table over the mean SNR.

A slot spans many coherence times, so what is sent in it goes at the mean (ergodic) rate,
E log2(1 + g h) with the mean SNR g and the power h of Rician fading, of mean 1. For Rayleigh
fading, K = 0, it is exp(1 / g) E1(1 / g) / ln 2 (Alouini and Goldsmith, "Capacity of Rayleigh
Fading Channels Under Different Adaptive Transmission and Diversity-Combining Techniques", IEEE
Trans. Veh. Technol. 1999, equation 34).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float

# Of the table, dB: the SNR of any process, less what a modulation needs, more what a small share
# of the band gains. Beyond it holds the last value.
LEAST_DB, MOST_DB = -220, 280
ENTRIES_A_DB = 32  # interpolation is then within 1e-5 of the value
_STEP = 0.4  # of the trapezoidal rule, in the logarithm of the variable


class Table(NamedTuple):
    """Efficiency at equal steps of the mean SNR: an entry of the table, and what the next adds."""

    value: Float
    difference: Float


def ergodic_efficiency(snr_db: Float, rician_k: float) -> Float:
    """Return E log2(1 + g h), bit/s/Hz, within a relative error of 1e-5.

    Args:
        snr_db: 10 log10 g, dB, in either precision.
        rician_k: Rician factor, linear; 0 for Rayleigh fading.
    """
    table = _table(rician_k, snr_db.dtype == np.float32)
    place = snr_db * snr_db.dtype.type(ENTRIES_A_DB)
    place -= place.dtype.type(LEAST_DB * ENTRIES_A_DB)
    place = np.clip(place, 0, len(table.value) - 1)
    entry = place.astype(np.int32)
    place -= entry
    place *= table.difference.take(entry)
    place += table.value.take(entry)
    return place


@cache
def _table(rician_k: float, single: bool) -> Table:
    snr_db = np.arange(LEAST_DB * ENTRIES_A_DB, MOST_DB * ENTRIES_A_DB + 1) / ENTRIES_A_DB
    value = mean_efficiency(10 ** (snr_db / 10), rician_k)
    difference = np.diff(value, append=value[-1])
    kind = np.float32 if single else np.float64
    return Table(value.astype(kind), difference.astype(kind))


def mean_efficiency(snr: NDArray[np.float64], rician_k: float) -> NDArray[np.float64]:
    """Return E log2(1 + g h), bit/s/Hz, within a relative error of 1e-9.

    E ln(1 + g h) = int_0^inf exp(-z) / z (1 - M(g z)) dz, with M(s) = E exp(-s h), which is
    (1 + K) / (1 + K + s) exp(-K s / (1 + K + s)) (Hamdi, "A Useful Lemma for Capacity Analysis of
    Fading Interference Channels", IEEE Trans. Commun. 2010). With z = e^t the integrand is smooth
    and falls exponentially on both sides, so that the trapezoidal rule converges exponentially.

    Args:
        snr: g, (n,), linear.
        rician_k: K, linear; 0 for Rayleigh fading.
    """
    total = np.zeros_like(snr)
    first = -30 - np.log(max(float(snr.max()), 1.0))
    for t in np.arange(first, 4.5, _STEP):
        z = np.exp(t)
        s = snr * z
        total += np.exp(-z) * -np.expm1(
            -np.log1p(s / (1 + rician_k)) - rician_k * s / (1 + rician_k + s)
        )
    return total * (_STEP / np.log(2))
