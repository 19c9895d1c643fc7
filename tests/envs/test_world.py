"""Episodes: seeds, independence of actions, capacity, availability and growth."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from scipy import stats

import mechanisms
from envs import ChannelConfig, ExpertConfig, QualityConfig, RequestConfig, World, WorldConfig
from envs.observation import observation_size

Actions = Callable[[World, np.random.Generator], np.ndarray]
BUSY = WorldConfig(
    num_users=5,
    num_experts=4,
    episode_slots=12,
    requests=RequestConfig(arrival_probability=0.8, topic_persistence=0.5),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
    experts=ExpertConfig(max_concurrent=2, availability_probability=0.8, resample="episode"),
    quality=QualityConfig(judge_noise=0.16),
)


def record(
    world: World, any_actions: Actions, seed: int | None, episodes: int = 2
) -> list[np.ndarray]:
    """Return everything that some episodes return, under the same actions for every world."""
    rng = np.random.default_rng(0)
    seen = []
    for episode in range(episodes):
        seen.append(world.reset(seed if episode == 0 else None).copy())
        while not world.done:
            observation, reward, result = world.step(any_actions(world, rng))
            seen += [observation.copy(), reward, world.slot.mask, *result]
    return seen


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(first, second, strict=True)
    )


@given(data=st.data())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_seed_fixes_whole_episodes_bit_for_bit(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config, seed = data.draw(world_configs), data.draw(st.integers(0, 2**32 - 1))
    mechanism = mechanisms.make("posted_price")
    by_constructor = record(World(config, 2, seed, mechanism), any_actions, None)
    by_reset = record(World(config, 2, 99, mechanism), any_actions, seed)
    assert same(by_constructor, by_reset)


def test_another_seed_gives_another_episode(any_actions: Actions) -> None:
    first, second = (record(World(BUSY, 2), any_actions, seed) for seed in (1, 2))
    assert not same(first, second)


def test_a_world_without_a_seed_differs_from_the_next(any_actions: Actions) -> None:
    assert not same(
        record(World(BUSY), any_actions, None, 1), record(World(BUSY), any_actions, None, 1)
    )


def test_the_second_episode_differs_from_the_first() -> None:
    world = World(BUSY, seed=0)
    first = world.reset().copy()
    assert not np.array_equal(first, world.reset())


def test_a_reset_after_a_step_begins_an_episode_even_without_one_before() -> None:
    world = World(BUSY, seed=0)
    world.step(np.zeros((1, 5), int))
    world.reset()
    assert world.slot.index == 0
    assert (world.occupancy.load == 0).all()


def test_worlds_of_a_batch_differ() -> None:
    world = World(BUSY, num_worlds=2, seed=0)
    assert not np.array_equal(
        world.slot.conditions.links.snr_db[0], world.slot.conditions.links.snr_db[1]
    )
    assert not np.array_equal(
        world.requests.request_subtasks[0], world.requests.request_subtasks[1]
    )


def test_every_policy_meets_the_same_requests_channels_availability_lots_pool_and_noise(
    any_actions: Actions,
) -> None:
    def exogenous(policy: Callable[[World], np.ndarray]) -> list[np.ndarray]:
        world = World(BUSY, num_worlds=3, seed=0)
        seen = []
        for _ in range(3):
            world.reset()
            while not world.done:
                *_, result = world.step(policy(world))
                requests = world.requests
                seen += [
                    requests.subtasks.pending,
                    requests.subtasks.topic,
                    requests.subtasks.weight,
                    requests.subtasks.words,
                    requests.subtasks.compute,
                ]
                seen += [
                    world.slot.conditions.links.snr_db,
                    world.available,
                    world.lots,
                    world.pool.competence,
                    result.local_utility,
                ]
        return seen

    rng = np.random.default_rng(7)
    abandoning = exogenous(lambda world: np.full((3, 5), world.num_experts))
    crowding = exogenous(lambda world: np.zeros((3, 5), int))
    assert same(abandoning, crowding)
    assert same(abandoning, exogenous(lambda world: any_actions(world, rng)))


def test_experts_are_up_with_their_probability_and_refuse_everybody_when_down() -> None:
    config = WorldConfig(
        num_experts=10,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(availability_probability=0.3),
        allow_abandon=False,
    )
    world = World(config, num_worlds=200, seed=0)
    up = 0.0
    for _ in range(10):
        mask = world.slot.mask[:, 0]
        up += mask[:, :10].mean() / 10
        np.testing.assert_array_equal(mask[:, 10], ~mask[:, :10].any(axis=1))
        *_, result = world.step(np.zeros((200, 1), int))
        np.testing.assert_array_equal(result.transferred[:, 0], mask[:, 0])
        np.testing.assert_array_equal(result.rejected[:, 0], ~mask[:, 0])
    assert up == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 20_000))


def test_an_expert_is_up_in_a_slot_whether_it_was_in_the_one_before_or_not() -> None:
    world = World(
        WorldConfig(experts=ExpertConfig(availability_probability=0.3)), num_worlds=400, seed=0
    )
    before = world.available.ravel()
    world.step(np.zeros((400, 1), int))
    table = np.bincount(2 * before + world.available.ravel(), minlength=4).reshape(2, 2)
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_users_without_a_subtask_may_only_abandon_and_earn_nothing() -> None:
    config = WorldConfig(
        num_users=4,
        requests=RequestConfig(num_transferred=1, arrival_probability=0.3),
        allow_abandon=False,
    )
    world = World(config, num_worlds=30, seed=0)
    for _ in range(5):
        idle = ~world.requests.active
        assert idle.any()
        only_abandon = np.arange(31) == 30
        assert (world.slot.mask[idle] == only_abandon).all()
        _, reward, result = world.step(np.zeros((30, 4), int))  # everybody requests expert 0
        assert (reward[idle] == 0).all()
        assert np.isnan(result.utility[idle]).all()
        assert result.rejected[idle].all()
        assert not result.transferred[idle].any()
        assert result.transferred[~idle].all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_actions_of_any_integer_type_are_the_same_actions(dtype: type) -> None:
    actions = np.array([[0, 4, 2, 1, 1]])
    (_, expected, _), (_, reward, _) = (
        World(BUSY, seed=0).step(a) for a in (actions, actions.astype(dtype))
    )
    np.testing.assert_array_equal(reward, expected)


@pytest.mark.parametrize(
    "actions",
    [
        np.full((2, 5), 5),  # E + 1
        np.full((2, 5), -1),
        np.full((2, 5), 1.0),
        np.full((2, 5), True),
        np.full((2, 5), "0"),
        np.zeros((5,), int),
        np.zeros((2, 4), int),
        np.zeros((2, 5, 1), int),
    ],
)
def test_actions_out_of_range_or_shape_or_not_integer_raise_and_change_nothing(
    actions: np.ndarray,
) -> None:
    world = World(BUSY, num_worlds=2, seed=0)
    before = world.slot.observation.copy()
    with pytest.raises(ValueError, match="actions should"):
        world.step(actions)
    assert world.slot.index == 0
    np.testing.assert_array_equal(world.slot.observation, before)


def test_a_step_after_the_end_raises_until_reset() -> None:
    world = World(BUSY, seed=0)
    for _ in range(12):
        assert not world.done
        world.step(np.zeros((1, 5), int))
    assert world.done
    with pytest.raises(RuntimeError, match="reset"):
        world.step(np.zeros((1, 5), int))
    world.reset()
    world.step(np.zeros((1, 5), int))


def test_a_batch_of_no_worlds_is_refused() -> None:
    with pytest.raises(ValueError, match="num_worlds"):
        World(BUSY, num_worlds=0)


def test_mask_and_observation_of_a_slot_cannot_be_written_to() -> None:
    slot = World(BUSY, seed=0).slot
    for array in (slot.mask, slot.observation):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    assert slot.mask.any()


def test_added_experts_join_a_world_that_goes_on() -> None:
    config = WorldConfig(
        num_users=3,
        num_experts=7,
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(availability_probability=0.5),
    )
    world = World(config, num_worlds=4, seed=0)
    for _ in range(7):
        world.step(np.zeros((4, 3), int))
    pool, snr_db = world.pool, world.slot.conditions.links.snr_db
    before, available = world.occupancy, world.available.copy()
    words, position = world.requests.subtasks.words, world.requests.position.copy()
    last_expert = world.occupancy.last_expert.copy()
    world.add_experts(5)
    assert (world.num_experts, world.config.num_experts, world.slot.index) == (12, 12, 7)
    assert world.pool.topic.tolist() == [e % 6 for e in range(12)]
    for table in ("competence", "unit_cost", "cost_slope"):
        np.testing.assert_array_equal(getattr(world.pool, table)[:, :7], getattr(pool, table))
    np.testing.assert_allclose(world.pool.competence[:, 7:].mean(axis=(1, 2)), 0.26)
    np.testing.assert_array_equal(world.slot.conditions.links.snr_db[..., :7], snr_db)
    for backlog in ("airtime_backlog_s", "compute_backlog_s"):
        had = np.pad(getattr(before, backlog), ((0, 0), (0, 5)))
        np.testing.assert_array_equal(getattr(world.occupancy, backlog), had)
    np.testing.assert_array_equal(world.available[:, :7], available)
    np.testing.assert_array_equal(world.requests.subtasks.words, words)
    np.testing.assert_array_equal(world.requests.position, position)
    np.testing.assert_array_equal(world.occupancy.last_expert, last_expert)
    assert world.slot.observation.shape == (4, 3, observation_size(world.config))
    assert world.slot.mask.shape == (4, 3, 13)
    newest_up = world.available[:, 11]
    *_, result = world.step(np.full((4, 3), 11))
    np.testing.assert_array_equal(result.load[:, 11] > 0, newest_up & result.pending.any(axis=1))
    world.step(np.full((4, 3), 12))
    with pytest.raises(ValueError, match=r"0\.\.12"):
        world.step(np.full((4, 3), 13))
    with pytest.raises(ValueError, match="count"):
        world.add_experts(0)


def test_grown_worlds_begin_new_episodes_at_their_new_size() -> None:
    world = World(WorldConfig(num_experts=3, episode_slots=2), num_worlds=2, seed=0)
    world.add_experts(2)
    competence = world.pool.competence
    assert world.reset().shape[-1] == observation_size(world.config)
    for _ in range(2):
        world.step([[4], [5]])
    assert world.reset().shape[-1] == observation_size(world.config)
    np.testing.assert_array_equal(world.pool.competence, competence)
