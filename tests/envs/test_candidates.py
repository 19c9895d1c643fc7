"""Candidate lists: the rule that fills them, and a world that is the same behind its lists."""

import tracemalloc
from collections import Counter
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    ObservationConfig,
    RequestConfig,
    World,
    WorldConfig,
    candidates,
)
from envs.candidates import Candidates, best_of_each_topic
from envs.channel.links import Links
from envs.channel.rates import Rate
from envs.conditions import Conditions
from envs.delivery import choose, deliver
from envs.features import expert_features
from envs.observation import Layout, observation_size
from envs.reports import user_reports
from envs.slot import Slot
from envs.transfers import Transfers

FADING = ChannelConfig(process="gauss_markov", correlation=0.9)
LISTED = WorldConfig(
    num_users=7,
    num_experts=40,
    observation=ObservationConfig(candidates=9),
    channel=FADING,
    experts=ExpertConfig(availability_probability=0.8),
)


def by_hand(rank: np.ndarray, topic: np.ndarray, count: int) -> list[int]:
    """Fill a list in rounds: the best expert left of each topic; in the last round by rank."""
    left = {
        t: sorted(np.flatnonzero(topic == t), key=lambda e: -rank[e]) for t in set(topic.tolist())
    }
    chosen: list[int] = []
    while len(chosen) < count:
        round_ = sorted(
            (experts.pop(0) for experts in left.values() if experts), key=lambda e: -rank[e]
        )
        chosen += [int(e) for e in round_[: count - len(chosen)]]
    return sorted(chosen)


@pytest.mark.parametrize("count", [1, 4, 6, 9, 29, 31])
def test_a_list_holds_the_best_of_each_topic(count: int) -> None:
    rng = np.random.default_rng(count)
    rank, topic = rng.uniform(5, 20, (50, 31)).astype(np.float32), np.arange(31) % 6
    chosen = best_of_each_topic(rank, topic, count)
    assert [row.tolist() for row in chosen] == [by_hand(row, topic, count) for row in rank]


def test_lists_are_of_the_means_that_the_world_without_lists_draws() -> None:
    everybody = World(replace(LISTED, observation=ObservationConfig()), num_worlds=3, seed=4)
    world = World(LISTED, num_worlds=3, seed=4)
    means = everybody.channel.mean_db
    for n, u in np.ndindex(3, 7):
        chosen = by_hand(means[n, u], world.pool.topic, 9)
        assert world.candidates.expert[n, u].tolist() == chosen
        np.testing.assert_array_equal(world.channel.mean_db[n, u], means[n, u, chosen])


@pytest.mark.parametrize("mechanism", ["none", "posted_price", "vcg"])
def test_a_list_of_everybody_is_the_world_without_lists_bit_for_bit(
    mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "PAIRS_AT_ONCE", 100)  # lists of two users at a time
    config = replace(LISTED, observation=ObservationConfig(candidates=40))
    listed, plain = (
        World(c, 3, 5, mechanisms.make(mechanism))
        for c in (config, replace(config, observation=ObservationConfig()))
    )
    assert listed.candidates.listed
    assert not plain.candidates.listed
    rng = np.random.default_rng(0)
    while not plain.done:
        np.testing.assert_array_equal(listed.slot.mask, plain.slot.mask)
        actions = rng.integers(41, size=(3, 7))
        (seen, reward, result), (as_seen, as_reward, as_result) = (
            world.step(actions) for world in (listed, plain)
        )
        np.testing.assert_array_equal(seen, as_seen)
        np.testing.assert_array_equal(reward, as_reward)
        for name, value in as_result._asdict().items():
            np.testing.assert_array_equal(getattr(result, name), value)


