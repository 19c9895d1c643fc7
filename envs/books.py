"""The books of a slot: what each expert takes on, earns and spends, and the results of all."""

from typing import NamedTuple

import numpy as np

from envs.accounts import Gains
from envs.arrays import Bool, Float
from envs.asked import Asked
from envs.delivery import Choice, Delivery
from envs.per_expert import each_per_expert
from envs.slot import SlotResult
from envs.transfers import Transfers


class Booked(NamedTuple):
    """Sums over the requests of each expert in a slot, (N, E) each.

    Payment and cost are those of its duty too.
    """

    asked: Asked | None  # None where experts are free, and nothing is told
    battery_j: Float  # taken from batteries
    load: Float  # users served
    airtime_s: Float  # s of the whole band
    work: Float  # words
    edge_energy_j: Float
    points: Float  # delivered
    payment: Float  # credits
    edge_cost: Float  # credits


def of_experts(transfers: Transfers, delivery: Delivery) -> Booked:
    """Return the sums of a slot over the requests of each expert."""
    slot = transfers.slot
    amounts = [
        delivery.served,
        delivery.airtime_s,
        delivery.served * slot.conditions.work,
        delivery.edge_energy_j,
        delivery.points,
        delivery.payment,
        delivery.edge_cost,
    ]
    if delivery.battery_j is not None:
        amounts.append(delivery.battery_j)
    if not slot.offer.free:
        amounts += [delivery.asked_points, delivery.asked_work, delivery.asked_fixed]
    shape = slot.num_worlds, slot.num_experts
    sums = list(each_per_expert(transfers.cell, amounts, shape))
    asked = None if slot.offer.free else Asked(*sums[-3:])
    battery_j = np.zeros(shape) if delivery.battery_j is None else sums[7]
    booked = Booked(asked, battery_j, *sums[:7])
    if slot.offer.duty is None:
        return booked
    done = slot.offer.duty.done_by(slot.conditions.available)
    return booked._replace(
        payment=booked.payment + done.payment, edge_cost=booked.edge_cost + done.cost
    )


def result(
    choice: Choice,
    transfers: Transfers,
    delivery: Delivery,
    booked: Booked,
    gains: Gains,
    refused: Bool,
) -> SlotResult:
    """Return the results of a slot.

    Args:
        choice: of the users.
        transfers: one request of each user.
        delivery: of these.
        booked: their sums by expert.
        gains: with the judge's noise.
        refused: (N, U) users whose request of this slot was refused.
    """
    conditions = transfers.slot.conditions
    not_admitted = choice.requested & ~(delivery.served | delivery.declined)
    return SlotResult(
        **gains._asdict(),
        local_qos=conditions.loss,
        qos=delivery.points,
        effort=delivery.effort,
        harm=delivery.harm,
        delay_s=delivery.delay_s,
        energy_j=delivery.user_energy_j,
        charge=delivery.charge,
        transferred=delivery.served,
        expert=np.where(delivery.served, transfers.expert, -1),
        rejected=choice.masked | not_admitted,
        declined=delivery.declined,
        walked_away=choice.walked_away,
        refused=refused,
        pending=conditions.subtasks.pending,
        load=booked.load,
        airtime_s=booked.airtime_s,
        work_words=booked.work,
        edge_energy_j=booked.edge_energy_j,
        battery_j=booked.battery_j,
        payment=booked.payment,
        edge_cost=booked.edge_cost,
        platform_balance=delivery.charge.sum(axis=-1) - booked.payment.sum(axis=-1),
    )
