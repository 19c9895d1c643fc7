"""Satellites on a circular orbit over a spherical Earth: geometry of a pass, and the mobility.

The frame is the tangent plane at the place on the ground that the orbit is laid out from: x and y
of the area, height over that plane. The Earth does not rotate: a pass at 600 km lasts up to 7 %
less or more in truth, by the inclination of the orbit.
"""

from math import pi

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

import envs.geometry
from envs.arrays import Arrays, Float
from envs.geometry import Area
from envs.section import STRICT, Interval, Section

EARTH_M = 6_371_000.0  # R, mean radius (TR 38.811, section 6.6.2, has the same)
MU = 3.986004418e14  # m^3/s^2, gravitational parameter of the Earth (WGS 84)
LEAST_HEIGHT_M, GREATEST_HEIGHT_M = 200e3, 1_000e3  # of low orbits; no key is above 1e6
_STEPS = 2  # of Newton's method, from a place within kilometres


def angular_speed(height_m: float | Float) -> float | Float:
    """Return omega = sqrt(mu / (R + h)^3) of a circular orbit, rad/s (Kepler's third law)."""
    return (MU / (EARTH_M + height_m) ** 3) ** 0.5


def slant_range_m(height_m: float | Float, elevation_deg: float | Float) -> Float:
    """Return d = sqrt((R + h)^2 - (R cos el)^2) - R sin el, m (TR 38.811, section 6.6.2)."""
    elevation = np.radians(elevation_deg)
    along = EARTH_M * np.sin(elevation)
    return np.sqrt(along**2 + height_m**2 + 2 * EARTH_M * height_m) - along


def central_angle(height_m: float | Float, elevation_deg: float | Float) -> Float:
    """Return the angle at the Earth's centre between observer and satellite, rad.

    arccos(R cos el / (R + h)) - el, of the triangle of both and the centre.
    """
    elevation = np.radians(elevation_deg)
    return np.arccos(EARTH_M * np.cos(elevation) / (EARTH_M + height_m)) - elevation


def visible_s(height_m: float, elevation_deg: float, offset_m: float = 0.0) -> float:
    """Return how long a pass is above an elevation, 0 if it never is, s.

    2 / omega arccos(cos gamma / cos(offset / R)), gamma being `central_angle`.

    Args:
        height_m: of the orbit.
        elevation_deg: that counts as visible.
        offset_m: distance on the ground between the observer and the ground track.
    """
    ratio = np.cos(central_angle(height_m, elevation_deg)) / np.cos(offset_m / EARTH_M)
    return float(2 / angular_speed(height_m) * np.arccos(min(ratio, 1.0)))


