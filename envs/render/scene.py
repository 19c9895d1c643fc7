"""What there is to see of one world in one slot, as arrays: taken from a `World`, drawn by
`envs.render`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from envs.world import Info, World

Float = NDArray[np.floating]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Setting:
    """How one world stands at the beginning of a slot."""

    slot: int
    pending: Bool  # (U,), who has a subtask to transfer
    topic: NDArray[np.int64]  # (U,), of that subtask
    weight: Float  # (U,), K g: its gating weight times the number of subtasks; 0 with none pending
    available: Bool  # (E,), experts that are up
    participates: Bool  # (E,), experts that the price is enough for
    unit_price: Float  # (E,), credits a point
    effort: Float  # (E,), in 0..1
    backlog_s: Float  # (E,), s

    @classmethod
    def of(cls, world: World, index: int) -> Self:
        """The slot that world `index` of a batch is about to play."""
        requests, market = world.requests, world.market
        return cls(
            slot=world.slot,
            pending=requests.pending[index].copy(),
            topic=requests.topic[index].copy(),
            weight=requests.weight[index] * world.config.requests.num_subtasks,
            available=world.available[index].copy(),
            participates=market.participates[index].copy(),
            unit_price=market.unit_price[index].copy(),
            effort=market.effort[index].copy(),
            backlog_s=world.backlog_s[index].copy(),
        )

    @property
    def usable(self) -> Bool:
        """Experts that may be chosen, (E,)."""
        return self.available & self.participates


@dataclass(frozen=True)
class Play:
    """What the users of one world did in a slot and what came of it."""

    expert: NDArray[np.int64]  # (U,), whom each chose, -1: nobody
    gain: Float  # (U,), credits
    transferred: Bool  # (U,), served by that expert
    rejected: Bool  # (U,), chose what the mask excludes, or lost the lottery for a place
    late: Bool  # (U,), served past the deadline
    load: NDArray[np.int64]  # (E,), users served
    payment: float  # to all experts, credits
    balance: float  # charges less payments, credits

    @classmethod
    def of(cls, world: World, index: int, actions: NDArray[np.integer], info: Info) -> Self:
        """The slot that world `index` has just played: the arguments and the info of its last
        `step`.
        """
        actions = np.asarray(actions)
        asks = actions < world.num_candidates
        expert = np.where(asks, world.candidates.at(np.where(asks, actions, 0)), -1)
        return cls(
            expert=expert[index],
            gain=info["gain"][index],
            transferred=info["transferred"][index],
            rejected=info["rejected"][index],
            late=info["transferred"][index]
            & (info["delay_s"][index] > world.config.quality.deadline_s),
            load=info["load"][index].astype(np.int64),
            payment=float(info["payment"][index].sum()),
            balance=float(info["platform_balance"][index]),
        )
