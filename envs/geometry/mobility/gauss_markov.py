"""Agents whose velocity has a memory."""

from math import pi, sqrt

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from envs.arrays import Arrays, Float
from envs.geometry.area import Area
from envs.geometry.mobility.base import FASTEST_M_S, Mobility, register
from envs.section import STRICT, Probability, Section


@register("gauss_markov")
@dataclass(frozen=True, config=STRICT)
class GaussMarkovMobility(Section, Mobility):
    """Velocity v' = alpha v + sqrt(1 - alpha^2) sigma w from slot to slot, w ~ N(0, I).

    Liang and Haas 1999 without a drift. The velocity is constant within a slot and stationary from
    the beginning; the speed is Rayleigh distributed. Borders reflect like mirrors, so places stay
    uniform over the area where they begin so.
    """

    memory: Probability = Field(
        default=0.9, description="alpha: correlation of the velocity from one slot to the next"
    )
    mean_speed_m_s: float = Field(default=1.0, gt=0, le=FASTEST_M_S, description="Mean speed, m/s")

    def start(self, position: Float, area: Area, rng: np.random.Generator) -> tuple[Float, Arrays]:
        """Return the places, and draw the velocities from their stationary distribution."""
        return position, {"velocity_m_s": self._noise(position.shape, rng)}

    def move(
        self,
        position: Float,
        state: Arrays,
        area: Area,
        duration_s: float,
        rng: np.random.Generator,
    ) -> tuple[Float, Arrays]:
        """Draw the velocities of the slot and move by them."""
        velocity = np.float32(self.memory) * state["velocity_m_s"]
        velocity += np.float32(sqrt(1 - self.memory**2)) * self._noise(position.shape, rng)
        position, direction = area.folded(position + np.float32(duration_s) * velocity)
        return position, {"velocity_m_s": velocity * direction}

    def _noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Float:
        sigma_m_s = self.mean_speed_m_s * sqrt(2 / pi)  # of each axis, of a Rayleigh mean
        return rng.standard_normal(shape, np.float32) * np.float32(sigma_m_s)
