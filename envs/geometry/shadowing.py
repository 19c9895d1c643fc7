"""Shadowing and line of sight, which change with the distance that a pair moves.

A pair that does not move keeps both to the bit. The distance of a pair is that which its user moved
in the slot and that which its expert moved, each from its place to the next in a straight line,
added: the correlation is the product of those of both ends (Wang, Tameh and Nix, "Joint Shadowing
Process in Urban Peer-to-Peer Radio Channels", IEEE Trans. Veh. Technol. 2008).
"""

from math import pi, sqrt

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from envs.arrays import Bool, Float
from envs.section import STRICT, Section

_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@dataclass(frozen=True, config=STRICT)
class ShadowingConfig(Section):
    """Shadowing of a pair, normal in dB, and how far it and the line of sight reach."""

    sigma_db: float | None = Field(
        default=None,
        ge=0,
        le=50,
        description="Standard deviation, dB; null: that of the path loss model; 0: none",
    )
    decorrelation_m: float = Field(
        default=13.0,
        gt=0,
        description="Distance moved at which the correlation of shadowing is 1 / e, m (TR 38.901, "
        "UMi without a line of sight)",
    )
    sight_decorrelation_m: float = Field(
        default=50.0,
        gt=0,
        description="The same of the state of the line of sight, m (TR 38.901, UMi)",
    )


def shadowing_moved(
    shadowing: Float, moved_m: Float, decorrelation_m: float, noise: Float
) -> Float:
    """Return the shadowing after a move, x' = rho x + sqrt(1 - rho^2) w, rho = exp(-moved / d).

    It is stationary, N(0, 1), of correlation exp(-distance / d). Source: Gudmundson, "Correlation
    Model for Shadow Fading in Mobile Radio Systems", Electron. Lett. 1991.

    Args:
        shadowing: x, (N, U, C) standard deviations.
        moved_m: distance moved, broadcasts to (N, U, C), m.
        decorrelation_m: d, m.
        noise: w ~ N(0, 1), (N, U, C).
    """
    exponent = moved_m * np.float32(-1 / decorrelation_m)
    rho, spread = np.exp(exponent), np.sqrt(-np.expm1(2 * exponent))
    return rho * shadowing + spread * noise


def obstruction_moved(
    obstruction: Float, moved_m: Float, decorrelation_m: float, noise: Float
) -> Float:
    """Return the obstruction after a move, u' = u + sqrt(moved / (2 pi^2 d)) w modulo 1.

    A Brownian motion on a circle: u stays uniform over 0..1, and the correlation of cos(2 pi u) is
    exp(-distance / d). A path has a line of sight where u is below its probability.

    Args:
        obstruction: u, (N, U, C) in 0..1.
        moved_m: distance moved, broadcasts to (N, U, C), m.
        decorrelation_m: d, m.
        noise: w ~ N(0, 1), (N, U, C).
    """
    moved = np.sqrt(moved_m) * np.float32(1 / (pi * sqrt(2 * decorrelation_m))) * noise
    moved += obstruction
    moved -= np.floor(moved)
    return np.minimum(moved, _BELOW_ONE, out=moved)  # -1e-9 is 1 modulo 1 in single precision


def has_sight(obstruction: Float, probability: Float) -> Bool:
    """Return the paths that have a line of sight, (N, U, C)."""
    return obstruction < probability
