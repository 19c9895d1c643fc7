"""Budgets of users over an episode: energy and credits."""

import numpy as np
import pytest

import mechanisms
from envs import MarketConfig, RequestConfig, World, WorldConfig, edge_experts_v0
from envs.observation import column_names

ONE = RequestConfig(num_transferred=1)


def test_the_transfer_that_overspends_completes_and_is_the_last() -> None:
    config = WorldConfig(num_users=3, requests=ONE, energy_budget_j=1.0, allow_abandon=False)
    world = World(config, num_worlds=20, seed=0)
    spent = np.zeros((20, 3))
    while not world.done:
        ended = spent >= 1.0
        mask = world.slot.mask
        np.testing.assert_array_equal(mask[..., :-1].any(axis=-1), ~ended)
        np.testing.assert_array_equal(mask[..., -1], ended)
        *_, result = world.step(np.full((20, 3), 4))
        np.testing.assert_array_equal(result.transferred, ~ended)
        np.testing.assert_array_equal(result.rejected, ended)
        assert not result.energy_j[ended].any()
        spent += result.energy_j
    assert (spent >= 1.0).all()
    assert (spent < 1.0 + 0.8).all()  # 330 words at 5 dB take 0.77 J
    world.reset()
    assert world.slot.mask[..., :-1].all()


def test_charges_are_spent_out_of_credits() -> None:
    config = WorldConfig(
        num_users=4, requests=ONE, credit_budget=3.0, market=MarketConfig(interval=1)
    )
    world = World(config, num_worlds=20, seed=0, mechanism=mechanisms.make("cost_plus"))
    charged = np.zeros((20, 4))
    while not world.done:
        assert (world.slot.mask[..., :-1].any(axis=-1) <= (charged < 3.0)).all()
        actions = world.slot.expected_gain().argmax(axis=-1)
        charged += world.step(actions)[2].charge
    assert (charged >= 3.0).any()


def test_shares_left_are_seen_and_the_last_slot_terminates() -> None:
    config = WorldConfig(
        num_users=2, requests=ONE, episode_slots=4, energy_budget_j=1.0, credit_budget=2.0
    )
    env = edge_experts_v0.parallel_env(config)
    seen, _ = env.reset(seed=0)
    names, left = column_names(config), 1.0
    for slot in range(4):
        row = dict(zip(names, seen["user_0"].tolist(), strict=True))
        assert row["energy_left"] == pytest.approx(left, rel=1e-6)
        assert row["credits_left"] == 1.0  # nobody is paid
        assert row["episode_left"] == 1 - slot / 4
        seen, _, terminated, truncated, infos = env.step({"user_0": 0, "user_1": 30})
        left -= infos["user_0"]["energy_j"]
        assert terminated == dict.fromkeys(("user_0", "user_1"), slot == 3)
        assert not any(truncated.values())
        left = max(left, 0.0)
    assert World(config, seed=0).terminates
    assert not World(WorldConfig(), seed=0).terminates
    assert "energy_left" not in column_names(WorldConfig())


def test_who_has_spent_its_budget_is_allocated_nobody() -> None:
    config = WorldConfig(num_users=6, num_experts=12, requests=ONE, energy_budget_j=0.5)
    world = World(config, num_worlds=10, seed=0, mechanism=mechanisms.make("vcg"))
    allocated = 0
    while not world.done:
        spent = world.budgets.energy_j <= 0
        expert = world.slot.offer.allocation.expert
        assert (expert[spent] == -1).all()
        allocated += int((expert >= 0).sum())
        world.step(np.where(expert >= 0, expert, 12))
    assert allocated > 0
    assert spent.any()
