"""Paths between users and experts: distances and heights, of which path loss follows."""

from typing import NamedTuple

import numpy as np

from envs.arrays import Float

LEAST_M = 1.0  # nearer pairs count as this far apart: path loss models are of the far field
SPEED_OF_LIGHT = 299_792_458.0  # m/s


class Paths(NamedTuple):
    """Paths of pairs, arrays in single precision that broadcast to (N, U, C).

    Attributes:
        ground_m: distance along the ground, m.
        distance_m: distance between the antennas, at least `LEAST_M`, m.
        user_height_m: height of the user's antenna, m.
        expert_height_m: height of the expert's antenna, m.
        carrier_ghz: carrier frequency, GHz.
    """

    ground_m: Float
    distance_m: Float
    user_height_m: Float
    expert_height_m: Float
    carrier_ghz: float

    @property
    def elevation_deg(self) -> Float:
        """Elevation of experts over users, negative where they are below, degrees."""
        up = self.expert_height_m - self.user_height_m
        return np.arctan2(up, self.ground_m) * np.float32(180 / np.pi)

    @classmethod
    def between(cls, user_m: Float, expert_m: Float, carrier_ghz: float) -> "Paths":
        """Return the paths between places (..., 3), m, that broadcast against each other."""
        east = user_m[..., 0] - expert_m[..., 0]
        north = user_m[..., 1] - expert_m[..., 1]
        squared = east * east + north * north
        up = user_m[..., 2] - expert_m[..., 2]
        distance = np.sqrt(squared + up * up)
        return cls(
            ground_m=np.sqrt(squared),
            distance_m=np.maximum(distance, np.float32(LEAST_M)),
            user_height_m=user_m[..., 2],
            expert_height_m=expert_m[..., 2],
            carrier_ghz=carrier_ghz,
        )


class Span(NamedTuple):
    """The least and the greatest of all that paths of a world may have.

    Attributes:
        carrier_ghz: carrier frequency, GHz.
        user_height_m: least and greatest height of users, m.
        expert_height_m: least and greatest height of experts, m.
        ground_m: greatest distance along the ground, m.
    """

    carrier_ghz: float
    user_height_m: tuple[float, float]
    expert_height_m: tuple[float, float]
    ground_m: float


def decibel(ratio: Float) -> Float:
    """Return 10 log10 of a ratio, by the natural logarithm, which NumPy computes faster."""
    return np.log(ratio) * ratio.dtype.type(10 / np.log(10))


def friis_db(distance_m: Float, carrier_ghz: float) -> Float:
    """Return the loss of free space, 20 log10(4 pi d f / c) dB (Friis 1946), of distances in m."""
    at_one_m = 20 * np.log10(4 * np.pi * carrier_ghz * 1e9 / SPEED_OF_LIGHT)
    return 2 * decibel(distance_m) + distance_m.dtype.type(at_one_m)
