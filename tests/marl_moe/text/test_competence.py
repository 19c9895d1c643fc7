"""Competence from scores against a bootstrap, a known ratio, and the model's definition."""

import numpy as np
import pytest
from scipy import stats

from marl_moe.text.competence import CalibrationError, competence


def scores(
    rng: np.random.Generator, n: int, ratio: float, share: float = 0.85
) -> tuple[np.ndarray, ...]:
    """Scores of n requests whose true competence is `ratio`."""
    dropped = rng.normal(6.0, 0.5, n)
    loss = rng.normal(2.0, 0.4, n)
    local = dropped + loss
    transferred = dropped + ratio * share * loss + rng.normal(0, 0.3, n)
    return transferred, local, dropped


def test_an_expert_that_loses_15_percent_has_competence_1() -> None:
    """The model: a transferred subtask keeps 0.85 a of what abandoning it loses."""
    local, dropped = np.array([9.0, 8.0, 9.5]), np.array([7.0, 6.5, 7.0])
    transferred = dropped + 0.85 * (local - dropped)
    measured = competence(transferred, local, dropped, 0.85)
    assert measured.mean == pytest.approx(1.0)
    assert (measured.low, measured.high) == (pytest.approx(1.0), pytest.approx(1.0))


def test_an_expert_that_writes_what_the_device_would_recovers_everything() -> None:
    local, dropped = np.array([9.0, 8.0, 9.5]), np.array([7.0, 6.5, 7.0])
    assert competence(local, local, dropped, 0.85).mean == pytest.approx(1 / 0.85)
    assert competence(dropped, local, dropped, 0.85).mean == pytest.approx(0.0)


def test_the_interval_agrees_with_a_paired_bootstrap() -> None:
    transferred, local, dropped = scores(np.random.default_rng(1), 200, 0.6)
    measured = competence(transferred, local, dropped, 0.85)

    def ratio(t: np.ndarray, s: np.ndarray, d: np.ndarray, axis: int = -1) -> np.ndarray:
        return (t - d).mean(axis) / (0.85 * (s - d).mean(axis))

    resampled = stats.bootstrap(
        (transferred, local, dropped),
        ratio,
        paired=True,
        n_resamples=4000,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    width = measured.high - measured.low
    assert measured.low == pytest.approx(resampled.low, abs=0.1 * width)
    assert measured.high == pytest.approx(resampled.high, abs=0.1 * width)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_ends_where_fieller_says(seed: int) -> None:
    """By definition the mean of x - theta y is just significant at its ends theta.

    There |mean| = t sd / sqrt(n).
    """
    rng = np.random.default_rng(seed)
    transferred, local, dropped = scores(rng, 6, 0.6)
    local += rng.normal(0, 1.0, 6)  # a denominator in doubt
    measured = competence(transferred, local, dropped, 0.85)
    for end in (measured.low, measured.high):
        rest = (transferred - dropped) - end * 0.85 * (local - dropped)
        assert abs(rest.mean()) == pytest.approx(
            stats.t.ppf(0.975, 5) * rest.std(ddof=1) / np.sqrt(6)
        )
    assert measured.low < measured.mean < measured.high


@pytest.mark.parametrize("ratio", [-0.3, 0.2, 1.1])
def test_the_interval_holds_the_true_ratio_19_times_of_20(ratio: float) -> None:
    rng = np.random.default_rng(7)
    measured = [competence(*scores(rng, 12, ratio), 0.85) for _ in range(2000)]
    hit = np.mean([cell.low <= ratio <= cell.high for cell in measured])
    assert hit == pytest.approx(0.95, abs=0.02)  # standard error 0.005


def test_a_judge_that_cannot_tell_a_dropped_subtask_is_refused() -> None:
    rng = np.random.default_rng(0)
    local, dropped = rng.normal(8, 1, 20), rng.normal(8, 1, 20)
    with pytest.raises(
        CalibrationError,
        match=r"dropping the subtask costs .* points \[-.*, .*\]: the interval contains 0",
    ):
        competence(local, local, dropped, 0.85)


def test_equal_scores_everywhere_are_refused() -> None:
    with pytest.raises(CalibrationError, match=r"costs 0\.000 points \[0\.000, 0\.000\]"):
        competence(np.ones(5), np.ones(5), np.ones(5), 0.85)


def test_one_subtask_has_no_interval() -> None:
    with pytest.raises(CalibrationError, match="at least 2 subtasks a cell, got 1"):
        competence(np.ones(1), np.ones(1), np.zeros(1), 0.85)
