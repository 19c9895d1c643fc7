"""A band that serves for a share of a slot: delays, backlogs, and every second booked once."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import mechanisms
from envs import ChannelConfig, Each, ExpertConfig, RequestConfig, World, WorldConfig
from envs.observation import column_names

EXACT = 1e-12


def world_of(share: Any, seed: int = 3, num_users: int = 6, **experts: Any) -> World:
    """Return two worlds in which transfers take a good part of a slot."""
    given = {"words_per_second": None, "own_competence": 1.0} | experts
    config = WorldConfig(
        num_users=num_users,
        num_experts=3,
        episode_slots=12,
        requests=RequestConfig(num_topics=3),
        channel=ChannelConfig(bandwidth_hz=1000.0),
        experts=ExpertConfig(serving_share=share, **given),
    )
    return World(config, num_worlds=2, seed=seed)


def test_a_transfer_of_airtime_a_takes_a_over_s_seconds_and_the_same_airtime_and_energy() -> None:
    whole, part = world_of(1.0), world_of(0.4)
    actions = np.arange(6) % 3 * np.ones((2, 1), int)
    (*_, of_whole), (*_, of_part) = whole.step(actions), part.step(actions)
    assert of_whole.transferred.any()
    np.testing.assert_allclose(of_part.delay_s, of_whole.delay_s / 0.4, rtol=EXACT)
    for name in ("airtime_s", "energy_j", "work_words", "load"):
        np.testing.assert_array_equal(getattr(of_part, name), getattr(of_whole, name))


def test_what_is_left_over_is_sent_at_the_same_share() -> None:
    world = world_of(0.25)
    everybody = np.zeros((2, 6), int)
    world.step(everybody)
    backlog_s = world.occupancy.airtime_backlog_s[:, 0]
    assert (backlog_s > 0).all()
    alone = np.full((2, 6), 3)
    alone[:, 0] = 0
    pending = world.slot.conditions.subtasks.pending[:, 0]
    *_, result = world.step(alone)
    due_s = (backlog_s + result.airtime_s[:, 0]) / 0.25
    np.testing.assert_allclose(result.delay_s[pending, 0], due_s[pending], rtol=EXACT)


@pytest.mark.parametrize("share", [1.0, 0.3, [0.2, 0.9], {"each": [0.1, 0.5, 1.0]}])
def test_serving_time_booked_elsewhere_and_idle_time_are_the_slot(share: Any) -> None:
    given = Each(tuple(share["each"])) if isinstance(share, dict) else share
    world = world_of(tuple(given) if isinstance(given, list) else given)
    rng = np.random.default_rng(0)
    shares = np.broadcast_to(world.pool.serving_share, (2, 3))
    served_s = np.zeros((2, 3))
    taken_s = np.zeros((2, 3))
    some_is_idle = some_is_late = False
    while not world.done:
        before_s = world.occupancy.airtime_backlog_s
        *_, result = world.step(rng.integers(4, size=(2, 6)))
        after_s = world.occupancy.airtime_backlog_s
        serving_s = before_s + result.airtime_s - after_s
        elsewhere_s = (1 - shares) * 6.0
        idle_s = 6.0 - elsewhere_s - serving_s
        assert (serving_s >= -EXACT).all()
        assert (idle_s >= -1e-9).all()
        np.testing.assert_allclose(idle_s[after_s > 0], 0.0, atol=1e-9)  # busy to the end
        served_s += serving_s
        taken_s += result.airtime_s
        some_is_idle |= bool((idle_s > 1e-6).any())
        some_is_late |= bool((after_s > 0).any())
    assert some_is_idle
    assert some_is_late
    np.testing.assert_allclose(served_s + world.occupancy.airtime_backlog_s, taken_s, rtol=1e-9)


def test_who_is_alone_gets_what_its_prospects_promise() -> None:
    for access in ("spectral_density", "total_power"):
        config = WorldConfig(
            num_users=1,
            num_experts=4,
            episode_slots=20,
            channel=ChannelConfig(bandwidth_hz=300.0, access=access),
            experts=ExpertConfig(serving_share=(0.1, 0.9)),
        )
        world = World(config, 20, seed=2, mechanism=mechanisms.make("posted_price", price=30.0))
        late, rng = 0, np.random.default_rng(0)
        while not world.done:
            gain, mask = world.slot.expected_gain(), world.slot.mask
            actions = np.where(mask[..., :-1], rng.random(gain.shape), -1).argmax(axis=-1)
            promised = np.take_along_axis(gain, actions[..., None], axis=-1)[..., 0]
            *_, result = world.step(actions)
            got = result.gain[result.transferred]
            np.testing.assert_allclose(got, promised[result.transferred], rtol=1e-4, atol=1e-4)
            late += int((result.delay_s > 6).sum())
        assert late > 20


def test_computing_is_left_alone() -> None:
    whole, part = (world_of(share, words_per_second=20.0) for share in (1.0, 0.5))
    for _ in range(3):
        whole.step(np.zeros((2, 6), int))
        part.step(np.zeros((2, 6), int))
    backlogs = [world.occupancy.compute_backlog_s for world in (whole, part)]
    assert (backlogs[0] > 0).any()
    np.testing.assert_array_equal(*backlogs)


def test_users_see_the_share_where_experts_differ_in_it_alone() -> None:
    def columns(share: Any) -> set[str]:
        return set(column_names(world_of(share).config))

    added = columns((0.2, 0.9)) - columns(0.5)
    assert added == {f"expert_{e}.serving_share" for e in range(3)}


def test_a_range_draws_shares_and_leaves_all_other_draws_alone() -> None:
    speeds = {"words_per_second": (20.0, 90.0), "resample": "episode"}
    one, other = world_of(0.5, **speeds), world_of((0.2, 0.6), **speeds)
    for _ in range(3):  # of pools that are drawn anew
        np.testing.assert_array_equal(one.pool.words_per_second, other.pool.words_per_second)
        one.reset()
        other.reset()
    shares = other.pool.serving_share
    assert shares.shape == (2, 3)
    assert len(np.unique(shares)) == 6
    assert ((shares >= 0.2) & (shares <= 0.6)).all()


@pytest.mark.parametrize(
    "share", [0, 0.0, -0.1, 1.1, float("nan"), float("inf"), (0.0, 1.0), (0.5, 1.5)]
)
def test_what_is_no_share_is_refused_by_its_key(share: Any) -> None:
    with pytest.raises(ValidationError, match="serving_share"):
        ExpertConfig(serving_share=share)


def test_a_list_and_a_group_are_held_to_the_same_limits() -> None:
    for numbers in ((0.5, 0.0, 1.0), (0.5, 1.5, 1.0), (0.5, None, 1.0)):
        with pytest.raises(ValidationError, match="each"):
            ExpertConfig(serving_share=Each(numbers))
    with pytest.raises(ValidationError, match=r"expert_groups.*busy.*serving_share"):
        WorldConfig(expert_groups={"busy": {"count": 2, "serving_share": 0.0}})
    with pytest.raises(ValueError, match="each should hold 3 numbers"):
        WorldConfig(num_experts=3, experts=ExpertConfig(serving_share=Each((0.5, 0.5))))
