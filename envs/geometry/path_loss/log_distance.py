"""Path loss that grows with the logarithm of the distance."""

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from envs.arrays import Bool, Float
from envs.geometry.path_loss.base import PathLoss, register
from envs.geometry.paths import LEAST_M, Paths, decibel, friis_db
from envs.section import STRICT, Section


@register("log_distance")
@dataclass(frozen=True, config=STRICT)
class LogDistance(Section, PathLoss):
    """Loss PL0 + 10 n log10(d / d0) dB (Rappaport 2002, section 4.9.1); at most d0 away, PL0."""

    exponent: float = Field(default=3.0, gt=0, description="n, 2 in free space")
    reference_m: float = Field(
        default=1.0, ge=LEAST_M, description="d0, distance of the reference, m"
    )
    reference_loss_db: float | None = Field(
        default=None, description="PL0, loss at that distance, dB; null: that of free space"
    )

    def loss_db(self, paths: Paths, sight: Bool) -> Float:
        """Return the loss, dB."""
        reference_m = np.full((1, 1, 1), self.reference_m, np.float32)
        if self.reference_loss_db is None:
            reference_db = friis_db(reference_m, paths.carrier_ghz)
        else:
            reference_db = np.full_like(reference_m, self.reference_loss_db)
        decades_db = decibel(np.maximum(paths.distance_m / reference_m, np.float32(1)))
        return np.float32(self.exponent) * decades_db + reference_db
