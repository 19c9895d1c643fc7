"""The PettingZoo view: PettingZoo's own tests, and the same world underneath."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from pettingzoo.test import parallel_api_test, parallel_seed_test

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
    edge_experts_v0,
)

PAID = WorldConfig(
    num_users=3,
    num_experts=5,
    episode_slots=15,
    requests=RequestConfig(arrival_probability=0.7),
    experts=ExpertConfig(max_concurrent=1, availability_probability=0.8, resample="episode"),
)


EVERYTHING = replace(
    PAID,
    energy_budget_j=2.0,
    credit_budget=4.0,
    requests=RequestConfig(local_compute=0.0, private_probability=0.05, arrival_probability=0.9),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9, ber="snr", modulation="qam16"),
    experts=ExpertConfig(
        max_concurrent=2, words_per_second=60.0, service="fifo", unit_cost=(0.0, 0.4)
    ),
    reward=RewardConfig(credits_per_second=0.01, downlink_energy="edge_device"),
    quality=QualityConfig(judge_noise=0.1),
    market=MarketConfig(interval=3, effort="enforced", budget_per_user=2.0),
)


@pytest.mark.parametrize("config", [WorldConfig(), PAID, EVERYTHING])
def test_pettingzoos_api_test_passes(config: WorldConfig) -> None:
    parallel_api_test(
        edge_experts_v0.parallel_env(config, mechanisms.make("posted_price")), num_cycles=60
    )


@pytest.mark.parametrize("config", [WorldConfig(num_users=2, num_experts=4), PAID, EVERYTHING])
def test_pettingzoos_seed_test_passes(config: WorldConfig) -> None:
    parallel_seed_test(
        lambda: edge_experts_v0.parallel_env(config, mechanisms.make("posted_price")), num_cycles=40
    )


@pytest.mark.parametrize("mechanism", ["proportional_share", "vcg"])
def test_with_everything_on_a_seed_fixes_whole_episodes(mechanism: str) -> None:
    config = EVERYTHING
    if mechanism == "vcg":
        config = replace(config, market=MarketConfig(capacity=2, effort="enforced"))

    def played() -> list[Any]:
        env = edge_experts_v0.parallel_env(config, mechanisms.make(mechanism))
        rng, seen = np.random.default_rng(1), [env.reset(seed=3)]
        while env.agents:
            allocated = env.world.slot.offer.allocation.expert[0]
            drawn = np.where(allocated >= 0, allocated, rng.integers(6, size=3))
            seen.append(env.step(dict(zip(env.agents, drawn.tolist(), strict=True))))
        return seen

    first, second = played(), played()
    assert len(first) == 16
    np.testing.assert_equal(first, second)
    served = [info["transferred"] for step in first[1:] for info in step[-1].values()]
    assert any(served)


@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_world_of_one_is_the_same_step_for_step(
    world_configs: SearchStrategy[WorldConfig], data: DataObject
) -> None:
    config, seed = data.draw(world_configs), data.draw(st.integers(0, 2**32 - 1))
    mechanism = mechanisms.make(data.draw(st.sampled_from(["none", "posted_price"])))
    world, env = World(config, 1, seed, mechanism), edge_experts_v0.parallel_env(config, mechanism)
    rng = np.random.default_rng(seed)
    agents = [f"user_{u}" for u in range(config.num_users)]
    # budgets over the episode end with it, so its end is one; without any it is a cut
    terminates = config.energy_budget_j is not None or config.credit_budget is not None
    seen = world.reset()
    observations, infos = env.reset(seed=seed)
    while True:
        assert list(observations) == list(infos) == agents
        for u, agent in enumerate(agents):
            np.testing.assert_array_equal(observations[agent], seen[0, u])
            np.testing.assert_array_equal(infos[agent]["action_mask"], world.slot.mask[0, u])
            assert env.observation_space(agent).contains(observations[agent])
        np.testing.assert_array_equal(env.state(), seen[0].ravel())
        if world.done:
            break
        assert env.agents == agents
        actions = rng.integers(config.num_experts + 1, size=config.num_users)
        seen, reward, result = world.step(actions[None])
        observations, rewards, terminated, truncated, infos = env.step(
            dict(zip(agents, actions, strict=True))
        )
        assert list(rewards.values()) == reward[0].tolist()
        assert terminated == dict.fromkeys(agents, world.done and terminates)
        assert truncated == dict.fromkeys(agents, world.done and not terminates)
        for u, agent in enumerate(agents):
            for key in (
                *("gain", "utility", "qos", "harm", "delay_s", "energy_j", "charge"),
                *("expert", "rejected", "declined", "walked_away", "refused"),
            ):
                np.testing.assert_equal(infos[agent].get(key, np.nan), getattr(result, key)[0, u])
    assert env.agents == []


def test_users_get_no_entry_of_another_edge_device_where_there_are_as_many_of_both() -> None:
    keys = []
    for num_experts in (3, 4):
        env = edge_experts_v0.parallel_env(num_users=3, num_experts=num_experts)
        env.reset(seed=0)
        *_, infos = env.step(dict.fromkeys(env.agents, 0))
        keys.append(set(infos["user_0"]))
    assert keys[0] == keys[1]
    assert not keys[0] & {"load", "payment", "edge_cost", "platform_balance"}


def test_spaces_are_the_same_objects_at_every_call() -> None:
    env = edge_experts_v0.parallel_env(num_users=2)
    for agent in env.possible_agents:
        assert env.observation_space(agent) is env.observation_space(agent)
        assert env.action_space(agent) is env.action_space(agent)
        assert env.action_space(agent).n == 31


def test_fields_change_the_given_config() -> None:
    env = edge_experts_v0.parallel_env(PAID, num_users=4)
    assert env.possible_agents == ["user_0", "user_1", "user_2", "user_3"]
    assert env.world.config.num_experts == 5
    with pytest.raises(ValueError, match="num_users"):
        edge_experts_v0.parallel_env(num_users=0)


@pytest.mark.parametrize("wrong", [6, -1, 1.5, "1"])
def test_an_impossible_action_raises(wrong: Any) -> None:
    env = edge_experts_v0.parallel_env(PAID)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions should"):
        env.step({"user_0": 0, "user_1": wrong, "user_2": 0})


def test_an_agent_that_is_missing_or_unknown_raises_and_nothing_is_played() -> None:
    env = edge_experts_v0.parallel_env(PAID)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions: no action of 'user_2'; all agents need one"):
        env.step({"user_0": 0, "user_1": 0})
    with pytest.raises(ValueError, match="actions: there is no agent 'user_3'; did you mean"):
        env.step({"user_0": 0, "user_1": 0, "user_2": 0, "user_3": 0})
    assert env.world.slot.index == 0


def test_a_mechanism_by_name_is_told_how_to_make_one() -> None:
    with pytest.raises(ValueError, match=r"mechanisms\.make\('posted_price'\)"):
        edge_experts_v0.parallel_env(PAID, mechanism="posted_price")  # type: ignore[arg-type]


def test_a_masked_action_counts_as_abandoning_and_is_told() -> None:
    config = WorldConfig(requests=RequestConfig(num_transferred=1), allow_abandon=False)
    env = edge_experts_v0.parallel_env(config)
    _, infos = env.reset(seed=0)
    assert infos["user_0"]["action_mask"].tolist() == [1] * 30 + [0]
    _, rewards, _, _, infos = env.step({"user_0": 30})
    assert rewards["user_0"] == 0
    assert infos["user_0"]["rejected"]
    assert infos["user_0"]["utility"] == pytest.approx(5 * (8.80 - 0.86))


def test_a_step_before_reset_or_after_the_end_raises() -> None:
    env = edge_experts_v0.parallel_env(episode_slots=1)
    with pytest.raises(RuntimeError, match="reset"):
        env.step({"user_0": 0})
    env.reset(seed=0)
    *_, truncated, _ = env.step({"user_0": 0})
    assert truncated["user_0"]
    with pytest.raises(RuntimeError, match="reset"):
        env.step({"user_0": 0})
