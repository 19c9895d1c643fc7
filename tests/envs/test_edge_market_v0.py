"""The PettingZoo view of all sides: PettingZoo's own tests, and the same world underneath."""

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
    ObservationConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    RolesConfig,
    World,
    WorldConfig,
    edge_market_v0,
)
from mechanisms import Mechanism

PAID = WorldConfig(
    num_users=3,
    num_experts=5,
    episode_slots=14,
    requests=RequestConfig(arrival_probability=0.7),
    experts=ExpertConfig(max_concurrent=1, availability_probability=0.8, resample="episode"),
)
LISTED = replace(
    PAID,
    num_experts=9,
    observation=ObservationConfig(candidates=4),
    experts=ExpertConfig(unit_cost=(0.0, 1.0)),
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
    roles=RolesConfig(margins=(0.0, 100.0), platform_reward="profit"),
)
CONFIGS = {"default": WorldConfig(), "paid": PAID, "lists": LISTED, "everything": EVERYTHING}
MECHANISMS = ["posted_price", "budgeted_price", "proportional_share", "vcg", "none"]


def made(config: WorldConfig, mechanism: str) -> tuple[WorldConfig, Mechanism]:
    """Return a configuration and a mechanism that fit: who allocates does so every slot."""
    if mechanism == "vcg":
        config = replace(config, market=replace(config.market, interval=None))
    return config, mechanisms.make(mechanism)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_pettingzoos_api_test_passes(config: WorldConfig) -> None:
    parallel_api_test(edge_market_v0.parallel_env(config), num_cycles=60)


@pytest.mark.parametrize("mechanism", ["vcg", "none"])
def test_pettingzoos_api_test_passes_with_other_mechanisms(mechanism: str) -> None:
    parallel_api_test(edge_market_v0.parallel_env(*made(PAID, mechanism)), num_cycles=60)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_pettingzoos_seed_test_passes(config: WorldConfig) -> None:
    parallel_seed_test(lambda: edge_market_v0.parallel_env(config), num_cycles=40)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("config", [LISTED, EVERYTHING], ids=["lists", "everything"])
def test_a_seed_fixes_whole_episodes_of_random_allowed_actions(
    config: WorldConfig, mechanism: str
) -> None:
    def played() -> list[Any]:
        env = edge_market_v0.parallel_env(*made(config, mechanism))
        rng, seen = np.random.default_rng(1), [env.reset(seed=3)]
        for episode in range(2):
            seen += [env.reset()] if episode else []
            while env.agents:
                infos = seen[-1][-1]
                actions = {
                    agent: rng.choice(np.flatnonzero(infos[agent]["action_mask"]))
                    for agent in env.agents
                }
                seen.append(env.step(actions))
                for agent, observation in seen[-1][0].items():
                    assert env.observation_space(agent).contains(observation), agent
        return seen

    first, second = played(), played()
    assert len(first) == 2 * (1 + config.episode_slots)
    np.testing.assert_equal(first, second)
    steps = [step for step in first if len(step) == 5]
    assert any(info.get("transferred") for step in steps for info in step[-1].values())


@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_world_of_one_is_the_same_step_for_step(
    mixed_configs: SearchStrategy[WorldConfig], data: DataObject
) -> None:
    seed, name = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.sampled_from(MECHANISMS))
    config, mechanism = made(data.draw(mixed_configs), name)
    aim = data.draw(st.sampled_from(["welfare", "users", "profit"]))
    config = replace(config, roles=RolesConfig(platform_reward=aim))
    world, env = World(config, 1, seed, mechanism), edge_market_v0.parallel_env(config, mechanism)
    rng, num_users, num_experts = np.random.default_rng(seed), config.num_users, config.num_experts
    users, edge_devices = (
        [f"{of}_{i}" for i in range(count)]
        for of, count in (("user", num_users), ("edge", num_experts))
    )
    agents = [*users, *edge_devices, "platform"]
    seen, interval = world.reset(), config.market.slots_between(mechanism.allocates)
    observations, infos = env.reset(seed=seed)
    while True:
        assert list(observations) == list(infos) == env.possible_agents == agents
        expected = [*seen[0], *world.edge_device_observation[0], *world.platform_observation[0]]
        for agent, own in zip(agents, expected, strict=True):
            np.testing.assert_array_equal(observations[agent], own)
            assert env.observation_space(agent).contains(observations[agent]), agent
        np.testing.assert_array_equal(env.state(), np.concatenate(expected))
        assert env.state_space.contains(env.state())
        if world.done:
            break
        assert env.agents == agents
        slot = world.slot.index
        decides = (slot + 1) % interval == 0 or slot + 1 == config.episode_slots
        for u, agent in enumerate(users):
            np.testing.assert_array_equal(infos[agent]["action_mask"], world.slot.mask[0, u])
        for agent in agents[num_users:]:
            mask = infos[agent]["action_mask"]
            assert mask.dtype == np.int8
            assert len(mask) == env.action_space(agent).n
            chooses = decides and name != "none"
            assert mask.tolist() == [chooses] * (len(mask) - 1) + [not chooses]
        actions = {agent: int(rng.integers(env.action_space(agent).n)) for agent in agents}
        chosen = list(actions.values())
        seen, reward, result = world.step(
            [chosen[:num_users]], [chosen[num_users:-1]], [chosen[-1]]
        )
        observations, rewards, terminated, truncated, infos = env.step(actions)
        earned = world.role_rewards
        assert list(rewards.items()) == list(
            zip(agents, [*reward[0], *earned.edge_devices[0], earned.platform[0]], strict=True)
        )
        assert terminated == dict.fromkeys(agents, world.done and world.terminates)
        assert truncated == dict.fromkeys(agents, world.done and not world.terminates)
        for e, agent in enumerate(edge_devices):
            for key in ("load", "airtime_s", "payment", "edge_cost", "edge_energy_j"):
                assert infos[agent][key] == getattr(result, key)[0, e]
        assert infos["platform"]["platform_balance"] == result.platform_balance[0]
    assert env.agents == []


