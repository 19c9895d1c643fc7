"""Observations: every column from its definition, bounds, and what no user may see."""

from collections.abc import Callable
from math import exp, log, log2

import numpy as np
import pytest
from gymnasium.spaces import Box
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import ChannelConfig, ExpertConfig, MarketConfig, RequestConfig, World, WorldConfig
from envs.observation import bounds, column_names, observation_size

Actions = Callable[[World, np.random.Generator], np.ndarray]


Served = dict[tuple[int, int], int]  # (world, user): the expert that served it in a slot


def columns_of_user(world: World, n: int, u: int, slots: list[Served]) -> dict[str, float]:
    """Return all columns of user u of world n by name, from their definitions.

    Args:
        world: the world.
        n: number of the world in the batch.
        u: number of the user.
        slots: the experts that served users, for each slot so far.
    """
    last = slots[-1] if slots else {}
    config, requests = world.config, world.requests
    pending = bool(requests.subtasks.pending[n, u])
    words = float(requests.subtasks.words[n, u])
    seen = {
        "pending": float(pending),
        "weight": config.requests.num_subtasks * float(requests.subtasks.weight[n, u]),
        "words": words / config.requests.words[1],
        "compute_need": float(requests.subtasks.compute[n, u]) / config.requests.compute_need[1],
    }
    gap = -log(5 * config.channel.target_ber) / 1.5 if config.channel.ber == "qam" else 1.0
    speed = config.experts.words_per_second
    for e in range(world.num_experts):
        snr = 10 ** (float(world.slot.conditions.links.snr_db[n, u, e]) / 10)
        bits = (
            config.channel.bits_per_word * (config.channel.prompt_words + words) if pending else 0.0
        )
        sending_s = bits / (config.channel.bandwidth_hz * log2(1 + snr / gap))
        computing_s = 0.0 if speed is None else words / speed
        price, effort = float(world.slot.offer.unit_price[n, e]), 1.0
        if world.mechanism.name != "none":
            effort = min(
                max((price - world.pool.unit_cost[n, e]) / world.pool.cost_slope[n, e], 0.0), 1.0
            )
        topic = int(requests.subtasks.topic[n, u])
        matches = float(e % config.requests.num_topics == topic)
        competence = (
            float(world.pool.competence[n, e, topic]) if config.information == "known" else matches
        )
        others = sum(last.get((n, other)) == e for other in range(world.num_users) if other != u)
        seen |= {
            f"expert_{e}.available": float(pending and world.available[n, e] and effort > 0),
            f"expert_{e}.competence": max(min(competence * effort, 2.0), -2.0),
            f"expert_{e}.energy": 2.0 * 0.1 * sending_s,
            f"expert_{e}.delay": min((sending_s + computing_s) / config.quality.deadline_s, 10.0),
            f"expert_{e}.load": min(others / 4, 25.0),
            f"expert_{e}.mine": float(last.get((n, u)) == e),
            f"expert_{e}.airtime_backlog": min(
                float(world.occupancy.airtime_backlog_s[n, e]) / config.slot_s, 10.0
            ),
            f"expert_{e}.unit_price": min(price / config.market.value, 10.0),
            f"expert_{e}.recent_load": min(recent_load(world, n, e, slots) / 4, 25.0),
            f"expert_{e}.attraction": min(attraction_of(world, n, e) * world.num_experts, 10.0),
        }
    return seen


def recent_load(world: World, n: int, e: int, slots: list[Served]) -> float:
    """Average the users served by an expert: weights 0.3, 0.3 x 0.7, ... from the last slot on."""
    served = [
        sum(slot.get((n, u)) == e for u in range(world.num_users)) for slot in reversed(slots)
    ]
    return sum(0.3 * 0.7**age * count for age, count in enumerate(served))


def attraction_of(world: World, n: int, e: int) -> float:
    """Return the expert's share of requests: softmaxes at 0.1, weighted by Zipf popularity."""
    config = world.config
    rank = [1 / (m + 1) ** config.requests.zipf_exponent for m in range(config.requests.num_topics)]
    share = 0.0
    for m, popularity in enumerate(rank):
        seen = (
            world.pool.competence[n, :, m]
            if config.information == "known"
            else world.pool.topic == m
        )
        weights = [exp((float(a) - float(max(seen))) / 0.1) for a in seen]
        share += popularity / sum(rank) * weights[e] / sum(weights)
    return share


