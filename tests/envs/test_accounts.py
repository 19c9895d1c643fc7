"""The accounts of requests: judge noise, and utilities in the cases with a closed form."""

import numpy as np
import pytest
from scipy import stats

from envs import QualityConfig, RequestConfig, World, WorldConfig


def test_judge_noise_has_its_spread_once_a_request() -> None:
    config = WorldConfig(
        num_users=4,
        requests=RequestConfig(num_transferred=2),
        quality=QualityConfig(judge_noise=0.16),
    )
    world = World(config, num_worlds=200, seed=0)
    abandon = np.full((200, 4), world.num_experts)
    noise = []
    for slot in range(20):
        _, reward, result = world.step(abandon)
        complete = slot % 2 == 1
        assert np.isfinite(result.utility).all() == complete
        assert (reward != 0).any() == complete
        if complete:
            noise.append(result.utility - 5 * (8.80 - 2 * 0.86))
            np.testing.assert_allclose(result.gain, noise[-1], atol=1e-12)
    assert stats.kstest(np.ravel(noise), "norm", (0, 5 * 0.16)).pvalue > 1e-3


def test_noise_is_the_same_for_the_device_and_the_edge() -> None:
    config = WorldConfig(
        requests=RequestConfig(num_transferred=1), quality=QualityConfig(judge_noise=0.16)
    )
    world = World(config, num_worlds=50, seed=0)
    words = world.requests.subtasks.words
    *_, result = world.step(np.full((50, 1), world.num_experts))
    noise = result.utility - 5 * (8.80 - 0.86)
    np.testing.assert_allclose(result.local_utility, 5 * 8.80 - 0.0025 * words + noise, rtol=1e-12)


def test_a_request_that_runs_on_the_device_is_worth_five_times_880_in_its_slot() -> None:
    world = World(
        WorldConfig(num_users=3, requests=RequestConfig(local_compute=100)), num_worlds=4, seed=0
    )
    for _ in range(3):
        _, reward, result = world.step(world.slot.mask.argmax(axis=-1))
        assert result.utility == pytest.approx(np.full((4, 3), 44.0))
        assert (reward == 0).all()


def test_gains_of_one_request_do_not_reach_the_next() -> None:
    config = WorldConfig(requests=RequestConfig(num_transferred=1), episode_slots=10)
    world = World(config, num_worlds=20, seed=0)
    for slot in range(10):
        abandon = slot % 2 == 1
        _, reward, result = world.step(np.full((20, 1), world.num_experts if abandon else 0))
        np.testing.assert_allclose(result.utility, 5 * (8.80 - 0.86) + reward, rtol=1e-6)
        assert (reward == 0).all() == abandon


def test_who_has_nothing_to_transfer_gains_nothing_whatever_the_judge_says() -> None:
    config = WorldConfig(
        num_users=3,
        requests=RequestConfig(local_compute=100),
        quality=QualityConfig(judge_noise=0.16),
    )
    world = World(config, num_worlds=4, seed=0)
    _, reward, result = world.step(world.slot.mask.argmax(axis=-1))
    assert result.utility == pytest.approx(np.full((4, 3), 44.0))
    assert (reward == 0).all()
