"""What edge devices and the platform choose before a clearing: factors and a margin."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs.actions import checked
from envs.arrays import Bool, Int
from envs.roles.config import RolesConfig

USERS, EDGE_DEVICES, PLATFORM = ROLES = ("users", "edge_devices", "platform")


def num_choices(config: RolesConfig, role: str) -> int:
    """Return how many choices a role has before a clearing; the action of that number keeps.

    Choice k of an edge device is `report_factors[k]`. That of the platform is the value factor k //
    M and the margin k % M of M margins.
    """
    return {
        EDGE_DEVICES: len(config.report_factors),
        PLATFORM: len(config.value_factors) * len(config.margins),
    }[role]


def num_agents(role: str, num_users: int, num_experts: int) -> int:
    """Return how many agents of a role a world has."""
    return {USERS: num_users, EDGE_DEVICES: num_experts, PLATFORM: 1}[role]


def mask(config: RolesConfig, role: str, decides: bool) -> Bool:
    """Return the action mask of an agent of a role, (K + 1,): choices before a clearing, else none.

    Args:
        config: of the roles.
        role: `edge_devices` or `platform`.
        decides: whether a clearing follows the slot.
    """
    allowed = np.full(num_choices(config, role) + 1, decides)
    allowed[-1] = not decides
    return allowed


class Levers(NamedTuple):
    """What edge devices and the platforms of N worlds chose for a clearing.

    Attributes:
        report_factor: (N, E) reported costs over those that devices would report else.
        value_factor: (N,) worth of a point by which the platform decides, over `market.value`.
        margin: (N,) share of their charge that users pay on top, which the platform keeps.
    """

    report_factor: NDArray[np.float64]
    value_factor: NDArray[np.float64]
    margin: NDArray[np.float64]

    @classmethod
    def neutral(cls, num_worlds: int, num_experts: int) -> Self:
        """Return those that change nothing."""
        return cls(np.ones((num_worlds, num_experts)), np.ones(num_worlds), np.zeros(num_worlds))

    @property
    def is_neutral(self) -> bool:
        """True where they change nothing."""
        ones = (self.report_factor == 1).all() and (self.value_factor == 1).all()
        return bool(ones and not self.margin.any())

    def moved(
        self, config: RolesConfig, edge_devices: ArrayLike | None, platform: ArrayLike | None
    ) -> "Levers":
        """Return what is chosen by actions of roles; None keeps, as the last action does.

        Args:
            config: what may be chosen.
            edge_devices: (N, E) integers in 0..K.
            platform: (N,) integers in 0..P.

        Raises:
            ValueError: actions of a wrong shape, not integer or out of range.
        """
        report_factor, value_factor, margin = self
        if edge_devices is not None:
            most = num_choices(config, EDGE_DEVICES)
            action = checked(edge_devices, report_factor.shape, most, "edge_devices")
            report_factor = _chosen(config.report_factors, action, action < most, report_factor)
        if platform is not None:
            most = num_choices(config, PLATFORM)
            action = checked(platform, value_factor.shape, most, "platform")
            value, share = np.divmod(action, len(config.margins))
            value_factor = _chosen(config.value_factors, value, action < most, value_factor)
            margin = _chosen(config.margins, share, action < most, margin)
        return Levers(report_factor, value_factor, margin)

    def grown(self, num_experts: int) -> "Levers":
        """Return the same with more experts, which report their costs."""
        newcomers = num_experts - self.report_factor.shape[1]
        factors = np.pad(self.report_factor, ((0, 0), (0, newcomers)), constant_values=1.0)
        return self._replace(report_factor=factors)


def _chosen(
    grid: tuple[float, ...], index: Int, chooses: Bool, kept: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.where(chooses, np.array(grid).take(index, mode="clip"), kept)