def test_a_slot_pays_what_the_formulas_say_of_the_experts_in_the_columns_chosen() -> None:
    config = replace(
        LISTED,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(words_per_second=None),
    )
    world = World(config, num_worlds=2, seed=0)
    actions = np.random.default_rng(1).integers(9, size=(2, 7))
    pool, expert = world.pool, world.candidates.expert.copy()
    words = world.requests.subtasks.words.copy()
    topic = world.requests.subtasks.topic.copy()
    snr_db = world.slot.conditions.links.snr_db
    *_, result = world.step(actions)
    for n, u in np.ndindex(2, 7):
        chosen = expert[n, u, actions[n, u]]
        with_me = sum(expert[n, v, actions[n, v]] == chosen for v in range(7))
        rate = 1000 / with_me * np.log2(1 + 10 ** (snr_db[n, u, actions[n, u]] / 10))
        delay_s = 48 * (30 + words[n, u]) / rate
        energy_j = 0.1 * delay_s / with_me  # power goes with the share of the band
        late = np.exp(-max(delay_s - 6, 0) / 3)
        competence = pool.competence[n, chosen, topic[n, u]]
        effective = competence * late if competence > 0 else competence
        gain = 5 * 0.85 * 0.86 * effective - 0.0025 * words[n, u] - 2 * energy_j
        assert result.delay_s[n, u] == pytest.approx(delay_s, rel=1e-5)
        assert result.gain[n, u] == pytest.approx(gain, rel=1e-4, abs=1e-5)
        assert result.load[n, chosen] == with_me


def without_lists(slot: Slot, rng: np.random.Generator) -> Slot:
    """Return the slot in which users may choose every expert, over channels that are the same."""
    conditions, allocates = slot.conditions, slot.offer.allocates
    config = replace(slot.config, observation=ObservationConfig())
    everybody = Candidates.everybody(slot.num_experts)
    shape = slot.num_worlds, slot.num_users, slot.num_experts
    snr_db = rng.uniform(*config.channel.snr_db, shape).astype(np.float32)
    np.put_along_axis(snr_db, conditions.candidates.expert, conditions.links.snr_db, axis=-1)
    links = Links.at(snr_db, Rate.of(config.channel))
    own = np.zeros(shape)
    np.put_along_axis(
        own, conditions.candidates.expert, conditions.occupancy.own_recent_load, axis=-1
    )
    occupancy = replace(conditions.occupancy, own_recent_load=own)
    parts = {name: getattr(conditions, name) for name in signature(Conditions.begin).parameters}
    given = {"config": config, "candidates": everybody, "links": links, "occupancy": occupancy}
    whole = Conditions.begin(**parts | given)
    return Slot.opened(whole, slot.offer, Layout(config, allocates), slot.lots, slot.account)


