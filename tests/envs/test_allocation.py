"""Mechanisms that allocate: allocations, charges, payments, and their observations."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    World,
    WorldConfig,
    edge_experts_v0,
)
from envs.observation import column_names
from envs.reports import user_reports
from mechanisms import Allocation, Claims, Effort, Market, MechanismError, Outcome

Actions = Callable[[World, np.random.Generator], np.ndarray]
CONFIG = WorldConfig(
    num_users=6,
    num_experts=5,
    episode_slots=8,
    requests=RequestConfig(num_transferred=1, arrival_probability=0.7),
    channel=ChannelConfig(bandwidth_hz=500.0),
    market=MarketConfig(effort="enforced"),
)
EXACT = {"rtol": 1e-9, "atol": 1e-9}


class Seats:
    """Mechanism that allocates expert u mod (E + 1) to user u, charging u + 1 credits.

    Users for whom that is E, and those without a subtask, get none.
    """

    name = "seats"
    allocates = True
    claims = Claims()

    def __init__(self, fails_at: tuple[int, ...] = ()) -> None:
        self.fails_at = fails_at
        self.markets: list[Market] = []

    def clear(self, market: Market) -> Outcome:
        self.markets.append(market)
        if len(self.markets) - 1 in self.fails_at:
            raise MechanismError("no convergence")
        users, experts = market.num_users, market.num_experts
        topic = market.users_for(self.name).topic
        expert = np.arange(users) % (experts + 1)
        expert = np.where((expert < experts) & (topic >= 0), expert, -1)
        price = np.broadcast_to(np.arange(1.0, experts + 1), market.demand.shape)
        return Outcome(
            unit_price=price,
            effort=np.ones(market.demand.shape),
            points=np.zeros(market.demand.shape),
            payment=np.zeros(market.demand.shape),
            welfare=np.zeros(market.batch_shape),
            status="seated",
            solve_seconds=0.0,
            allocation=Allocation(
                expert,
                np.where(expert >= 0, np.arange(users) + 1.0, 0.0),
                np.where(expert >= 0, expert + 1.0, 0.0),
            ),
        )


def seated(world: World) -> np.ndarray:
    """Return the expert that the mechanism allocates to each user, (N, U)."""
    assert world.slot.offer.allocation is not None
    return world.slot.offer.allocation.expert


def points_after(world: World, n: int, u: int, e: int, delay_s: float) -> float:
    """Return r D max(a, 0) late(T), the points of full effort for a user after a delay."""
    subtasks = world.slot.conditions.subtasks
    competence = max(float(world.pool.competence[n, e, subtasks.topic[n, u]]), 0)
    loss = 0.86 * 8 * float(subtasks.weight[n, u])
    return 0.85 * loss * competence * float(np.exp(-max(delay_s - 6, 0) / 3))


def full_service(world: World, n: int, u: int, e: int) -> float:
    """Return the points of full effort for a user that has the expert to itself."""
    conditions = world.slot.conditions
    words, compute = conditions.subtasks.words[n, u], conditions.subtasks.compute[n, u]
    rate = world.config.channel.bandwidth_hz * np.log2(
        1 + 10 ** (float(conditions.links.snr_db[n, u, e]) / 10)
    )
    backlog_s = (
        conditions.occupancy.airtime_backlog_s[n, e] + conditions.occupancy.compute_backlog_s[n, e]
    )
    return points_after(
        world, n, u, e, backlog_s + 48 * (30 + words) / rate + words * compute / 100
    )


@pytest.mark.parametrize("capacity", [1, 2])
def test_a_user_that_takes_its_expert_pays_the_part_kept_of_its_charge_others_the_unit_price(
    capacity: int, any_actions: Actions
) -> None:
    config = replace(
        CONFIG,
        channel=ChannelConfig(bandwidth_hz=2000.0),
        experts=ExpertConfig(unit_cost=(0.0, 0.4)),
        market=MarketConfig(effort="enforced", capacity=capacity),
    )
    world = World(config, num_worlds=100, seed=0, mechanism=Seats())
    rng = np.random.default_rng(0)
    paid_charge = paid_part = paid_price = capped = 0
    while not world.done:
        actions, expert = any_actions(world, rng), seated(world)
        follows = rng.random(expert.shape) < 0.5
        actions = np.where(follows & (expert >= 0), expert, actions)
        before, full_points = deepcopy(world), world.slot.offer.full_points
        *_, result = world.step(actions)
        payment = np.zeros((100, 5))
        for n, u in np.ndindex(actions.shape):
            e = int(actions[n, u])
            if expert[n, u] >= 0 and capacity == 1:
                plan = full_service(before, n, u, int(expert[n, u]))
                assert full_points[n, u] == pytest.approx(plan, rel=2e-5, abs=1e-12)
            assert result.walked_away[n, u] == (e != expert[n, u] >= 0)
            if not result.transferred[n, u]:
                assert result.charge[n, u] == 0
                continue
            points = points_after(before, n, u, e, result.delay_s[n, u])
            assert result.qos[n, u] == pytest.approx(points, rel=1e-9)
            charge = paid = (e + 1) * points
            if e == expert[n, u]:
                kept = min(points / full_points[n, u], 1)
                charge, paid = (u + 1) * kept, (e + 1) * full_points[n, u] * kept
                paid_part += kept < 1 - 1e-4
                capped += points > full_points[n, u] * (1 + 1e-4)
            assert result.charge[n, u] == pytest.approx(charge, rel=1e-6)
            payment[n, e] += paid
            paid_charge += e == expert[n, u]
            paid_price += e != expert[n, u]
        np.testing.assert_allclose(result.payment, payment, rtol=1e-6)
        balance = result.charge.sum(axis=1) - result.payment.sum(axis=1)
        np.testing.assert_allclose(result.platform_balance, balance, **EXACT)
        clearing = world.closed_clearing
        assert clearing is not None
        assert clearing.num_slots == 1
        np.testing.assert_allclose(clearing.user_charge, result.charge, **EXACT)
        np.testing.assert_allclose(clearing.user_gain, result.gain, **EXACT)
        np.testing.assert_allclose(clearing.balance, balance, **EXACT)
        np.testing.assert_array_equal(clearing.allocation, expert)
    assert paid_charge > 100
    assert paid_part > (20 if capacity == 1 else 0)
    # who is told of a place beside another and has the expert to itself pays no more for it
    assert (capped > 20) == (capacity == 2)
    assert paid_price > 100


def test_who_follows_the_allocation_is_served_before_all_others() -> None:
    config = replace(
        CONFIG,
        requests=RequestConfig(num_transferred=1),
        # of every topic, and for next to nothing, so that none declines
        experts=ExpertConfig(
            max_concurrent=1,
            own_competence=(1, 1),
            other_competence=(1, 1),
            mean_competence=1.0,
            unit_cost=(0.0, 0.0),
            cost_slope=(0.01, 0.01),
        ),
        quality=QualityConfig(deadline_s=60.0),
        num_experts=3,
    )
    world = World(config, num_worlds=200, seed=0, mechanism=Seats())
    *_, result = world.step(np.tile([0, 0, 0, 0, 1, 1], (200, 1)))  # seats: 0, 1, 2, none, 0, 1
    served = result.transferred
    assert served[:, 0].all()
    assert not served[:, 1:4].any()
    assert served[:, 5].all()
    assert not served[:, 4].any()
    *_, result = world.step(np.tile([2, 0, 0, 0, 3, 3], (200, 1)))  # nobody follows: a fair draw
    share = result.transferred[:, 1:4].mean(axis=0)
    np.testing.assert_allclose(share, 1 / 3, atol=4 * np.sqrt(2 / 9 / 200))


def test_users_see_whom_they_are_assigned_and_the_price_of_it_within_bounds() -> None:
    env = edge_experts_v0.parallel_env(config=CONFIG, mechanism=Seats())
    seen, _ = env.reset(seed=3)
    names = column_names(CONFIG, allocates=True)
    assert len(names) == len(set(names)) == 4 + 5 * 14
    shown = 0
    while env.agents:
        world = env.world
        expert = seated(world)[0]
        for u, agent in enumerate(env.agents):
            assert env.observation_space(agent).contains(seen[agent])
            row = dict(zip(names, seen[agent].tolist(), strict=True))
            for e in range(5):
                assert row[f"expert_{e}.assigned"] == (expert[u] == e)
                price = e + 1.0
                if expert[u] == e:
                    points = full_service(world, 0, u, e)
                    price = (u + 1) / points if points else np.inf
                    shown += 1
                assert row[f"expert_{e}.unit_price"] == pytest.approx(
                    min(price / 3.8, 10), rel=1e-5
                )
        seen, *_ = env.step(dict.fromkeys(env.agents, 0))
    assert shown > 20


def test_a_mechanism_that_only_prices_adds_no_feature() -> None:
    world = World(CONFIG, seed=0, mechanism=mechanisms.make("posted_price"))
    assert world.slot.observation.shape[-1] == len(column_names(CONFIG)) == 4 + 5 * 13
    assert not world.slot.offer.allocates
    assert (world.slot.offer.allocation.expert == -1).all()


def test_an_allocation_is_cleared_every_slot_and_no_other_interval_is_accepted() -> None:
    mechanism = Seats()
    world = World(CONFIG, num_worlds=2, seed=0, mechanism=mechanism)
    for cleared in range(1, 5):
        assert len(mechanism.markets) == cleared
        world.step(np.zeros((2, 6), int))
    with pytest.raises(ValueError, match=r"env.market.interval should be 1 or null .* got 5"):
        World(replace(CONFIG, market=MarketConfig(interval=5)), mechanism=Seats())


@pytest.mark.parametrize("effort", ["bought", "enforced"])
def test_vcg_in_a_world_reaches_the_optimum_of_each_slot_and_nobody_who_follows_loses(
    effort: Effort,
) -> None:
    config = replace(
        CONFIG,
        experts=ExpertConfig(max_concurrent=1),
        requests=RequestConfig(num_transferred=1),
        market=MarketConfig(effort=effort),
    )
    world = World(config, num_worlds=30, seed=2, mechanism=mechanisms.make("vcg"))
    while not world.done:
        expert = seated(world)
        actions = np.where(expert >= 0, expert, 5)
        *_, result = world.step(actions)
        clearing = world.closed_clearing
        assert clearing is not None
        np.testing.assert_allclose(clearing.welfare, clearing.welfare_optimum, rtol=1e-9, atol=1e-9)
        # Reported values are the gains realised by who follows, since nobody shares a band here.
        assert (result.gain >= -1e-5).all()
        realised = (
            result.gain.sum(axis=1)
            + result.platform_balance
            + (result.payment - result.edge_cost).sum(axis=1)
        )
        np.testing.assert_allclose(realised, clearing.welfare, rtol=1e-5, atol=1e-5)
        earned = result.payment - result.edge_cost
        if effort == "bought":
            assert (earned >= -1e-9).all()  # full effort is bought at a rent
        else:
            # pairs are paid just what they cost, by reports in single precision
            assert (np.abs(earned) <= 1e-6 * result.edge_cost).all()
        np.testing.assert_array_equal(result.transferred, expert >= 0)


def test_when_a_clearing_fails_prices_stand_and_nobody_is_allocated() -> None:
    world = World(CONFIG, num_worlds=3, seed=0, mechanism=Seats(fails_at=(2,)))
    for _ in range(2):
        world.step(np.zeros((3, 6), int))
    assert (seated(world) == -1).all()
    np.testing.assert_array_equal(world.slot.offer.unit_price, np.tile(np.arange(1.0, 6), (3, 1)))
    world.step(np.zeros((3, 6), int))
    clearing = world.closed_clearing
    assert clearing is not None
    assert clearing.failed
    assert clearing.status == "failed: no convergence"
    assert (clearing.welfare == 0).all()
    assert (seated(world) >= 0).any()


def test_welfare_is_that_of_the_allocation_at_true_costs_and_never_above_the_optimum() -> None:
    scaled = replace(CONFIG, experts=ExpertConfig(cost_report="scaled", report_factor=(2.0, 3.0)))
    for config in (CONFIG, scaled):
        world = World(config, num_worlds=20, seed=1, mechanism=Seats())
        reports, pool = user_reports(world.slot.conditions), world.pool
        worth = (
            reports.users.value
            - reports.users.work * (pool.unit_cost + pool.cost_slope / 2)[:, None]
        )
        expert = seated(world)
        worth *= reports.users.points > 0  # no price of a point pays for none: that is declined
        expected = [
            sum(worth[n, u, e] for u, e in enumerate(expert[n]) if e >= 0) for n in range(20)
        ]
        world.step(np.zeros((20, 6), int))
        clearing = world.closed_clearing
        assert clearing is not None
        np.testing.assert_allclose(clearing.welfare, expected, rtol=1e-6)
        assert (clearing.welfare <= clearing.welfare_optimum + 1e-9).all()
        assert clearing.welfare_optimum.mean() > 1
