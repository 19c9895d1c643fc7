"""Delivery: delay, quality, charge and gain of the transfers of a slot."""

from typing import NamedTuple

import numpy as np

from envs import quality
from envs.arrays import Bool, Float, Int
from envs.channel import rates
from envs.experts import lottery
from envs.sharing import band_share, per_expert
from envs.slot import Slot


class Choice(NamedTuple):
    """The expert that each user requests in a slot, and whether it serves the user."""

    column: Int  # (N, U), of the user's candidates; 0 where none is requested
    expert: Int  # (N, U), the expert of that column
    cell: Int  # (N, U), the same as a flat index into (N, E)
    requested: Bool  # (N, U), users that request an expert, as the mask allows
    served: Bool  # (N, U), those of them that are served
    rejected: Bool  # (N, U), users of a masked action, or that the lottery left out
    load: Float  # (N, E), users served


class Delivery(NamedTuple):
    """Result of each user's choice, (N, U) each; all but `requested_points` 0 if not served."""

    delay_s: Float  # backlog, both ways over the shared band, and computing
    work_s: Float  # added to the expert's backlog: both ways over the whole band, and computing
    energy_j: Float
    qos: Float  # points recovered
    requested_points: Float  # points deliverable at full effort; 0 where no expert was requested
    points: Float  # the same where it was served
    charge: Float  # credits
    gain: Float  # credits over abandoning


def choose(slot: Slot, actions: Int, rng: np.random.Generator) -> Choice:
    """Find the experts that users request, and draw the users that experts of few places serve.

    A user that was allocated its expert goes before others.

    Args:
        slot: the slot.
        actions: (N, U) checked actions (`envs.actions.checked`).
        rng: draws the lottery for places.
    """
    candidates, allocation = slot.conditions.candidates, slot.offer.allocation
    world, user = np.arange(slot.num_worlds)[:, None], np.arange(slot.num_users)
    allowed = slot.mask[world, user, actions]
    requested = allowed & (actions < slot.num_candidates)
    column = np.where(requested, actions, 0)
    expert = candidates.at(column)
    served, places = requested, slot.config.experts.max_concurrent
    if places is not None:
        first = expert == allocation.expert if slot.offer.allocates else None
        served = lottery(expert, requested, places, rng, first)
    shape = slot.num_worlds, slot.num_experts
    cell = world * slot.num_experts + expert
    return Choice(
        column=column,
        expert=expert,
        cell=cell,
        requested=requested,
        served=served,
        rejected=~allowed | (requested & ~served),
        load=per_expert(cell, served, shape),
    )


def deliver(slot: Slot, choice: Choice) -> Delivery:
    """Compute delay, energy, quality, charge and gain of each transfer of a slot."""
    conditions, offer, config = slot.conditions, slot.offer, slot.config
    expert, cell, served = choice.expert, choice.cell, choice.served
    words, topic = conditions.subtasks.words, conditions.subtasks.topic
    world, user = np.arange(slot.num_worlds)[:, None], np.arange(slot.num_users)
    bits = rates.subtask_bits(config.channel, words)
    snr = conditions.links.snr((world, user, choice.column))
    alone_s = rates.transmission_s(config.channel, bits, snr)
    share = band_share(config.channel, bits, snr, cell, choice.load, served)
    transmission_s = alone_s / share
    compute_s = conditions.compute_s
    delay_s = transmission_s + conditions.occupancy.backlog_s.take(cell) + compute_s
    energy_j = config.channel.tx_power_w * transmission_s

    loss = conditions.loss
    timely = quality.timeliness(config.quality, delay_s) * rates.word_survival(config.channel)
    competence = conditions.pool.competence[world, expert, topic]
    effective = quality.effective_competence(competence * offer.effort.take(cell), timely)
    deliverable = quality.deliverable_points(config.quality, loss, competence)
    requested_points = deliverable * choice.requested
    points = requested_points * served
    charge = offer.charge(expert, cell, points)
    gain = quality.transfer_gain(
        config.quality, config.reward, loss, effective, words, energy_j, charge
    )
    return Delivery(
        delay_s=served * delay_s,
        work_s=served * (alone_s + compute_s),
        energy_j=served * energy_j,
        qos=served * config.quality.recovered_share * loss * effective,
        requested_points=requested_points,
        points=points,
        charge=charge,
        gain=served * gain,
    )
