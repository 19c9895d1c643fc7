"""Placements: where users and experts are when an episode begins."""

from envs.geometry.placement.base import PLACEMENTS, Placement, register
from envs.geometry.placement.file import FromFile
from envs.geometry.placement.grid import Grid
from envs.geometry.placement.hotspots import Hotspots
from envs.geometry.placement.uniform import Uniform

__all__ = [
    "PLACEMENTS",
    "FromFile",
    "Grid",
    "Hotspots",
    "Placement",
    "Uniform",
    "register",
]
