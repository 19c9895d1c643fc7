"""A slot as values: `Slot` before users act, and `SlotResult` after."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, Self, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import actions, prospects
from envs.arrays import Bool, Float, Int
from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.feature import Sight
from envs.observation import Layout
from envs.offer import Offer
from envs.poisson_load import ByLoad

Axis = Literal["user", "expert", "world"]


@dataclass(frozen=True, eq=False)
class Slot:
    """A slot of N worlds before anybody has acted: its conditions, and the offer in force.

    Policies act on it.

    Attributes:
        conditions: requests, channels, availability, loads and backlogs.
        offer: prices, efforts and allocation.
        effort: (N, U, C) effort that each candidate gives for each user alone, 0 where it declines.
        mask: (N, U, C + 1) actions that each user may take: candidates that are up, in
            coverage and do not decline, and abandoning. Without a pending subtask or a budget only
            abandoning; with `allow_abandon: false` abandoning only where nothing else is allowed.
        observation: (N, U, D) observations, laid out in `envs.observation`.
        lots: (N, U) in the order of which users are admitted, and served first in, first out.
        account: (N,) what the platform can pay in this slot, credits; None where there is no limit.
    """

    conditions: Conditions
    offer: Offer
    effort: NDArray[np.float32]
    mask: Bool
    observation: NDArray[np.float32]
    lots: Float
    account: Float | None

    @classmethod
    def opened(
        cls,
        conditions: Conditions,
        offer: Offer,
        layout: Layout,
        lots: Float,
        account: Float | None,
        drawn: Float | None = None,
    ) -> Self:
        """Return the slot under these conditions; its mask and observation are read-only.

        Args:
            conditions: of the slot.
            offer: in force.
            layout: of the observations.
            lots: (N, U) in the order of which users are admitted.
            account: (N,) what the platform can pay, credits; None where there is no limit.
            drawn: (N, E) others whom the offer draws to each expert, where users count on them.
        """
        effort, mask = open_to(conditions, offer)
        observation = layout.write(Sight(conditions, offer, effort, mask, drawn))
        for array in (mask, observation):
            array.setflags(write=False)
        return cls(conditions, offer, effort, mask, observation, lots, account)

    @property
    def config(self) -> WorldConfig:
        """Configuration of the worlds."""
        return self.conditions.config

    @property
    def index(self) -> int:
        """Number of the slot in its episode, from 0."""
        return self.conditions.index

    @property
    def num_worlds(self) -> int:
        """Number of worlds, N."""
        return self.conditions.num_worlds

    @property
    def num_users(self) -> int:
        """Number of users, U."""
        return self.conditions.num_users

    @property
    def num_experts(self) -> int:
        """Number of experts, E."""
        return self.conditions.num_experts

    @property
    def num_candidates(self) -> int:
        """Number of experts that a user can choose, C; abandoning is the action of that number."""
        return self.conditions.num_candidates

    @cached_property
    def expected_competence(self) -> NDArray[np.float32]:
        """Competence that each user expects of each candidate for its topic, (N, U, C)."""
        return prospects.expected_competence(self.conditions)

    def expected_gain(self, load: ArrayLike = 1) -> NDArray[np.float32]:
        """Return the gain that each user expects of each candidate, see `prospects.expected_gain`.

        Args:
            load: users of the candidate, this user among them; broadcasts against (N, U, C).

        Returns:
            (..., N, U, C) gains over abandoning, credits.
        """
        return prospects.expected_gain(self.conditions, self.offer, load)

    def gain_beside(self, others: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the mean of `expected_gain` beside a Poisson distributed number of others.

        Args:
            others: mean number of others at each candidate, at least 0; broadcasts against
                (N, U, C).

        Returns:
            (N, U, C) gains, credits.
        """
        return ByLoad(self.expected_gain, self.num_users - 1).expected(others)

    def known_gain(self, load: ArrayLike = 1) -> NDArray[np.float32]:
        """Return what `expected_gain` would be if users knew every competence, credits."""
        competence = self.conditions.competence
        return prospects.expected_gain(self.conditions, self.offer, load, competence)


