"""Prospects: competence and gain that a user may expect of each candidate from what it knows.

The action mask is not applied.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import quality
from envs.arrays import Bool, Float
from envs.channel.rates import Rate, db_to_linear, spectral_efficiency
from envs.conditions import Conditions
from envs.experts import other_topic_mean, own_topic_mean
from envs.offer import Offer
from mechanisms.supply import answer

# Of revenue and cost each, up to which a loss is rounding of single precision.
_ROUNDING = 1e-5


def expected_competence(conditions: Conditions) -> NDArray[np.float32]:
    """Return the competence that each user expects of each candidate for its topic, (N, U, C).

    With `information: type` that is the mean of the expert's type: the mean that it is drawn with,
    or that of the measured table.
    """
    config = conditions.config
    if config.information == "known":
        return conditions.competence
    if config.experts.competence is None:
        own, other = own_topic_mean(config), other_topic_mean(config)
    else:
        own, other = conditions.pool.type_means(config.own_topics)
    return np.where(right_type(conditions), own, other).astype(np.float32)


def right_type(conditions: Conditions) -> Bool:
    """Return the candidates whose type is of the topic of the user's subtask, (N, U, C)."""
    own = conditions.config.own_topics
    return own[conditions.candidates.expert, conditions.subtasks.topic[..., None]]


class Services(NamedTuple):
    """Service of every pair by full effort at some load, (..., N, U, C) each."""

    points: Float  # of full effort
    harm: Float  # points
    energy_j: Float  # that the user pays for
    gain: Float  # of the transfer itself, credits: words, energy and delay, which are losses
    fixed: Float | float  # cost of the edge device at whatever effort, credits


def services(conditions: Conditions, competence: Float, load: ArrayLike = 1) -> Services:
    """Return what candidates of a competence do for each user at a load.

    The band is shared equally among those served (under `min_delay` the shares depend on who the
    others are, and equal shares stand for them); the others' work counts at its mean.

    Args:
        conditions: conditions of the slot.
        competence: (N, U, C).
        load: users of the candidate that it serves, this user among them, at least 1; broadcasts
            against (N, U, C).
    """
    config, pool, users = conditions.config, conditions.pool, conditions.users
    load = np.asarray(load, np.float32)
    airtime_s: Float = conditions.transmission_alone_s
    if config.channel.access == "total_power":
        rate, snr = Rate.of(config.channel), db_to_linear(conditions.links.snr_db)
        alone, shared = spectral_efficiency(snr, rate), spectral_efficiency(snr * load, rate)
        airtime_s = airtime_s * (alone / shared)
    time_s = airtime_s * load
    powered_s = time_s if config.channel.access == "total_power" else airtime_s
    energy_j = conditions.of_expert(pool.tx_power_w) * powered_s
    delay_s = _delay_s(conditions, time_s, load)
    due = conditions.of_user(users.deadline_s), conditions.of_user(users.lateness_s)
    timely = quality.timeliness(*due, delay_s) * conditions.survival
    arrives: Float | float = 1.0
    if conditions.arrives_within_s is not None:
        arrives = (delay_s <= conditions.arrives_within_s).astype(np.float32)
        timely = timely * arrives
    loss = conditions.loss[..., None].astype(np.float32)
    fixed: Float | float = 0.0
    if config.reward.downlink_energy == "edge_device":
        answers_j = energy_j * conditions.answer_share[..., None].astype(np.float32)
        fixed = conditions.of_expert(pool.energy_cost) * answers_j
        energy_j = energy_j - answers_j
    words = conditions.subtasks.words[..., None].astype(np.float32)
    return Services(
        points=quality.full_points(config.quality, loss, competence, timely),
        harm=quality.harm(config.quality, loss, competence) * arrives,
        energy_j=energy_j,
        gain=quality.transfer_gain(worth_of_pairs(conditions), 0.0, words, energy_j, delay_s),
        fixed=fixed,
    )


def delay_alone_s(conditions: Conditions) -> Float:
    """Return the time until each candidate has served a user that is alone there, (N, U, C) s."""
    return _delay_s(conditions, conditions.transmission_alone_s, np.ones((), np.float32))


def _delay_s(conditions: Conditions, airtime_s: Float, load: Float) -> Float:
    """Return the time until a candidate has served, (..., N, U, C) s, which sends so long."""
    wait_s = conditions.candidates.of(conditions.airtime_wait_s.astype(np.float32))
    delay_s = conditions.stretched(airtime_s) + wait_s
    if conditions.config.computes:
        delay_s = delay_s + _computing_s(conditions, load)
    if conditions.round_trip_s is not None:
        delay_s = delay_s + conditions.round_trip_s
    return delay_s


def worth_of_pairs(conditions: Conditions) -> quality.Worth:
    """Return what points, words, energy and time are to users, to broadcast against (N, U, C)."""
    return quality.Worth(*map(conditions.of_user, conditions.users.worth))


def _computing_s(conditions: Conditions, load: Float) -> Float:
    """Return the time until a candidate has computed what it serves, (..., N, U, C) s."""
    others = load - 1 if conditions.config.experts.service == "batch" else (load - 1) / 2
    mean_s = conditions.of_expert(conditions.mean_work / conditions.pool.words_per_second)
    own_s = conditions.computing_alone_s
    backlog_s = conditions.occupancy.compute_backlog_s.astype(np.float32)
    return own_s + others * mean_s + conditions.candidates.of(backlog_s)