@envs.geometry.mobility.register("circular_orbit")
@dataclass(frozen=True, config=STRICT)
class CircularOrbit(Section, envs.geometry.Mobility):
    """Satellites one behind the other on a circular orbit of the height of the group.

    With phi = omega t of a satellite that culminates at t = 0, R the Earth's radius, h the height,
    o the offset of the ground track over R, a the direction of the ground track and c the one
    across it, places are

        (x, y, 0) + (R + h) (sin phi a + cos phi (sin o c + cos o up)) - R up

    about the place (x, y) where the placement puts the first satellite of a world.
    """

    spacing_s: float = Field(
        default=600.0, gt=0, description="Time from a satellite of the group to the next, s"
    )
    first_s: Interval = Field(
        default=(-300.0, 300.0),
        description="When the first culminates after an episode begins, uniform in each world, s",
    )
    heading_deg: Interval = Field(
        default=(0.0, 360.0),
        description="Direction of the ground track over the x axis, uniform, degrees",
    )
    offset_m: Interval = Field(
        default=(0.0, 0.0),
        description="Distance on the ground of the ground track from the place, uniform, m",
    )

    @property
    def leaves_area(self) -> bool:
        """True: satellites are hundreds of kilometres away."""
        return True

    def start(self, position: Float, area: Area, rng: np.random.Generator) -> tuple[Float, Arrays]:
        """Draw phase, heading and offset of each world, and return where satellites are."""
        height_m = position[..., 2]
        if not ((height_m >= LEAST_HEIGHT_M) & (height_m <= GREATEST_HEIGHT_M)).all():
            raise ValueError(
                f"circular_orbit is for a height_m of {LEAST_HEIGHT_M:g} to {GREATEST_HEIGHT_M:g} "
                f"m, got {height_m.min():g} m"
            )
        worlds, number = (len(position), 1), np.arange(position.shape[1])
        first_s = rng.uniform(*self.first_s, worlds)
        heading = np.radians(rng.uniform(*self.heading_deg, worlds))
        offset = rng.uniform(*self.offset_m, worlds) / EARTH_M
        period_s = 2 * pi / angular_speed(height_m.astype(float))
        state = {
            "origin_m": np.broadcast_to(position[:, :1, :2], (*height_m.shape, 2)),
            "height_m": height_m,
            "since_s": _wrapped(-first_s - self.spacing_s * number, period_s),
            "heading": np.broadcast_to(heading, height_m.shape),
            "offset": np.broadcast_to(offset, height_m.shape),
        }
        state = {name: array.astype(np.float32) for name, array in state.items()}
        return self._places(state), state

    def move(
        self,
        position: Float,
        state: Arrays,
        area: Area,
        duration_s: float,
        rng: np.random.Generator,
    ) -> tuple[Float, Arrays]:
        """Move along the orbit."""
        period_s = 2 * pi / angular_speed(state["height_m"].astype(float))
        since_s = _wrapped(state["since_s"].astype(float) + duration_s, period_s)
        changed = {"since_s": since_s.astype(np.float32)}
        return self._places(state | changed), changed

    def above_for_s(
        self, position: Float, state: Arrays, viewer_m: Float, elevation_deg: Float
    ) -> Float:
        """Return the time until a satellite sets, s.

        From the origin of the frame that is arccos(cos gamma / cos o) / omega - t. From a place
        kilometres from there Newton's method on the elevation goes on from it.
        """
        known = {name: array.astype(float) for name, array in state.items()}
        elevation = np.radians(elevation_deg)
        omega, offset = angular_speed(known["height_m"]), known["offset"]
        cosine = np.cos(central_angle(known["height_m"], elevation_deg)) / np.cos(offset)
        sets_s = np.arccos(np.minimum(cosine, 1.0)) / omega
        for _ in range(_STEPS):
            seen, rate = self._elevation(known, sets_s, viewer_m.astype(float))
            sets_s = sets_s + np.where(rate < 0, (elevation - seen) / rate, 0.0)
        now, _ = self._elevation(known, known["since_s"], viewer_m.astype(float))
        left_s = np.where(now >= elevation, sets_s - known["since_s"], 0.0)
        return np.maximum(left_s, 0.0).astype(np.float32)

    def _elevation(self, state: Arrays, since_s: Float, viewer_m: Float) -> tuple[Float, Float]:
        """Return the elevation over the horizontal, rad, and its derivative, rad/s."""
        place, velocity = _orbit(state, since_s)
        way = place - viewer_m
        ground = np.maximum(np.hypot(way[..., 0], way[..., 1]), 1e-3)
        apart = (way[..., :2] * velocity[..., :2]).sum(axis=-1) / ground
        squared = ground**2 + way[..., 2] ** 2
        rate = (ground * velocity[..., 2] - way[..., 2] * apart) / squared
        return np.arctan2(way[..., 2], ground), rate

    def _places(self, state: Arrays) -> Float:
        known = {name: array.astype(float) for name, array in state.items()}
        return _orbit(known, known["since_s"])[0].astype(np.float32)


def _wrapped(since_s: Float, period_s: Float) -> Float:
    """Return times since the culmination, from half a period before it to half a period after."""
    return np.mod(since_s + period_s / 2, period_s) - period_s / 2


def _orbit(state: Arrays, since_s: Float) -> tuple[Float, Float]:
    """Return places, (..., 3) m, and velocities, m/s, at a time since the culmination."""
    omega = angular_speed(state["height_m"])
    radius, phi, offset = EARTH_M + state["height_m"], omega * since_s, state["offset"]
    heading = np.stack([np.cos(state["heading"]), np.sin(state["heading"])], axis=-1)
    across = np.stack([-heading[..., 1], heading[..., 0]], axis=-1)

    def laid_out(along: Float, up: Float) -> Float:
        ground = along[..., None] * heading + (up * np.sin(offset))[..., None] * across
        return np.concatenate([ground, (up * np.cos(offset))[..., None]], axis=-1)

    place = laid_out(radius * np.sin(phi), radius * np.cos(phi))
    velocity = laid_out(radius * omega * np.cos(phi), -radius * omega * np.sin(phi))
    place[..., :2] += state["origin_m"]
    place[..., 2] -= EARTH_M
    return place, velocity
