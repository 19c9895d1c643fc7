"""A subtask of one's own, placed before a user of a running world."""

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, ExpertConfig, QualityConfig, RequestConfig, World, WorldConfig

CONFIG = WorldConfig(
    num_users=4,
    num_experts=12,
    requests=RequestConfig(num_transferred=1),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
)
SUBTASK = {"weight": 0.2, "words": 150.0, "compute": 0.75, "topic": 3}


def running_world(mechanism: str = "none", config: WorldConfig = CONFIG) -> World:
    world = World(config, num_worlds=2, seed=5, mechanism=mechanisms.make(mechanism))
    for _ in range(3):
        world.step(np.full((2, 4), 1))
    return world


def test_the_user_has_the_subtask_and_nobody_else_has_another() -> None:
    world = running_world()
    before = world.slot.conditions.subtasks
    world.place_subtask(1, 2, **SUBTASK)
    for name, value in SUBTASK.items():
        after = getattr(world.slot.conditions.subtasks, name)
        assert after[1, 2] == value
        after[1, 2] = getattr(before, name)[1, 2]
        np.testing.assert_array_equal(after, getattr(before, name))


def test_its_gain_and_its_request_s_utility_are_those_of_the_model() -> None:
    # gain = 5 x 0.85 D a_eff - 0.0025 W - 2 E with D = 0.86 K g; utility = 5 (8.8 - D) + gain.
    world = running_world()
    world.place_subtask(0, 0, **SUBTASK)
    expert = 3
    snr = 10 ** (float(world.slot.conditions.links.snr_db[0, 0, expert]) / 10)
    competence = float(world.pool.competence[0, expert, 3])
    occupancy = world.occupancy
    backlog = float(occupancy.airtime_backlog_s[0, expert] + occupancy.compute_backlog_s[0, expert])
    actions = np.full((2, 4), world.num_experts)
    actions[0, 0] = expert
    _, _, result = world.step(actions)
    sent = 48 * (30 + 150) / (1000 * np.log2(1 + snr))
    delay = backlog + sent + 150 * 0.75 / 100  # needs are 1 on average
    late = min(1.0, np.exp(-(delay - 6) / 3))
    loss = 0.86 * 8 * 0.2
    gain = (
        5 * 0.85 * loss * (competence * late if competence > 0 else competence)
        - 0.0025 * 150
        - 2 * 0.1 * sent
    )
    assert result.delay_s[0, 0] == pytest.approx(delay, rel=1e-5)
    assert result.gain[0, 0] == pytest.approx(gain, rel=1e-5)
    assert result.utility[0, 0] == pytest.approx(5 * (8.8 - loss) + gain, rel=1e-5)


def test_a_user_s_gains_before_it_are_not_in_its_utility() -> None:
    config = WorldConfig(num_users=1, requests=RequestConfig(num_transferred=4))
    world = World(config, seed=1)
    world.step(np.array([[2]]))  # one of four subtasks is behind the user
    world.place_subtask(0, 0, **SUBTASK)
    assert world.requests.subtasks.weight[0, 0] == 0.2
    assert world.requests.completing[0, 0]
    _, _, result = world.step(np.array([[world.num_experts]]))
    assert result.utility[0, 0] == pytest.approx(5 * (8.8 - 0.86 * 8 * 0.2))


def test_an_idle_user_has_something_to_transfer() -> None:
    config = WorldConfig(num_users=1, requests=RequestConfig(arrival_probability=0.0))
    world = World(config, seed=0)
    assert not world.slot.mask[0, 0, :-1].any()
    world.place_subtask(0, 0, **SUBTASK)
    assert world.slot.mask[0, 0].all()
    assert world.slot.observation[0, 0, :4] == pytest.approx([1.0, 8 * 0.2, 0.5, 0.5])


def test_what_others_and_later_slots_bring_does_not_change() -> None:
    placed, left = running_world(), running_world()
    placed.place_subtask(0, 0, **SUBTASK)
    for _ in range(5):
        actions = np.full((2, 4), placed.num_experts)
        _, _, one = placed.step(actions)
        _, _, other = left.step(actions)
        np.testing.assert_array_equal(one.gain, other.gain)
        np.testing.assert_array_equal(placed.channel.links.snr_db, left.channel.links.snr_db)
    np.testing.assert_array_equal(placed.requests.subtasks.topic, left.requests.subtasks.topic)


@pytest.mark.parametrize("mechanism", ["vcg", "shadow_price"])
def test_a_mechanism_that_allocates_is_cleared_with_it(mechanism: str) -> None:
    # experts are of use on their own topic alone, so the one allocated is of the subtask's topic
    config = WorldConfig(
        num_users=4,
        num_experts=12,
        experts=ExpertConfig(
            unit_cost=(0.0, 0.0),
            own_competence=(1, 1),
            other_competence=(0, 0),
            mean_competence=1 / 6,
        ),
        quality=QualityConfig(deadline_s=60.0),
        requests=RequestConfig(num_transferred=1),
    )
    world = running_world(mechanism, config)
    for topic in range(6):
        world.place_subtask(0, 0, **{**SUBTASK, "topic": topic})
        assert world.slot.offer.allocation is not None
        assert world.slot.offer.allocation.expert[0, 0] % 6 == topic


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": 0.0}, "weight should be greater than 0 and at most 1, got 0.0"),
        ({"weight": 1.5}, "weight should be .* at most 1, got 1.5"),
        ({"weight": float("nan")}, "weight should be"),
        ({"words": 301.0}, "words should be .* at most 300, got 301"),
        ({"compute": 2.0}, "compute should be .* at most 1.5, got 2"),
        ({"topic": 6}, r"topic should lie in 0\.\.5, got 6"),
        ({"topic": -1}, r"topic should lie in 0\.\.5, got -1"),
    ],
)
def test_what_the_model_does_not_know_is_refused_and_changes_nothing(
    wrong: dict, message: str
) -> None:
    world = running_world()
    before = world.slot.observation.copy()
    with pytest.raises(ValueError, match=message):
        world.place_subtask(0, 0, **{**SUBTASK, **wrong})
    np.testing.assert_array_equal(world.slot.observation, before)