@given(data=st.data())
@settings(max_examples=max(50, settings().max_examples // 40), derandomize=True)
def test_a_slot_with_lists_is_the_slot_without_for_the_listed_pairs(
    world_configs: SearchStrategy[WorldConfig], data: DataObject
) -> None:
    config, seed = data.draw(world_configs), data.draw(st.integers(0, 2**32 - 1))
    count = data.draw(st.integers(1, config.num_experts))
    name = data.draw(st.sampled_from(["none", "posted_price", "budgeted_price", "vcg"]))
    mechanism, market = mechanisms.make(name), config.market
    if mechanism.allocates:
        market = replace(market, interval=None)
    config = replace(config, market=market, observation=ObservationConfig(candidates=count))
    world, rng = World(config, 2, seed, mechanism), np.random.default_rng(seed)
    columns = len(expert_features(config, mechanism.allocates))
    while not world.done:
        slot, expert = world.slot, world.candidates.expert
        whole = without_lists(slot, rng)

        def listed(pairs: np.ndarray, expert: np.ndarray = expert) -> np.ndarray:
            pairs = np.broadcast_to(pairs, (*expert.shape[:2], *pairs.shape[2:]))
            place = expert.reshape(*expert.shape, *(1,) * (pairs.ndim - 3))
            return np.take_along_axis(pairs, place, axis=2)

        def by_expert(seen: np.ndarray) -> np.ndarray:
            return seen[..., seen.shape[-1] % columns :].reshape(*seen.shape[:2], -1, columns)

        np.testing.assert_array_equal(slot.mask[..., :-1], listed(whole.mask))
        np.testing.assert_array_equal(
            by_expert(slot.observation), listed(by_expert(whole.observation))
        )
        for load in (1, 2, 3):
            gain, of_all = slot.expected_gain(load), whole.expected_gain(load)
            np.testing.assert_array_equal(gain, listed(of_all))
        reports, of_all = (user_reports(one.conditions).users for one in (slot, whole))
        for told in ("value", "points", "work", "fixed_cost", "bandwidth_need"):
            np.testing.assert_array_equal(getattr(reports, told), listed(getattr(of_all, told)))
        actions = rng.integers(count + 1, size=(2, config.num_users))
        chosen = np.take_along_axis(expert, np.minimum(actions, count - 1)[..., None], axis=-1)
        chosen = np.where(actions < count, chosen[..., 0], config.num_experts)
        here, there = (
            deliver(Transfers.of(one, choice.column, choice.requested))
            for one, choice in ((slot, choose(slot, actions)), (whole, choose(whole, chosen)))
        )
        for field in here._fields:
            np.testing.assert_array_equal(getattr(here, field), getattr(there, field))
        world.step(actions)


def test_lots_put_every_expert_of_a_topic_on_lists_alike() -> None:
    config = replace(
        LISTED, num_users=200, channel=ChannelConfig(), observation=ObservationConfig(candidates=6)
    )
    world = World(config, num_worlds=20, seed=0)
    drawn = Counter(world.candidates.expert.ravel().tolist())
    for expert in range(40):
        of_topic = len(range(expert % 6, 40, 6))
        expected = 4000 / of_topic
        assert drawn[expert] == pytest.approx(
            expected, abs=5 * np.sqrt(expected * (1 - 1 / of_topic))
        )


@pytest.mark.parametrize("process", [FADING, ChannelConfig()])
def test_newcomers_take_the_places_that_the_rule_gives_them_and_channels_go_on(
    process: ChannelConfig,
) -> None:
    world = World(replace(LISTED, channel=process), num_worlds=2, seed=1)
    rng = np.random.default_rng(0)
    for _ in range(3):
        world.step(rng.integers(10, size=(2, 7)))
    before = world.candidates.expert.copy()
    latent = world.channel.state["latent_db"].copy()
    world.add_experts(60)
    after = world.candidates.expert
    assert after.shape == before.shape
    assert (np.diff(after, axis=-1) > 0).all()
    stayed = 0
    for n, u in np.ndindex(2, 7):
        assert Counter((after[n, u] % 6).tolist()).most_common()[-1][1] >= 1
        for column, expert in enumerate(after[n, u]):
            if expert < 40:
                # raises for an expert that the rule had left out before
                was = before[n, u].tolist().index(expert)
                assert world.channel.state["latent_db"][n, u, column] == latent[n, u, was]
                stayed += 1
    assert 0 < stayed < 2 * 7 * 9 * 0.6  # 60 of 100 are new
    seen, *_ = world.step(rng.integers(10, size=(2, 7)))
    assert seen.shape == (2, 7, observation_size(world.config)) == (2, 7, 4 + 9 * 13)


def test_a_listed_world_goes_on_from_its_state_bit_for_bit() -> None:
    config = replace(LISTED, channel=ChannelConfig())
    world, other = World(config, 2, seed=1), World(config, 2, seed=9)
    world.step(np.zeros((2, 7), int))
    other.set_state(world.get_state())
    rng = np.random.default_rng(0)
    for _ in range(70):  # into the next episode, where lists are drawn again
        actions = rng.integers(10, size=(2, 7))
        for first, second in zip(world.step(actions)[:2], other.step(actions)[:2], strict=True):
            np.testing.assert_array_equal(first, second)
        if world.done:
            np.testing.assert_array_equal(world.reset(), other.reset())


def test_more_candidates_than_experts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"observation\.candidates 41 is above num_experts 40"):
        replace(LISTED, observation=ObservationConfig(candidates=41))


def test_no_array_has_a_cell_for_each_user_and_expert() -> None:
    config = replace(
        LISTED, num_users=1000, num_experts=3000, observation=ObservationConfig(candidates=30)
    )
    tracemalloc.start()
    world = World(config, seed=0)
    rng = np.random.default_rng(0)
    world.reset()
    for _ in range(3):
        world.step(rng.integers(31, size=(1, 1000)))
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    single = 1000 * 3000 * 4  # bytes of one such array in single precision
    assert held < single / 2
    assert peak < 2 * single  # while lists are made, of a few users at a time
