"""Transfers of a slot: who sends what to whom, and how experts carry and compute it."""

from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from envs import access, compute, quality
from envs.arrays import Bool, Float, Int
from envs.channel.rates import db_to_linear, subtask_bits
from envs.per_expert import of_cells, per_expert
from envs.slot import Slot


@dataclass(frozen=True, eq=False)
class Transfers:
    """Requests for experts in a slot, R in each world, and what of each depends on no other.

    Attributes:
        slot: the slot.
        world: (N, 1) number of the world of each row.
        user: (R,) or (N, R) whose request it is; a user may have several, as in a game that asks
            what each of its actions would bring.
        requested: (N, R) which of them are requests at all.
        expert: (N, R) the expert of each.
        cell: (N, R) the same as a flat index into (N, E).
        radio: band and power of the expert of each.
        snr: (N, R) linear SNR alone on the band.
        bits: (N, R) both ways.
        alone_s: (N, R) airtime alone on the band, s.
        words: (N, R) of the answer.
        own_s: (N, R) time that the expert computes on each, s.
        loss: (N, R) points lost by abandoning it, D.
        competence: (N, R) of its expert for it.
        survival: share of its worth that the codec leaves, as of words without a bit error.
        lot: (N, R) of the user.
        num_imagined: the last so many of the R reserve nothing in the platform's account.
        round_trip_s: (N, R) time of a signal there and back, s; None where it takes none.
        arrives_within_s: (N, R) delay beyond which each is lost, s; None where none is.
    """

    slot: Slot
    world: Int
    user: Int
    requested: Bool
    expert: Int
    cell: Int
    radio: access.Radio
    snr: Float
    bits: Float
    alone_s: Float
    words: Float
    own_s: Float
    loss: Float
    competence: Float
    survival: Float | float
    lot: Float
    num_imagined: int
    round_trip_s: Float | None
    arrives_within_s: Float | None

    @classmethod
    def of(
        cls,
        slot: Slot,
        column: Int,
        requested: Bool,
        user: Int | None = None,
        num_imagined: int = 0,
        world: Int | None = None,
    ) -> "Transfers":
        """Return the requests of users for the candidates in these columns.

        Args:
            slot: the slot.
            column: (N, R) candidate.
            requested: (N, R) which of them are requests at all.
            user: (N, R) whose each is; None for one of each user in turn.
            num_imagined: the last so many of the R reserve nothing in the platform's account.
            world: worlds of the rows, with `user`; None for all. N is then their number.
        """
        conditions, config = slot.conditions, slot.config
        world = (np.arange(slot.num_worlds) if world is None else world)[:, None]
        users = np.arange(slot.num_users) if user is None else user

        def own(of_users: NDArray) -> NDArray:
            return of_users if user is None else of_users.reshape(-1).take(row)

        row = world * slot.num_users + users
        pair = row * slot.num_candidates + column
        listed = conditions.candidates.listed
        expert = conditions.candidates.expert.reshape(-1).take(pair) if listed else column
        cell = world * slot.num_experts + expert
        words, topic = own(conditions.subtasks.words), own(conditions.subtasks.topic)
        pool, channel = conditions.pool, config.channel
        snr_db = conditions.links.snr_db_of(pair)
        sent = channel, expert, snr_db, of_cells(pool.shared_knowledge, cell)
        bits = subtask_bits(channel, words, config.codecs.bits_per_word(*sent))
        snr = db_to_linear(snr_db)
        radio = access.Radio(of_cells(pool.bandwidth_hz, cell), of_cells(pool.tx_power_w, cell))
        alone_s, *_ = access.transmission(channel, radio, bits, snr)
        return cls(
            slot=slot,
            world=world,
            user=users,
            requested=requested,
            expert=expert,
            cell=cell,
            radio=radio,
            snr=snr,
            bits=bits,
            alone_s=alone_s,
            words=words,
            own_s=own(conditions.work) / of_cells(pool.words_per_second, cell),
            loss=own(conditions.loss),
            competence=pool.by_cell.take(cell * config.requests.num_topics + topic),
            survival=config.codecs.survival(*sent),
            lot=own(slot.lots),
            num_imagined=num_imagined,
            round_trip_s=_of_pairs(conditions.round_trip_s, pair),
            arrives_within_s=_of_pairs(conditions.arrives_within_s, pair),
        )

    @overload
    def own(self, of_users: NDArray) -> NDArray: ...
    @overload
    def own(self, of_users: float | NDArray) -> float | NDArray: ...
    def own(self, of_users: float | NDArray) -> float | NDArray:
        """Return each request's entry of an array (N, U); one number stands for all users."""
        if isinstance(of_users, float) or self.user.ndim == 1:
            return of_users
        return of_users[self.world, self.user]

    def allocated(self) -> Bool:
        """Return the requests for the expert that is allocated to the user, (N, R)."""
        return self.requested & (self.expert == self.own(self.slot.offer.allocation.expert))


def _of_pairs(values: Float | None, pair: Int) -> Float | None:
    """Return the values of pairs, flat indices into (N, U, C), in double precision."""
    return None if values is None else values.reshape(-1).take(pair).astype(float)


class Carried(NamedTuple):
    """How requests are carried and computed where some of them are served, (N, R) each."""

    airtime_s: Float
    energy_j: Float  # both ways
    delay_s: Float
    points: Float  # of full effort
    arrives: Bool | None  # None: all do


def carried(transfers: Transfers, served: Bool, *, alone: bool = False) -> Carried:
    """Return how the served are carried, sharing bands and computing; or each as if alone."""
    slot, conditions = transfers.slot, transfers.slot.conditions
    channel, users = slot.config.channel, conditions.users
    shape = slot.num_worlds, slot.num_experts
    share: Float | float = 1.0
    if not alone:
        load = per_expert(transfers.cell, served, shape)
        bits, snr = transfers.bits, transfers.snr
        share = access.band_share(channel, bits, snr, transfers.cell, load, served)
    airtime_s, time_s, energy_j = access.transmission(
        channel, transfers.radio, transfers.bits, transfers.snr, share, transfers.alone_s
    )
    time_s = time_s / of_cells(conditions.serving_share, transfers.cell)
    delay_s = time_s + conditions.airtime_wait_s.take(transfers.cell)
    if slot.config.computes:
        own_s = transfers.own_s
        if not alone and slot.config.experts.service == "batch":
            own_s = compute.batch_s(own_s, transfers.cell, served, shape)
        elif not alone:
            own_s = compute.fifo_s(own_s, transfers.cell, served, transfers.lot)
        delay_s = delay_s + own_s + conditions.occupancy.compute_backlog_s.take(transfers.cell)
    if transfers.round_trip_s is not None:
        delay_s = delay_s + transfers.round_trip_s
    arrives = None
    if transfers.arrives_within_s is not None:
        arrives = delay_s <= transfers.arrives_within_s
    deadline_s, lateness_s = transfers.own(users.deadline_s), transfers.own(users.lateness_s)
    timely = quality.timeliness(deadline_s, lateness_s, delay_s) * transfers.survival
    points = quality.full_points(slot.config.quality, transfers.loss, transfers.competence, timely)
    if arrives is not None:
        points = points * arrives
    return Carried(airtime_s, energy_j, delay_s, points, arrives)