@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_column_holds_what_its_name_says_within_its_bounds(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config, seed = data.draw(world_configs), data.draw(st.integers(0, 2**32 - 1))
    mechanism = mechanisms.make(data.draw(st.sampled_from(["none", "posted_price"])))
    world = World(config, num_worlds=2, seed=seed, mechanism=mechanism)
    rng = np.random.default_rng(seed)
    low, high = bounds(config)
    space = Box(low, high, dtype=np.float32)
    names = column_names(world.config)
    observation = world.reset()
    slots: list[Served] = []
    while True:
        assert observation.dtype == np.float32
        assert observation.shape == (2, world.num_users, len(names))
        for n, u in np.ndindex(2, world.num_users):
            assert space.contains(observation[n, u])
            expected = columns_of_user(world, n, u, slots)
            assert list(expected) == names
            np.testing.assert_allclose(
                observation[n, u], list(expected.values()), rtol=3e-6, atol=1e-6
            )
        if world.done:
            return
        actions = any_actions(world, rng)
        observation, _, result = world.step(actions)
        slots.append(
            {(int(n), int(u)): int(actions[n, u]) for n, u in np.argwhere(result.transferred)}
        )


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_observations_stay_in_their_box_when_everything_is_crowded(mechanism: str) -> None:
    config = WorldConfig(
        num_users=130,
        num_experts=2,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(words_per_second=1.0, own_competence=(3, 4), mean_competence=0.0),
        market=MarketConfig(value=0.01),
    )
    world = World(config, seed=0, mechanism=mechanisms.make(mechanism))
    space = Box(*bounds(config), dtype=np.float32)
    for _ in range(5):
        observation, *_ = world.step(np.zeros((1, 130), int))
        assert all(space.contains(seen) for seen in observation[0])
    if mechanism == "none":
        column = dict(zip(column_names(config), observation[0, 0], strict=True))
        assert (
            column["expert_0.airtime_backlog"],
            column["expert_0.load"],
            column["expert_0.delay"],
        ) == (
            10,
            25,
            10,
        )


@pytest.mark.parametrize("snr_db", np.linspace(-10, 25, 36).tolist())
def test_the_dearest_transfer_that_a_config_allows_is_on_the_bound_and_not_past_it(
    snr_db: float,
) -> None:
    config = WorldConfig(
        num_experts=1,
        requests=RequestConfig(
            num_transferred=1, words=(200 / 3, 200 / 3), compute_need=(0.7, 0.7)
        ),
        channel=ChannelConfig(snr_db=(snr_db, snr_db)),
    )
    observation = World(config, seed=0).reset()[0, 0]
    low, high = bounds(config)
    assert Box(low, high, dtype=np.float32).contains(observation)
    column = column_names(config).index("expert_0.energy")
    assert observation[column] == pytest.approx(high[column], rel=2e-5)


@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_mask_is_the_available_columns_and_the_way_out(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config, seed = data.draw(world_configs), data.draw(st.integers(0, 2**32 - 1))
    world = World(config, num_worlds=3, seed=seed, mechanism=mechanisms.make("posted_price"))
    rng = np.random.default_rng(seed)
    available = [name.endswith(".available") for name in column_names(world.config)]
    while not world.done:
        mask, observation = world.slot.mask, world.slot.observation
        np.testing.assert_array_equal(mask[..., :-1], observation[..., available] == 1)
        for n, u in np.ndindex(mask.shape[:2]):
            usable = world.available[n] & (world.slot.offer.unit_price[n] > world.pool.unit_cost[n])
            can_transfer = world.requests.subtasks.pending[n, u] and usable.any()
            assert mask[n, u, :-1].tolist() == [
                bool(world.requests.subtasks.pending[n, u] and x) for x in usable
            ]
            assert mask[n, u, -1] == (config.allow_abandon or not can_transfer)
        assert mask.any(axis=-1).all()
        world.step(any_actions(world, rng))


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_what_others_do_reaches_me_a_slot_later_through_load_backlog_and_prices_alone(
    mechanism: str,
) -> None:
    config = WorldConfig(num_users=4, num_experts=5, market=MarketConfig(interval=1))
    worlds = [
        World(config, num_worlds=6, seed=0, mechanism=mechanisms.make(mechanism)) for _ in range(2)
    ]
    rng = np.random.default_rng(0)
    for _ in range(4):
        common = rng.integers(6, size=(6, 4))
        first, second = (world.step(common)[0] for world in worlds)
    np.testing.assert_array_equal(first, second)  # whatever the others are about to choose
    crowded, empty = common.copy(), common.copy()
    crowded[:, 1:], empty[:, 1:] = common[:, :1], 5
    after, other = (
        world.step(a)[0][:, 0] for world, a in zip(worlds, (crowded, empty), strict=True)
    )
    names = np.array(column_names(config))
    differs = {name.split(".")[-1] for name in names[(after != other).any(axis=0)]}
    through, moved_by_prices = {"load", "recent_load", "airtime_backlog", "compute_backlog"}, set()
    if mechanism != "none":
        through |= {"unit_price"}
        moved_by_prices = {"competence", "available"}  # by effort and participation
    assert through <= differs <= through | moved_by_prices


def test_columns_are_named_once_and_count_to_the_size() -> None:
    names = column_names(3)
    assert len(names) == len(set(names)) == observation_size(3) == 4 + 3 * 10
    assert names[4].endswith("available")
    assert names[4 + 10].endswith("available")
