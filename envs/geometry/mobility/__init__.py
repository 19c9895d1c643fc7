"""Mobility: how users and experts move.

import envs.geometry

@envs.geometry.mobility.register("commute")
@dataclass(frozen=True)
class Commute(envs.geometry.Mobility):
    ...
"""

from envs.geometry.mobility.base import MOBILITIES, Mobility, register
from envs.geometry.mobility.gauss_markov import GaussMarkovMobility
from envs.geometry.mobility.random_waypoint import RandomWaypoint
from envs.geometry.mobility.static import Static

__all__ = [
    "MOBILITIES",
    "GaussMarkovMobility",
    "Mobility",
    "RandomWaypoint",
    "Static",
    "register",
]
