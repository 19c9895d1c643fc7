"""Places of users and experts in an area: placement, mobility, path loss, shadowing."""

from envs.geometry import mobility, path_loss, placement
from envs.geometry.area import Area
from envs.geometry.config import GeometryConfig
from envs.geometry.mobility import Mobility
from envs.geometry.path_loss import PathLoss
from envs.geometry.paths import Paths, Span
from envs.geometry.placement import Placement

__all__ = [
    "Area",
    "GeometryConfig",
    "Mobility",
    "PathLoss",
    "Paths",
    "Placement",
    "Span",
    "mobility",
    "path_loss",
    "placement",
]
