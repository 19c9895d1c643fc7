"""Effort of edge devices: what they answer to a price, what is ordered, and whom they decline."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechanisms
from envs import MarketConfig, QualityConfig, RequestConfig, World, WorldConfig
from envs.requests import Subtasks
from mechanisms import Effort, Outcome
from mechanisms.supply import answer, cost

Prices = Callable[..., mechanisms.Mechanism]
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def test_the_answers_of_the_slot_by_hand(slot_by_hand: dict[str, dict[str, list[float]]]) -> None:
    by_hand = slot_by_hand["working"]
    revenue = np.array([2.0, 2.0, 0.8]) * by_hand[r"q_1"]
    work = np.array(by_hand["w"])
    effort = answer(revenue, 0.5 * work, work)
    np.testing.assert_allclose(effort, by_hand["x"], atol=2e-4)
    profit = revenue * effort - cost(effort, 0.5 * work, work)
    np.testing.assert_allclose(profit, by_hand[r"\mathrm{profit}"], atol=2e-4)
    # with the energy of the answers to pay, user 1 is declined
    fixed = np.array([0.135, 0.21, 0.22])
    effort = answer(revenue, 0.5 * work, work, fixed)
    assert (effort > 0).tolist() == [True, False, True]


@given(
    revenue=st.floats(0, 10),
    work=st.floats(0.1, 3),
    kappa=st.floats(0, 3),
    slope=st.floats(0.1, 3),
    fixed=st.floats(0, 2),
    rounding=st.sampled_from([1e-12, 1e-6, 1e-5]),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_effort_that_is_bought_earns_most_and_is_declined_where_even_that_loses(
    revenue: float, work: float, kappa: float, slope: float, fixed: float, rounding: float
) -> None:
    costs = np.array([work * kappa]), np.array([work * slope])
    effort = answer(np.array([revenue]), *costs, fixed, rounding=rounding)[0]
    every = np.linspace(0, 1, 1001)
    profit = revenue * every - work * (kappa * every + slope * every**2 / 2) - fixed
    best = min(max((revenue - work * kappa) / (work * slope), 0), 1)
    most = revenue * best - work * (kappa * best + slope * best**2 / 2) - fixed
    assert most >= profit.max() - 1e-12
    if abs(most) > 3 * rounding * (revenue + work * (kappa + slope) + fixed):
        assert effort == pytest.approx(best if most > 0 else 0, abs=1e-12)


def test_effort_that_is_ordered_is_given_or_declined_and_breaking_even_is_no_loss() -> None:
    # half effort for 2 points of work costs 2 (1 x 0.5 + 2 x 0.125) + 0.3 = 1.8 credits
    ordered = np.array([0.5, 0.5, 0.5, 0.5, 0.0])
    revenue = np.array([4.0, 3.6, 3.6 * (1 - 1e-7), 3.5, 100.0])
    costs = np.full(5, 2.0), np.full(5, 4.0)
    np.testing.assert_allclose(cost(ordered, *costs)[:4] + 0.3, 1.8)
    effort = answer(revenue, *costs, 0.3, ordered, rounding=1e-6)
    np.testing.assert_array_equal(effort, [0.5, 0.5, 0.5, 0.0, 0.0])
    effort = answer(revenue, *costs, 0.3, ordered)
    np.testing.assert_array_equal(effort, [0.5, 0.5, 0.0, 0.0, 0.0])


def reference_points(world: World, subtasks: Subtasks) -> np.ndarray:
    """Return r Delta W c / (mean W mean c), the points that costs are counted in, (N, U)."""
    words, needs = world.config.requests.words, world.config.requests.compute_need
    work = subtasks.words * subtasks.compute
    return 0.85 * 0.86 * work / (sum(words) / 2 * sum(needs) / 2)


def test_edge_devices_that_would_decline_a_user_alone_are_masked_and_effort_is_its_own_for_each(
    fixed_prices: Prices,
) -> None:
    config = WorldConfig(
        num_users=2,
        num_experts=4,
        requests=RequestConfig(num_transferred=1),
        quality=QualityConfig(deadline_s=60.0),  # nobody is late
    )
    world = World(config, num_worlds=30, seed=0, mechanism=fixed_prices(3.0))
    pool, subtasks = world.pool, world.requests.subtasks
    seen = world.slot.observation[..., 4:].reshape(30, 2, 4, -1)[..., 1]
    effort = np.zeros((30, 2, 4))
    for n, u, e in np.ndindex(effort.shape):
        competence = pool.competence[n, e, subtasks.topic[n, u]]
        points = 0.85 * 0.86 * max(competence, 0)
        worth = 3.0 * points / reference_points(world, subtasks)[n, u]
        effort[n, u, e] = min(max((worth - pool.unit_cost[n, e]) / pool.cost_slope[n, e], 0), 1)
        assert seen[n, u, e] == pytest.approx(competence * effort[n, u, e], rel=1e-5, abs=1e-5)
    assert {0.0, 1.0} < {*effort.ravel().tolist()}
    np.testing.assert_array_equal(world.slot.mask[..., :4], effort > 0)
    assert ((effort[:, 0] > 0) != (effort[:, 1] > 0)).any()  # a device that takes one user alone
    assert world.slot.mask[..., 4].all()
    *_, result = world.step(np.zeros((30, 2), int))
    np.testing.assert_array_equal(result.rejected, effort[..., 0] == 0)


def test_participation_at_a_price_is_the_share_of_edge_devices_with_a_lower_cost_of_a_point(
    fixed_prices: Prices,
) -> None:
    config = WorldConfig(requests=RequestConfig(num_transferred=1))
    world = World(config, num_worlds=500, seed=0, mechanism=fixed_prices(2.3))
    # The subtask of the greatest of 8 needs goes out, Beta(8, 1) over 0.5..1.5: with 0.5 + 8 / 9 of
    # the mean work, which its points do not grow with. Unit costs are uniform over 0.5..3.
    expected = (2.3 / (0.5 + 8 / 9) - 0.5) / 2.5
    tolerance = 4 * np.sqrt(expected * (1 - expected) / world.slot.offer.participates.size)
    assert world.slot.offer.participates.mean() == pytest.approx(expected, abs=tolerance)


class HalfEffort:
    """Mechanism that orders half effort at any cost, for 3 credits a point."""

    name = "half_effort"
    allocates = False
    claims = mechanisms.Claims()

    def clear(self, market: mechanisms.Market) -> Outcome:
        half = np.full(market.demand.shape, 0.5)
        nothing = np.zeros(market.demand.shape[:-1])
        return Outcome(
            6 * half, half, half, half, welfare=nothing, status="ordered", solve_seconds=0.0
        )


@pytest.mark.parametrize("effort", ["bought", "enforced"])
def test_an_edge_device_gives_the_effort_that_is_ordered_or_declines_only_where_it_is_enforced(
    effort: Effort,
) -> None:
    config = WorldConfig(
        num_users=1,
        num_experts=2,
        requests=RequestConfig(num_transferred=1),
        quality=QualityConfig(deadline_s=60.0),
        market=MarketConfig(effort=effort),
    )
    world = World(config, num_worlds=200, seed=0, mechanism=HalfEffort())
    subtasks, mask = world.requests.subtasks, world.slot.mask[:, 0, 0]
    *_, result = world.step(np.zeros((200, 1), int))
    topic = subtasks.topic[:, 0]
    points = 0.85 * 0.86 * np.maximum(world.pool.competence[np.arange(200), 0, topic], 0)
    kappa, slope = world.pool.unit_cost[:, 0], world.pool.cost_slope[:, 0]
    work = reference_points(world, subtasks)[:, 0]
    given = np.full(200, 0.5)
    if effort == "bought":
        given = np.clip((3 * points / work - kappa) / slope, 0, 1)
    cost = work * (kappa * given + slope * given**2 / 2)
    serves = (3 * points * given >= cost) & (given > 0)
    assert 20 < serves.sum() < 180
    np.testing.assert_array_equal(mask, serves)
    np.testing.assert_array_equal(result.transferred[:, 0], serves)
    np.testing.assert_allclose(result.payment[:, 0], serves * 3 * given * points, **EXACT)
    np.testing.assert_allclose(result.edge_cost[:, 0], serves * cost, **EXACT)
