"""Reasons say of every pair whether the world's mask leaves it open, and why it does not."""

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, ExpertConfig, ObservationConfig, RequestConfig, World, WorldConfig
from marl_moe.report.player import reasons


def bit(name: str) -> int:
    return 1 << list(reasons.PAIRS).index(name)


def told(world: World) -> tuple[np.ndarray, np.ndarray]:
    return reasons.of_pairs(world.slot), reasons.of_users(world.slot, world.requests)


WORLDS = {
    "nothing is paid": (WorldConfig(num_users=3, num_experts=5, episode_slots=6), "none"),
    "experts come and go": (
        WorldConfig(
            num_users=3,
            num_experts=5,
            episode_slots=10,
            requests=RequestConfig(arrival_probability=0.6),
            experts=ExpertConfig(availability_probability=0.5, max_concurrent=1),
        ),
        "posted_price",
    ),
    "some are out of coverage, few are candidates": (
        WorldConfig(
            num_users=4,
            num_experts=9,
            episode_slots=8,
            channel=ChannelConfig(process="geometric", min_snr_db=10.0, geometry={}),
            observation=ObservationConfig(candidates=4),
        ),
        "posted_price",
    ),
    "a mechanism allocates": (WorldConfig(num_users=4, num_experts=5, episode_slots=6), "vcg"),
    "budgets run out, private subtasks stay": (
        WorldConfig(
            num_users=4,
            num_experts=5,
            episode_slots=12,
            energy_budget_j=0.02,
            credit_budget=0.5,
            requests=RequestConfig(private_probability=0.5),
        ),
        "posted_price",
    ),
    "nobody may abandon": (
        WorldConfig(num_users=3, num_experts=4, episode_slots=5, allow_abandon=False),
        "none",
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_pairs_without_a_reason_are_those_that_the_mask_allows(name: str) -> None:
    config, mechanism = WORLDS[name]
    world = World(config, 3, 5, mechanisms.make(mechanism))
    rng = np.random.default_rng(0)
    while not world.done:
        bits, states = told(world)
        np.testing.assert_array_equal(reasons.open_pairs(bits, states), world.slot.mask[..., :-1])
        score = rng.random(world.slot.mask.shape) * world.slot.mask
        world.step(score.argmax(axis=-1))


def test_an_expert_that_is_down_is_not_available() -> None:
    config = WorldConfig(
        num_users=2, num_experts=3, experts=ExpertConfig(availability_probability=0.0)
    )
    bits, _ = told(World(config, 1, 0))
    assert (bits == bit("not available")).all()


def test_an_expert_whose_battery_is_empty_says_so() -> None:
    small = ExpertConfig(battery_j=1e-9, joules_per_word=1.0)
    world = World(WorldConfig(num_users=2, num_experts=1, experts=small), 1, 0)
    assert not (told(world)[0] & bit("battery empty")).any()
    world.step(np.zeros((1, 2), int))  # which drains it
    assert (told(world)[0] == bit("battery empty")).all()


def test_a_pair_below_the_least_snr_is_out_of_coverage() -> None:
    geometric = ChannelConfig(process="geometric", min_snr_db=150.0, geometry={})
    bits, _ = told(World(WorldConfig(num_users=2, num_experts=3, channel=geometric), 1, 0))
    assert (bits == bit("out of coverage")).all()


def test_devices_that_cost_more_than_a_point_is_worth_are_priced_out() -> None:
    dear = ExpertConfig(unit_cost=(1e3, 1e3))
    config = WorldConfig(num_users=3, num_experts=4, experts=dear)
    world = World(config, 1, 0, mechanisms.make("posted_price"))
    bits, states = told(world)
    sends = states == reasons.SENDS
    assert sends.any()
    assert (bits[sends] == bit("priced out")).all()
    assert (bits[~sends] == 0).all()  # nothing was asked of the devices


def test_a_device_of_no_competence_for_a_subtask_declines_it_though_it_takes_part() -> None:
    experts = ExpertConfig(
        own_competence=(0.9, 1.0),
        other_competence=(-0.1, -0.1),
        mean_competence=0.4,
        unit_cost=(0, 0.1),
    )
    requests = RequestConfig(num_topics=2, num_transferred=1)
    config = WorldConfig(num_users=6, num_experts=4, requests=requests, experts=experts)
    world = World(config, 1, 0, mechanisms.make("posted_price"))
    assert world.slot.offer.participates.all()
    bits, _ = told(world)
    harmful = world.slot.conditions.competence <= 0
    assert 0 < harmful.sum() < harmful.size
    np.testing.assert_array_equal(bits, np.where(harmful, bit("declines"), 0))


def test_users_say_why_they_have_nothing_to_send() -> None:
    absent = RequestConfig(arrival_probability=0.0)
    _, states = told(World(WorldConfig(num_users=2, num_experts=3, requests=absent), 1, 0))
    assert (states == reasons.NO_REQUEST).all()
    strong = RequestConfig(local_compute=1e6)
    _, states = told(World(WorldConfig(num_users=2, num_experts=3, requests=strong), 1, 0))
    assert (states == reasons.AT_HOME).all()
    refused = RequestConfig(local_compute=0.0, private_probability=1.0)
    _, states = told(World(WorldConfig(num_users=2, num_experts=3, requests=refused), 1, 0))
    assert (states == reasons.REFUSED).all()


@pytest.mark.parametrize(
    ("key", "state"),
    [("energy_budget_j", reasons.NO_ENERGY), ("credit_budget", reasons.NO_CREDITS)],
)
def test_a_user_that_overspent_has_none_left(key: str, state: int) -> None:
    config = WorldConfig(
        num_users=1,
        num_experts=3,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(unit_cost=(0.0, 0.1)),
        **{key: 1e-9},
    )
    world = World(config, 1, 0, mechanisms.make("posted_price"))
    assert told(world)[1].item() == reasons.SENDS
    _, _, result = world.step(world.slot.mask[..., :-1].argmax(axis=-1))
    assert result.transferred.all()
    assert told(world)[1].item() == state
