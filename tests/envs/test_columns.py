"""Columns of observations: their names, their number and their bounds."""

import numpy as np
import pytest
from gymnasium.spaces import Box

import mechanisms
from envs import ChannelConfig, ExpertConfig, MarketConfig, RequestConfig, World, WorldConfig
from envs.observation import bounds, column_names, observation_size


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
        assert column["expert_0.load"] == 25
        for name in ("airtime_backlog", "compute_backlog", "delay"):
            assert column[f"expert_0.{name}"] == 10


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


@pytest.mark.parametrize("computes", [False, True])
@pytest.mark.parametrize("allocates", [False, True])
@pytest.mark.parametrize("budgets", [{}, {"energy_budget_j": 1.0}, {"credit_budget": 2.0}])
def test_columns_are_named_once_and_count_to_the_size(
    computes: bool, allocates: bool, budgets: dict[str, float]
) -> None:
    experts = ExpertConfig(words_per_second=100.0 if computes else None)
    config = WorldConfig(num_experts=3, experts=experts, **budgets)
    names = column_names(config, allocates)
    limited = bool(budgets)
    of_user, of_expert = 4 + 4 * limited, 12 + computes + limited + allocates
    size = of_user + 3 * of_expert
    assert len(names) == len(set(names)) == observation_size(config, allocates) == size
    low, high = bounds(config, allocates)
    assert len(low) == len(high) == size
    firsts = names[of_user::of_expert]
    assert firsts == [f"expert_{e}.available" for e in range(3)]
    assert ("expert_0.compute_backlog" in names) == computes
    assert ("expert_0.assigned" in names) == allocates
    assert ("episode_left" in names) == ("expert_0.rest_beside" in names) == limited


def test_gains_beyond_ten_points_look_alike() -> None:
    config = WorldConfig(
        num_users=2, num_experts=3, channel=ChannelConfig(bandwidth_hz=1.0, snr_db=(0.0, 0.0))
    )
    world = World(config, num_worlds=4, seed=0)  # an answer takes kilojoules
    seen = world.slot.observation[world.requests.subtasks.pending]
    names = column_names(config)
    assert len(seen)
    for name in ("gain_alone", "gain_beside"):
        gain = seen[:, [names.index(f"expert_{e}.{name}") for e in range(3)]]
        np.testing.assert_array_equal(gain, np.float32(-50))
    assert bounds(config)[0][names.index("expert_0.gain_alone")] == pytest.approx(-50, rel=1e-4)
