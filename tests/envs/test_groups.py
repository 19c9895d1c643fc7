"""Users and experts that differ: by groups, lists and ranges, seen, drawn and refused."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from envs import (
    ChannelConfig,
    Each,
    ExpertConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)
from envs.observation import bounds, column_names

BASE = WorldConfig(
    num_users=4,
    num_experts=6,
    episode_slots=12,
    reward=RewardConfig(downlink_energy="edge_device"),
)
# Of each side: the same numbers for a population of 4 users and 6 experts in every way to say them.
USERS = {
    "local_compute": 2.0,
    "private_probability": 0.2,
    "arrival_probability": 0.7,
    "deadline_s": 8.0,
    "lateness_s": 2.0,
    "credits_per_point": 4.0,
    "credits_per_word": 0.001,
    "credits_per_joule": 1.0,
    "credits_per_second": 0.05,
    "energy_budget_j": 3.0,
    "credit_budget": 9.0,
}
EXPERTS = {
    "own_competence": 0.9,
    "other_competence": 0.1,
    "words_per_second": 40.0,
    "max_concurrent": 2,
    "availability_probability": 0.8,
    "serving_share": 0.6,
    "unit_cost": 0.4,
    "cost_slope": 1.2,
    "energy_cost": 1.5,
    "bandwidth_hz": 2000.0,
    "tx_power_w": 0.05,
}
SECTIONS = {
    "requests": ("local_compute", "private_probability", "arrival_probability"),
    "quality": ("deadline_s", "lateness_s"),
    "reward": tuple(key for key in USERS if key.startswith("credits_per_")),
    "": ("energy_budget_j", "credit_budget"),
    "channel": ("bandwidth_hz", "tx_power_w"),
    "experts": (
        "own_competence",
        "other_competence",
        "words_per_second",
        "max_concurrent",
        "availability_probability",
        "serving_share",
        "unit_cost",
        "cost_slope",
        "energy_cost",
    ),
}


def said(way: str) -> WorldConfig:
    """Return the same population, its numbers said in one of the ways."""
    if way == "groups":
        users = {name: {"count": 2, **USERS} for name in ("left", "right")}
        experts = {"few": {"count": 2, **EXPERTS}, "many": {"count": 4, **EXPERTS}}
        return replace(BASE, user_groups=users, expert_groups=experts)
    config = BASE
    for section, keys in SECTIONS.items():
        given: dict[str, Any] = {}
        for key in keys:
            number, count = (USERS[key], 4) if key in USERS else (EXPERTS[key], 6)
            listed = way == "lists" and "competence" not in key
            given[key] = Each((number,) * count) if listed else number
            if way == "ranges":
                given[key] = number, number
        if section:
            given = {section: replace(getattr(config, section), **given)}
        config = replace(config, **given)
    return config


def played(config: WorldConfig, seed: int = 3) -> list[np.ndarray]:
    """Return all observations and gains of an episode of uniform actions."""
    world, rng, seen = World(config, num_worlds=3, seed=seed), np.random.default_rng(0), []
    while not world.done:
        seen.append(world.slot.observation)
        actions = rng.integers(world.num_candidates + 1, size=(3, world.num_users))
        *_, result = world.step(actions)
        seen.append(result.gain)
    return seen


@pytest.mark.parametrize("way", ["groups", "lists", "ranges"])
def test_the_same_numbers_give_the_same_world_to_the_bit_however_they_are_said(way: str) -> None:
    for one, other in zip(played(said("numbers")), played(said(way)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_numbers_of_one_quantity_leave_the_draws_of_all_others_as_they_are() -> None:
    plain = World(BASE, num_worlds=3, seed=0)
    deadlines = replace(BASE, quality=QualityConfig(deadline_s=(2.0, 9.0)))
    drawn = World(deadlines, num_worlds=3, seed=0)
    for name in ("competence", "unit_cost", "cost_slope"):
        np.testing.assert_array_equal(getattr(plain.pool, name), getattr(drawn.pool, name))
    for one, other in (
        (plain.requests.drawn, drawn.requests.drawn),
        (plain.slot.conditions.links.snr_db, drawn.slot.conditions.links.snr_db),
        (plain.lots, drawn.lots),
    ):
        np.testing.assert_array_equal(one, other)
    both = replace(
        deadlines, reward=RewardConfig(credits_per_joule=(1.0, 2.0), credits_per_word=(0.0, 0.1))
    )
    again = World(both, num_worlds=3, seed=0)
    np.testing.assert_array_equal(drawn.users.deadline_s, again.users.deadline_s)


def test_ranges_are_drawn_uniformly_by_each_agent_of_each_world() -> None:
    config = WorldConfig(
        num_users=30,
        num_experts=30,
        quality=QualityConfig(deadline_s=(2.0, 9.0)),
        experts=ExpertConfig(words_per_second=(20.0, 60.0), max_concurrent=(1.0, 4.0)),
    )
    world = World(config, num_worlds=100, seed=0)
    assert stats.kstest(np.ravel(world.users.deadline_s), "uniform", (2, 7)).pvalue > 1e-3
    assert stats.kstest(np.ravel(world.pool.words_per_second), "uniform", (20, 40)).pvalue > 1e-3
    places, counts = np.unique(world.pool.max_concurrent, return_counts=True)
    assert places.tolist() == [1, 2, 3, 4]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_pool_seed_fixes_what_devices_have_as_well() -> None:
    experts = ExpertConfig(words_per_second=(20.0, 60.0), pool_seed=5)
    config = WorldConfig(num_experts=7, experts=experts)
    one, other = (World(config, num_worlds=2, seed=seed) for seed in (1, 2))
    assert np.ptp(one.pool.words_per_second, axis=0).max() == 0  # all worlds have one pool
    np.testing.assert_array_equal(one.pool.words_per_second, other.pool.words_per_second)


def test_groups_follow_each_other_and_repeat_up_to_the_population() -> None:
    groups = {"slow": {"count": 2, "words_per_second": 20.0}, "fast": {"count": 1}}
    config = WorldConfig(num_experts=6, expert_groups=groups)
    assert World(config, seed=0).pool.words_per_second.tolist() == [[20, 20, 100] * 2]
    assert WorldConfig(expert_groups=groups).num_experts == 3
    assert (WorldConfig().num_users, WorldConfig().num_experts) == (1, 30)
    listed = {"slow": {"count": 2, "words_per_second": Each((20.0, None))}, "fast": {"count": 1}}
    pool = World(WorldConfig(num_experts=6, expert_groups=listed), seed=0).pool
    assert pool.words_per_second.tolist() == [[20, np.inf, 100] * 2]


def test_topics_of_a_group_are_taken_in_turn_and_the_others_keep_theirs() -> None:
    groups = {"doctors": {"count": 4, "topics": [5, 1]}, "others": {"count": 2}}
    config = WorldConfig(expert_groups=groups)
    assert config.topics.tolist() == [5, 1, 5, 1, 4, 5]
    world = World(config, num_worlds=50, seed=0)
    own = world.pool.competence[:, np.arange(6), config.topics]
    assert (own >= 0.95).all()
    everybody = WorldConfig(num_experts=5, experts=ExpertConfig(topics=(2, 0)))
    assert everybody.topics.tolist() == [2, 0, 2, 0, 2]


def test_newcomers_begin_the_groups_and_lists_anew() -> None:
    groups = {"wide": {"count": 2, "bandwidth_hz": 4000.0}, "narrow": {"count": 1}}
    world = World(WorldConfig(expert_groups=groups), num_worlds=2, seed=0)
    world.step(np.zeros((2, 1), int))
    world.add_experts(2)
    assert world.pool.bandwidth_hz[0].tolist() == [4000, 4000, 1000, 4000, 4000]
    world.step(np.full((2, 1), 4))
    experts = ExpertConfig(words_per_second=Each((50.0, 70.0)))
    world = World(WorldConfig(num_experts=2, experts=experts), seed=0)
    world.add_experts(1)
    assert world.pool.words_per_second.tolist() == [[50, 70, 50]]


def test_users_and_experts_see_what_they_differ_in_and_nothing_else() -> None:
    plain = column_names(BASE)
    groups = {"a": {"count": 2, "deadline_s": 3.0}, "b": {"count": 2, "credits_per_point": 10.0}}
    config = replace(
        BASE,
        user_groups=groups,
        experts=ExpertConfig(words_per_second=(50.0, 100.0), max_concurrent=Each((1, None) * 3)),
    )
    names = column_names(config)
    of_users = [name for name in names if "." not in name]
    assert of_users == [
        *(name for name in plain if "." not in name),
        "deadline_s",
        "credits_per_point",
    ]
    added = {name for name in names if name.startswith("expert_0.")} - set(plain)
    assert added == {"expert_0.words_per_second", "expert_0.max_concurrent"}
    world = World(config, num_worlds=4, seed=0)
    column = {name: world.slot.observation[..., names.index(name)] for name in names}
    assert column["deadline_s"][0].tolist() == [0.5, 0.5, 1, 1]
    assert column["credits_per_point"][0].tolist() == [0.5, 0.5, 1, 1]
    assert column["expert_0.max_concurrent"].max() == 1.0
    assert column["expert_1.max_concurrent"].min() == 1.0  # without a limit
    speed = np.broadcast_to(world.pool.words_per_second[:, None, 2] / 100, (4, 4))
    np.testing.assert_allclose(column["expert_2.words_per_second"], speed, rtol=1e-6)
    low, high = bounds(config)
    assert (world.slot.observation >= low).all()
    assert (world.slot.observation <= high).all()


def test_the_costs_of_energy_that_are_seen_are_those_of_each_pair() -> None:
    config = replace(
        BASE,
        reward=RewardConfig(credits_per_joule=Each((0.0, 1.0, 2.0, 4.0))),
        channel=ChannelConfig(tx_power_w=Each((0.1,) * 3 + (0.4,) * 3)),
    )
    world = World(config, num_worlds=2, seed=0)
    conditions, names = world.slot.conditions, column_names(config)
    for e in range(6):
        seen = world.slot.observation[..., names.index(f"expert_{e}.energy")]
        watts, price = (0.1 if e < 3 else 0.4), np.array([0.0, 1.0, 2.0, 4.0])
        expected = price * watts * conditions.transmission_alone_s[..., e]
        np.testing.assert_allclose(seen, expected, rtol=1e-6)
    assert (world.slot.observation <= bounds(config)[1]).all()


def test_a_world_of_groups_goes_on_from_its_state_to_the_bit() -> None:
    config = said("groups")
    config = replace(config, quality=QualityConfig(deadline_s=(2.0, 9.0)))
    groups = {name: {"count": 2} for name in ("a", "b")}
    config = replace(config, user_groups=groups)
    world, other = (World(config, num_worlds=2, seed=seed) for seed in (0, 1))
    world.step(np.full((2, 4), 2))
    other.set_state(world.get_state())
    for _ in range(4):
        np.testing.assert_array_equal(world.slot.observation, other.slot.observation)
        one, two = (each.step(np.full((2, 4), 1))[1] for each in (world, other))
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"user_groups": {}}, "user_groups\n.*should hold a group"),
        ({"user_groups": {"a": {}}}, r"user_groups.a.count\n.*whole number from 1"),
        ({"user_groups": {"a": {"count": 0}}}, r"user_groups.a.count\n.*whole number from 1"),
        ({"user_groups": {"a": {"count": True}}}, r"user_groups.a.count\n.*whole number from 1"),
        (
            {"user_groups": {"a": {"count": 1, "deadline": 2}}},
            r"user_groups.a.deadline\n.*did you mean 'deadline_s'",
        ),
        (
            {"user_groups": {"a": {"count": 1, "deadline_s": -2}}},
            r"user_groups.a.deadline_s.*\n.*greater than 0",
        ),
        (
            {"user_groups": {"a": {"count": 1, "words_per_second": 2}}},
            r"user_groups.a.words_per_second\n",
        ),
        (
            {"user_groups": {"a": {"count": 3, "deadline_s": {"each": [1, 2]}}}},
            r"user_groups.a.deadline_s\n.*each should hold 3 numbers.*got 2",
        ),
        (
            {"user_groups": {"a": {"count": 3}}, "num_users": 4},
            "user_groups count 3 users, so num_users should be a multiple of that",
        ),
        (
            {"num_users": 3, "quality": {"deadline_s": {"each": [1, 2]}}},
            r"quality.deadline_s: each should hold 3 numbers",
        ),
        ({"quality": {"deadline_s": [1, 2, 3]}}, r"a range should read \[low, high\]"),
        ({"quality": {"deadline_s": [3, 2]}}, "lower bound 3.0 is above"),
        ({"experts": {"max_concurrent": [1.5, 2]}}, "whole numbers"),
        ({"requests": {"arrival_probability": [0.5, 2]}}, "at most 1"),
        (
            {"expert_groups": {"a": {"count": 1, "topics": [4, 5]}}},
            r"expert_groups.a.topics\n.*has 2 topics, and the group 1 to take them",
        ),
        (
            {"expert_groups": {"a": {"count": 1, "energy_cost": 2.0}}},
            "expert_groups.a.energy_cost has no effect with reward.downlink_energy: user",
        ),
        (
            {"expert_groups": {"a": {"count": 1, "report_factor": 2.0}}},
            "expert_groups.a.report_factor has no effect with experts.cost_report: truthful",
        ),
        (
            {
                "user_groups": {"a": {"count": 1, "local_compute": 2.0}},
                "requests": {"num_transferred": 1},
            },
            "user_groups.a.local_compute has no effect with requests.num_transferred: 1",
        ),
        (
            {"experts": {"energy_cost": 2.0}},
            "experts.energy_cost has no effect with reward.downlink_energy: user; leave it out",
        ),
        (
            {"experts": {"energy_cost": {"each": [2.0, 1.0]}}, "num_experts": 2},
            "experts.energy_cost has no effect with reward.downlink_energy: user",
        ),
        (
            {"experts": {"report_factor": 2.0, "cost_report": "strategic"}},
            "experts.report_factor has no effect with experts.cost_report: strategic; leave it out",
        ),
        ({"experts": {"topics": [7]}}, r"topics of experts should lie in 0..5 .* got 7"),
        ({"expert_groups": {"a": {"count": 2, "topics": [-1]}}}, r"expert_groups.a.topics"),
        (
            {
                "num_users": 2,
                "reward": {"credits_per_joule": [1, 2], "downlink_energy": "edge_device"},
            },
            "experts.energy_cost: should be given",
        ),
    ],
)
def test_groups_and_quantities_that_do_not_fit_are_told_by_their_key(
    keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(WorldConfig).validate_python(keys)


def test_requests_of_each_group_follow_its_own_numbers() -> None:
    groups = {
        "weak": {"count": 50, "local_compute": 0.0, "private_probability": 0.0},
        "strong": {"count": 50, "local_compute": 100.0},
        "rare": {"count": 50, "arrival_probability": 0.25},
    }
    requests = RequestConfig(num_subtasks=4, local_compute=2.0)
    world = World(WorldConfig(user_groups=groups, requests=requests), num_worlds=20, seed=0)
    weak, strong, rare = (slice(50 * g, 50 * (g + 1)) for g in range(3))
    assert (world.requests.num_transferred[:, weak] == 4).all()
    assert not world.requests.subtasks.pending[:, strong].any()
    arrived = world.requests.active[:, rare].mean()
    assert abs(arrived - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1000)


def test_as_written_groups_can_be_changed_and_a_number_that_they_do_not_make_up_stays() -> None:
    groups = {"a": {"count": 2}, "b": {"count": 1, "deadline_s": 3.0}}
    config = WorldConfig(user_groups=groups, expert_groups={"e": {"count": 5}})
    adapter = TypeAdapter(WorldConfig)
    written = json.loads(adapter.dump_json(config))
    assert (written["num_users"], written["num_experts"]) == (None, None)
    written["user_groups"]["a"]["count"] = 7
    assert adapter.validate_python(written).num_users == 8
    twice = WorldConfig(user_groups=groups, num_users=6)
    for one in (config, twice):
        assert WorldConfig(**one.as_dict()) == one
        assert adapter.validate_json(adapter.dump_json(one)) == one


def test_an_edge_device_without_a_cost_of_energy_pays_what_users_pay() -> None:
    groups = {"a": {"count": 1, "energy_cost": None}, "b": {"count": 1, "energy_cost": 7.0}}
    config = WorldConfig(
        expert_groups=groups,
        reward=RewardConfig(credits_per_joule=1.5, downlink_energy="edge_device"),
    )
    assert World(config, seed=0).pool.energy_cost.tolist() == [[1.5, 7.0]]
