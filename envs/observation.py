"""What a user sees: the layout of the flat observation, with every column's scale, and the mask
inside it.

A vector of `NUM_USER_FEATURES` features of the user's pending subtask, then one block of
`NUM_EXPERT_FEATURES` for each of its candidates (all experts, or those on its list), with one more,
`assigned`, where the mechanism allocates. The first feature of a block is 1 where the expert may be
chosen, so the action mask is part of the observation. Every feature is bounded (`bounds`); nobody
sees what others choose in the same slot.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from envs.channel import db_to_linear, snr_gap, spectral_efficiency, subtask_bits
from envs.config import WorldConfig
from envs.prospects import expected_competence, right_type
from envs.quality import deliverable_points

if TYPE_CHECKING:
    from envs.world import World
    from mechanisms import Allocation

USER_FEATURES = {
    "pending": "1 with a subtask to transfer, else 0",
    "weight": "gating weight times number of subtasks, K g",
    "words": "words of the answer / largest configured",
    "compute_need": "compute need / largest configured",
}
EXPERT_FEATURES = {
    "available": "1 where this expert may be chosen in this slot (the action mask), else 0",
    "competence": "competence for this topic (known) or whether the type matches, times the effort "
    "bought",
    "energy": "cost of the energy that the transfer takes alone on the band, credits",
    "delay": "delay alone on the band (up, compute, down; no backlog) / deadline, at most 10",
    "load": "users other than me that it served in the last slot / 4, at most 25",
    "mine": "1 where it served me in the last slot, else 0",
    "backlog": "seconds of work it has left over / slot, at most 10",
    "unit_price": "credits a delivered point (of the expert assigned to me, by my charge) / its "
    "value, at most 10",
    "recent_load": "users that it served, exponential average over past slots of weight 0.3 / 4, "
    "at most 25",
    "attraction": "requests drawn if all users chose by competence alone (`experts.attraction`) / "
    "mean, at most 10",
}
ALLOCATION_FEATURES = {"assigned": "1 where the mechanism assigns me this expert, else 0"}
NUM_USER_FEATURES = len(USER_FEATURES)
NUM_EXPERT_FEATURES = len(EXPERT_FEATURES)
LARGEST = 10.0  # delays, backlogs and prices beyond this many units look alike
LOAD_UNIT, LARGEST_LOAD = 4.0, 25.0
RECENT_WEIGHT = 0.3  # of the last slot in recent_load
COMPETENCE_BOUND = 2.0
_ROUNDING = 1 + 1e-5  # single precision may round a feature just past its bound
_LARGEST_ALIKE = np.array(
    [1, 1, 1, 1, LARGEST_LOAD, 1, LARGEST, LARGEST, LARGEST_LOAD, LARGEST], np.float32
)


def expert_features(allocates: bool) -> dict[str, str]:
    """The features of an expert, where the mechanism allocates or does not, with what they say."""
    return EXPERT_FEATURES | ALLOCATION_FEATURES if allocates else EXPERT_FEATURES


def observation_size(num_candidates: int, allocates: bool = False) -> int:
    """Length D of an observation."""
    return NUM_USER_FEATURES + num_candidates * len(expert_features(allocates))


def column_names(num_candidates: int, allocates: bool = False) -> list[str]:
    """The name of each column, `words` or `expert_3.energy`: with candidate lists, of the fourth on
    the list.
    """
    features = expert_features(allocates)
    return [
        *USER_FEATURES,
        *(f"expert_{c}.{feature}" for c in range(num_candidates) for feature in features),
    ]


def bounds(
    config: WorldConfig, allocates: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least and greatest value of each column, (D,) each."""
    channel = config.channel
    worst_snr = db_to_linear(np.array(channel.snr_db[0]))
    worst_rate = channel.bandwidth_hz * spectral_efficiency(worst_snr, snr_gap(channel))
    longest = subtask_bits(channel, np.array(config.requests.words[1])) / worst_rate
    energy = float(config.reward.credits_per_joule * channel.tx_power_w * longest)
    user_high = [1.0, float(config.requests.num_subtasks), 1.0, 1.0]
    expert_low = [0.0, -COMPETENCE_BOUND, *[0.0] * (NUM_EXPERT_FEATURES - 2)]
    expert_high = [
        1.0,
        COMPETENCE_BOUND,
        energy,
        LARGEST,
        LARGEST_LOAD,
        1.0,
        LARGEST,
        LARGEST,
        LARGEST_LOAD,
        LARGEST,
    ]
    if allocates:
        expert_low.append(0.0)
        expert_high.append(1.0)
    low = np.concatenate([np.zeros(NUM_USER_FEATURES), np.tile(expert_low, config.num_candidates)])
    high = np.concatenate([user_high, np.tile(expert_high, config.num_candidates)]) * _ROUNDING
    return low.astype(np.float32), high.astype(np.float32)


