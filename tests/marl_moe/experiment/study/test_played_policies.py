"""Policies that do not learn, evaluated: they repeat, and score what the paper's case is worth."""

import numpy as np
import pandas as pd
import pytest

import mechanisms
from envs import ExpertConfig, RequestConfig, WorldConfig
from marl_moe.experiment.study.evaluation import evaluate, make_heuristic
from marl_moe.policies import POLICIES

PAPER = WorldConfig(
    information="type",
    allow_abandon=False,
    requests=RequestConfig(num_transferred=1),
    experts=ExpertConfig(words_per_second=None),
)
SEED = 6


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_does_not_learn_repeats_under_a_seed(
    patchy_world: WorldConfig, name: str
) -> None:
    tables = [
        evaluate(
            make_heuristic(name, SEED), patchy_world, mechanisms.make("none"), SEED, episodes=3
        )[0]
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(*tables)
    assert set(tables[0]["policy"]) == {name}


def test_running_all_locally_is_worth_43_5_credits_in_the_papers_case() -> None:
    rows, _, _ = evaluate(
        make_heuristic("local", 0), PAPER, mechanisms.make("none"), 0, episodes=40
    )
    # 5 credits x 8.80 points - 0.0025 credits x words ~ U(100, 300), of 2,000 requests.
    standard_error = 0.0025 * 200 / np.sqrt(12 * 2000)
    assert rows["requests"].sum() == 2000
    assert rows["utility"].mean() == pytest.approx(5 * 8.80 - 0.0025 * 200, abs=4 * standard_error)
    assert (rows[["charge", "energy_j", "transferred"]] == 0).all(axis=None)


def test_dropping_is_worth_39_7_credits_in_the_papers_case() -> None:
    rows, _, _ = evaluate(
        make_heuristic("abandon", 0), PAPER, mechanisms.make("none"), 0, episodes=3
    )
    np.testing.assert_allclose(rows["utility"], 5 * (8.80 - 0.86), rtol=1e-12)
    np.testing.assert_array_equal(rows["gain"], 0)
