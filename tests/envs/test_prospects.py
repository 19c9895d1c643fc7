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
from envs import (
    ChannelConfig,
    ExpertConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)
from envs.prospects import expected_rest, rest

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


@pytest.mark.parametrize("users", [1, 5])
@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_what_is_expected_to_be_left_is_what_is_left_after_the_transfer(
    mechanism: str, users: int
) -> None:
    """All users of a world request one expert, who share its band at one power."""
    config = WorldConfig(
        num_users=users,
        num_experts=4,
        episode_slots=8,
        requests=ALWAYS,
        channel=ChannelConfig(access="total_power"),
        experts=ExpertConfig(
            words_per_second=None, unit_cost=(0.01, 0.05), other_competence=(0.5, 1)
        ),
        quality=QualityConfig(deadline_s=60.0),  # else who is late is declined
        energy_budget_j=3.0,
        credit_budget=20.0,
    )
    world, seen = World(config, 10, seed=0, mechanism=mechanisms.make(mechanism)), 0
    while not world.done:
        slot = world.slot
        follows = 7 - slot.index
        e = slot.index % 4
        whole = slot.mask[..., e].all(axis=-1)  # nobody is spent, nobody is declined
        expected = expected_rest(slot.conditions, slot.offer, users)[..., e]
        kept = rest(slot.conditions)[..., 0]
        *_, result = world.step(np.full((10, users), e))
        whole &= result.transferred.all(axis=-1)
        shares = [world.budgets.energy_j / 3.0, world.budgets.credits / 20.0]
        left = np.maximum(np.minimum(*shares), 0)
        np.testing.assert_allclose(
            expected[whole], np.sqrt(left * follows / 8)[whole], rtol=1e-4, atol=1e-3
        )
        assert (expected[whole] <= kept[whole]).all()
        seen += int(whole.sum())
    assert seen >= 15


def test_of_a_budget_that_a_user_has_not_nothing_is_missing() -> None:
    config = WorldConfig(
        num_users=3,
        num_experts=2,
        requests=ALWAYS,
        energy_budget_j={"each": [0.5, None, 2.0]},  # type: ignore[arg-type]
    )
    world = World(config, 2, seed=0)
    conditions = world.slot.conditions
    follows = 1 - 1 / config.episode_slots
    after = rest(conditions, 0.25)[..., 0]
    np.testing.assert_allclose(after**2 / follows, [[0.5, 1.0, 0.875]] * 2, rtol=1e-12)
    assert not rest(conditions, 2.5)[:, [0, 2]].any()  # the transfer that overspends is the last
