"""What edge devices and the platform observe, as tables of columns.

An edge device sees what is its own, and prices; the platform sees reports and who takes part at
its prices, never true costs. All is of the slot that is about to be played, and of the interval
under way.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float
from envs.asked import Asked
from envs.conditions import Conditions
from envs.features import LOAD_UNIT
from envs.marketplace import Marketplace
from envs.offer import Offer
from envs.readings import value_of_point
from envs.roles.levers import Levers

MOST = 10.0  # units beyond which all looks alike


class RoleSight(NamedTuple):
    """What there is to see for edge devices and the platform of N worlds.

    Attributes:
        conditions: of the slot.
        offer: in force.
        asked: demand as the platform averages it, (N, E) each.
        expected: points that an expert was expected to be asked of a slot before anybody had asked,
            or 1 where that is none.
        levers: of the last clearing.
        user_gain: (N,) gain of a user and slot since that clearing, credits; of the interval before
            where it was just made.
        balance: (N,) charges less payments, likewise.
        decides: whether a clearing follows the slot.
    """

    conditions: Conditions
    offer: Offer
    asked: Asked
    expected: float
    levers: Levers
    user_gain: Float
    balance: Float
    decides: bool

    @classmethod
    def of(cls, conditions: Conditions, market: Marketplace, decides: bool) -> Self:
        """Return what there is to see of a slot and its market."""
        books = market.books
        slots = max(books.num_slots, 1)
        return cls(
            conditions=conditions,
            offer=market.offer,
            asked=market.asked,
            expected=market.expected or 1.0,
            levers=market.levers,
            user_gain=books.user_gain.mean(axis=-1) / slots,
            balance=books.balance / (slots * conditions.num_users),
            decides=decides,
        )

    @property
    def value(self) -> float:
        """Unit of prices and costs: what a point is worth, credits."""
        return value_of_point(self.conditions.config)

    @property
    def told_cost(self) -> Float:
        """Cost of a reference point at full effort as edge devices report it, (N, E) credits."""
        pool = self.conditions.pool
        return self.levers.report_factor * pool.report_factor * pool.full_effort_cost


class RoleFeature(NamedTuple):
    """A column: its values are cut to `low`..`high`.

    Attributes:
        name: its name.
        doc: meaning and unit.
        read: its values, (N, E) of an edge device, (N,) of the platform, or a number.
        low: least value.
        high: greatest value.
    """

    name: str
    doc: str
    read: Callable[[RoleSight], NDArray | float]
    low: float = 0.0
    high: float = MOST


def _left(sight: RoleSight) -> float:
    conditions = sight.conditions
    return 1 - conditions.index / conditions.config.episode_slots


def _decides(sight: RoleSight) -> float:
    return float(sight.decides)


_OF_BOTH = (
    RoleFeature("decides", "1 in the slot before a clearing, in which it chooses", _decides, 0, 1),
    RoleFeature("episode_left", "share left of the episode, this slot included", _left, 0, 1),
    RoleFeature(
        "mean_price",
        "unit price, mean over experts / worth of a point, at most 10",
        lambda sight: sight.offer.unit_price.mean(axis=-1, keepdims=True) / sight.value,
    ),
    RoleFeature(
        "mean_demand",
        "points asked of an expert a slot, mean over experts / as expected, at most 10",
        lambda sight: sight.asked.points.mean(axis=-1, keepdims=True) / sight.expected,
    ),
)
EDGE_DEVICE_FEATURES = (
    *_OF_BOTH,
    RoleFeature(
        "unit_cost",
        "its true cost kappa of the first effort / worth of a point, at most 10",
        lambda sight: sight.conditions.pool.unit_cost / sight.value,
    ),
    RoleFeature(
        "cost_slope",
        "growth of that cost / worth of a point, at most 10",
        lambda sight: sight.conditions.pool.cost_slope / sight.value,
    ),
    RoleFeature(
        "unit_price",
        "its unit price / worth of a point, at most 10",
        lambda sight: sight.offer.unit_price / sight.value,
    ),
    RoleFeature("effort", "its effort at that price", lambda sight: sight.offer.effort, 0, 1),
    RoleFeature(
        "demand",
        "points asked of it a slot, on average / as expected, at most 10",
        lambda sight: sight.asked.points / sight.expected,
    ),
    RoleFeature(
        "recent_load",
        "users that it served, average over past slots / 4, at most 10",
        lambda sight: sight.conditions.occupancy.recent_load / LOAD_UNIT,
    ),
    RoleFeature(
        "attraction",
        "requests drawn if all users chose by competence alone / mean, at most 10",
        lambda sight: sight.conditions.attraction * sight.conditions.num_experts,
    ),
    RoleFeature(
        "report_factor",
        "the factor that it reported last, at most 10",
        lambda sight: sight.levers.report_factor,
    ),
)
PLATFORM_FEATURES = (
    *_OF_BOTH,
    RoleFeature(
        "told_cost",
        "cost of full effort as reported, mean over experts / worth of a point, at most 10",
        lambda sight: sight.told_cost.mean(axis=-1, keepdims=True) / sight.value,
    ),
    RoleFeature(
        "participation",
        "share of experts that take part",
        lambda sight: sight.offer.participates.mean(axis=-1, keepdims=True),
        0,
        1,
    ),
    RoleFeature(
        "user_gain",
        "gain of a user and slot since the last clearing / worth of a point, -10..10",
        lambda sight: sight.user_gain[:, None] / sight.value,
        -MOST,
    ),
    RoleFeature(
        "balance",
        "charges less payments of a user and slot, likewise",
        lambda sight: sight.balance[:, None] / sight.value,
        -MOST,
    ),
    RoleFeature(
        "value_factor",
        "the factor that it chose last, at most 10",
        lambda sight: sight.levers.value_factor[:, None],
    ),
    RoleFeature(
        "margin",
        "the margin that it chose last, at most 10",
        lambda sight: sight.levers.margin[:, None],
    ),
)


def observed(
    features: Sequence[RoleFeature], sight: RoleSight, num_agents: int
) -> NDArray[np.float32]:
    """Return the observations of a role, (N, A, D).

    Args:
        features: its columns.
        sight: what there is to see.
        num_agents: A, of a world.
    """
    shape = sight.conditions.num_worlds, num_agents, len(features)
    seen = np.empty(shape, np.float32)
    for place, feature in enumerate(features):
        np.clip(
            feature.read(sight), feature.low, feature.high, out=seen[..., place], casting="unsafe"
        )
    return seen


def bounds(features: Sequence[RoleFeature]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the least and the greatest value of each column, (D,) each."""
    low, high = zip(*((feature.low, feature.high) for feature in features), strict=True)
    return np.array(low, np.float32), np.array(high, np.float32)
