"""Modulated signals in white Gaussian noise: 128 complex samples, 8 a symbol.

Sizes are those of RadioML 2016.10a (O'Shea and West 2016), of whose 11 modulations these are the 8
digital ones. The SNR is that of a sample: mean power of the signal over that of the noise in the
sampled band, so that a symbol's is Es / N0 = 8 SNR, 9 dB more.
"""

from collections.abc import Mapping
from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.signal import upfirdn

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]

SAMPLES = 128
SAMPLES_PER_SYMBOL = 8
ROLLOFF = 0.35
SPAN = 6  # symbols to each side at which pulses are cut
MOST_OFFSET = 0.01  # of the carrier, cycles a symbol either way


def _psk(order: int) -> Complex:
    return np.exp(2j * pi * np.arange(order) / order)


def _pam(order: int) -> Complex:
    levels = np.arange(1 - order, order, 2)
    return levels / np.sqrt((levels**2).mean()) + 0j


def _qam(order: int) -> Complex:
    axis = _pam(round(order**0.5)).real / np.sqrt(2)
    return (axis[:, None] + 1j * axis).ravel()


# Points of unit mean power (Proakis and Salehi 2008, section 3.2).
CONSTELLATIONS: Mapping[str, Complex] = {
    "BPSK": _psk(2),
    "QPSK": _psk(4),
    "8PSK": _psk(8),
    "PAM4": _pam(4),
    "16QAM": _qam(16),
    "64QAM": _qam(64),
}
# Binary frequency shift keying of continuous phase: modulation index, and the product of bandwidth
# and symbol time of a Gaussian filter; infinite for none. GFSK is Bluetooth's.
FREQUENCY_SHIFTS: Mapping[str, tuple[float, float]] = {
    "CPFSK": (0.5, np.inf),
    "GFSK": (0.32, 0.5),
}
MODULATIONS = (*CONSTELLATIONS, *FREQUENCY_SHIFTS)


def root_raised_cosine() -> Float:
    """Return the pulse of unit energy (Proakis and Salehi 2008, section 9.2), (2 SPAN 8 + 1,)."""
    t = np.arange(-SPAN * SAMPLES_PER_SYMBOL, SPAN * SAMPLES_PER_SYMBOL + 1) / SAMPLES_PER_SYMBOL
    b = ROLLOFF
    with np.errstate(invalid="ignore", divide="ignore"):
        pulse = (np.sin(pi * t * (1 - b)) + 4 * b * t * np.cos(pi * t * (1 + b))) / (
            pi * t * (1 - (4 * b * t) ** 2)
        )
    pulse[t == 0] = 1 + b * (4 / pi - 1)  # no sample lies at the other pole, t = 1 / (4 b)
    return pulse / np.sqrt((pulse**2).sum())


def linear(symbols: Complex) -> Complex:
    """Return symbols on root raised cosine pulses, of mean power 1 for symbols of mean power 1.

    Args:
        symbols: (..., S).

    Returns:
        (..., 8 (S - 2 SPAN - 1) + 1): the samples that no pulse of a symbol before the first or
        after the last would reach; symbol k is at sample 8 (k - SPAN).
    """
    pulse = root_raised_cosine() * np.sqrt(SAMPLES_PER_SYMBOL)
    return _without_ends(upfirdn(pulse, symbols, SAMPLES_PER_SYMBOL), symbols.shape[-1])


def frequency_shift(bits: Float, index: float, bandwidth_time: float) -> Complex:
    """Return frequency shift keying of continuous phase and power 1.

    The phase turns by pi x index a symbol, by a frequency pulse that is a symbol long and filtered
    by a Gaussian (Proakis and Salehi 2008, section 3.3).

    Args:
        bits: (..., S), each 1 or -1.
        index: modulation index.
        bandwidth_time: 3 dB bandwidth of the filter times a symbol; infinite for none.

    Returns:
        (..., 8 (S - 2 SPAN - 1) + 1) samples.
    """
    t = np.arange(-SPAN * SAMPLES_PER_SYMBOL, SPAN * SAMPLES_PER_SYMBOL + 1) / SAMPLES_PER_SYMBOL
    pulse = ((t >= -0.5) & (t < 0.5)).astype(float)
    if np.isfinite(bandwidth_time):
        deviation = np.sqrt(np.log(2)) / (2 * pi * bandwidth_time)  # of its impulse response
        pulse = np.convolve(pulse, np.exp(-((t / deviation) ** 2) / 2), mode="same")
    frequency = upfirdn(pulse / pulse.sum(), bits, SAMPLES_PER_SYMBOL)
    phase = pi * index * np.cumsum(frequency, axis=-1)
    return _without_ends(np.exp(1j * phase), bits.shape[-1])


def with_noise(signal: Complex, snr_db: Float | float, rng: np.random.Generator) -> Complex:
    """Return signals of mean power 1 in white circular Gaussian noise.

    Args:
        signal: (..., samples).
        snr_db: mean power of a sample over that of the noise, dB; broadcasts against (..., 1).
        rng: of the noise.
    """
    deviation = np.sqrt(10 ** (-np.asarray(snr_db) / 10) / 2)
    noise = rng.normal(size=(2, *signal.shape)) * deviation
    return signal + noise[0] + 1j * noise[1]


def received(modulation: NDArray[np.int64], snr_db: Float, rng: np.random.Generator) -> Complex:
    """Return what a receiver has of signals: unknown data, timing, phase and carrier, and noise.

    Timing is a whole number of samples, the phase uniform, the carrier off by a uniform part of
    MOST_OFFSET. A flat Rayleigh fade would be a phase and a gain: the phase is drawn, the gain is
    in the SNR.

    Args:
        modulation: (n,) places in MODULATIONS.
        snr_db: (n,) SNR of a sample, dB.
        rng: of everything.

    Returns:
        (n, SAMPLES).
    """
    clean = np.empty((len(modulation), SAMPLES), complex)
    symbols = SAMPLES // SAMPLES_PER_SYMBOL + 2 + 2 * SPAN
    for place, name in enumerate(MODULATIONS):
        rows = np.flatnonzero(modulation == place)
        if name in CONSTELLATIONS:
            whole = linear(rng.choice(CONSTELLATIONS[name], (len(rows), symbols)))
        else:
            bits = rng.choice([-1.0, 1.0], (len(rows), symbols))
            whole = frequency_shift(bits, *FREQUENCY_SHIFTS[name])
        first = rng.integers(SAMPLES_PER_SYMBOL, size=(len(rows), 1))
        clean[rows] = np.take_along_axis(whole, first + np.arange(SAMPLES), axis=-1)
    phase = rng.uniform(0, 2 * pi, (len(modulation), 1))
    offset = rng.uniform(-MOST_OFFSET, MOST_OFFSET, (len(modulation), 1)) / SAMPLES_PER_SYMBOL
    turned = clean * np.exp(1j * (phase + 2 * pi * offset * np.arange(SAMPLES)))
    return with_noise(turned, snr_db[:, None], rng)


def _without_ends(samples: Complex, symbols: int) -> Complex:
    """Return the samples that all pulses of `symbols` symbols have begun by or have not ended."""
    first, last = 2 * SPAN * SAMPLES_PER_SYMBOL, (symbols - 1) * SAMPLES_PER_SYMBOL
    return samples[..., first : last + 1]
