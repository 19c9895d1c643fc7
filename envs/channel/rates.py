"""Rates of a channel at an SNR, and what of the words survives: pure functions on arrays.

SNRs are linear here; rates are in bit/s, delays in s.
"""

from typing import NamedTuple

import numpy as np

from envs.arrays import Float
from envs.channel.config import ChannelConfig
from envs.channel.ergodic import ergodic_efficiency
from envs.channel.modulation import bit_error_rate, bits_per_symbol


def db_to_linear(decibel: Float) -> Float:
    """Return 10^(dB / 10), in the precision of the argument."""
    return np.exp(decibel * decibel.dtype.type(np.log(10) / 10))


def linear_to_db(ratio: Float) -> Float:
    """Return 10 log10 of a ratio, in the precision of the argument."""
    return np.log(ratio) * ratio.dtype.type(10 / np.log(10))


def snr_gap(config: ChannelConfig) -> float:
    """Return Gamma, the SNR gap of adaptive QAM, -ln(5 BER) / 1.5; 1 for Shannon rates.

    Source: Goldsmith and Chua, "Variable-Rate Variable-Power MQAM for Fading Channels", IEEE Trans.
    Commun. 1997, whose bound BER <= 0.2 exp(-1.5 gamma / (M - 1)) it inverts.
    """
    return -np.log(5 * config.target_ber) / 1.5 if config.ber == "qam" else 1.0


class Rate(NamedTuple):
    """How the spectral efficiency follows from the SNR.

    Attributes:
        gap: SNR gap to Shannon's rate, 1 for none.
        fixed: efficiency at any SNR, bit/s/Hz; None where it follows from the SNR.
        rician_k: Rician factor of the fading within a slot, over which the efficiency is averaged,
            linear, 0 for Rayleigh; None for none.
        most: greatest efficiency, bit/s/Hz; None for no limit.
    """

    gap: float = 1.0
    fixed: float | None = None
    rician_k: float | None = None
    most: float | None = None

    @classmethod
    def of(cls, config: ChannelConfig) -> "Rate":
        """Return the rate of a configuration."""
        fixed = bits_per_symbol(config.modulation) if config.ber == "snr" else None
        return cls(snr_gap(config), fixed, config.rician_k, config.max_spectral_efficiency)

    def capped(self, efficiency: Float) -> Float:
        """Return efficiencies of at most `most`."""
        if self.most is None:
            return efficiency
        return np.minimum(efficiency, efficiency.dtype.type(self.most))


SHANNON = Rate()


def word_survival(config: ChannelConfig, snr: Float) -> Float | float:
    """Return the share of words without a bit error on both ways, (1 - BER)^(2 bits).

    It is 1 for Shannon rates, the same at any SNR with `ber: qam`, and with `ber: snr` an array of
    the shape of the linear SNR.
    """
    if config.ber == "none":
        return 1.0
    if config.ber == "qam":
        return (1 - config.target_ber) ** (2 * config.bits_per_word)
    wrong = bit_error_rate(config.modulation, snr)
    return np.exp(2 * config.bits_per_word * np.log1p(-wrong))


def spectral_efficiency(snr: Float, rate: Rate = SHANNON) -> Float:
    """Return the spectral efficiency at a linear SNR, bit/s/Hz, see `efficiency_at`."""
    if rate.fixed is not None:
        return np.full_like(snr, rate.fixed)
    if rate.rician_k is not None:
        return efficiency_at(linear_to_db(snr), rate)
    shannon = np.log1p(snr * snr.dtype.type(1 / rate.gap)) * snr.dtype.type(1 / np.log(2))
    return rate.capped(shannon)


def efficiency_at(snr_db: Float, rate: Rate) -> Float:
    """Return eta = min(E log2(1 + h snr / gap), most), bit/s/Hz, or what is fixed (`Rate`).

    h is the power of the fading within the slot, 1 where there is none. It is computed in place,
    since these are the largest arrays of a slot.

    Args:
        snr_db: SNR, or its mean over the fading, dB.
        rate: how the efficiency follows from it.
    """
    if rate.fixed is not None:
        return np.full_like(snr_db, rate.fixed)
    if rate.rician_k is not None:
        gap_db = snr_db.dtype.type(10 * np.log10(rate.gap))
        return rate.capped(ergodic_efficiency(snr_db - gap_db, rate.rician_k))
    efficiency = snr_db * snr_db.dtype.type(np.log(10) / 10)
    if rate.gap != 1:
        efficiency -= efficiency.dtype.type(np.log(rate.gap))
    np.exp(efficiency, out=efficiency)
    np.log1p(efficiency, out=efficiency)
    efficiency *= efficiency.dtype.type(1 / np.log(2))
    return rate.capped(efficiency)


def subtask_bits(
    config: ChannelConfig, words: Float, bits_per_word: Float | float | None = None
) -> Float:
    """Return the bits of a subtask both ways: the prompt up and `words` words down.

    Args:
        config: the channel's configuration.
        words: of the answer.
        bits_per_word: of a codec; None for `config.bits_per_word`.
    """
    each = config.bits_per_word if bits_per_word is None else bits_per_word
    return (config.prompt_words + words) * each


def min_delay_weight(bits: Float, efficiency: Float) -> Float:
    """Return the share of the band, up to a factor, of the least sum of delays: sqrt(L / eta).

    The minimum of sum_i L_i / (b_i eta_i) subject to sum_i b_i = W (Lagrange: b_i proportional to
    sqrt(L_i / eta_i)).
    """
    return np.sqrt(bits / efficiency)