def open_to(conditions: Conditions, offer: Offer) -> tuple[NDArray[np.float32], Bool]:
    """Return what users may do at an offer: `effort` and `mask` of a slot (see `Slot`)."""
    usable = conditions.usable
    effort = np.ones((1, 1, 1), np.float32)
    if not offer.free:
        alone = prospects.services(conditions, conditions.competence)
        effort = prospects.effort(conditions, offer, alone)
        usable = usable & (effort > 0)
    mask = actions.mask(usable, conditions.transfers, conditions.config.allow_abandon)
    return np.broadcast_to(effort, mask[..., :-1].shape), mask  # the first cannot be written to


class Entry(NamedTuple):
    """Description of a field of `SlotResult`: its second axis, and its meaning."""

    axis: Axis
    doc: str
    recorded: bool = False  # runs keep its mean over slots and users


class SlotResult(NamedTuple):
    """Results of a slot: (N, U) arrays of users, (N, E) of experts and (N,) of worlds."""

    gain: Annotated[Float, Entry("user", "the reward in double precision, credits", True)]
    local_gain: Annotated[Float, Entry("user", "gain had the device run the subtask, credits")]
    utility: Annotated[Float, Entry("user", "of the request completed now, credits; else NaN")]
    local_utility: Annotated[Float, Entry("user", "the same had the device run all of it, credits")]
    local_qos: Annotated[Float, Entry("user", "points recovered had the device run the subtask")]
    qos: Annotated[Float, Entry("user", "points delivered", True)]
    effort: Annotated[Float, Entry("user", "effort of its edge device, 0..1; 0: not served")]
    harm: Annotated[Float, Entry("user", "points that a harmful answer takes")]
    delay_s: Annotated[Float, Entry("user", "backlogs, transmission, computing, s; 0: not served")]
    energy_j: Annotated[Float, Entry("user", "energy of the transmission it pays for, J", True)]
    charge: Annotated[Float, Entry("user", "paid by the user, credits", True)]
    transferred: Annotated[Bool, Entry("user", "served by an expert", True)]
    expert: Annotated[Int, Entry("user", "number of that expert; -1: none")]
    rejected: Annotated[Bool, Entry("user", "masked action, or not admitted by its expert", True)]
    declined: Annotated[Bool, Entry("user", "admitted, and its edge device declined", True)]
    walked_away: Annotated[Bool, Entry("user", "took another action than its allocation", True)]
    refused: Annotated[Bool, Entry("user", "its request needs a device that can compute", True)]
    pending: Annotated[Bool, Entry("user", "had a subtask to transfer")]
    load: Annotated[Float, Entry("expert", "users served")]
    airtime_s: Annotated[Float, Entry("expert", "airtime taken on, s of the whole band")]
    work_words: Annotated[Float, Entry("expert", "work taken on, words")]
    edge_energy_j: Annotated[Float, Entry("expert", "energy that the edge device pays for, J")]
    battery_j: Annotated[Float, Entry("expert", "energy taken from the battery, J; 0: it has none")]
    payment: Annotated[Float, Entry("expert", "paid to the edge device, credits")]
    edge_cost: Annotated[Float, Entry("expert", "true cost of the edge device, credits")]
    platform_balance: Annotated[Float, Entry("world", "charges less payments, credits", True)]


ENTRIES: dict[str, Entry] = {
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(SlotResult, include_extras=True).items()
}
OF_USERS = tuple(name for name, entry in ENTRIES.items() if entry.axis == "user")
RECORDED = tuple(name for name, entry in ENTRIES.items() if entry.recorded)
RECORDED_OF_USERS = tuple(name for name in RECORDED if name in OF_USERS)