@pytest.mark.parametrize("requests", [{"arrival_probability": 0.0}, {"local_compute": 100.0}])
def test_where_nobody_ever_asks_observations_are_numbers(requests: dict[str, float]) -> None:
    env = edge_market_v0.parallel_env(replace(PAID, requests=RequestConfig(**requests)))
    observations, _ = env.reset(seed=0)
    for agent, observation in observations.items():
        assert env.observation_space(agent).contains(observation), agent


def test_nobody_learns_of_another_side_what_is_its_own() -> None:
    keys = {}
    for mechanism in ("posted_price", "none"):
        env = edge_market_v0.parallel_env(*made(PAID, mechanism))
        env.reset(seed=0)
        *_, infos = env.step(dict.fromkeys(env.agents, 0))
        keys[mechanism] = {agent: set(info) for agent, info in infos.items()}
    assert keys["posted_price"] == keys["none"]
    edge_device, platform = keys["none"]["edge_0"], keys["none"]["platform"]
    assert edge_device >= {"load", "payment", "edge_cost", "action_mask"}
    assert platform == {"platform_balance", "action_mask"}
    assert edge_device & keys["none"]["user_0"] == {"action_mask"}


def test_without_a_mechanism_nobody_ever_decides_and_no_choice_changes_anything() -> None:
    free = mechanisms.make("none")
    envs = [edge_market_v0.parallel_env(PAID, free) for _ in range(2)]
    for env in envs:
        env.reset(seed=0)
    while envs[0].agents:
        steps = []
        for env, choice in zip(envs, (0, -1), strict=True):
            assert not env.world.decides
            roles = {agent: choice % env.action_space(agent).n for agent in env.agents[3:]}
            steps.append(env.step({"user_0": 0, "user_1": 1, "user_2": 2} | roles))
        np.testing.assert_equal(*steps)


def test_a_posted_price_is_the_mechanism_that_is_left_out() -> None:
    env = edge_market_v0.parallel_env(num_users=2, num_experts=3)
    assert env.world.mechanism == mechanisms.make("posted_price")
    assert env.possible_agents == ["user_0", "user_1", "edge_0", "edge_1", "edge_2", "platform"]
    roles = RolesConfig()
    pairs = len(roles.value_factors) * len(roles.margins)
    assert env.action_space("edge_0").n == len(roles.report_factors) + 1  # and keeping
    assert env.action_space("platform").n == pairs + 1
    for agent in env.possible_agents:
        assert env.observation_space(agent) is env.observation_space(agent)
        assert env.action_space(agent) is env.action_space(agent)


def test_an_action_that_is_missing_or_impossible_raises() -> None:
    roles = RolesConfig(report_factors=(1, 2), value_factors=(1, 2, 3), margins=(0, 1))
    env = edge_market_v0.parallel_env(PAID, roles=roles)
    env.reset(seed=0)
    actions = dict.fromkeys(env.agents, 0)
    with pytest.raises(ValueError, match="no action of 'platform'"):
        env.step(dict.fromkeys(env.agents[:-1], 0))
    with pytest.raises(ValueError, match="no action of 'edge_4'"):
        env.step({agent: 0 for agent in env.agents if agent != "edge_4"})
    with pytest.raises(ValueError, match=r"platform should lie in 0\.\.6"):
        env.step(actions | {"platform": 7})
    with pytest.raises(ValueError, match=r"edge_devices should lie in 0\.\.2"):
        env.step(actions | {"edge_3": 3})
    with pytest.raises(ValueError, match="edge_devices should be integers"):
        env.step(actions | {"edge_3": 0.5})


def test_frames_are_images_that_choices_of_prices_change() -> None:
    frames = []
    roles = RolesConfig(report_factors=(0.5, 1, 6), value_factors=(1,), margins=(0,))
    config = replace(PAID, market=MarketConfig(interval=1), roles=roles)
    for factor in (0, 2):
        env = edge_market_v0.parallel_env(config, render_mode="rgb_array")
        env.reset(seed=0)
        for _ in range(2):
            others = dict.fromkeys(env.agents[3:-1], factor) | {"platform": 0}
            env.step({"user_0": 0, "user_1": 1, "user_2": 2} | others)
        frames.append(env.render())
        env.close()
    for frame in frames:
        assert frame.shape == (880, 1280, 3)
        assert frame.dtype == np.uint8
    assert (frames[0] != frames[1]).any()
