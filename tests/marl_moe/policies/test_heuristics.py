"""Heuristics against brute force over every choice a user has."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
from scipy import stats

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from marl_moe.policies import POLICIES
from marl_moe.policies.heuristics import greatest_by_lot

FREE = WorldConfig(num_users=4, num_experts=7, episode_slots=8)
PAID = WorldConfig(
    num_users=4,
    num_experts=7,
    episode_slots=8,
    information="type",
    requests=RequestConfig(arrival_probability=0.7, topic_persistence=0.8),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
    experts=ExpertConfig(availability_probability=0.5, max_concurrent=2),
)
FORCED = WorldConfig(
    num_users=3,
    num_experts=3,
    episode_slots=8,
    allow_abandon=False,
    requests=RequestConfig(arrival_probability=0.7),
    experts=ExpertConfig(availability_probability=0.4, words_per_second=None, mean_competence=-0.2),
)
SETTINGS = [
    (FREE, "none"),
    (FREE, "posted_price"),
    (PAID, "none"),
    (PAID, "posted_price"),
    (FORCED, "posted_price"),
]


def slots(config: WorldConfig, mechanism: str, num_worlds: int = 6) -> Iterator[World]:
    """Yield the slots of an episode in which users act at random."""
    world = World(config, num_worlds=num_worlds, seed=0, mechanism=mechanisms.make(mechanism))
    rng = np.random.default_rng(0)
    while not world.done:
        yield world
        world.step(rng.integers(world.num_experts + 1, size=(num_worlds, world.num_users)))


def act(name: str, world: World, seed: int = 0) -> np.ndarray:
    return POLICIES[name](np.random.default_rng(seed)).act(world.slot)


def gain_alone(world: World) -> np.ndarray:
    """Gain of every user at every expert if all others abandoned, (N, U, E), by playing it."""
    shape = (world.num_worlds, world.num_users)
    gain = np.empty((*shape, world.num_experts))
    for u in range(world.num_users):
        for e in range(world.num_experts):
            actions = np.full(shape, world.num_experts)
            actions[:, u] = e
            *_, result = deepcopy(world).step(actions)
            gain[:, u, e] = result.gain[:, u]
    return gain


@pytest.mark.parametrize(("config", "mechanism"), SETTINGS)
@pytest.mark.parametrize("name", ["random", "topic_match", "max_snr", "greedy"])
def test_actions_are_integers_that_the_mask_allows(
    name: str, config: WorldConfig, mechanism: str
) -> None:
    for world in slots(config, mechanism):
        actions = act(name, world)
        assert np.issubdtype(actions.dtype, np.integer)
        assert np.take_along_axis(world.slot.mask, actions[..., None], axis=-1).all()


@pytest.mark.parametrize(("config", "mechanism"), SETTINGS)
@pytest.mark.parametrize("name", ["abandon", "local"])
def test_abandon_and_local_drop_everything(name: str, config: WorldConfig, mechanism: str) -> None:
    for world in slots(config, mechanism):
        actions = act(name, world)
        assert (actions == world.num_experts).all()
        _, reward, result = deepcopy(world).step(actions)
        assert (reward == 0).all()
        assert not result.transferred.any()


@pytest.mark.parametrize(("config", "mechanism"), SETTINGS)
@pytest.mark.parametrize("name", ["random", "topic_match", "max_snr"])
def test_who_does_not_weigh_gains_abandons_only_where_no_expert_may_be_chosen(
    name: str, config: WorldConfig, mechanism: str
) -> None:
    for world in slots(config, mechanism):
        none_may = ~world.slot.mask[..., :-1].any(axis=-1)
        np.testing.assert_array_equal(act(name, world) == world.num_experts, none_may)


def test_random_is_uniform_over_the_experts_that_may_be_chosen() -> None:
    config = WorldConfig(num_experts=5, requests=RequestConfig(num_transferred=1))
    world = World(config, num_worlds=20, seed=0, mechanism=mechanisms.make("posted_price"))
    masks = world.slot.mask[:, 0, :-1]
    # A world in which some may be chosen, some not.
    n = int(np.flatnonzero((masks.sum(axis=1) > 1) & (masks.sum(axis=1) < 5))[0])
    allowed = np.flatnonzero(masks[n])
    policy = POLICIES["random"](np.random.default_rng(0))
    counts = np.bincount([policy.act(world.slot)[n, 0] for _ in range(4000)], minlength=6)
    assert counts.sum() == counts[allowed].sum()
    assert stats.chisquare(counts[allowed]).pvalue > 1e-3


@pytest.mark.parametrize(("config", "mechanism"), SETTINGS)
def test_max_snr_takes_the_strongest_channel_of_those_allowed(
    config: WorldConfig, mechanism: str
) -> None:
    for world in slots(config, mechanism):
        actions, mask, snr_db = (
            act("max_snr", world),
            world.slot.mask,
            world.slot.conditions.links.snr_db,
        )
        for n, u in np.argwhere(mask[..., :-1].any(axis=-1)):
            strongest = max(snr_db[n, u, e] for e in range(world.num_experts) if mask[n, u, e])
            assert snr_db[n, u, actions[n, u]] == strongest


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_topic_match_takes_the_most_competent_of_those_allowed(mechanism: str) -> None:
    for world in slots(FREE, mechanism):
        actions, mask = act("topic_match", world), world.slot.mask
        for n, u in np.argwhere(mask[..., :-1].any(axis=-1)):
            competence = world.pool.competence[n, :, world.requests.subtasks.topic[n, u]]
            best = max(competence[e] for e in range(world.num_experts) if mask[n, u, e])
            assert competence[actions[n, u]] == pytest.approx(best, abs=2e-6)


def test_topic_match_with_types_alone_takes_any_expert_of_the_right_type() -> None:
    config = WorldConfig(information="type", requests=RequestConfig(num_transferred=1))
    world = World(config, seed=0)
    policy = POLICIES["topic_match"](np.random.default_rng(0))
    counts = np.bincount([policy.act(world.slot).item() for _ in range(2000)], minlength=31)
    right = np.arange(world.requests.subtasks.topic.item(), 30, 6)
    assert counts[right].sum() == 2000
    assert stats.chisquare(counts[right]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("config", "mechanism"), [(FREE, "none"), (FREE, "posted_price"), (FORCED, "posted_price")]
)
def test_greedy_takes_the_best_gain_that_a_user_alone_could_have(
    config: WorldConfig, mechanism: str
) -> None:
    seen = set()
    for world in slots(config, mechanism):
        actions, mask, gain = act("greedy", world), world.slot.mask, gain_alone(world)
        for n, u in np.argwhere(world.requests.subtasks.pending):
            best = max(
                (gain[n, u, e] for e in range(world.num_experts) if mask[n, u, e]), default=-np.inf
            )
            may_abandon = bool(mask[n, u, -1])
            if actions[n, u] == world.num_experts:
                assert may_abandon
                assert best < 1e-5
                seen.add("abandons")
            else:
                assert gain[n, u, actions[n, u]] == pytest.approx(best, abs=1e-4)
                assert best > -1e-5 or not may_abandon
                seen.add("transfers" if best > 0 else "must transfer")
    assert seen >= {"abandons", "transfers" if config.allow_abandon else "must transfer"}


def test_greedy_with_types_alone_takes_the_least_energy_of_the_right_type() -> None:
    config = WorldConfig(information="type", requests=RequestConfig(num_transferred=1))
    world = World(config, num_worlds=50, seed=0)
    snr_db = world.slot.conditions.links.snr_db[:, 0]
    for n, action in enumerate(act("greedy", world)[:, 0]):
        right = range(int(world.requests.subtasks.topic[n, 0]), 30, 6)
        # Of the right type all look equally competent, so the strongest channel is the cheapest.
        assert action == max(right, key=lambda e: snr_db[n, e])


def test_greedy_does_not_see_what_others_choose_now() -> None:
    world = World(FREE, num_worlds=6, seed=0)
    before = act("greedy", world)
    # Some crowd, blind to each other.
    assert (np.bincount(before.ravel(), minlength=8)[:7] > 1).any()
    np.testing.assert_array_equal(before, act("greedy", world))


def test_the_upper_bound_reads_what_the_device_itself_would_have_made() -> None:
    config = WorldConfig(num_users=5, requests=RequestConfig(num_transferred=2))
    world = World(config, num_worlds=20, seed=0)
    words = world.requests.request_subtasks[..., :2, 1].sum(axis=-1)
    local_gains = []
    for _ in range(2):
        *_, result = world.step(act("local", world))
        local_gains.append(result.local_gain)
    np.testing.assert_allclose(result.local_utility, 5 * 8.80 - 0.0025 * words, rtol=1e-12)
    np.testing.assert_allclose(sum(local_gains), 2 * 5 * 0.86 - 0.0025 * words, rtol=1e-12)
    np.testing.assert_allclose(result.utility, 5 * (8.80 - 2 * 0.86), rtol=1e-12)
    assert POLICIES["local"].runs_locally
    assert not POLICIES["abandon"].runs_locally


def test_round_robin_visits_every_expert_once_before_any_twice() -> None:
    world = World(
        WorldConfig(num_users=7, num_experts=5, requests=RequestConfig(num_transferred=1)),
        num_worlds=2,
    )
    policy = POLICIES["round_robin"](np.random.default_rng(0))
    visits = []
    for _ in range(5):
        chosen = policy.act(world.slot)
        # 7 users on 5 experts: one or two each.
        assert np.ptp(np.bincount(chosen[0], minlength=5)) <= 1
        visits.append(chosen)
        world.step(chosen)
    assert (np.sort(np.array(visits), axis=0) == np.arange(5)[:, None, None]).all()


def test_round_robin_passes_over_experts_that_may_not_be_chosen() -> None:
    config = WorldConfig(
        num_users=2, num_experts=6, experts=ExpertConfig(availability_probability=0.5)
    )
    world = World(config, num_worlds=50, seed=0)
    chosen = POLICIES["round_robin"](np.random.default_rng(0)).act(world.slot)
    for n, u in np.ndindex(chosen.shape):
        turn = [(u + world.slot.index + step) % 6 for step in range(6)]
        expected = next((e for e in turn if world.slot.mask[n, u, e]), 6)
        assert chosen[n, u] == expected


def test_load_aware_joins_the_shortest_queue_of_its_type() -> None:
    world = World(
        WorldConfig(num_users=12, requests=RequestConfig(num_transferred=1)), num_worlds=20, seed=0
    )
    policy = POLICIES["load_aware"](np.random.default_rng(0))
    world.step(np.random.default_rng(0).integers(30, size=(20, 12)))
    chosen = policy.act(world.slot)
    for n, u in np.ndindex(chosen.shape):
        others = world.occupancy.load[n] - (world.occupancy.last_expert[n, u] == np.arange(30))
        right = world.pool.topic == world.requests.subtasks.topic[n, u]
        assert right[chosen[n, u]]
        assert others[chosen[n, u]] == others[right].min()


@pytest.mark.parametrize("name", ["max_snr", "greedy", "load_aware", "better_response"])
def test_experts_that_are_equal_are_chosen_by_lot(name: str) -> None:
    # all channels at the top of the range and one competence: all experts are equal
    config = WorldConfig(
        num_users=1,
        num_experts=6,
        requests=RequestConfig(num_transferred=1, num_topics=1),
        channel=ChannelConfig(snr_db=(20.0, 20.0)),
        experts=ExpertConfig(own_competence=(1.0, 1.0), mean_competence=1.0),
    )
    world = World(config, num_worlds=1200, seed=0)
    actions = act(name, world)
    counts = np.bincount(actions[:, 0], minlength=7)
    assert counts[6] == 0
    assert stats.chisquare(counts[:6]).pvalue > 1e-3
    np.testing.assert_array_equal(actions, act(name, world))


def test_nothing_is_drawn_where_no_two_experts_are_equal() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    score = np.array([[1.0, 3.0, 2.0], [-np.inf, -np.inf, -np.inf], [5.0, 5.0 - 1e-9, -np.inf]])
    np.testing.assert_array_equal(greatest_by_lot(score, rng), [1, 0, 0])
    assert rng.random() == other.random()
