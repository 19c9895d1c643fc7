"""Path loss of free space."""

from pydantic.dataclasses import dataclass

from envs.arrays import Bool, Float
from envs.geometry.path_loss.base import PathLoss, register
from envs.geometry.paths import Paths, friis_db
from envs.section import STRICT, Section


@register("free_space")
@dataclass(frozen=True, config=STRICT)
class FreeSpace(Section, PathLoss):
    """Loss of free space, 20 log10(4 pi d f / c) dB (Friis 1946)."""

    def loss_db(self, paths: Paths, sight: Bool) -> Float:
        """Return the loss, dB."""
        return friis_db(paths.distance_m, paths.carrier_ghz)
