"""Path loss of an urban micro cell in a street canyon, of 3GPP TR 38.901."""

from math import log10

import numpy as np
from pydantic.dataclasses import dataclass

from envs.arrays import Bool, Float
from envs.geometry.path_loss.base import PathLoss, register
from envs.geometry.paths import Paths, Span, decibel
from envs.section import STRICT, Section

NEAREST_M, FARTHEST_M = 10.0, 5000.0  # along the ground
USER_HEIGHTS_M = 1.5, 22.5
EXPERT_HEIGHT_M = 10.0
CARRIERS_GHZ = 0.5, 100.0
ENVIRONMENT_HEIGHT_M = 1.0  # h_E
_SPEED_OF_LIGHT = 3.0e8  # as note 1 of the table has it


@register("umi_38901")
@dataclass(frozen=True, config=STRICT)
class UrbanMicro(Section, PathLoss):
    """UMi - Street Canyon of 3GPP TR 38.901 (V16 and later): with and without a line of sight.

    Loss: Table 7.4.1-1, in which experts are base stations; with d3 the distance, d2 that along the
    ground and f in GHz,

        PL1     = 32.4 + 21 log10(d3) + 20 log10(f)                   10 m <= d2 <= d_BP
        PL2     = 32.4 + 40 log10(d3) + 20 log10(f)
                  - 9.5 log10(d_BP^2 + (h_BS - h_UT)^2)               d_BP <= d2 <= 5 km
        PL_NLOS = max(PL_LOS, 35.3 log10(d3) + 22.4 + 21.3 log10(f) - 0.3 (h_UT - 1.5))
        d_BP    = 4 (h_BS - 1 m) (h_UT - 1 m) f / c                   f in Hz

    Line of sight: Table 7.4.2-1. Shadowing: 4 dB with it and 7.82 dB without. The table is made for
    h_BS = 10 m, 1.5 m <= h_UT <= 22.5 m, 0.5 to 100 GHz and outdoor users; other worlds are
    refused, and pairs nearer than 10 m along the ground count as 10 m apart.
    """

    def line_of_sight(self, paths: Paths) -> Float:
        """Return 1 up to 18 m, 18 / d + exp(-d / 36) (1 - 18 / d) beyond."""
        near = np.float32(18) / np.maximum(paths.ground_m, np.float32(18))
        return near + np.exp(paths.ground_m * np.float32(-1 / 36)) * (1 - near)

    def loss_db(self, paths: Paths, sight: Bool) -> Float:
        """Return the loss, dB."""
        with_sight, without = self.losses_db(paths)
        return np.where(sight, with_sight, without)

    def losses_db(self, paths: Paths) -> tuple[Float, Float]:
        """Return the losses with and without a line of sight, dB."""
        up = paths.expert_height_m - paths.user_height_m
        ground = np.maximum(paths.ground_m, np.float32(NEAREST_M))
        distance_db = decibel(ground * ground + up * up)  # 20 log10 d3
        above_ground = (paths.expert_height_m - ENVIRONMENT_HEIGHT_M) * (
            paths.user_height_m - ENVIRONMENT_HEIGHT_M
        )
        break_m = np.float32(4e9 * paths.carrier_ghz / _SPEED_OF_LIGHT) * above_ground
        # PL2 - PL1 is 19 log10 d3 - 9.5 log10(d_BP^2 + ...), which is 0 at the breakpoint.
        beyond_db = distance_db - decibel(break_m * break_m + up * up)
        carrier_db = 20 * log10(paths.carrier_ghz)
        with_sight = np.float32(1.05) * distance_db + np.float32(32.4 + carrier_db)
        with_sight += np.float32(0.95) * np.maximum(beyond_db, np.float32(0))
        without = np.float32(1.765) * distance_db + np.float32(22.4 + 1.065 * carrier_db)
        without -= np.float32(0.3) * (paths.user_height_m - np.float32(1.5))
        return with_sight, np.maximum(with_sight, without)

    def shadowing_db(self) -> tuple[float, float]:
        """Return 4 and 7.82 dB."""
        return 4.0, 7.82

    def check(self, span: Span) -> None:
        """Check heights, carrier and area against what the table is made for.

        Raises:
            ValueError: one is outside.
        """
        _check_within("carrier_ghz", (span.carrier_ghz, span.carrier_ghz), CARRIERS_GHZ)
        _check_within("heights of users in m", span.user_height_m, USER_HEIGHTS_M)
        heights = EXPERT_HEIGHT_M, EXPERT_HEIGHT_M
        _check_within("heights of experts in m", span.expert_height_m, heights)
        if span.ground_m > FARTHEST_M:
            raise ValueError(
                f"umi_38901 is for distances up to {FARTHEST_M:g} m, and the area has a diagonal "
                f"of {span.ground_m:g} m"
            )


def _check_within(what: str, given: tuple[float, float], limits: tuple[float, float]) -> None:
    low, high = limits
    for value in given:
        if not low <= value <= high:
            allowed = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            raise ValueError(f"umi_38901 is for {what} of {allowed}, got {value:g}")
