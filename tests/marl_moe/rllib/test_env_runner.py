"""Fragments of env runners, against the same actions in a World and in the PettingZoo view."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

import mechanisms
from envs import WorldConfig, edge_experts_v0
from marl_moe.policies.columns import columns_of
from marl_moe.policies.masks import action_mask
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.replay import Fragment

Make = Callable[..., Any]
FRAGMENT = 5


@pytest.fixture
def runner(sac_config: Make, patchy_world: WorldConfig) -> WorldRunner:
    """3 worlds of 12 slots, 5 slots a fragment, with payments."""
    return WorldRunner(
        config=sac_config(patchy_world, mechanism="posted_price", fragment=FRAGMENT), worker_index=1
    )


def world_seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(2)[0])


def test_columns_are_what_a_world_gives_for_the_recorded_actions(runner: WorldRunner) -> None:
    world = deepcopy(runner.world)
    seen, slot = world.slot.observation, 0
    for _ in range(6):
        fragment = runner.sample()
        for row, starts in enumerate(fragment.starts):
            np.testing.assert_array_equal(fragment.observation[row], seen)
            if starts:
                seen, reward, _ = world.step(fragment.action[row])
                np.testing.assert_array_equal(fragment.reward[row], reward)
                slot += 1
            elif slot % 12 == 0:
                assert world.done
                seen = world.reset()
    assert slot == 24  # two episodes in fragments of 5, 5 and 2 slots


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_one_world_gives_the_transitions_of_the_pettingzoo_environment(
    sac_config: Make, patchy_world: WorldConfig, mechanism: str
) -> None:
    config = sac_config(patchy_world, mechanism=mechanism, num_envs=1, fragment=FRAGMENT, seed=11)
    runner = WorldRunner(config=config, worker_index=2)
    env = edge_experts_v0.parallel_env(config=patchy_world, mechanism=mechanisms.make(mechanism))
    seen, _ = env.reset(seed=world_seed(11, 2))
    for _ in range(6):
        fragment = runner.sample()
        for row, starts in enumerate(fragment.starts):
            for u in range(3):
                np.testing.assert_array_equal(fragment.observation[row, 0, u], seen[f"user_{u}"])
            if starts:
                actions = {f"user_{u}": int(fragment.action[row, 0, u]) for u in range(3)}
                seen, reward, _, truncated, _ = env.step(actions)
                assert [reward[f"user_{u}"] for u in range(3)] == fragment.reward[row, 0].tolist()
            elif not env.agents:
                assert all(truncated.values())
                seen, _ = env.reset()


def test_rows_that_only_close_an_episode_or_a_fragment_are_marked(runner: WorldRunner) -> None:
    fragments = [runner.sample() for _ in range(6)]
    # The last fragment ends with the episode.
    episode = [[True] * 5 + [False], [True] * 5 + [False], [True] * 2 + [False]]
    assert [fragment.starts.tolist() for fragment in fragments] == episode * 2
    assert [fragment.continues for fragment in fragments] == [False, True, True] * 2
    for before, after in pairwise(fragments):
        if after.continues:
            np.testing.assert_array_equal(before.observation[-1], after.observation[0])


def test_a_fragment_after_one_that_ended_with_its_episode_continues_nothing(
    sac_config: Make, small_world: WorldConfig
) -> None:
    runner = WorldRunner(config=sac_config(small_world, fragment=5), worker_index=0)
    fragments = [runner.sample() for _ in range(4)]
    assert [fragment.continues for fragment in fragments] == [False, True, False, True]
    assert [len(fragment.starts) for fragment in fragments] == [6, 6, 6, 6]


@pytest.mark.parametrize(
    "users", [None, {"ahead": [2, 0], "behind": [1]}], ids=["shared", "groups"]
)
def test_every_recorded_action_was_allowed_to_its_user_and_several_are_tried(
    sac_config: Make, patchy_world: WorldConfig, users: dict[str, list[int]] | None
) -> None:
    config = sac_config(patchy_world, mechanism="posted_price", users=users)
    runner = WorldRunner(config=config, worker_index=1)
    tried = set()
    for _ in range(8):
        fragment = runner.sample()
        seen = torch.from_numpy(fragment.observation[fragment.starts]).flatten(0, 2)
        actions = fragment.action[fragment.starts].ravel()
        columns = columns_of(patchy_world, allocates=False)
        mask = action_mask(seen, True, columns).numpy()
        assert mask[np.arange(len(actions)), actions].all()
        tried |= set(actions.tolist())
    assert len(tried) >= 4


def two_fragments(config: Any, index: int, weights: Any) -> list[Fragment]:
    runner = WorldRunner(config=config, worker_index=index)
    runner.set_state({"rl_module": weights})
    return [runner.sample(), runner.sample()]


def test_runners_of_one_index_repeat_and_of_two_differ(runner: WorldRunner) -> None:
    weights = runner.get_state()["rl_module"]
    first, again, other = (two_fragments(runner.config, index, weights) for index in (1, 1, 2))
    for one, two, three in zip(first, again, other, strict=True):
        for column in ("observation", "action", "reward"):
            np.testing.assert_array_equal(getattr(one, column), getattr(two, column))
            assert (getattr(one, column) != getattr(three, column)).any()
    assert (first[0].runner, other[0].runner) == (1, 2)


def test_another_seed_is_another_world(runner: WorldRunner) -> None:
    weights = runner.get_state()["rl_module"]
    reseeded = runner.config.copy(copy_frozen=False).debugging(seed=99)
    first, other = (two_fragments(config, 1, weights)[0] for config in (runner.config, reseeded))
    assert (first.observation != other.observation).any()


def test_the_state_carries_the_actors_from_one_runner_to_another(runner: WorldRunner) -> None:
    other = WorldRunner(config=runner.config, worker_index=5)
    seen = torch.from_numpy(runner.world.slot.observation).flatten(0, 1)

    def scores(of: WorldRunner) -> torch.Tensor:
        return of.module["shared"].forward_exploration({"obs": seen})["action_dist_inputs"]

    with torch.no_grad():
        for parameter in runner.module["shared"].parameters():
            parameter += 0.5
    assert not torch.equal(scores(other), scores(runner))
    other.set_state(runner.get_state())
    torch.testing.assert_close(scores(other), scores(runner), rtol=0, atol=0)


@pytest.mark.parametrize("fragments", [1, 3])
def test_worlds_handed_to_another_runner_continue_bit_for_bit(
    runner: WorldRunner, fragments: int
) -> None:
    for _ in range(fragments):  # in mid-episode, and at the beginning of the next
        runner.sample()
    other = WorldRunner(
        config=runner.config.copy(copy_frozen=False).debugging(seed=99), worker_index=1
    )
    other.set_state(runner.get_state())
    other.set_worlds(runner.get_worlds())
    for _ in range(4):
        mine, continued = runner.sample(), other.sample()
        for field in fields(Fragment):
            np.testing.assert_array_equal(getattr(mine, field.name), getattr(continued, field.name))


def test_each_user_is_played_by_the_module_of_its_group(
    sac_config: Make, small_world: WorldConfig
) -> None:
    world = replace(small_world, num_users=3)
    config = sac_config(world, users={"ahead": [2, 0], "behind": [1]}, num_envs=20)
    runner = WorldRunner(config=config, worker_index=0)
    with torch.no_grad():
        for module, score_of_abandoning in (("ahead", 50), ("behind", -50)):
            for parameter in runner.module[module].parameters():
                parameter.zero_()
            runner.module[module].actor.abandon_out.bias.fill_(score_of_abandoning)
    fragment = runner.sample()
    abandoned = (fragment.action[fragment.starts] == 6).mean(axis=(0, 1))
    assert abandoned.tolist() == [1.0, 0.0, 1.0]


def test_metrics_are_the_sums_of_what_was_collected(runner: WorldRunner) -> None:
    fragments = [runner.sample(), runner.sample()]
    metrics = runner.get_metrics()
    reward = sum(float(fragment.reward[fragment.starts].sum(dtype=float)) for fragment in fragments)
    assert metrics["gain"].peek() == pytest.approx(reward, rel=1e-4)
    assert metrics["num_agent_slots"].peek() == 2 * FRAGMENT * 3 * 3
    assert metrics["num_env_steps_sampled"].peek() == 2 * FRAGMENT * 3
    assert metrics["num_slots"].peek() == 2 * FRAGMENT
