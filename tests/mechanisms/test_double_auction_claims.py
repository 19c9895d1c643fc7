"""Claims of the double auction for users and edge devices, by many lies of both."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechanisms
from mechanisms import Market, Outcome
from mechanisms.arrays import FloatArray
from mechanisms.candidates import of_served

DrawMarket = Callable[..., Market]


def clear(market: Market) -> Outcome:
    return mechanisms.make("double_auction").clear(dataclasses.replace(market, effort="enforced"))


def user_utility(market: Market, outcome: Outcome) -> FloatArray:
    """Value of the service at the values of `market`, less the charge, credits."""
    value = np.broadcast_to(
        market.users.value, (*outcome.allocation.charge.shape, market.num_experts)
    )
    return of_served(value, outcome.allocation.expert) - outcome.allocation.charge


def edge_utility(market: Market, outcome: Outcome) -> FloatArray:
    """Payment less what full effort costs at the costs of `market`, credits."""
    return outcome.payment - outcome.points * (market.unit_cost + market.cost_slope / 2)


@settings(max_examples=150, deadline=None)
@given(
    bids=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    asks=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_report_on_a_grid_with_ties_pays_for_either_side(
    bids: list[int], asks: list[int], seed: int, traders: DrawMarket
) -> None:
    points = np.random.default_rng(seed).integers(1, 4, (len(bids), len(asks)))
    market = traders(bids, asks, points)
    honest = clear(market)
    grid = np.arange(0.5, 6.5, 0.5)
    for user in range(len(bids)):
        reported = np.tile(market.users.value, (grid.size, 1, 1))
        reported[:, user] = grid[:, np.newaxis] * points[user]
        lying = clear(
            dataclasses.replace(market, users=dataclasses.replace(market.users, value=reported))
        )
        assert (
            user_utility(market, lying)[:, user] <= user_utility(market, honest)[user] + 1e-12
        ).all()
    for expert in range(len(asks)):
        reported = np.tile(market.unit_cost, (grid.size, 1))
        reported[:, expert] = grid - 0.25
        lying = clear(dataclasses.replace(market, unit_cost=reported))
        assert (
            edge_utility(market, lying)[:, expert] <= edge_utility(market, honest)[expert] + 1e-12
        ).all()
    assert (user_utility(market, honest) >= -1e-12).all()
    assert (edge_utility(market, honest) >= -1e-12).all()


def test_no_false_report_pays_a_user_however_it_differs_from_expert_to_expert(
    draw_topics: DrawMarket,
) -> None:
    gains = []
    for seed in range(10):
        market = draw_topics(seed, ())
        rng = np.random.default_rng(seed)
        honest = user_utility(market, clear(market))
        for user in range(market.num_users):
            reported = np.tile(market.users.value, (200, 1, 1))
            reported[:100, user] = rng.uniform(-2.0, 5.0, (100, market.num_experts))
            reported[100:, user] = market.users.value[user] * rng.uniform(0.2, 3.0, (100, 1))
            lying = clear(
                dataclasses.replace(market, users=dataclasses.replace(market.users, value=reported))
            )
            gains.append(user_utility(market, lying)[:, user] - honest[user])
    assert np.max(gains) <= 1e-12
    assert np.mean(np.array(gains) < -1e-3) > 0.05


def test_no_false_report_pays_an_edge_device(draw_topics: DrawMarket) -> None:
    gains = []
    for seed in range(10):
        market = draw_topics(seed, ())
        rng = np.random.default_rng(seed)
        honest = edge_utility(market, clear(market))
        for expert in range(market.num_experts):
            unit_cost, slope = (
                np.tile(market.unit_cost, (200, 1)),
                np.tile(market.cost_slope, (200, 1)),
            )
            unit_cost[:, expert], slope[:, expert] = (
                rng.uniform(0.0, 5.0, 200),
                rng.uniform(0.01, 2.0, 200),
            )
            lying = clear(dataclasses.replace(market, unit_cost=unit_cost, cost_slope=slope))
            gains.append(edge_utility(market, lying)[:, expert] - honest[expert])
    assert np.max(gains) <= 1e-12
    assert np.mean(np.array(gains) < -1e-3) > 0.05


@pytest.mark.parametrize("seed", range(5))
def test_nobody_loses_and_prices_lie_between_bid_and_ask(
    seed: int, draw_topics: DrawMarket
) -> None:
    market = draw_topics(seed)
    outcome = clear(market)
    assert (user_utility(market, outcome) >= -1e-12).all()
    assert (edge_utility(market, outcome) >= -1e-12).all()
    assert (user_utility(market, outcome) > 1e-3).mean() > 0.1
    assert (edge_utility(market, outcome) > 1e-3).mean() > 0.1


def test_charges_cover_payments_in_every_market_and_the_platform_keeps_the_difference(
    draw_topics: DrawMarket,
) -> None:
    # Also where the condition of the claims does not hold, and where the budget is 0.
    rng = np.random.default_rng(0)
    market = draw_topics(6, users={"value": rng.uniform(-1.0, 5.0, (12, 9, 8))})
    outcome = clear(market)
    assert (outcome.balance >= -1e-12).all()
    assert (outcome.balance > 0.01).any()
    np.testing.assert_array_equal(outcome.payment, outcome.unit_price * outcome.points)
    assert outcome.allocation.charge.sum() > 1.0


def test_a_user_to_whom_experts_of_its_topic_are_worth_differently_may_lose(
    traders: DrawMarket,
) -> None:
    # By its mean it bids 4 and meets the expert at which a point is worth only 1 to it, for 3.
    market = traders([4.0, 1.0], [2.0, 5.0], users={"value": np.array([[1.0, 7.0], [1.0, 1.0]])})
    outcome = clear(market)
    assert outcome.allocation.expert.tolist() == [0, -1]
    assert user_utility(market, outcome)[0] == pytest.approx(-2.0)
