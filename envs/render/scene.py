"""One world in one slot as arrays to be drawn, taken from a `Slot`."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float, Int
from envs.channel.process import Positions
from envs.slot import Slot, SlotResult


@dataclass(frozen=True)
class Setting:
    """One world at the beginning of a slot."""

    slot: int
    pending: Bool  # (U,), users that have a subtask to transfer
    topic: Int  # (U,), topic of that subtask
    weight: Float  # (U,), K g: its gating weight times the number of subtasks; 0 with none pending
    available: Bool  # (E,), experts that are up
    participates: Bool  # (E,), edge devices that serve the demand as a whole, or some user
    unit_price: Float  # (E,), credits a point
    effort: Float  # (E,), in 0..1
    backlog_s: Float  # (E,), airtime and computing, s
    reach: Int  # (P, 2), user and expert of each pair in coverage
    strongest: Int  # (P', 2), of each user in coverage: itself and the expert of its best SNR
    positions: Positions | None  # (U, 3) and (E, 3), m; None without geometry

    @classmethod
    def of(cls, slot: Slot, index: int) -> Self:
        """Return world `index` of a batch at the beginning of a slot."""
        subtasks, offer = slot.conditions.subtasks, slot.offer
        occupancy = slot.conditions.occupancy
        backlog_s = slot.conditions.airtime_wait_s[index] + occupancy.compute_backlog_s[index]
        may = slot.mask[index, :, :-1]
        links = slot.conditions.links
        covered = np.ones(may.shape, bool) if links.covered is None else links.covered[index]
        snr_db, users = links.snr_db[index], np.flatnonzero(covered.any(axis=-1))
        listed = slot.conditions.candidates.expert
        listed = np.broadcast_to(listed[index if len(listed) > 1 else 0], may.shape)
        participates = offer.participates[index].copy()
        participates[listed[may]] = True
        positions = slot.conditions.positions
        if positions is not None:
            positions = Positions(*(places[index].astype(float) for places in positions))
        return cls(
            slot=slot.index,
            pending=subtasks.pending[index].copy(),
            topic=subtasks.topic[index].copy(),
            weight=subtasks.weight[index] * slot.config.requests.num_subtasks,
            available=slot.conditions.available[index].copy(),
            participates=participates,
            unit_price=offer.unit_price[index].copy(),
            effort=offer.effort[index].copy(),
            backlog_s=backlog_s,
            reach=np.stack([np.nonzero(covered)[0], listed[covered]], axis=-1),
            strongest=np.stack([users, listed[users, snr_db[users].argmax(axis=-1)]], axis=-1),
            positions=positions,
        )

    @property
    def covered(self) -> Bool:
        """Users whom one of their candidates covers, (U,)."""
        return np.isin(np.arange(len(self.pending)), self.strongest[:, 0])

    @property
    def usable(self) -> Bool:
        """Experts that may be chosen, (E,)."""
        return self.available & self.participates


@dataclass(frozen=True)
class Play:
    """Choices of the users of one world in a slot, and their results."""

    expert: Int  # (U,), expert that each chose, -1: none
    gain: Float  # (U,), credits
    transferred: Bool  # (U,), served by that expert
    rejected: Bool  # (U,), users of a masked action, or not admitted by their expert
    declined: Bool  # (U,), users whom the edge device declined
    late: Bool  # (U,), served past the deadline
    load: Int  # (E,), users served
    payment: float  # to all experts, credits
    balance: float  # charges less payments, credits

    @classmethod
    def of(cls, slot: Slot, index: int, actions: NDArray[np.integer], result: SlotResult) -> Self:
        """Return the choices and results of one world of a batch.

        Args:
            slot: the slot before users acted.
            index: number of the world.
            actions: (N, U) actions of the batch.
            result: their results.
        """
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
            declined=result.declined[index],
            late=served & (result.delay_s > slot.conditions.users.deadline_s)[index],
            load=result.load[index].astype(np.int64),
            payment=float(result.payment[index].sum()),
            balance=float(result.platform_balance[index]),
        )
