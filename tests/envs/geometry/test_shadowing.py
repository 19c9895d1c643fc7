"""Shadowing and line of sight along a walk, against the correlations that they are made for."""

import numpy as np
import pytest

from envs.geometry.shadowing import has_sight, obstruction_moved, shadowing_moved

STEP_M, STEPS, PAIRS = 5.0, 4000, 200


def walk(update, first: np.ndarray, reach_m: float) -> np.ndarray:
    """Return the values of pairs along a long walk in equal steps, (STEPS, PAIRS)."""
    rng = np.random.default_rng(0)
    values, moved = [first], np.full((PAIRS,), STEP_M, np.float32)
    for _ in range(STEPS - 1):
        noise = rng.standard_normal(PAIRS, np.float32)
        values.append(update(values[-1], moved, reach_m, noise))
    return np.array(values, float)


@pytest.mark.parametrize("reach_m", [13.0, 50.0])
def test_shadowing_has_gudmundson_s_correlation_over_the_distance(reach_m: float) -> None:
    first = np.random.default_rng(1).standard_normal(PAIRS, np.float32)
    values = walk(shadowing_moved, first, reach_m)
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.std() == pytest.approx(1, abs=0.01)
    for lag in (1, 2, 4, 8, 16):
        measured = (values[:-lag] * values[lag:]).mean()
        assert measured == pytest.approx(np.exp(-lag * STEP_M / reach_m), abs=0.02)


@pytest.mark.parametrize("reach_m", [13.0, 50.0])
def test_obstruction_is_uniform_and_its_correlation_falls_with_the_distance(reach_m: float) -> None:
    values = walk(obstruction_moved, np.random.default_rng(1).random(PAIRS, np.float32), reach_m)
    assert (values >= 0).all()
    assert (values < 1).all()
    deciles, _ = np.histogram(values, bins=10, range=(0, 1))
    np.testing.assert_allclose(deciles / deciles.mean(), 1, atol=0.05)
    circle = np.cos(2 * np.pi * values)
    for lag in (1, 2, 4, 8, 16):
        measured = 2 * (circle[:-lag] * circle[lag:]).mean()
        assert measured == pytest.approx(np.exp(-lag * STEP_M / reach_m), abs=0.02)


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.9])
def test_the_share_of_lines_of_sight_along_a_walk_is_their_probability(probability: float) -> None:
    values = walk(obstruction_moved, np.random.default_rng(1).random(PAIRS, np.float32), 50.0)
    assert has_sight(values, np.float32(probability)).mean() == pytest.approx(probability, abs=0.02)


def test_a_probability_of_one_is_a_line_of_sight_always_and_of_zero_never() -> None:
    near_one = np.float32([0.0, 0.5, np.nextafter(np.float32(1), np.float32(0))])
    moved = obstruction_moved(
        near_one, np.float32([1e-12] * 3), 50.0, np.float32([-1e-3, 1.0, 1.0])
    )
    for values in (near_one, moved):
        assert has_sight(values, np.float32(1)).all()
        assert not has_sight(values, np.float32(0)).any()


@pytest.mark.parametrize("update", [shadowing_moved, obstruction_moved])
def test_a_pair_that_does_not_move_keeps_its_value_to_the_bit(update) -> None:
    rng = np.random.default_rng(2)
    before = rng.random(1000, np.float32)
    moved_m = np.where(np.arange(1000) % 2, np.float32(0), np.float32(3))
    after = update(before, moved_m, 13.0, rng.standard_normal(1000, np.float32))
    still = moved_m == 0
    np.testing.assert_array_equal(after[still], before[still])
    assert (after[~still] != before[~still]).mean() > 0.99
