"""What users may expect, against what the world then pays."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, RewardConfig, World, WorldConfig

ALWAYS = RequestConfig(num_transferred=1)


@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_expected_gain_is_what_a_user_gets_who_is_alone_and_knows_competence(
    world_configs: SearchStrategy[WorldConfig], data: DataObject
) -> None:
    config = replace(data.draw(world_configs), num_users=1, information="known")
    seed = data.draw(st.integers(0, 2**32 - 1))
    mechanism = mechanisms.make(data.draw(st.sampled_from(["none", "posted_price"])))
    world = World(config, num_worlds=4, seed=seed, mechanism=mechanism)
    rng = np.random.default_rng(seed)
    while not world.done:
        expected, mask = world.slot.expected_gain(), world.slot.mask
        for e in range(world.num_experts):
            *_, result = deepcopy(world).step(np.full((4, 1), e))
            np.testing.assert_allclose(
                expected[mask[..., e], e], result.gain[mask[..., e]], rtol=1e-4, atol=1e-5
            )
        # leaves work behind for the next slot
        world.step(rng.integers(world.num_experts + 1, size=(4, 1)))


def test_users_who_see_types_expect_the_mean_of_each() -> None:
    world = World(WorldConfig(num_users=2, information="type"), num_worlds=400, seed=0)
    expected, true = world.slot.expected_competence, deepcopy(world.slot.conditions.competence)
    right = world.requests.subtasks.topic[..., None] == np.arange(30) % 6
    assert np.unique(expected[right]) == pytest.approx([1.0])
    assert np.unique(expected[~right]) == pytest.approx([(6 * 0.26 - 1) / 5])
    for which in (right, ~right):
        tolerance = 4 * true[which].std() / np.sqrt(which.sum())
        assert expected[which].mean() == pytest.approx(true[which].mean(), abs=tolerance)


def test_users_who_know_expect_what_is() -> None:
    world = World(
        WorldConfig(num_users=3, experts=ExpertConfig(resample="episode")), num_worlds=2, seed=0
    )
    expected = world.slot.expected_competence
    for n, u, e in np.ndindex(expected.shape):
        assert expected[n, u, e] == pytest.approx(
            world.pool.competence[n, e, world.requests.subtasks.topic[n, u]], rel=1e-6
        )


ALIKE = RequestConfig(words=(200.0, 200.0), compute_need=(1.0, 1.0))  # the others' work at its mean


@pytest.mark.parametrize("channel", [{}, {"access": "total_power"}, {"ber": "snr"}])
@pytest.mark.parametrize("payer", ["user", "edge_device"])
def test_expected_gain_at_a_load_is_what_a_user_gets_who_shares_the_expert_with_as_many(
    channel: dict[str, Any], payer: Any
) -> None:
    config = WorldConfig(
        num_users=4,
        num_experts=5,
        requests=ALIKE,
        channel=ChannelConfig(**channel),
        reward=RewardConfig(downlink_energy=payer, credits_per_second=0.02),
    )
    world = World(config, num_worlds=30, seed=0)
    for _ in range(5):
        for load in (1, 2, 4):
            expected = world.slot.expected_gain(load)
            sharing = np.where(np.arange(4) < load, 2, config.num_experts)  # the others abandon
            *_, result = deepcopy(world).step(np.tile(sharing, (30, 1)))
            served = result.transferred
            assert served.any()
            # users without a pending subtask do not come
            same_load = served & (result.load[:, [2]] == load)
            np.testing.assert_allclose(
                expected[..., 2][same_load], result.gain[same_load], rtol=1e-4, atol=1e-5
            )
        world.step(np.tile([0, 1, 2, 2], (30, 1)))


def test_expected_gain_where_more_request_than_are_served_is_the_mean_over_the_lottery() -> None:
    experts = ExpertConfig(max_concurrent=2, words_per_second=None)
    config = WorldConfig(num_users=4, num_experts=5, experts=experts, requests=ALWAYS)
    world = World(config, num_worlds=3, seed=0)
    gains = []
    for seed in range(3000):
        played = deepcopy(world)
        lots = np.random.default_rng(seed).random((3, 4))
        played.slot = replace(played.slot, lots=lots)
        *_, result = played.step(np.full((3, 4), 2))
        gains.append(result.gain)
    mean, error = np.mean(gains, axis=0), np.std(gains, axis=0) / np.sqrt(len(gains))
    assert (np.abs(mean - world.slot.expected_gain(4)[..., 2]) < 4.5 * error + 1e-5).all()
