"""Misreports of costs: prices follow the reports, effort and cost the truth."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import ExpertConfig, QualityConfig, RequestConfig, World, WorldConfig

SCALED = ExpertConfig(cost_report="scaled", report_factor=(1.2, 2.0))
CONFIG = WorldConfig(num_users=3, num_experts=8, episode_slots=6, experts=SCALED)


def test_factors_are_drawn_once_a_device_and_leave_the_true_pool_as_it_was() -> None:
    scaled = World(CONFIG, num_worlds=400, seed=0)
    truthful = World(replace(CONFIG, experts=ExpertConfig()), num_worlds=400, seed=0)
    for name in ("competence", "unit_cost", "cost_slope"):
        np.testing.assert_array_equal(getattr(scaled.pool, name), getattr(truthful.pool, name))
    factor = scaled.pool.report_factor
    assert 1.2 <= factor.min() < 1.21
    assert 1.99 < factor.max() <= 2.0
    assert factor.mean() == pytest.approx(1.6, abs=4 * 0.8 / np.sqrt(12 * factor.size))
    assert (truthful.pool.report_factor == 1).all()


def test_prices_follow_the_reports_and_effort_the_true_costs() -> None:
    world = World(
        CONFIG, num_worlds=50, seed=0, mechanism=mechanisms.make("budgeted_price", budget=3.0)
    )
    market = world.market.market(None)
    np.testing.assert_array_equal(market.unit_cost, world.pool.report_factor * world.pool.unit_cost)
    np.testing.assert_array_equal(
        market.cost_slope, world.pool.report_factor * world.pool.cost_slope
    )
    outcome = mechanisms.make("budgeted_price", budget=3.0).clear(market)
    np.testing.assert_array_equal(world.slot.offer.unit_price, outcome.unit_price)
    # a point of demand takes work / demand reference points, which costs are counted in
    worth = outcome.unit_price * market.demand / market.work
    answer = np.clip((worth - world.pool.unit_cost) / world.pool.cost_slope, 0, 1)
    np.testing.assert_allclose(world.slot.offer.effort, answer, atol=1e-12)
    # a price for high reported costs buys more effort at the lower true costs
    assert (answer > outcome.effort + 0.1).any()


def test_who_is_served_gets_the_effort_that_answers_the_price_at_true_costs() -> None:
    config = WorldConfig(
        num_experts=8,
        requests=RequestConfig(num_transferred=1),
        experts=SCALED,
        quality=QualityConfig(deadline_s=60.0),
    )
    world = World(config, num_worlds=200, seed=0, mechanism=mechanisms.make("cost_plus"))
    subtasks, pool = world.requests.subtasks, world.pool
    price, actions = world.slot.offer.unit_price, world.slot.mask.argmax(axis=-1)
    *_, result = world.step(actions)
    partial = 0
    for n in np.flatnonzero(result.transferred[:, 0]):
        e = actions[n, 0]
        points = 0.85 * 0.86 * pool.competence[n, e, subtasks.topic[n, 0]]  # nobody is late
        work = 0.85 * 0.86 * subtasks.words[n, 0] * subtasks.compute[n, 0] / 200
        kappa, slope = pool.unit_cost[n, e], pool.cost_slope[n, e]
        effort = min(max((price[n, e] * points / work - kappa) / slope, 0), 1)
        assert result.qos[n, 0] == pytest.approx(effort * points, rel=1e-9)
        cost = work * (kappa * effort + slope * effort**2 / 2)
        assert result.edge_cost[n, e] == pytest.approx(cost, rel=1e-9)
        partial += effort < 1
    assert partial > 20


def test_newcomers_report_by_factors_of_their_own_and_a_state_keeps_all() -> None:
    world = World(CONFIG, num_worlds=5, seed=0, mechanism=mechanisms.make("posted_price"))
    known = world.pool.report_factor.copy()
    world.add_experts(3)
    np.testing.assert_array_equal(world.pool.report_factor[:, :8], known)
    assert (
        (world.pool.report_factor[:, 8:] >= 1.2) & (world.pool.report_factor[:, 8:] <= 2.0)
    ).all()
    other = World(
        replace(CONFIG, num_experts=11),
        num_worlds=5,
        seed=1,
        mechanism=mechanisms.make("posted_price"),
    )
    other.set_state(world.get_state())
    np.testing.assert_array_equal(other.pool.report_factor, world.pool.report_factor)


MIX = ((1.0, 0.25), (1.5, 0.0), (2.5, 0.75))
STRATEGIC = ExpertConfig(cost_report="strategic", report_mix=MIX)


def test_strategic_devices_report_by_factors_of_the_mix_in_their_shares() -> None:
    world = World(replace(CONFIG, experts=STRATEGIC), num_worlds=400, seed=0)
    truthful = World(replace(CONFIG, experts=ExpertConfig()), num_worlds=400, seed=0)
    factor = world.pool.report_factor
    assert set(np.unique(factor)) == {1.0, 2.5}
    four_sigma = 4 * np.sqrt(0.25 * 0.75 / factor.size)
    assert (factor == 2.5).mean() == pytest.approx(0.75, abs=four_sigma)
    for name in ("competence", "unit_cost", "cost_slope"):
        np.testing.assert_array_equal(getattr(world.pool, name), getattr(truthful.pool, name))


def test_a_strategic_world_without_a_mix_says_who_finds_it() -> None:
    with pytest.raises(ValueError, match=r"experts\.report_mix: .* marl-moe run finds them"):
        World(replace(CONFIG, experts=ExpertConfig(cost_report="strategic")))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"cost_report": "strategic", "report_mix": ((1.0, 0.5),)}, "sum to 1, and sum to 0.5"),
        ({"cost_report": "strategic", "report_mix": ()}, "sum to 1, and sum to 0"),
        ({"cost_report": "strategic", "report_mix": ((0.0, 1.0),)}, "greater than 0"),
        ({"cost_report": "strategic", "report_mix": ((1.0, -1.0), (2.0, 2.0))}, "greater than or"),
        ({"cost_report": "scaled", "report_mix": MIX}, "and cost_report is scaled"),
        ({"report_mix": MIX}, "and cost_report is truthful"),
    ],
)
def test_a_mix_that_cannot_be_drawn_from_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExpertConfig(**keys)
