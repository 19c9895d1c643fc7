"""Reports of users to a mechanism that allocates: gains, points, work, band and places."""

from dataclasses import replace
from inspect import signature
from typing import Literal

import numpy as np
import pytest

from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)
from envs.conditions import Conditions
from envs.reports import user_reports

CONFIG = WorldConfig(
    num_users=6,
    num_experts=5,
    episode_slots=8,
    requests=RequestConfig(num_transferred=1, arrival_probability=0.7),
    channel=ChannelConfig(bandwidth_hz=500.0),
)


@pytest.mark.parametrize("downlink_energy", ["user", "edge_device"])
def test_reports_are_what_a_user_alone_then_gains_and_gets_of_an_edge_device_that_is_free(
    downlink_energy: Literal["user", "edge_device"],
) -> None:
    reward = RewardConfig(downlink_energy=downlink_energy)
    world = World(replace(CONFIG, num_users=1, reward=reward), num_worlds=300, seed=0)
    while not world.done:
        users, expert = user_reports(world.slot.conditions).users, world.slot.index % 5
        subtasks = world.requests.subtasks
        *_, result = world.step(np.full((300, 1), expert))
        # in full: nobody is paid, nobody declines
        np.testing.assert_allclose(users.value[..., expert], result.gain, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(users.points[..., expert], result.qos, rtol=2e-5, atol=1e-6)
        # credits of the energy that the edge device pays for, at 2 credits a joule
        fixed = users.fixed_cost[..., expert]
        np.testing.assert_allclose(fixed[:, 0], 2 * result.edge_energy_j[:, expert], rtol=1e-5)
        assert (fixed > 0).any() == (downlink_energy == "edge_device")
        work = 0.85 * 0.86 * subtasks.words * subtasks.compute / 200
        np.testing.assert_allclose(users.work[..., expert], work, rtol=1e-9)
        pending = subtasks.pending[:, 0]
        assert (users.topic[~pending] == -1).all()
        assert not users.value[~pending].any()
        assert not users.points[~pending].any()


PARTS = tuple(name for name in signature(Conditions.begin).parameters)


@pytest.mark.parametrize("information", ["known", "type"])
def test_users_report_no_more_than_they_know(information: str) -> None:
    worlds = [World(replace(CONFIG, information=information), seed=0) for _ in range(2)]
    hidden = worlds[1].pool
    other = replace(hidden, competence=np.roll(hidden.competence, 1, axis=-1))
    conditions = [world.slot.conditions for world in worlds]
    parts = {name: getattr(conditions[1], name) for name in PARTS}
    conditions[1] = Conditions.begin(**parts | {"pool": other})
    values = [user_reports(of_one).users.value for of_one in conditions]
    assert np.array_equal(*values) == (information == "type")


def test_on_the_band_that_a_user_needs_its_answer_comes_at_the_deadline() -> None:
    world = World(replace(CONFIG, slot_s=4.0), num_worlds=50, seed=0)
    waited = 0
    for _ in range(4):
        reports, pending = user_reports(world.slot.conditions), world.requests.subtasks.pending
        bits = 48 * (30 + world.requests.subtasks.words)
        efficiency = np.log2(1 + 10 ** (world.slot.conditions.links.snr_db / 10))
        with np.errstate(divide="ignore"):
            transmission_s = bits[..., None] / (reports.users.bandwidth_need * efficiency)
        subtasks, occupancy = world.requests.subtasks, world.occupancy
        before_s = (occupancy.airtime_backlog_s + occupancy.compute_backlog_s)[:, None] + (
            subtasks.words * subtasks.compute
        )[..., None] / 100
        delay_s = transmission_s + before_s
        in_time = pending[..., None] & (before_s < 6)
        np.testing.assert_allclose(delay_s[in_time], 6.0, rtol=1e-4)
        assert in_time.mean() > 0.3
        waited += int((in_time & (occupancy.compute_backlog_s > 0)[:, None]).sum())
        world.step(np.tile(np.arange(6) % 5, (50, 1)))
    assert waited > 50


def test_an_expert_that_is_down_has_no_capacity_and_none_has_more_than_its_places() -> None:
    experts = ExpertConfig(availability_probability=0.5, max_concurrent=2)
    for capacity, places in [(1, 1), (2, 2), (4, 2)]:
        config = replace(CONFIG, experts=experts, market=MarketConfig(capacity=capacity))
        world = World(config, num_worlds=30, seed=0)
        np.testing.assert_array_equal(
            user_reports(world.slot.conditions).capacity, places * world.available
        )
        assert 0 < world.available.mean() < 1