def effort(conditions: Conditions, offer: Offer, served: Services) -> Float:
    """Return the effort that candidates give for each user at the offer, 0 where they decline."""
    candidates, pool = conditions.candidates, conditions.pool
    ordered = candidates.of(offer.effort.astype(np.float32)) if offer.enforced else None
    kappa, slope = (
        candidates.of(costs.astype(np.float32)) for costs in (pool.unit_cost, pool.cost_slope)
    )
    work = conditions.effort_points[..., None].astype(np.float32)
    revenue = offer.revenue(served.points, candidates)
    return answer(revenue, kappa * work, slope * work, served.fixed, ordered, _ROUNDING)


def expected_gain(
    conditions: Conditions, offer: Offer, load: ArrayLike = 1, competence: Float | None = None
) -> NDArray[np.float32]:
    """Return the gain that each user expects of each candidate at a load, credits.

    It is that of `services`, at the effort that the candidate gives for it, and 0 where it
    declines. Where an expert is requested by more users than it serves, the gain is that of being
    served times the chance of it.

    Args:
        conditions: conditions of the slot.
        offer: offer in force, for efforts and charges.
        load: users of the candidate, this user among them, at least 1; broadcasts against
            (N, U, C).
        competence: (N, U, C) of the candidates; None for what users expect.

    Returns:
        (..., N, U, C) gains over abandoning.
    """
    if competence is None:
        competence = expected_competence(conditions)
    load = np.asarray(load, np.float32)
    admitted = _admitted(conditions, load)
    served = services(conditions, competence, admitted)
    point = conditions.of_user(conditions.users.credits_per_point)
    if offer.free:
        gain = point * (served.points - served.harm) + served.gain
    else:
        given = effort(conditions, offer, served)
        charge = offer.charge(served.points, conditions.candidates)
        worth = given * (point * (served.points - served.harm) - charge)
        gain = np.where(given > 0, worth + served.gain, 0)
    if conditions.config.limits_places:
        gain = gain * (admitted / load)
    return gain.astype(np.float32, copy=False)


def _admitted(conditions: Conditions, load: NDArray[np.float32]) -> Float:
    """Return how many of those who request a candidate it serves."""
    if not conditions.config.limits_places:
        return load
    return np.minimum(load, conditions.of_expert(conditions.pool.max_concurrent))


def expected_spending(
    conditions: Conditions, offer: Offer, load: ArrayLike = 1
) -> tuple[Float, Float]:
    """Return energy, J, and charge, credits, that a transfer to each candidate takes of a user.

    Args:
        conditions: conditions of the slot.
        offer: offer in force, for efforts and charges.
        load: users of the candidate, this user among them; broadcasts against (N, U, C).

    Returns:
        (..., N, U, C) each, times the chance of being served; 0 where the candidate declines.
    """
    load = np.asarray(load, np.float32)
    admitted = _admitted(conditions, load)
    served = services(conditions, expected_competence(conditions), admitted)
    energy_j, charge = served.energy_j, np.zeros_like(served.energy_j)
    if not offer.free:
        given = effort(conditions, offer, served)
        charge = given * offer.charge(served.points, conditions.candidates)
        energy_j = np.where(given > 0, energy_j, 0)
    chance = admitted / load
    return energy_j * chance, charge * chance


def expected_rest(conditions: Conditions, offer: Offer, load: ArrayLike = 1) -> Float:
    """Return `rest` after what a transfer to each candidate is expected to spend, (..., N, U, C).

    Args:
        conditions: conditions of the slot.
        offer: offer in force, for efforts and charges.
        load: users of the candidate, this user among them; broadcasts against (N, U, C).
    """
    return rest(conditions, *expected_spending(conditions, offer, load))


def rest(
    conditions: Conditions, energy_j: Float | float = 0.0, charge: Float | float = 0.0
) -> Float:
    """Return what is left for later of users' episodes once so much is spent in this slot, 0..1.

    It is the geometric mean of the share of the episode that follows and of the share left of the
    budget, the lesser share where a user has two: of less use the more of it there already is, and
    twice as much where both are.

    Args:
        conditions: conditions of the slot.
        energy_j: spent, J; broadcasts against (N, U, C).
        charge: likewise, credits.

    Returns:
        (..., N, U, C), or (N, U, 1) where both are a number.
    """
    budgets, users = conditions.budgets, conditions.users
    share: Float = np.ones(())  # in double precision: a root magnifies the rounding of small shares
    for left, budget, spent in (
        (budgets.energy_j, users.energy_budget_j, energy_j),
        (budgets.credits, users.credit_budget, charge),
    ):
        if left is not None:
            # A user without this budget has an infinite one, of which no spending takes a share.
            unit = np.where(np.isfinite(left), budget, 1.0)
            share = np.minimum(share, (left[..., None] - spent) / unit[..., None])
    follows = max(1 - (conditions.index + 1) / conditions.config.episode_slots, 0)
    return np.sqrt(np.maximum(share, 0) * follows)


def expected_service(conditions: Conditions, load: ArrayLike = 1) -> tuple[Float, Services]:
    """Return the gain at full effort before any charge, (N, U, C) credits, and the service.

    Args:
        conditions: conditions of the slot.
        load: users of the candidate that it serves; broadcasts against (N, U, C).
    """
    served = services(conditions, expected_competence(conditions), load)
    point = conditions.of_user(conditions.users.credits_per_point)
    return point * (served.points - served.harm) + served.gain, served
