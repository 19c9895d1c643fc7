"""Batteries of experts: every joule booked once, nobody served from an empty one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

import mechanisms
from envs import World, WorldConfig
from envs.observation import column_names

AnyActions = Callable[[World, np.random.Generator], np.ndarray]
GROUPS = {
    "wired": {"count": 3},
    "masts": {"count": 2, "battery_j": 40.0, "joules_per_word": 0.05, "recharge_w": 0.5},
    "kites": {"count": 2, "battery_j": [15.0, 30.0], "joules_per_word": [0.1, 0.3]},
}


def config(**keys: Any) -> WorldConfig:
    plain = {"num_users": 8, "episode_slots": 30, "expert_groups": GROUPS} | keys
    return TypeAdapter(WorldConfig).validate_python(plain)


@pytest.mark.parametrize("payer", ["user", "edge_device"])
@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_what_batteries_lose_is_what_was_sent_and_computed(
    payer: str, mechanism: str, any_actions: AnyActions
) -> None:
    settings = config(reward={"downlink_energy": payer})
    world = World(settings, 3, seed=0, mechanism=mechanisms.make(mechanism))
    rng, spent_j = np.random.default_rng(1), np.zeros((3, 7))
    while not world.done:
        left_j, conditions, pool = world.batteries.left_j, world.slot.conditions, world.pool
        actions = any_actions(world, rng)
        _, _, result = world.step(actions)
        expected_j = np.zeros((3, 7))
        for w, u in np.argwhere(result.transferred):
            e = actions[w, u]
            words = conditions.subtasks.words[w, u]
            if payer == "user":  # pays for both ways, of which the answer's part is sent from there
                answer_j = result.energy_j[w, u] * words / (30 + words)
            else:
                answer_j = result.energy_j[w, u] * words / 30
            expected_j[w, e] += answer_j + pool.joules_per_word[w, e] * conditions.work[w, u]
        limited = np.isfinite(left_j)
        np.testing.assert_allclose(result.battery_j, expected_j, rtol=1e-9)
        charged = left_j - result.battery_j + 6 * pool.recharge_w
        np.testing.assert_array_equal(world.batteries.left_j, np.minimum(charged, pool.battery_j))
        assert (result.load[limited & (left_j <= 0)] == 0).all()
        spent_j += result.battery_j
    empty = world.batteries.left_j <= 0
    assert empty[:, 5:].any()
    gone_j = (pool.battery_j - world.batteries.left_j)[:, 5:]  # kites are never recharged
    np.testing.assert_allclose(gone_j, spent_j[:, 5:], rtol=1e-9)
    assert not empty[:, :3].any()


def test_an_empty_expert_is_masked_and_a_recharged_one_returns() -> None:
    groups = {"mast": {"count": 1, "battery_j": 1.0, "joules_per_word": 0.1, "recharge_w": 1.0}}
    world = World(config(expert_groups=groups, num_users=1), seed=0)
    up = []
    for _ in range(12):
        up.append(bool(world.slot.mask[0, 0, 0]))
        world.step([[0 if up[-1] else 1]])
    assert up[0]
    assert not up[1]  # 100 to 300 words of work take 5 to 45 J, and 6 J a slot return
    assert any(up[1:])


def test_the_column_is_the_share_left_where_anybody_has_a_battery() -> None:
    world = World(config(), seed=0)
    names = column_names(world.config)
    columns = [names.index(f"expert_{e}.battery_left") for e in range(7)]
    assert (world.slot.observation[0, 0, columns] == 1).all()
    world.step(np.full((1, 8), 5))
    share = world.batteries.left_j / world.pool.battery_j
    seen = world.slot.observation[0, 0, columns]
    np.testing.assert_allclose(seen[3:], np.maximum(share[0, 3:], 0), rtol=1e-6)
    assert (seen[:3] == 1).all()
    assert not any("battery" in name for name in column_names(WorldConfig()))


def test_a_state_and_newcomers_keep_what_is_left() -> None:
    world, other = World(config(), 2, seed=0), World(config(), 2, seed=9)
    for _ in range(3):
        world.step(np.full((2, 8), 5))
    other.set_state(world.get_state())
    np.testing.assert_array_equal(other.batteries.left_j, world.batteries.left_j)
    before = world.batteries.left_j
    world.add_experts(7)
    np.testing.assert_array_equal(world.batteries.left_j[:, :7], before)
    np.testing.assert_array_equal(world.batteries.left_j[:, 7:], world.pool.battery_j[:, 7:])
    world.reset()
    np.testing.assert_array_equal(world.batteries.left_j, world.pool.battery_j)


def test_a_battery_that_never_empties_changes_nothing_else(any_actions: AnyActions) -> None:
    plain = {"mast": {"count": 7}}
    plenty = {"mast": {"count": 7, "battery_j": 1e6}}
    worlds = [World(config(expert_groups=groups), 2, seed=4) for groups in (plain, plenty)]
    rng = np.random.default_rng(0)
    for _ in range(10):
        actions = any_actions(worlds[0], rng)
        results = [world.step(actions)[2] for world in worlds]
        for name in set(results[0]._fields) - {"battery_j"}:
            np.testing.assert_array_equal(*(getattr(result, name) for result in results))


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), [5, 2], "full", {"each": [1.0]}])
def test_a_battery_that_cannot_be_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="battery_j"):
        config(expert_groups={"mast": {"count": 7, "battery_j": value}})


@pytest.mark.parametrize("key", ["recharge_w", "joules_per_word"])
def test_keys_of_batteries_need_one(key: str) -> None:
    with pytest.raises(ValueError, match=f"experts.{key} has no effect without"):
        config(expert_groups=None, experts={key: 1.0})
    with pytest.raises(ValueError, match=f"expert_groups.mast.{key} has no effect without"):
        config(expert_groups={"mast": {"count": 7, key: 1.0}})
    groups = {"uav": {"count": 3, "battery_j": 5.0}, "mast": {"count": 4, key: 1.0}}
    with pytest.raises(ValueError, match=f"expert_groups.mast.{key} has no effect without"):
        config(expert_groups=groups)
