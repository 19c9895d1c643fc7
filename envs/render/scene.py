"""One world in one slot as arrays, taken from a `Slot` to be drawn."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from envs.slot import Slot, SlotResult

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
    def of(cls, slot: Slot, index: int) -> Self:
        """Return world `index` of a batch as it is about to play a slot."""
        subtasks, offer = slot.conditions.subtasks, slot.offer
        return cls(
            slot=slot.index,
            pending=subtasks.pending[index].copy(),
            topic=subtasks.topic[index].copy(),
            weight=subtasks.weight[index] * slot.config.requests.num_subtasks,
            available=slot.conditions.available[index].copy(),
            participates=offer.participates[index].copy(),
            unit_price=offer.unit_price[index].copy(),
            effort=offer.effort[index].copy(),
            backlog_s=slot.conditions.occupancy.backlog_s[index].copy(),
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
    def of(cls, slot: Slot, index: int, actions: NDArray[np.integer], result: SlotResult) -> Self:
        """Return what world `index` of a batch made of a slot by these actions, (N, U)."""
        actions = np.asarray(actions)
        requests = actions < slot.num_candidates
        column = np.where(requests, actions, 0)
        expert = np.where(requests, slot.conditions.candidates.at(column), -1)
        served = result.transferred[index]
        return cls(
            expert=expert[index],
            gain=result.gain[index],
            transferred=served,
            rejected=result.rejected[index],
            late=served & (result.delay_s[index] > slot.config.quality.deadline_s),
            load=result.load[index].astype(np.int64),
            payment=float(result.payment[index].sum()),
            balance=float(result.platform_balance[index]),
        )
