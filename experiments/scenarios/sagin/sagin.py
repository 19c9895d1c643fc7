"""Experts on the ground, in the air and in low orbit: path loss to satellites, and metrics."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

import envs.geometry
from envs import Slot, SlotResult
from envs.arrays import Bool, Float
from envs.geometry import Paths, Span
from envs.geometry.paths import friis_db
from envs.groups import members
from envs.section import STRICT, Section
from marl_moe.metrics import register

GROUPS = ("ground", "uav", "satellite")  # of the study's experts


@envs.geometry.path_loss.register("earth_to_space")
@dataclass(frozen=True, config=STRICT)
class EarthToSpace(Section, envs.geometry.PathLoss):
    """Loss of free space and a margin, above a least elevation.

    Margin: shadowing 3 dB, scintillation 2.2 dB and gases 0.1 dB, those of the link budgets of
    3GPP TR 38.821, section 6.1.3, in S band. Least elevation: 10 degrees, of its table 4.2-2.
    """

    margin_db: float = Field(default=5.3, ge=0, description="Loss beyond free space, dB")
    elevation_deg: float = Field(
        default=10.0, ge=0, lt=90, description="Below it a satellite is out of coverage, degrees"
    )

    @property
    def least_elevation_deg(self) -> float:
        """The parameter `elevation_deg`."""
        return self.elevation_deg

    def loss_db(self, paths: Paths, sight: Bool) -> Float:
        """Return the loss, dB."""
        return friis_db(paths.distance_m, paths.carrier_ghz) + np.float32(self.margin_db)

    def check(self, span: Span) -> None:
        """Check that experts are satellites.

        Raises:
            ValueError: they are below 100 km.
        """
        if span.expert_height_m[0] < 100e3:
            raise ValueError(
                "earth_to_space is for experts at 100 km and above, got a height of "
                f"{span.expert_height_m[0]:g} m"
            )


def of_group(slot: Slot, group: str) -> Bool:
    """Return the experts of a group, (E,)."""
    names = members(slot.config.expert_groups, slot.num_experts)
    return np.array([name == group for name, _ in names], bool)


def in_view(slot: Slot) -> Bool:
    """Return the satellites that cover some user, (N, E)."""
    covered = slot.conditions.links.covered
    seen = np.ones((slot.num_worlds, slot.num_experts), bool)
    if covered is not None:
        seen = covered.any(axis=1)
    return seen & of_group(slot, "satellite")


def _register_of_group(group: str) -> None:
    @register(f"served_{group}", unit="subtasks", doc=f"subtasks a slot that {group} experts serve")
    def served(slot: Slot, result: SlotResult) -> NDArray:
        return result.load[:, of_group(slot, group)].sum(axis=-1)

    @register(
        f"price_{group}", unit="credits", doc=f"unit price of experts {group} that are in use"
    )
    def price(slot: Slot, result: SlotResult) -> NDArray:
        used = (result.load > 0) & of_group(slot, group)
        return np.where(used, slot.offer.unit_price, np.nan)


for _group in GROUPS:
    _register_of_group(_group)


@register("gain_in_view", unit="credits", doc="gain of a user in slots with a satellite in view")
def gain_in_view(slot: Slot, result: SlotResult) -> NDArray:
    """Return the gain of users, NaN in other slots."""
    return np.where(in_view(slot).any(axis=-1)[:, None], result.gain, np.nan)


@register("gain_without", unit="credits", doc="gain of a user in slots with no satellite in view")
def gain_without(slot: Slot, result: SlotResult) -> NDArray:
    """Return the gain of users, NaN in other slots."""
    return np.where(in_view(slot).any(axis=-1)[:, None], np.nan, result.gain)


@register("uav_empty", unit="share", doc="UAVs whose battery is empty")
def uav_empty(slot: Slot, result: SlotResult) -> NDArray:
    """Return which UAVs are, NaN of others."""
    left_j = slot.conditions.batteries.left_j
    uavs = np.broadcast_to(of_group(slot, "uav"), slot.conditions.available.shape)
    empty = np.zeros(uavs.shape, bool) if left_j is None else left_j <= 0
    return np.where(uavs, empty, np.nan)
