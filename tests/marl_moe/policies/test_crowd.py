"""The rule for a crowd, against its definition and against rules that expect nothing of others."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    ObservationConfig,
    RequestConfig,
    Slot,
    World,
    WorldConfig,
)
from envs.poisson_load import evaluated_numbers
from envs.strangers import Strangers
from marl_moe.experiment.study.evaluation import mean_gain
from marl_moe.policies import BetterResponse, Crowd, make
from marl_moe.policies.crowd import STRANGERS, TEMPERATURE
from marl_moe.testing import check_policy

CROWDED = WorldConfig(
    num_users=8,
    num_experts=6,
    requests=RequestConfig(num_transferred=1, zipf_exponent=1, topic_persistence=0.8),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
)
WORLDS = 10


def crowded(config: WorldConfig, mechanism: str = "none", slots: int = 4) -> World:
    world = World(config, WORLDS, seed=0, mechanism=mechanisms.make(mechanism))
    policy = make("random", np.random.default_rng(0))
    for _ in range(slots):
        world.step(policy.act(world.slot))
    return world


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_who_responds_takes_the_best_of_the_gains_expected_at_the_loads_of_its_formula(
    mechanism: str,
) -> None:
    world, a, w = crowded(CROWDED, mechanism), 0.4, 0.25
    chosen = Crowd(np.random.default_rng(0), a, w, response_probability=1.0).act(world.slot)
    slot, occupancy = world.slot, world.occupancy
    strangers = Strangers(slot.conditions, STRANGERS, np.random.default_rng(0))
    alone = strangers.meet(slot.conditions, slot.offer).alone
    best = np.maximum(alone.max(axis=-1), 0)
    mean = [of_world[of_world > 0].mean() for of_world in best]
    drawn = np.zeros((WORLDS, 6))
    for n, s in np.ndindex(*best.shape):
        choice = special.softmax(np.append(alone[n, s], 0.0) / (TEMPERATURE * mean[n]))
        drawn[n] += 7 * choice[:6] / best.shape[1]
    numbers = evaluated_numbers(7)
    evaluated = np.stack([slot.expected_gain(1 + number) for number in numbers])
    at_load = np.apply_along_axis(lambda of: np.interp(range(8), numbers, of), 0, evaluated)
    for n, u in np.ndindex(chosen.shape):
        expected = np.full(7, -np.inf)
        expected[6] = 0.0
        for e in np.flatnonzero(slot.mask[n, u, :6]):
            mine = float(occupancy.last_expert[n, u] == e)
            late = occupancy.recent_load[n, e] - occupancy.own_recent_load[n, u, e]
            seen = w * (occupancy.load[n, e] - mine) + (1 - w) * late
            others = (1 - a) * seen + a * drawn[n, e]
            law = stats.poisson.pmf(np.arange(8), others)
            law[7] = stats.poisson.sf(6, others)
            expected[e] = law @ at_load[:, n, u, e]
        assert expected[chosen[n, u]] >= expected.max() - 1e-5
    assert (chosen < 6).mean() > 0.3


def test_without_a_chance_to_respond_users_stay_where_the_threshold_lets_them() -> None:
    world = crowded(CROWDED)
    stayed = {}
    for threshold in (0.0, 0.5, 1.0):
        policy = Crowd(np.random.default_rng(0), threshold=threshold, response_probability=0.0)
        stayed[threshold] = (policy.act(world.slot) == world.occupancy.last_expert).mean()
    assert stayed[0.0] > stayed[0.5] > stayed[1.0]


def test_one_user_alone_does_what_greedy_does() -> None:
    config = replace(CROWDED, num_users=1)
    for mechanism in ("none", "posted_price"):
        world = crowded(config, mechanism, slots=3)
        crowd = Crowd(np.random.default_rng(0), response_probability=1.0).act(world.slot)
        greedy = make("greedy", np.random.default_rng(1)).act(world.slot)
        np.testing.assert_array_equal(crowd, greedy)


def test_lists_of_all_experts_change_nothing() -> None:
    listed = replace(CROWDED, observation=ObservationConfig(candidates=6))
    whole, lists = (
        Crowd(np.random.default_rng(0)).act(crowded(config).slot) for config in (CROWDED, listed)
    )
    np.testing.assert_array_equal(whole, lists)


def test_sixteen_users_gain_more_than_by_better_response_and_by_greedy() -> None:
    config = replace(
        CROWDED, num_users=16, num_experts=30, experts=ExpertConfig(words_per_second=None)
    )
    free = mechanisms.make("none")
    rules = (
        Crowd(np.random.default_rng(0)),
        BetterResponse(np.random.default_rng(0), 1.0, "recent"),
        make("greedy", np.random.default_rng(0)),
    )
    crowd, better, greedy = (mean_gain(rule, config, free, seed=5, num_worlds=24) for rule in rules)
    assert crowd > better + 0.04
    assert better > greedy + 0.2


class Told(Crowd):
    """Keeps what it expects of others."""

    def _worth(self, slot: Slot, others: np.ndarray) -> np.ndarray:
        self.told = others
        return super()._worth(slot, others)


def test_where_experts_are_paid_users_expect_each_other_where_the_offer_draws_them() -> None:
    """Users of 200 worlds with the same experts, to whom the strangers' choices are held."""
    config = replace(
        CROWDED,
        num_users=16,
        num_experts=30,
        experts=ExpertConfig(pool_seed=0, unit_cost=(0.1, 1.0), cost_slope=(0.1, 0.5)),
    )
    world = World(config, 200, seed=0, mechanism=mechanisms.make("posted_price"))
    alone = np.where(world.slot.mask[..., :-1], world.slot.expected_gain(), -np.inf)
    best = alone.max(axis=-1)
    scores = np.concatenate([alone, np.zeros((200, 16, 1))], axis=-1)
    come = special.softmax(scores / (TEMPERATURE * best[best > 0].mean()), axis=-1)
    come = 15 * come.mean((0, 1))[:30]
    crowd = Told(np.random.default_rng(0), attraction=1.0)
    crowd.act(world.slot)
    told = np.broadcast_to(crowd.told, (200, 16, 30)).mean((0, 1))
    by_competence = 15 * world.population.attraction[0]
    off = np.abs(told - come).mean(), np.abs(by_competence - come).mean()
    assert off[0] < 0.2 * come.mean()
    assert off[0] < 0.6 * off[1]


def test_its_strangers_stay_through_an_episode() -> None:
    """With the same experts who choose alone, only backlogs and requests move what is told."""
    world = World(CROWDED, 40, seed=0)
    crowd, told = Told(np.random.default_rng(0), attraction=1.0), []
    others = []
    for _ in range(2):
        crowd.act(world.slot)
        told.append(np.broadcast_to(crowd.told, (40, 8, 6)).copy())
        fresh = Told(np.random.default_rng(1), attraction=1.0)
        fresh.act(world.slot)
        others.append(np.broadcast_to(fresh.told, (40, 8, 6)).copy())
        world.step(np.full((40, 8), 6))
    moved, apart = np.abs(told[1] - told[0]).mean(), np.abs(told[0] - others[0]).mean()
    assert 0 < moved < 0.75 * apart


@pytest.mark.parametrize("key", ["attraction", "last", "threshold", "response_probability"])
def test_a_parameter_out_of_range_is_named(key: str) -> None:
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"{key} should lie in 0..1, got {value}"):
            make("crowd", np.random.default_rng(0), **{key: value})


def test_it_is_a_policy() -> None:
    check_policy("crowd", attraction=1.0, last=0.0, threshold=0.0, response_probability=0.5)
