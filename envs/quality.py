"""Quality of an answer in judge points, and what it is worth to a user. Pure functions on arrays.

Notation: a subtask of gating weight g out of K costs D = drop_loss K g points when it is abandoned,
and D (1 - recovered_share a_eff) when it is transferred to an expert whose effective competence for
it is a_eff. The constants are calibrated to Figure 5 of arXiv 2402.06942, which does not state
them: assumptions.
"""

import numpy as np
from numpy.typing import NDArray

from envs.config import QualityConfig, RewardConfig

Array = NDArray[np.floating]


def abandon_loss(config: QualityConfig, weight: Array, num_subtasks: int) -> Array:
    """D = drop_loss K g, points lost by abandoning a subtask of gating weight g."""
    return config.drop_loss * num_subtasks * weight


def timeliness(config: QualityConfig, delay_s: Array) -> Array:
    """1 up to the deadline, exp(-(T - deadline) / tau) past it."""
    return np.exp(np.minimum((config.deadline_s - delay_s) * (1 / config.lateness_s), 0))


def effective_competence(competence: Array, timely: Array | float) -> Array:
    """a_eff: competence at the effort bought, times what lateness and lost words leave where it is
    positive.

    An expert that harms the answer (negative competence) harms it late too.
    """
    return np.maximum(competence, 0) * timely + np.minimum(competence, 0)


def deliverable_points(config: QualityConfig, loss: Array, competence: Array) -> Array:
    """Points deliverable at full effort, recovered_share D max(a, 0): what is paid for, before
    lateness.
    """
    return config.recovered_share * loss * np.maximum(competence, 0)


def transfer_gain(
    quality: QualityConfig,
    reward: RewardConfig,
    loss: Array,
    effective: Array,
    words: Array,
    energy_j: Array,
    charge: Array | float,
) -> Array:
    """Gain of a transferred subtask over abandoning it, credits.

    gain = credits_per_point recovered_share D a_eff - credits_per_word W - credits_per_joule E -
    charge.
    """
    points = quality.recovered_share * loss * effective
    return (
        reward.credits_per_point * points
        - reward.credits_per_word * words
        - reward.credits_per_joule * energy_j
        - charge
    )


def local_gain(reward: RewardConfig, loss: Array, words: Array) -> Array:
    """Gain of running a subtask on the device after all, credits: the whole loss avoided at the
    cost of its words.
    """
    return reward.credits_per_point * loss - reward.credits_per_word * words
