"""Fading channels: SNR from slot to slot, spectral efficiency, and the split of an expert's band.

dB appear only in the SNR process; rates are in bit/s, delays in s.
"""

from math import log, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float, Int
from envs.config import ChannelConfig
from envs.state import State, put, taken

_STATE = ("mean_db", "latent_db")


class Links(NamedTuple):
    """Channels of a slot, a column for each candidate of a user, (N, U, C) float32 each."""

    snr_db: NDArray[np.float32]  # SNR alone on the band, dB
    efficiency: NDArray[np.float32]  # spectral efficiency at that SNR, bit/s/Hz

    def snr(self, cell: tuple[NDArray, NDArray, NDArray]) -> Float:
        """Return the linear SNR at the cells (world, user, column), in double precision."""
        return db_to_linear(self.snr_db[cell].astype(float))


class FadingChannel:
    """SNR of every pair of user and candidate of N worlds, slot after slot.

    `iid` draws U(range) anew each slot (the paper). `gauss_markov` is the autoregression of order
    one x' = mu + rho (x - mu) + sqrt(1 - rho^2) sigma w with w ~ N(0, 1) (Gudmundson 1991),
    stationary about mu ~ U(range), which is drawn once a pair. The SNR is the latent x clipped to
    the range; the latent itself is not clipped.

    Attributes:
        mean_db: mu, (N, U, C) float32, a column for each candidate of a user (`envs.candidates`).
        latent_db: x, of the same shape.
        links: SNR and spectral efficiency of this slot.

    Args:
        config: the channel's configuration.
        shape: (N, U, C).
        correlation: rho from one slot to the next.
        rng: generator of all draws.
        mean_db: (N, U, C) mu, where it was drawn before; ignored under `iid`.
    """

    def __init__(
        self,
        config: ChannelConfig,
        shape: tuple[int, int, int],
        correlation: float,
        rng: np.random.Generator,
        mean_db: NDArray[np.float32] | None = None,
    ) -> None:
        self.config = config
        self._correlation = correlation
        self._rng = rng
        self._gap = snr_gap(config)
        self.mean_db, self.latent_db = self._first_slot(shape, mean_db)
        self._settle()

    def advance(self) -> None:
        """Go on to the next slot."""
        config = self.config
        if config.process == "iid":
            self.latent_db = uniform_db(self.config, self._rng, self.latent_db.shape)
        else:
            following = standard_normal(self._rng, self.latent_db.shape)
            following *= np.float32(np.sqrt(1 - self._correlation**2) * config.sigma_db)
            following += np.float32(self._correlation) * self.latent_db
            following += self._pull_db
            self.latent_db = following
        self._measure()

    def add_experts(self, count: int) -> None:
        """Draw the channels to `count` more experts."""
        mean_db, latent_db = self._first_slot((*self.latent_db.shape[:2], count))
        self.mean_db = np.concatenate([self.mean_db, mean_db], axis=-1)
        self.latent_db = np.concatenate([self.latent_db, latent_db], axis=-1)
        self._settle()

    def keep(self, column: Int) -> None:
        """Keep these columns alone, (N, U, C)."""
        self.mean_db, self.latent_db = (
            np.take_along_axis(array, column, axis=-1) for array in (self.mean_db, self.latent_db)
        )
        self._settle()

    def get_state(self) -> State:
        """Return mean and latent, (N, U, C) dB."""
        return taken(self, _STATE)

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        put(self, _STATE, state)
        self._settle()

    def _settle(self) -> None:
        """Derive all other values from new means and latents."""
        self._pull_db = np.float32(1 - self._correlation) * self.mean_db
        self._measure()

    def _measure(self) -> None:
        """Set the links of this slot, with efficiency log2(1 + 10^(dB / 10) / gap).

        It is computed in place, since these are the largest arrays of a slot.
        """
        snr_db = clip_snr_db(self.config, self.latent_db)
        efficiency = snr_db * np.float32(log(10) / 10)
        if self._gap != 1:
            efficiency -= np.float32(log(self._gap))
        np.exp(efficiency, out=efficiency)
        np.log1p(efficiency, out=efficiency)
        efficiency *= np.float32(1 / log(2))
        self.links = Links(snr_db, efficiency)

    def _first_slot(
        self, shape: tuple[int, ...], mean_db: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a mean, and a latent from the stationary distribution, dB."""
        if self.config.process == "iid":
            latent_db = uniform_db(self.config, self._rng, shape)
            return latent_db, latent_db
        if mean_db is None:
            mean_db = uniform_db(self.config, self._rng, shape)
        spread = np.float32(self.config.sigma_db)
        return mean_db, mean_db + spread * standard_normal(self._rng, shape)


def uniform_db(
    config: ChannelConfig, rng: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Draw from the configured range of the SNR, dB."""
    low, high = config.snr_db
    draws = rng.random(shape, np.float32)
    draws *= np.float32(high - low)
    draws += np.float32(low)
    return draws


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw from N(0, 1) by the transform of Box and Muller (1958), up to 5.8 standard deviations.

    In single precision it takes two fifths of the time of NumPy's ziggurat, which tests and
    branches at every draw.
    """
    size = prod(shape)
    pairs = rng.random((2, -(-size // 2)), np.float32)
    radius = 1 - pairs[0]
    np.log(radius, out=radius)
    radius *= np.float32(-2)
    np.sqrt(radius, out=radius)
    angle = pairs[1]
    angle *= np.float32(2 * np.pi)
    np.cos(angle, out=pairs[0])
    np.sin(angle, out=angle)
    pairs *= radius
    return pairs.ravel()[:size].reshape(shape)


def clip_snr_db(config: ChannelConfig, latent_db: Float) -> Float:
    """Return the SNR, dB: the latent clipped to the configured range."""
    low, high = (latent_db.dtype.type(bound) for bound in config.snr_db)
    clipped = np.maximum(latent_db, low)
    return np.minimum(clipped, high, out=clipped)


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

    With `noise_scaling` the SNR grows as the share shrinks, gamma W / b, at fixed power.

    Args:
        config: the channel's configuration.
        bits: bits both ways.
        snr: linear SNR alone on the band.
        share: share of the band.
    """
    efficiency = spectral_efficiency(snr / share if config.noise_scaling else snr, snr_gap(config))
    return bits / (config.bandwidth_hz * share * efficiency)
