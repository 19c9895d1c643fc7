"""Agents that walk from one place to another, drawn uniformly, and pause there."""

from math import hypot, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from envs.arrays import Arrays, Float
from envs.geometry.area import Area
from envs.geometry.mobility.base import FASTEST_M_S, Mobility, register
from envs.section import STRICT, NonNegativeDraw, PositiveDraw, Section

MOST_LEGS = 10_000  # of an agent in a slot


@register("random_waypoint")
@dataclass(frozen=True, config=STRICT)
class RandomWaypoint(Section, Mobility):
    """Straight legs to places uniform over the area, a speed drawn for each, and pauses between.

    Speeds and pauses are uniform over their ranges (Johnson and Maltz 1996). A slot may hold part
    of a leg or several.
    """

    speed_m_s: PositiveDraw = Field(default=(0.5, 2.0), description="Speed of a leg, uniform, m/s")
    pause_s: NonNegativeDraw = Field(
        default=(0.0, 60.0), description="Pause at the end of a leg, uniform, s"
    )
    start_at: Literal["stationary", "placement"] = Field(
        default="stationary",
        description="Begin as after an endless walk, whatever the placement, or at the placement, "
        "about to walk",
    )

    @field_validator("speed_m_s")
    @classmethod
    def _slow_enough(cls, speeds: tuple[float, float]) -> tuple[float, float]:
        if speeds[1] > FASTEST_M_S:
            raise ValueError(f"should be at most {FASTEST_M_S:,} m/s")
        return speeds

    @property
    def starts_by_itself(self) -> bool:
        """True where agents begin as after an endless walk."""
        return self.start_at == "stationary"

    def start(self, position: Float, area: Area, rng: np.random.Generator) -> tuple[Float, Arrays]:
        """Return places, targets, speeds and pauses.

        The stationary distribution is that of Le Boudec and Vojnovic, "Perfect Simulation and
        Stationarity of a Class of Mobility Models", INFOCOM 2005: an agent pauses with the share of
        time that pauses take; one that walks is anywhere on a leg whose ends have a density in
        proportion to their distance, at a speed v of density in proportion to 1 / v.
        """
        shape = position.shape[:-1]
        state = self._leg(shape, area, rng)
        state["pause_s"] = np.zeros(shape, np.float32)
        if self.start_at == "placement":
            return position, state
        pauses = rng.random(shape) < self._share_of_pauses(area)
        shortest, longest = self.pause_s
        drawn_s = np.sqrt(shortest**2 + rng.random(shape) * (longest**2 - shortest**2))
        residual_s = rng.random(shape) * drawn_s
        slowest, fastest = self.speed_m_s
        speed = slowest * (fastest / slowest) ** rng.random(shape)
        begin, end = _ends_of_legs(shape, area, rng)
        on_leg = begin + rng.random((*shape, 1)) * (end - begin)
        place = np.where(pauses[..., None], area.uniform(shape, rng), on_leg)
        return place.astype(np.float32), {
            "target_m": np.where(pauses[..., None], state["target_m"], end).astype(np.float32),
            "speed_m_s": np.where(pauses, state["speed_m_s"], speed).astype(np.float32),
            "pause_s": np.where(pauses, residual_s, 0).astype(np.float32),
        }

    def move(
        self,
        position: Float,
        state: Arrays,
        area: Area,
        duration_s: float,
        rng: np.random.Generator,
    ) -> tuple[Float, Arrays]:
        """Pause and walk, over as many legs as the time takes.

        Raises:
            ValueError: an agent has more than `MOST_LEGS`.
        """
        target, speed, pause_s = state["target_m"], state["speed_m_s"], state["pause_s"]
        left_s = np.full(speed.shape, duration_s, np.float32)
        for _ in range(MOST_LEGS):
            waited_s = np.minimum(pause_s, left_s)
            pause_s, left_s = pause_s - waited_s, left_s - waited_s
            way = target - position
            distance = np.hypot(way[..., 0], way[..., 1])
            reach = speed * left_s
            arrives = (reach >= distance) & (left_s > 0)
            share = np.divide(
                reach, distance, out=np.zeros_like(reach), where=~arrives & (reach > 0)
            )
            position = np.where(arrives[..., None], target, position + way * share[..., None])
            if not arrives.any():
                return position, {"target_m": target, "speed_m_s": speed, "pause_s": pause_s}
            left_s = np.where(arrives, np.maximum(left_s - distance / speed, 0), 0)
            leg = self._leg(speed.shape, area, rng)
            drawn_s = rng.uniform(*self.pause_s, speed.shape).astype(np.float32)
            target = np.where(arrives[..., None], leg["target_m"], target)
            speed = np.where(arrives, leg["speed_m_s"], speed)
            pause_s = np.where(arrives, drawn_s, pause_s)
        raise ValueError(
            f"random_waypoint: more than {MOST_LEGS:,} legs of an agent in {duration_s:g} s: "
            "speed_m_s is too high for the area"
        )

    def _leg(self, shape: tuple[int, ...], area: Area, rng: np.random.Generator) -> Arrays:
        """Draw targets and speeds."""
        speed = rng.uniform(*self.speed_m_s, shape).astype(np.float32)
        return {"target_m": area.uniform(shape, rng), "speed_m_s": speed}

    def _share_of_pauses(self, area: Area) -> float:
        """Return the share of time that pauses take in the long run."""
        slowest, fastest = self.speed_m_s
        inverse = log(fastest / slowest) / (fastest - slowest) if fastest > slowest else 1 / slowest
        pause_s = sum(self.pause_s) / 2
        return pause_s / (pause_s + mean_distance_m(area) * inverse)


def mean_distance_m(area: Area) -> float:
    """Return the mean distance of two places uniform over a rectangle, m (Ghosh 1951)."""
    a, b = area
    diagonal = hypot(a, b)
    edges = a**3 / b**2 + b**3 / a**2 + diagonal * (3 - (a / b) ** 2 - (b / a) ** 2)
    logarithms = b**2 / a * log((a + diagonal) / b) + a**2 / b * log((b + diagonal) / a)
    return (edges + 2.5 * logarithms) / 15


def _ends_of_legs(
    shape: tuple[int, ...], area: Area, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw both ends of legs, (*shape, 2) each, of density in proportion to their distance."""
    side = np.array(area)
    ends = np.empty((2, *shape, 2))
    missing = np.ones(shape, bool)
    while missing.any():  # a third of the draws is kept in a square
        drawn = rng.random((2, *shape, 2)) * side
        distance = np.linalg.norm(drawn[1] - drawn[0], axis=-1)
        kept = missing & (rng.random(shape) * area.diagonal_m < distance)
        ends[:, kept] = drawn[:, kept]
        missing &= ~kept
    return ends[0], ends[1]
