"""Rates of a channel at an SNR, and the split of an expert's band: pure functions on arrays.

SNRs are linear here; rates are in bit/s, delays in s.
"""

import numpy as np

from envs.arrays import Float
from envs.channel.config import ChannelConfig


def db_to_linear(decibel: Float) -> Float:
    """Return 10^(dB / 10), in the precision of the argument."""
    return np.exp(decibel * decibel.dtype.type(np.log(10) / 10))


def snr_gap(config: ChannelConfig) -> float:
    """Return Gamma, the SNR gap of adaptive QAM, -ln(5 BER) / 1.5; 1 for Shannon rates.

    Source: Goldsmith and Chua, "Variable-Rate Variable-Power MQAM for Fading Channels", IEEE Trans.
    Commun. 1997, whose bound BER <= 0.2 exp(-1.5 gamma / (M - 1)) it inverts.
    """
    return -np.log(5 * config.target_ber) / 1.5 if config.ber == "qam" else 1.0


def word_survival(config: ChannelConfig) -> float:
    """Return the share of words without a bit error, (1 - BER)^bits; 1 for Shannon rates."""
    return (1 - config.target_ber) ** config.bits_per_word if config.ber == "qam" else 1.0


def spectral_efficiency(snr: Float, gap: float = 1.0) -> Float:
    """Return eta = log2(1 + snr / gap), bit/s/Hz, of a linear SNR (Shannon; `snr_gap`)."""
    return np.log1p(snr * snr.dtype.type(1 / gap)) * snr.dtype.type(1 / np.log(2))


def subtask_bits(config: ChannelConfig, words: Float) -> Float:
    """Return the bits of a subtask both ways: the prompt up and `words` words down."""
    return (config.prompt_words + words) * config.bits_per_word


def min_delay_weight(bits: Float, efficiency: Float) -> Float:
    """Return the share of the band, up to a factor, of the least sum of delays: sqrt(L / eta).

    The minimum of sum_i L_i / (b_i eta_i) subject to sum_i b_i = W (Lagrange: b_i proportional to
    sqrt(L_i / eta_i)).
    """
    return np.sqrt(bits / efficiency)


def transmission_s(
    config: ChannelConfig, bits: Float, snr: Float, share: Float | float = 1.0
) -> Float:
    """Return the time to send `bits` over a share (0..1) of an expert's band, s.

    Args:
        config: the channel's configuration.
        bits: bits both ways.
        snr: linear SNR alone on the band.
        share: share of the band.
    """
    efficiency = spectral_efficiency(snr, snr_gap(config))
    return bits / (config.bandwidth_hz * share * efficiency)
