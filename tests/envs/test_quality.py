"""Judge points and credits against values worked out by hand."""

import numpy as np
import pytest

from envs import QualityConfig, RewardConfig
from envs.quality import (
    abandon_loss,
    deliverable_points,
    effective_competence,
    local_gain,
    timeliness,
    transfer_gain,
)

QUALITY, REWARD = QualityConfig(), RewardConfig()


def test_abandoning_a_subtask_of_average_weight_costs_086_points() -> None:
    assert abandon_loss(QUALITY, np.array([1 / 8, 0.5]), 8) == pytest.approx([0.86, 3.44])


def test_abandoning_everything_costs_086_points_a_subtask_whatever_the_weights() -> None:
    weight = np.random.default_rng(0).dirichlet(np.ones(8))
    assert abandon_loss(QUALITY, weight, 8).sum() == pytest.approx(8 * 0.86, rel=1e-12)


def test_worth_is_whole_up_to_the_deadline_and_falls_by_e_every_three_seconds_past_it() -> None:
    delay = np.array([0.0, 5.9, 6.0, 9.0, 12.0])
    assert timeliness(QUALITY, delay) == pytest.approx([1, 1, 1, np.exp(-1), np.exp(-2)])


def test_an_answer_that_never_comes_is_worth_nothing() -> None:
    assert timeliness(QUALITY, np.array(1e9)) == 0


def test_lateness_takes_from_a_help_and_not_from_a_harm() -> None:
    competence = np.array([0.8, 0.0, -0.5])
    assert effective_competence(competence, np.array(0.5)) == pytest.approx([0.4, 0, -0.5])


def test_payable_points_are_those_of_positive_competence() -> None:
    assert deliverable_points(QUALITY, np.array(0.86), np.array([1.0, -0.5])) == pytest.approx(
        [0.731, 0]
    )


def test_gain_of_a_transfer_is_the_papers_reward_over_dropping() -> None:
    # 5 s - 0.0025 W - 2 E of a subtask served at competence 0.9, less 5 s of the same request with
    # it dropped.
    words, energy_j, charge = 200.0, 0.3, 0.4
    served = 5 * (8.80 - 0.86 * (1 - 0.85 * 0.9)) - 0.0025 * words - 2 * energy_j - charge
    dropped = 5 * (8.80 - 0.86)
    gain = transfer_gain(
        QUALITY, REWARD, np.array(0.86), np.array(0.9), np.array(words), np.array(energy_j), charge
    )
    assert gain == pytest.approx(served - dropped, rel=1e-12)


def test_gain_of_the_device_itself_is_the_whole_loss_less_the_words() -> None:
    assert local_gain(REWARD, np.array(0.86), np.array(200.0)) == pytest.approx(5 * 0.86 - 0.5)
