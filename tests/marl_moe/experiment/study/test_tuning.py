"""Better response is tuned on worlds apart, and to each number of users anew."""

from itertools import product
from typing import Any

import numpy as np

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from marl_moe.experiment.study.tuning import LOADS, RESPONSE_PROBABILITIES, tuned_better_response
from marl_moe.policies.equilibrium import BetterResponse
from marl_moe.seeds import evaluation_seed


def contention(num_users: int) -> WorldConfig:
    return WorldConfig(
        num_users=num_users,
        requests=RequestConfig(num_transferred=1, zipf_exponent=1, topic_persistence=0.8),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(words_per_second=None, resample="episode"),
    )


def mean_gain(config: WorldConfig, *setting: Any) -> float:
    world = World(config, num_worlds=24, seed=evaluation_seed(0, 0))
    policy = BetterResponse(np.random.default_rng(0), *setting)
    gains = []
    while not world.done:
        gains.append(world.step(policy.act(world.slot))[1].mean())
    return float(np.mean(gains))


def test_tuned_values_are_close_to_the_best_in_other_worlds_and_a_crowd_needs_memory() -> None:
    tuned = {}
    for num_users in (2, 16):
        policy = tuned_better_response(
            contention(num_users), mechanisms.make("none"), seed=0, rng=np.random.default_rng(0)
        )
        setting = (policy.response_probability, policy.load)
        assert policy.setting == "response_probability={} load={}".format(*setting)
        tuned[num_users] = mean_gain(contention(num_users), *setting)
        best = max(
            mean_gain(contention(num_users), *other)
            for other in product(RESPONSE_PROBABILITIES, LOADS)
        )
        assert tuned[num_users] >= best - 0.05
    assert policy.load == "recent"
    assert tuned[16] > mean_gain(contention(16), 0.1, "last")
