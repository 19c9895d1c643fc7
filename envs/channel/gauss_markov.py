"""Channels with memory: an autoregression of order one about a mean of each pair."""

from dataclasses import dataclass
from math import exp

import numpy as np

from envs.arrays import Arrays, Float
from envs.channel.clipped import ClippedProcess
from envs.channel.draws import standard_normal, uniform
from envs.channel.process import Shape
from envs.channel.registry import register


@register("gauss_markov")
@dataclass(frozen=True)
class GaussMarkov(ClippedProcess):
    """SNR that follows a latent x' = mu + rho (x - mu) + sqrt(1 - rho^2) sigma w, w ~ N(0, 1).

    It is stationary about mu ~ U(range), which is drawn once a pair (Gudmundson 1991).

    Attributes:
        sigma_db: spread of the latent about its mean, dB.
        correlation: rho from one slot to the next.
        speed_m_s: users' speed, m/s, in place of the correlation.
        decorrelation_distance_m: Gudmundson's, m.
    """

    sigma_db: float
    correlation: float | None
    speed_m_s: float | None
    decorrelation_distance_m: float

    def __post_init__(self) -> None:
        if (self.correlation is None) == (self.speed_m_s is None):
            raise ValueError(
                "process: gauss_markov needs either correlation or speed_m_s (one of the two)"
            )

    def slot_correlation(self, slot_s: float) -> float:
        """Return rho from one slot of `slot_s` seconds to the next.

        Where a speed is given it is exp(-speed slot / distance) (Gudmundson 1991).
        """
        if self.correlation is not None:
            return self.correlation
        assert self.speed_m_s is not None
        return exp(-self.speed_m_s * slot_s / self.decorrelation_distance_m)

    def large_scale(
        self, shape: Shape, users: Arrays, experts: Arrays, rng: np.random.Generator
    ) -> Arrays:
        """Draw mu of each pair, dB."""
        return {"mean_db": uniform(self.snr_db, rng, shape)}

    def mean_db(self, state: Arrays) -> Float:
        """Return mu, dB."""
        return state["mean_db"]

    def small_scale(self, shape: Shape, state: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw the latent from its stationary distribution, N(mu, sigma^2)."""
        return {
            "latent_db": state["mean_db"] + np.float32(self.sigma_db) * standard_normal(rng, shape)
        }

    def following(
        self, shape: Shape, state: Arrays, slot_s: float, rng: np.random.Generator
    ) -> Arrays:
        """Draw the next latent."""
        rho = self.slot_correlation(slot_s)
        latent_db = standard_normal(rng, shape)
        latent_db *= np.float32(np.sqrt(1 - rho**2) * self.sigma_db)
        latent_db += np.float32(rho) * state["latent_db"]
        latent_db += np.float32(1 - rho) * state["mean_db"]
        return {"latent_db": latent_db}
