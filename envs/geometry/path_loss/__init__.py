"""Path loss between users and experts.

import envs.geometry

@envs.geometry.path_loss.register("two_slope")
@dataclass(frozen=True)
class TwoSlope(envs.geometry.PathLoss):
    ...
"""

from envs.geometry.path_loss.air_to_ground import AirToGround
from envs.geometry.path_loss.base import PATH_LOSSES, PathLoss, register
from envs.geometry.path_loss.free_space import FreeSpace
from envs.geometry.path_loss.log_distance import LogDistance
from envs.geometry.path_loss.umi_38901 import UrbanMicro

__all__ = [
    "PATH_LOSSES",
    "AirToGround",
    "FreeSpace",
    "LogDistance",
    "PathLoss",
    "UrbanMicro",
    "register",
]
