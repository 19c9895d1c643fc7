"""Path loss between the ground and a platform in the air."""

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from envs.arrays import Bool, Float
from envs.geometry.path_loss.base import PathLoss, register
from envs.geometry.paths import Paths, Span, friis_db
from envs.section import STRICT, Section


class Surroundings(NamedTuple):
    """Constants of Al-Hourani et al.: of the line of sight, and of the loss beyond free space."""

    a: float  # degrees
    b: float  # 1 / degree
    with_sight_db: float
    without_db: float


Environment = Literal["suburban", "urban", "dense_urban", "highrise"]
# Al-Hourani, Kandeepan and Lardner 2014, and its repetition by Bor-Yaliniz et al. 2016, table 1.
ENVIRONMENTS: dict[Environment, Surroundings] = {
    "suburban": Surroundings(4.88, 0.43, 0.1, 21.0),
    "urban": Surroundings(9.61, 0.16, 1.0, 20.0),
    "dense_urban": Surroundings(12.08, 0.11, 1.6, 23.0),
    "highrise": Surroundings(27.23, 0.08, 2.3, 34.0),
}


@register("air_to_ground")
@dataclass(frozen=True, config=STRICT)
class AirToGround(Section, PathLoss):
    """Loss of free space and eta, by line of sight, whose probability grows with the elevation.

    With theta = arctan(height / ground distance) in degrees,

        P(line of sight) = 1 / (1 + a exp(-b (theta - a)))

    Source: Al-Hourani, Kandeepan and Lardner, "Optimal LAP Altitude for Maximum Coverage", IEEE
    Wireless Commun. Lett. 2014. They average over the state; here each pair is in one of the two,
    and the mean loss is theirs. There is no shadowing beside, unless `shadowing.sigma_db` gives it.
    """

    environment: Environment = Field(default="urban", description="Buildings about")

    def line_of_sight(self, paths: Paths) -> Float:
        """Return its probability at the elevation of the higher end over the lower."""
        here = ENVIRONMENTS[self.environment]
        up = np.abs(paths.expert_height_m - paths.user_height_m)
        degrees = np.arctan2(up, paths.ground_m) * np.float32(180 / np.pi)
        return 1 / (1 + np.float32(here.a) * np.exp(np.float32(-here.b) * (degrees - here.a)))

    def loss_db(self, paths: Paths, sight: Bool) -> Float:
        """Return the loss, dB."""
        here = ENVIRONMENTS[self.environment]
        beyond = np.where(sight, np.float32(here.with_sight_db), np.float32(here.without_db))
        return friis_db(paths.distance_m, paths.carrier_ghz) + beyond

    def check(self, span: Span) -> None:
        """Check that one side is above the other.

        Raises:
            ValueError: heights of users and experts overlap.
        """
        users, experts = span.user_height_m, span.expert_height_m
        if users[0] <= experts[1] and experts[0] <= users[1]:
            raise ValueError(
                "air_to_ground is for experts above users or below them, got heights of "
                f"{users[0]:g} to {users[1]:g} m and {experts[0]:g} to {experts[1]:g} m"
            )
