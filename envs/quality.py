"""Quality of an answer in judge points, and its worth to a user: pure functions on arrays.

Notation: a subtask of gating weight g out of K costs D = drop_loss K g points when it is abandoned.
An expert of competence a for it gives back q1 = recovered_share D max(a, 0) points by full effort,
times what lateness and lost words leave; a negative competence takes recovered_share D max(-a, 0)
more. The constants are calibrated to Figure 5 of arXiv 2402.06942, which does not state them:
assumptions.
"""

from typing import NamedTuple

import numpy as np

from envs.arrays import Float
from envs.config import WorldConfig
from envs.sections import QualityConfig


def abandon_loss(config: QualityConfig, weight: Float, num_subtasks: int) -> Float:
    """Return D = drop_loss K g, points lost by abandoning a subtask of gating weight g."""
    return config.drop_loss * num_subtasks * weight


def timeliness(deadline_s: Float | float, lateness_s: Float | float, delay_s: Float) -> Float:
    """Return 1 up to the deadline, exp(-(T - deadline) / tau) past it."""
    return np.exp(np.minimum((deadline_s - delay_s) * (1 / lateness_s), 0))


def reference_points(config: WorldConfig, work: Float) -> Float:
    """Return w = recovered_share drop_loss work / mean words, points: what costs are counted in.

    They are the points that an expert of competence 1 gives back of a mean subtask with that work.
    """
    mean_words = sum(config.requests.words) / 2
    return config.quality.recovered_share * config.quality.drop_loss / mean_words * work


def full_points(config: QualityConfig, loss: Float, competence: Float, timely: Float) -> Float:
    """Return q1 = recovered_share D max(a, 0) times what is `timely`, points of full effort.

    Args:
        config: configuration of the quality.
        loss: D, points lost by abandoning the subtask.
        competence: a, of the expert for it.
        timely: share that lateness and lost words leave, 0..1.
    """
    return config.recovered_share * loss * np.maximum(competence, 0) * timely


def harm(config: QualityConfig, loss: Float, competence: Float) -> Float:
    """Return recovered_share D max(-a, 0), points taken by full effort, as many when it is late."""
    return config.recovered_share * loss * np.maximum(-competence, 0)


class Worth(NamedTuple):
    """What a user gains and loses by, credits: a number each, or an array that broadcasts."""

    credits_per_point: Float | float
    credits_per_word: Float | float
    credits_per_joule: Float | float
    credits_per_second: Float | float


def transfer_gain(
    worth: Worth, points: Float | float, words: Float, energy_j: Float, delay_s: Float
) -> Float:
    """Return the gain of a transferred subtask over abandoning it, before charges, credits.

    gain = credits_per_point points - credits_per_word W - credits_per_joule E
           - credits_per_second T

    Args:
        worth: of points, words, energy and time.
        points: given back, less harm.
        words: W, words of the answer.
        energy_j: E that the user pays for, J.
        delay_s: T, s.
    """
    gain = (
        worth.credits_per_point * points
        - worth.credits_per_word * words
        - worth.credits_per_joule * energy_j
    )
    if np.any(worth.credits_per_second):
        gain = gain - worth.credits_per_second * delay_s
    return gain


def local_gain(worth: Worth, loss: Float, words: Float) -> Float:
    """Return the gain of running a subtask on the user's device after all, credits.

    The whole loss D is avoided at the cost of the subtask's words.
    """
    return worth.credits_per_point * loss - worth.credits_per_word * words
