"""Better response is tuned on worlds apart, and to each number of users anew."""

import numpy as np

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from marl_moe.experiment.evaluation import evaluation_seed
from marl_moe.experiment.tuning import RESPONSE_PROBABILITIES, tuned_better_response
from marl_moe.policies.equilibrium import BetterResponse


def contention(num_users: int) -> WorldConfig:
    return WorldConfig(
        num_users=num_users,
        requests=RequestConfig(num_transferred=1, zipf_exponent=1, topic_persistence=0.8),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(words_per_second=None, resample="episode"),
    )


def mean_gain(config: WorldConfig, response_probability: float) -> float:
    world = World(config, num_worlds=48, seed=evaluation_seed(0, 0))
    policy = BetterResponse(np.random.default_rng(0), response_probability)
    gains = []
    while not world.done:
        gains.append(world.step(policy.act(world))[1].mean())
    return float(np.mean(gains))


def test_the_inertia_tuned_is_close_to_the_best_of_all_in_other_worlds_and_grows_with_the_crowd() -> None:
    tuned = {}
    for num_users in (2, 16):
        policy = tuned_better_response(
            contention(num_users), mechanisms.make("none"), seed=0, rng=np.random.default_rng(0)
        )
        assert policy.setting == f"response_probability={policy.response_probability}"
        tuned[num_users] = policy.response_probability
        best = max(mean_gain(contention(num_users), probability) for probability in RESPONSE_PROBABILITIES)
        assert mean_gain(contention(num_users), policy.response_probability) >= best - 0.05
    assert tuned[16] < tuned[2]
