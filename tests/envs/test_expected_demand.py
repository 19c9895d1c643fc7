"""Demand before anything was seen is what requests come to, against worlds that are played."""

import numpy as np
import pytest

from envs import ChannelConfig, ExpertConfig, ObservationConfig, RequestConfig, World, WorldConfig
from envs.expected_demand import initial_demand, initial_work

# competence 1 everywhere, so that it does not matter whom users ask, and no answer is late
EVEN = ExpertConfig(
    own_competence=(1.0, 1.0),
    other_competence=(1.0, 1.0),
    mean_competence=1.0,
    words_per_second=None,
)
WIDE = ChannelConfig(bandwidth_hz=1e6)


@pytest.mark.parametrize(
    "requests",
    [
        RequestConfig(),
        RequestConfig(num_transferred=1),
        RequestConfig(num_transferred=3, arrival_probability=0.4),
        RequestConfig(arrival_probability=0.3),
        RequestConfig(local_compute=2.0, private_probability=0.3, num_topics=2),
        RequestConfig(num_subtasks=2, local_compute=1.0, zipf_exponent=1.0),
        RequestConfig(num_subtasks=1, local_compute=0.0),
        RequestConfig(num_subtasks=3, local_compute=0.0, private_probability=0.1),
    ],
)
@pytest.mark.parametrize("listed", [None, 4])
def test_it_is_the_mean_of_a_long_run_in_which_users_ask_at_random(
    requests: RequestConfig, listed: int | None
) -> None:
    config = WorldConfig(
        num_users=10,
        num_experts=6,
        episode_slots=150,
        requests=requests,
        channel=WIDE,
        experts=EVEN,
        observation=ObservationConfig(candidates=listed),
    )
    world, rng = World(config, num_worlds=24, seed=0), np.random.default_rng(0)
    points = work = 0.0
    np.testing.assert_array_equal(world.market.asked.points, initial_demand(config))
    np.testing.assert_array_equal(world.market.asked.work, initial_work(config))
    while not world.done:
        world.step(rng.integers(world.num_candidates, size=(24, 10)))
        points += float(world.market.asked.points.mean()) * (world.slot.index > 50)
        work += float(world.market.asked.work.mean()) * (world.slot.index > 50)
    assert initial_demand(config) == pytest.approx(points / 100, rel=0.03)
    assert initial_work(config) == pytest.approx(work / 100, rel=0.03)


def test_with_one_subtask_a_request_it_is_what_a_subtask_is_worth() -> None:
    config = WorldConfig(num_users=7, num_experts=12, requests=RequestConfig(num_transferred=1))
    assert initial_demand(config) == 0.85 * 0.86 * 7 / 12


def test_devices_that_transfer_nothing_are_expected_to() -> None:
    config = WorldConfig(requests=RequestConfig(local_compute=1e6))
    assert initial_demand(config) == initial_work(config) == 0.0
