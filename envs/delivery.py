"""What the transfers of a slot bring: delay, energy, quality, charge and gain of each."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import channel as ch
from envs import quality
from envs.sharing import band_share

if TYPE_CHECKING:
    from envs.world import World

Float = NDArray[np.floating]


class Delivery(NamedTuple):
    """What became of each user's choice in a slot, (N, U) each; all but `requested` are 0 where
    nobody served it.
    """

    delay_s: Float  # backlog, both ways over the shared band, and computing
    work_s: (
        Float  # what it adds to the expert's backlog: both ways over the whole band, and computing
    )
    energy_j: Float
    qos: Float  # points recovered
    requested: Float  # points deliverable at full effort; 0 where no expert was asked
    points: Float  # the same where it was served
    charge: Float  # credits
    gain: Float  # credits over abandoning


def deliver(
    world: "World",
    column: NDArray[np.int64],
    expert: NDArray[np.int64],
    cell: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    served: NDArray[np.bool_],
    load: Float,
) -> Delivery:
    """The present slot's transfers in a world.

    Args:
        world: before anything of the slot is booked.
        column: of its candidates whom each user asks, (N, U); any where it asks nobody.
        expert: who that is, (N, U).
        cell: the same as a flat index into (N, E).
        wanted: who asks at all, (N, U).
        served: who of them is served, (N, U).
        load: users served by each expert, (N, E).
    """
    config, requests = world.config, world.requests
    bits = ch.subtask_bits(config.channel, requests.words)
    snr = world.channel.snr_to((world.worlds, world.users, column))
    alone_s = ch.transmission_s(config.channel, bits, snr)
    share = band_share(config.channel, bits, snr, cell, load, served)
    if config.channel.noise_scaling:
        transmission_s = ch.transmission_s(config.channel, bits, snr, share)
    else:
        transmission_s = alone_s / share
    compute_s = world.compute_s()
    delay_s = transmission_s + world.backlog_s.take(cell) + compute_s
    energy_j = config.channel.tx_power_w * transmission_s

    loss = world.loss
    timely = quality.timeliness(config.quality, delay_s) * ch.word_survival(config.channel)
    competence = world.pool.competence[world.worlds, expert, requests.topic]
    effective = quality.effective_competence(competence * world.market.effort.take(cell), timely)
    requested = quality.deliverable_points(config.quality, loss, competence) * wanted
    points = requested * served
    charge = world.market.charge(expert, cell, points)
    gain = quality.transfer_gain(
        config.quality, config.reward, loss, effective, requests.words, energy_j, charge
    )
    return Delivery(
        delay_s=served * delay_s,
        work_s=served * (alone_s + compute_s),
        energy_j=served * energy_j,
        qos=served * config.quality.recovered_share * loss * effective,
        requested=requested,
        points=points,
        charge=charge,
        gain=served * gain,
    )
