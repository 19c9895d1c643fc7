"""An upper bound of accuracy: the likeliest modulation, for a receiver that is told all but it.

The receiver knows the carrier's phase and offset, the timing, the power and the SNR. Beyond that it
is told whether a signal is linear or shifts frequency; of linear ones it has every symbol of which
some part reaches the samples whole, and of the others it knows the bits. Whoever is told less is
right no more often, so that no classifier of `received` signals is above the bound.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm
from waveforms import (
    CONSTELLATIONS,
    FREQUENCY_SHIFTS,
    MODULATIONS,
    SAMPLES,
    SAMPLES_PER_SYMBOL,
    SPAN,
    frequency_shift,
)

# Symbols whose pulses reach the samples, at the timing at which most do.
REACHING = SAMPLES // SAMPLES_PER_SYMBOL + 2 * SPAN


def upper_bound(snr_db: float, count: int, rng: np.random.Generator) -> float:
    """Return the accuracy over all modulations, equally likely, that none exceeds.

    Args:
        snr_db: SNR of a sample, dB.
        count: signals of each modulation that it is the mean of.
        rng: of symbols and noise.
    """
    symbol_snr_db = snr_db + 10 * np.log10(SAMPLES_PER_SYMBOL)
    linear = linear_accuracy(tuple(CONSTELLATIONS), symbol_snr_db, REACHING, count, rng)
    shifts = frequency_shift_accuracy(snr_db, count, rng)
    shares = len(CONSTELLATIONS), len(FREQUENCY_SHIFTS)
    return (shares[0] * linear + shares[1] * shifts) / len(MODULATIONS)


def linear_accuracy(
    names: tuple[str, ...], symbol_snr_db: float, symbols: int, count: int, rng: np.random.Generator
) -> float:
    """Return how often the likeliest of equally likely constellations is the right one.

    The likelihood of a constellation C is prod_k mean_{c in C} exp(-|y_k - c|^2 / N0): data are
    unknown (Wei and Mendel 2000).

    Args:
        names: of CONSTELLATIONS.
        symbol_snr_db: Es / N0 behind a matched filter, dB.
        symbols: observed, each without those beside it.
        count: trials of each constellation.
        rng: of symbols and noise.
    """
    noise_power = 10 ** (-symbol_snr_db / 10)
    right = []
    for true, name in enumerate(names):
        sent = rng.choice(CONSTELLATIONS[name], (count, symbols))
        noise = rng.normal(size=(2, count, symbols)) * sqrt(noise_power / 2)
        seen = sent + noise[0] + 1j * noise[1]
        likelihood = [_log_likelihood(seen, CONSTELLATIONS[other], noise_power) for other in names]
        right.append(np.argmax(likelihood, axis=0) == true)
    return float(np.mean(right))


def frequency_shift_accuracy(snr_db: float, count: int, rng: np.random.Generator) -> float:
    """Return how often the likelier of the two signals that bits may have made is the right one.

    With known bits that is 1 - Q(d / 2 s), d the distance of the two signals and s the noise's
    standard deviation in one dimension (Proakis and Salehi 2008, section 4.2).

    Args:
        snr_db: SNR of a sample, dB.
        count: sequences of bits that it is the mean of.
        rng: of bits.
    """
    bits = rng.choice([-1.0, 1.0], (count, REACHING + 2))
    first, second = (
        frequency_shift(bits, *shift)[:, :SAMPLES] for shift in FREQUENCY_SHIFTS.values()
    )
    distance = np.sqrt((np.abs(first - second) ** 2).sum(axis=-1))
    deviation = sqrt(10 ** (-snr_db / 10) / 2)
    return float(norm.cdf(distance / (2 * deviation)).mean())


def _log_likelihood(
    seen: NDArray[np.complex128], points: NDArray[np.complex128], noise_power: float
) -> NDArray[np.float64]:
    """Return the log-likelihood of a constellation, but for what all have, (n,)."""
    exponent = -(np.abs(seen[..., None] - points) ** 2) / noise_power
    return (logsumexp(exponent, axis=-1) - np.log(len(points))).sum(axis=-1)