def write(world: "World") -> NDArray[np.float32]:
    """Write what each user of a world sees in the present slot, (N, U, D) float32."""
    config, requests = world.config, world.requests
    num_worlds, num_users, num_experts = world.num_worlds, world.num_users, world.num_experts
    allocation = world.market.allocation
    num_features = len(expert_features(allocation is not None))
    num_candidates = world.num_candidates
    size = NUM_USER_FEATURES + num_candidates * num_features
    observation = np.empty((num_worlds, num_users, size), np.float32)
    observation[..., 0] = requests.pending
    observation[..., 1] = requests.weight * config.requests.num_subtasks
    observation[..., 2] = requests.words / config.requests.words[1]
    observation[..., 3] = requests.compute / config.requests.compute_need[1]
    block = observation[..., NUM_USER_FEATURES:].reshape(
        num_worlds, num_users, num_candidates, num_features
    )
    # A write into every tenth number is dear, so what users of a world see alike is written in one
    # go.
    alike = np.zeros((num_worlds, num_experts, NUM_EXPERT_FEATURES), np.float32)
    for feature, seen in (
        (0, world.usable),
        (4, world.load),
        (6, world.backlog_s),
        (7, world.market.unit_price),
        (8, world.recent_load),
        (9, world.attraction),
    ):
        alike[..., feature] = seen
    value = config.market.value or 1.0
    alike *= np.array(
        [1, 0, 0, 0, 1 / LOAD_UNIT, 0, 1 / config.slot_s, 1 / value, 1 / LOAD_UNIT, num_experts],
        np.float32,
    )
    np.minimum(alike, _LARGEST_ALIKE, out=alike)
    if world.candidates.listed:
        block[..., :NUM_EXPERT_FEATURES] = alike.reshape(-1, NUM_EXPERT_FEATURES).take(
            world.candidates.cell, axis=0
        )
    else:
        block[..., :NUM_EXPERT_FEATURES] = alike[:, None]
    if not requests.pending.all():
        block[~requests.pending, :, 0] = 0.0
    competence = world.competence_of_topic() if config.information == "known" else right_type(world)
    competence = competence * world.candidates.of(world.market.effort).astype(np.float32)
    transmission_s = world.transmission_alone_s()
    np.minimum(np.maximum(competence, -COMPETENCE_BOUND), COMPETENCE_BOUND, out=block[..., 1])
    energy_cost = np.float32(config.reward.credits_per_joule * config.channel.tx_power_w)
    np.multiply(transmission_s, energy_cost, out=block[..., 2])
    delay = transmission_s + world.compute_s()[..., None].astype(np.float32)
    delay *= np.float32(1 / config.quality.deadline_s)
    np.minimum(delay, LARGEST, out=block[..., 3])
    mine = world.candidates.column(world.last_expert)
    row = (
        (mine >= 0).ravel().nonzero()[0]
    )  # users who were served by one they see, of all worlds in one row
    others = world.load.take(row // num_users * num_experts + world.last_expert.take(row)) - 1
    at = row * size + NUM_USER_FEATURES + mine.take(row) * num_features
    flat = observation.reshape(-1)
    flat[at + 4] = np.minimum(others * (1 / LOAD_UNIT), LARGEST_LOAD)
    flat[at + 5] = 1.0
    if allocation is not None:
        _show_allocation(world, allocation, block, value)
    return observation


def _show_allocation(
    world: "World", allocation: "Allocation", block: NDArray[np.float32], value: float
) -> None:
    """Write which expert is assigned to a user, and what that one costs it: its charge a delivered
    point.
    """
    block[..., NUM_EXPERT_FEATURES] = allocation.expert[..., None] == world.candidates.expert
    column = world.candidates.column(allocation.expert)
    n, u = np.nonzero(column >= 0)
    c, e = column[n, u], allocation.expert[n, u]
    competence = expected_competence(world)[n, u, c]
    points = world.market.effort[n, e] * deliverable_points(
        world.config.quality, world.loss[n, u], competence
    )
    dearest = np.full(points.shape, LARGEST)  # also of what delivers nothing
    price = np.divide(allocation.charge[n, u], points * value, out=dearest, where=points > 0)
    block[n, u, c, 7] = np.minimum(price, LARGEST)
