"""Rules are tuned on worlds apart, and to each number of users anew."""

from collections.abc import Mapping
from itertools import product

import numpy as np

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from marl_moe.experiment.study.tuning import (
    CROWD,
    CROWD_TRIALS,
    LOADS,
    RESPONSE_PROBABILITIES,
    climbed,
    tuned_better_response,
    tuned_crowd,
)
from marl_moe.policies import Policy
from marl_moe.policies.crowd import Crowd
from marl_moe.policies.equilibrium import BetterResponse
from marl_moe.seeds import evaluation_seed


def contention(num_users: int) -> WorldConfig:
    return WorldConfig(
        num_users=num_users,
        requests=RequestConfig(num_transferred=1, zipf_exponent=1, topic_persistence=0.8),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(words_per_second=None, resample="episode"),
    )


def mean_gain(config: WorldConfig, policy: Policy) -> float:
    world = World(config, num_worlds=24, seed=evaluation_seed(0, 0))
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
        tuned[num_users] = mean_gain(contention(num_users), policy)
        best = max(
            mean_gain(contention(num_users), BetterResponse(np.random.default_rng(0), *other))
            for other in product(RESPONSE_PROBABILITIES, LOADS)
        )
        assert tuned[num_users] >= best - 0.05
    assert policy.load == "recent"
    standing = BetterResponse(np.random.default_rng(0), 0.1, "last")
    assert tuned[16] > mean_gain(contention(16), standing)


def test_the_tuned_rule_for_a_crowd_beats_its_defaults_in_worlds_apart() -> None:
    config, rng = contention(32), np.random.default_rng(0)
    policy = tuned_crowd(config, mechanisms.make("none"), seed=0, rng=rng)
    setting = {key: getattr(policy, key) for key in CROWD}
    assert policy.setting == " ".join(f"{key}={value}" for key, value in setting.items())
    assert all(value in CROWD[key] for key, value in setting.items())
    assert policy.rng is rng
    default = Crowd(np.random.default_rng(0))
    assert mean_gain(config, policy) > mean_gain(config, default) - 0.01
    poor = Crowd(np.random.default_rng(0), 0.0, 1.0, 0.5, 1.0)
    assert mean_gain(config, policy) > mean_gain(config, poor) + 0.3


def test_a_climb_finds_the_top_of_a_hill_scores_nothing_twice_and_keeps_to_its_trials() -> None:
    grid = {key: tuple(map(float, range(9))) for key in ("x", "y")}
    scored: list[tuple[float, ...]] = []

    def hill(setting: Mapping[str, float]) -> float:
        scored.append(tuple(setting.values()))
        return -((setting["x"] - 6) ** 2) - (setting["y"] - 5) ** 2

    assert climbed({"x": 2.0, "y": 2.0}, grid, hill, trials=81) == {"x": 6.0, "y": 5.0}
    assert len(scored) == len(set(scored)) < 40
    scored.clear()
    climbed({"x": 2.0, "y": 2.0}, grid, hill, trials=5)
    assert len(scored) == 5
    scored.clear()
    assert climbed({"x": 2.0, "y": 2.0}, grid, lambda _: 0.0) == {"x": 2.0, "y": 2.0}


def test_settings_that_are_tried_begin_with_the_rules_own_and_are_few() -> None:
    own = Crowd(np.random.default_rng(0))
    assert all(getattr(own, key) in values for key, values in CROWD.items())
    assert np.prod([len(values) for values in CROWD.values()]) > 6 * CROWD_TRIALS
