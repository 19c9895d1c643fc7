"""Access to an expert's band: what a share of it sends in what time, with what energy.

Pure functions on arrays. A user with the share b of the band W sends L bits at the rate
b W eta bit/s, where eta is the spectral efficiency at its SNR:

    spectral_density   power goes with the band, so the SNR stays gamma, power is b P and the energy
                       P L / (W eta), whatever the share: as if each had the whole band for a part
                       of the time
    total_power        all of P goes into the share: the SNR is gamma / b, the energy
                       P L / (b W eta)

Both are the same for one user. Airtime is L / (W eta), seconds of the whole band.
"""

from typing import NamedTuple

import numpy as np

from envs.arrays import Bool, Float, Int
from envs.channel.config import ChannelConfig
from envs.channel.rates import Rate, min_delay_weight, spectral_efficiency
from envs.per_expert import per_expert


class Radio(NamedTuple):
    """Band and power of the experts of requests: a number each where all have the same."""

    bandwidth_hz: Float | float
    tx_power_w: Float | float


def transmission(
    config: ChannelConfig,
    radio: Radio,
    bits: Float,
    snr: Float,
    share: Float | float = 1.0,
    alone_s: Float | None = None,
) -> tuple[Float, Float, Float]:
    """Return airtime, s of the whole band, the time to send, s, and the energy, J.

    Args:
        config: the channel's configuration.
        radio: of each request's expert.
        bits: bits to send.
        snr: linear SNR alone on the band.
        share: share of the band, above 0 and at most 1.
        alone_s: airtime alone on the band where that is known, which it is whatever the share under
            `spectral_density`, s.
    """
    if config.access == "spectral_density":
        airtime_s = _airtime_s(config, radio, bits, snr) if alone_s is None else alone_s
        return airtime_s, airtime_s / share, radio.tx_power_w * airtime_s
    airtime_s = _airtime_s(config, radio, bits, snr / share)
    time_s = airtime_s / share
    return airtime_s, time_s, radio.tx_power_w * time_s


def _airtime_s(config: ChannelConfig, radio: Radio, bits: Float, snr: Float) -> Float:
    return bits / (radio.bandwidth_hz * spectral_efficiency(snr, Rate.of(config)))


def answer_share(config: ChannelConfig, words: Float) -> Float:
    """Return the share of a subtask's bits, both ways, that its answer has."""
    total = config.prompt_words + words
    return np.divide(words, total, out=np.zeros_like(words), where=total > 0)


def band_share(
    config: ChannelConfig, bits: Float, snr: Float, cell: Int, load: Float, served: Bool
) -> Float:
    """Return each request's share of its expert's band, (N, R), in 0..1; 1 if it is not served.

    `equal` gives all users of an expert the same, `min_delay` the shares of the least sum of their
    delays (`rates.min_delay_weight`).

    Args:
        config: the channel's configuration.
        bits: (N, R) bits of each transfer, both ways.
        snr: (N, R) linear SNR alone on the band.
        cell: (N, R) the expert that each requests, as in `per_expert`.
        load: (N, E) requests that each expert serves.
        served: (N, R) requests that are served.
    """
    if config.split == "equal":
        return np.where(served, 1 / np.maximum(load.take(cell), 1.0), 1.0)
    weight = min_delay_weight(bits, spectral_efficiency(snr, Rate.of(config)))
    total = per_expert(cell, weight * served, load.shape).take(cell)
    return np.divide(weight, total, out=np.ones_like(weight), where=served)
