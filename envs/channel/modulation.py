"""Bit error rates of Gray-coded square QAM over additive white Gaussian noise."""

from math import log2
from typing import Literal

import numpy as np

from envs.arrays import Float

Modulation = Literal["qpsk", "qam16", "qam64"]
POINTS: dict[Modulation, int] = {"qpsk": 4, "qam16": 16, "qam64": 64}  # of the constellation, M


def bits_per_symbol(modulation: Modulation) -> float:
    """Return log2 M, bits a symbol; the spectral efficiency in bit/s/Hz."""
    return log2(POINTS[modulation])


def bit_error_rate(modulation: Modulation, snr: Float) -> Float:
    """Return the probability that a bit is received wrongly, exactly, of the shape of `snr`.

    With M points of Gray-coded square QAM, the bit k of the log2 sqrt(M) of a dimension is wrong
    with probability

        P_k = 1 / sqrt(M) sum_(i=0)^((1 - 2^-k) sqrt(M) - 1) (-1)^floor(i 2^(k-1) / sqrt(M))
              (2^(k-1) - floor(i 2^(k-1) / sqrt(M) + 1/2)) erfc((2 i + 1) sqrt(3 snr / (2 (M - 1))))

    and the rate is the mean of these; for QPSK it is Q(sqrt(snr)). Source: Cho and Yoon, "On the
    General BER Expression of One- and Two-Dimensional Amplitude Modulations", IEEE Trans. Commun.
    2002, equations 9, 14 and 16.

    Args:
        modulation: its name.
        snr: linear SNR of a symbol, Es / N0.
    """
    from scipy.special import erfc

    points = POINTS[modulation]
    side = round(points**0.5)
    bits = round(log2(side))
    step = np.sqrt(snr * (1.5 / (points - 1)))
    weight = np.zeros(side)  # of erfc((2 i + 1) step)
    for k in range(1, bits + 1):
        for i in range(round((1 - 2.0**-k) * side)):
            place = i * 2 ** (k - 1) / side
            weight[i] += (-1) ** int(place) * (2 ** (k - 1) - int(place + 0.5))
    rate = np.zeros_like(step)
    for i, of_distance in enumerate(weight):
        if of_distance:
            rate += of_distance * erfc((2 * i + 1) * step)
    return rate / (side * bits)
