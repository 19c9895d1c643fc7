"""Strangers are drawn as the users of other worlds are, and meet the experts of this one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    ObservationConfig,
    RequestConfig,
    Slot,
    World,
    WorldConfig,
    request_trace,
)
from envs.prospects import expected_gain
from envs.strangers import Meeting, Strangers

CONFIG = WorldConfig(
    num_users=4,
    num_experts=6,
    requests=RequestConfig(zipf_exponent=1.0, arrival_probability=0.7),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
)
LISTED = replace(CONFIG, num_experts=24, observation=ObservationConfig(candidates=5))
PLACES = {
    "area_m": [400, 400],
    "users": {"mobility": {"model": "static"}},
    "experts": {"placement": {"model": "uniform"}},
    "path_loss": {"model": "free_space"},
    "shadowing": {"sigma_db": 0},
    "fading": "none",
}


def slot_of(config: WorldConfig, num_worlds: int = 3, mechanism: str = "none") -> Slot:
    return World(config, num_worlds, seed=0, mechanism=mechanisms.make(mechanism)).slot


def strangers_of(slot: Slot, count: int, seed: int = 0) -> Strangers:
    return Strangers(slot.conditions, count, np.random.default_rng(seed))


def met(slot: Slot, count: int, seed: int = 0) -> Meeting:
    return strangers_of(slot, count, seed).meet(slot.conditions, slot.offer)


def test_their_requests_and_channels_are_those_of_users_of_many_worlds() -> None:
    conditions = met(slot_of(CONFIG, num_worlds=1), 4000).conditions
    users = slot_of(CONFIG, num_worlds=1000).conditions
    for name in ("weight", "words", "compute", "topic"):
        of_strangers, of_users = (
            getattr(one.subtasks, name)[one.subtasks.pending] for one in (conditions, users)
        )
        assert stats.ks_2samp(of_strangers, of_users).pvalue > 1e-3
    pending = conditions.subtasks.pending.mean(), users.subtasks.pending.mean()
    assert abs(pending[0] - pending[1]) < 0.04
    snr = conditions.links.snr_db.ravel(), users.links.snr_db.ravel()
    assert stats.ks_2samp(*snr).pvalue > 1e-3


def test_they_know_the_experts_of_the_slot_and_no_user_of_it() -> None:
    slot = slot_of(CONFIG)
    conditions = met(slot, 8).conditions
    for name in ("pool", "available", "occupancy", "mean_work"):
        assert getattr(conditions, name) is getattr(slot.conditions, name)
    assert conditions.subtasks.pending.shape == (3, 8)
    seen, own = conditions.links.snr_db, slot.conditions.links.snr_db
    inside = (seen > own.min()) & (seen < own.max())  # the range is clipped
    assert not np.isin(seen[inside], own).any()
    again, other = met(slot, 8).conditions, met(slot, 8, seed=1).conditions
    np.testing.assert_array_equal(conditions.links.snr_db, again.links.snr_db)
    assert not np.array_equal(conditions.links.snr_db, other.links.snr_db)


def test_their_channels_lead_to_where_the_experts_are() -> None:
    channel = ChannelConfig(process="geometric", bandwidth_hz=1e6, geometry=PLACES)
    config = replace(CONFIG, num_users=2, channel=channel)
    slot = slot_of(config)
    snr_db = met(slot, 6000).conditions.links.snr_db.mean(axis=1)
    positions = slot.conditions.positions
    assert positions is not None
    # of users uniform over the area, by the midpoint rule
    x, y = np.meshgrid(np.arange(1.0, 400, 2), np.arange(1.0, 400, 2))
    for n in range(3):
        loss_db = []
        for place in positions.experts[n]:
            height = place[2] - positions.users[0, 0, 2]
            square = (x - place[0]) ** 2 + (y - place[1]) ** 2 + height**2
            loss_db.append(10 * np.log10(square).mean())
        expected = np.mean(loss_db) - loss_db
        np.testing.assert_allclose(snr_db[n] - snr_db[n].mean(), expected, atol=0.3)


def test_their_antennas_and_those_of_experts_are_of_their_groups() -> None:
    geometry = PLACES | {"experts": {"placement": {"model": "grid"}}}
    config = WorldConfig(
        user_groups={"plain": {"count": 2}, "tall": {"count": 2, "antenna_gain_db": 15.0}},
        expert_groups={"plain": {"count": 3}, "tall": {"count": 3, "antenna_gain_db": 30.0}},
        channel=ChannelConfig(process="geometric", geometry=geometry),  # type: ignore[arg-type]
    )
    strangers = met(slot_of(config, num_worlds=1), 2000).conditions.links.snr_db
    users = slot_of(config, num_worlds=500).conditions.links.snr_db
    assert np.ptp(users.mean(axis=(0, 1))) > 20  # the groups do differ
    for expert in range(6):
        for group in (slice(0, 2), slice(2, 4)):
            of_users = users[:, group, expert].ravel()
            of_strangers = strangers.reshape(-1, 4, 6)[:, group, expert].ravel()
            assert stats.ks_2samp(of_strangers, of_users).pvalue > 1e-3


def test_they_consider_every_expert_that_they_can_choose() -> None:
    slot = slot_of(replace(CONFIG, num_experts=30))
    meeting = met(slot, 16)
    assert meeting.alone.shape == (3, 16, 30)
    pending = meeting.conditions.subtasks.pending
    own = expected_gain(meeting.conditions, meeting.offer)[pending]
    np.testing.assert_array_equal(meeting.alone[pending], own)
    assert np.isneginf(meeting.alone[~pending]).all()


@pytest.mark.parametrize("mechanism", ["none", "posted_price", "vcg"])
@pytest.mark.parametrize("config", [CONFIG, LISTED], ids=["all experts", "lists"])
def test_shares_are_of_those_who_have_a_subtask_and_gain(
    config: WorldConfig, mechanism: str
) -> None:
    slot = slot_of(config, mechanism=mechanism)
    strangers = strangers_of(slot, 400)
    meeting = strangers.meet(slot.conditions, slot.offer)
    sharp = strangers.shares(meeting.alone, np.full(3, 1e-4))
    assert sharp.shape == (3, config.num_experts)
    assert (sharp >= 0).all()
    gaining = (meeting.alone.max(axis=-1) > 0).mean(axis=-1)
    np.testing.assert_allclose(sharp.sum(axis=-1), gaining, atol=0.01)
    choice = meeting.alone.argmax(axis=-1)
    for n in range(3):
        experts = np.broadcast_to(meeting.conditions.candidates.expert, meeting.alone.shape)[n]
        taken = experts[np.arange(400), choice[n]][meeting.alone[n].max(axis=-1) > 0]
        count = np.bincount(taken, minlength=config.num_experts) / 400
        np.testing.assert_allclose(sharp[n], count, atol=0.01)


def test_they_continue_to_the_next_slot_of_their_episode_alone() -> None:
    world = World(replace(CONFIG, experts=ExpertConfig(resample="episode")), 2, seed=0)
    strangers = Strangers(world.slot.conditions, 4, np.random.default_rng(0))
    assert not strangers.continues_to(world.slot.conditions)
    first = strangers.meet(world.slot.conditions, world.slot.offer).conditions.subtasks.words
    world.step(np.full((2, 4), 6))
    assert strangers.continues_to(world.slot.conditions)
    strangers.advance()
    assert not np.array_equal(
        strangers.meet(world.slot.conditions, world.slot.offer).conditions.subtasks.words, first
    )
    assert not strangers.continues_to(world.slot.conditions)
    world.add_experts(1)
    world.step(np.full((2, 4), 7))
    assert not strangers.continues_to(world.slot.conditions)


def test_laws_of_other_worlds_are_not_theirs() -> None:
    loud = replace(CONFIG, channel=ChannelConfig(snr_db=(24.0, 25.0)))
    slot = slot_of(loud)
    laws = strangers_of(slot_of(CONFIG), 8).laws
    strangers = Strangers(slot.conditions, 8, np.random.default_rng(0), laws)
    snr_db = strangers.meet(slot.conditions, slot.offer).conditions.links.snr_db
    assert 24 <= snr_db.min() <= snr_db.max() <= 25
    assert strangers_of(slot, 8).laws.config == slot.config


def test_they_go_on_with_the_episode_and_are_others_in_the_next() -> None:
    world, rng = World(CONFIG, 3, seed=0), np.random.default_rng(0)
    first = Strangers.at(world.slot.conditions, 8, rng, None)
    asked = first.meet(world.slot.conditions, world.slot.offer).conditions.subtasks.words
    world.step(np.zeros((3, world.num_users), int))
    assert Strangers.at(world.slot.conditions, 8, rng, first) is first
    asks = first.meet(world.slot.conditions, world.slot.offer).conditions.subtasks.words
    assert not np.array_equal(asked, asks)
    world.reset()
    later = Strangers.at(world.slot.conditions, 8, rng, first)
    assert later is not first
    assert later.laws is first.laws


def test_who_must_not_abandon_chooses_what_it_can() -> None:
    """At a bandwidth of 100 Hz everybody would rather abandon."""
    config = replace(CONFIG, channel=ChannelConfig(bandwidth_hz=100.0))
    chosen = []
    for may in (True, False):
        slot = slot_of(replace(config, allow_abandon=may))
        strangers = strangers_of(slot, 400)
        alone = strangers.meet(slot.conditions, slot.offer).alone
        assert alone.max() < 0
        chosen.append(strangers.shares(alone, np.full(3, 1e-3)).sum(axis=-1))
        pending = np.isfinite(alone.max(axis=-1)).mean(axis=-1)
    assert (chosen[0] < 0.01).all()
    np.testing.assert_allclose(chosen[1], pending, rtol=1e-6)


@pytest.mark.parametrize("episodes", [1, 3])
def test_of_a_trace_they_play_any_episode_and_of_one_alone_any_of_its_slots(
    tmp_path: Path, episodes: int
) -> None:
    slots, users = 10, 4
    rng, shape = np.random.default_rng(0), (episodes, 14, users)  # four slots more than are played
    words = rng.uniform(100, 300, shape)
    path = tmp_path / "requests.csv"
    drawn = rng.uniform(0.5, 1.5, shape), rng.integers(3, size=shape), np.ones(shape, bool)
    request_trace.write(path, np.full(shape, 1 / 8), words, *drawn)
    requests = RequestConfig(trace=str(path))
    world = World(replace(CONFIG, requests=requests, episode_slots=slots), 1, seed=0)
    strangers = strangers_of(world.slot, 400)
    for slot in range(slots):
        seen = strangers.meet(world.slot.conditions, world.slot.offer).conditions.subtasks.words
        met = set()
        for u in range(400):
            episode, at = np.argwhere(np.isclose(words[:, :, u % users], seen[0, u]))[0]
            met.add((int(episode), int(at)))
        if episodes == 1:
            assert met == {(0, at) for at in range(slots)}
        else:
            assert met == {(episode, slot) for episode in range(episodes)}
        world.step(np.full((1, users), 6))
        if not world.done:
            assert strangers.continues_to(world.slot.conditions)
            strangers.advance()
