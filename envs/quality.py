"""Quality of an answer in judge points, and its worth to a user: pure functions on arrays.

Notation: a subtask of gating weight g out of K costs D = drop_loss K g points when it is abandoned,
and D (1 - recovered_share a_eff) when it is transferred to an expert whose effective competence for
it is a_eff. The constants are calibrated to Figure 5 of arXiv 2402.06942, which does not state
them: assumptions.
"""

import numpy as np

from envs.arrays import Float
from envs.config import QualityConfig, RewardConfig


def abandon_loss(config: QualityConfig, weight: Float, num_subtasks: int) -> Float:
    """Return D = drop_loss K g, points lost by abandoning a subtask of gating weight g."""
    return config.drop_loss * num_subtasks * weight


def timeliness(config: QualityConfig, delay_s: Float) -> Float:
    """Return 1 up to the deadline, exp(-(T - deadline) / tau) past it."""
    return np.exp(np.minimum((config.deadline_s - delay_s) * (1 / config.lateness_s), 0))


def effective_competence(competence: Float, timely: Float | float) -> Float:
    """Return a_eff: competence, times `timely` where it is positive.

    An expert that harms the answer (negative competence) harms it late too.

    Args:
        competence: competence at the effort bought.
        timely: share that lateness and lost words leave, 0..1.
    """
    return np.maximum(competence, 0) * timely + np.minimum(competence, 0)


def deliverable_points(config: QualityConfig, loss: Float, competence: Float) -> Float:
    """Return the points deliverable at full effort, recovered_share D max(a, 0).

    Payments and charges are for these points, times effort, however late they are.
    """
    return config.recovered_share * loss * np.maximum(competence, 0)


def transfer_gain(
    quality: QualityConfig,
    reward: RewardConfig,
    loss: Float,
    effective: Float,
    words: Float,
    energy_j: Float,
    charge: Float | float,
) -> Float:
    """Return the gain of a transferred subtask over abandoning it, credits.

    gain = credits_per_point recovered_share D a_eff - credits_per_word W - credits_per_joule E
    - charge.

    Args:
        quality: configuration of the quality.
        reward: worth of points, words and energy.
        loss: D, points lost by abandoning the subtask.
        effective: a_eff.
        words: W, words of the answer.
        energy_j: E, energy of the transmission, J.
        charge: paid by the user, credits.
    """
    points = quality.recovered_share * loss * effective
    return (
        reward.credits_per_point * points
        - reward.credits_per_word * words
        - reward.credits_per_joule * energy_j
        - charge
    )


def local_gain(reward: RewardConfig, loss: Float, words: Float) -> Float:
    """Return the gain of running a subtask on the user's device after all, credits.

    The whole loss D is avoided at the cost of the subtask's words.
    """
    return reward.credits_per_point * loss - reward.credits_per_word * words
