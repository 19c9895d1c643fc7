"""The model against published numbers: the paper's Figure 5, and the contention between users."""

import numpy as np
import pytest

from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from marl_moe.policies import POLICIES

# Mean utility, credits. The paper's Figure 5 shows 43.6 / 43.4 (upper bound), 42.6 (its policy),
# 39.5 (drop it) and 39.6 / 40.5 (random) as mean / final values.
FIGURE_5 = [
    ("local", "known", 43.50),
    ("greedy", "known", 42.52),
    ("greedy", "type", 42.47),
    ("topic_match", "known", 42.40),
    ("topic_match", "type", 42.28),
    ("max_snr", "type", 39.81),
    ("abandon", "type", 39.70),
    ("random", "type", 39.57),
]
# Mean gain of a slot and user, credits, at 1, 8, 16 and 32 users, by a program of 50 lines that
# shares nothing with this one; 1,500 worlds of one user, else 384; standard errors up to 0.015.
CONTENTION = {
    "random": (-0.15, -0.21, -0.30, -0.54),
    "topic_match": (2.63, 0.26, -0.53, -0.98),
    "max_snr": (0.10, 0.11, 0.11, 0.06),
    "greedy": (2.83, 2.65, 2.27, 1.31),
}


@pytest.mark.parametrize(("policy", "information", "expected"), FIGURE_5)
def test_utility_of_a_policy_in_the_papers_case(
    policy: str, information: str, expected: float
) -> None:
    config = WorldConfig(
        num_users=1,
        allow_abandon=False,
        information=information,  # type: ignore[arg-type]
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(words_per_second=None),
    )
    world = World(config, num_worlds=1000, seed=0)
    act = POLICIES[policy](np.random.default_rng(0)).act
    reported = "local_utility" if policy == "local" else "utility"
    utility = []
    while not world.done:
        *_, result = world.step(act(world.slot))
        utility.append(getattr(result, reported).mean())
    assert np.mean(utility) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("policy", CONTENTION)
@pytest.mark.parametrize(
    ("column", "num_users", "num_worlds"), [(0, 1, 400), (1, 8, 384), (2, 16, 192), (3, 32, 96)]
)
def test_gain_of_a_policy_under_contention(
    policy: str, column: int, num_users: int, num_worlds: int
) -> None:
    config = WorldConfig(
        num_users=num_users,
        requests=RequestConfig(num_transferred=1, zipf_exponent=1, topic_persistence=0.8),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9, sigma_db=3),
        experts=ExpertConfig(words_per_second=None),
    )
    world = World(config, num_worlds=num_worlds, seed=1)
    act = POLICIES[policy](np.random.default_rng(1)).act
    gain = np.zeros(num_worlds)
    while not world.done:
        *_, result = world.step(act(world.slot))
        gain += result.gain.mean(axis=1) / config.episode_slots
    standard_error = np.hypot(gain.std(ddof=1) / np.sqrt(num_worlds), 0.015)
    assert gain.mean() == pytest.approx(CONTENTION[policy][column], abs=3 * standard_error)
