"""The double auction against McAfee's rules by hand and the efficient matching in CVXPY.

What it claims for users and edge devices has a file of its own.
"""

import dataclasses
from collections.abc import Callable

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from mechanisms import Market, Outcome
from mechanisms.arrays import FloatArray

DrawMarket = Callable[..., Market]


def clear(market: Market) -> Outcome:
    return mechanisms.make("double_auction").clear(dataclasses.replace(market, effort="enforced"))


def asks_of(market: Market) -> FloatArray:
    return market.unit_cost + market.cost_slope / 2


def mcafee_by_hand(bids: list[float], asks: list[float]) -> tuple[int, float, float]:
    """Trades, buyers' and sellers' price by the rules as the paper words them, pair by pair."""
    b, s = sorted(bids, reverse=True), sorted(asks)
    pairs = min(len(b), len(s))
    k = 0
    while k < pairs and b[k] > s[k]:
        k += 1
    if k == 0:
        return 0, 0.0, 0.0
    if k < pairs:
        p = (b[k] + s[k]) / 2
        if s[k - 1] <= p <= b[k - 1]:
            return k, p, p
    return (k - 1, b[k - 1], s[k - 1]) if k > 1 else (0, 0.0, 0.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("bids", "asks", "trades", "buyers_price", "sellers_price"),
    [
        pytest.param([9, 8, 7, 4], [2, 3, 4, 5], 3, 4.5, 4.5, id="the next pair sets one price"),
        pytest.param([9, 8, 7, 1], [2, 3, 6, 9], 2, 7, 6, id="p = 5 is below what the third asks"),
        pytest.param([9, 8, 5, 4], [2, 3, 4, 8], 2, 5, 4, id="p = 6 is above what the third bids"),
        pytest.param([9, 8, 7], [2, 3, 4], 2, 7, 4, id="the third is the last possible pair"),
        pytest.param(
            [9, 8, 7, 6],
            [2, 3],
            1,
            8,
            3,
            id="more bids than asks: the last ask is in the last pair",
        ),
        pytest.param([9, 8], [2, 3, 4], 1, 8, 3, id="more asks than bids"),
        pytest.param([9, 8, 7], [2], 0, 0, 0, id="one seller only"),
        pytest.param([9], [2, 3, 4], 0, 0, 0, id="one user only"),
        pytest.param([9], [2], 0, 0, 0, id="one of either"),
        pytest.param([9, 1], [2, 5], 1, 3, 3, id="one trade at the price of the second pair"),
        pytest.param([1, 2], [3, 4], 0, 0, 0, id="no bid above an ask"),
        pytest.param([3, 3, 3], [3, 3, 3], 0, 0, 0, id="nothing to gain"),
        pytest.param([4, 4, 4], [3, 3, 3], 2, 4, 3, id="all equal: all but one trade"),
        pytest.param([4, 4, 3], [3, 3, 3], 2, 3, 3, id="a pair that gains nothing sets the price"),
    ],
)
def test_trades_by_hand(
    bids: list[float],
    asks: list[float],
    trades: int,
    buyers_price: float,
    sellers_price: float,
    traders: DrawMarket,
) -> None:
    assert mcafee_by_hand(bids, asks) == (trades, buyers_price, sellers_price)
    outcome = clear(traders(bids, asks))
    served = outcome.allocation.expert >= 0
    assert served.sum() == trades
    np.testing.assert_allclose(outcome.allocation.charge, np.where(served, buyers_price, 0.0))
    np.testing.assert_allclose(outcome.unit_price, np.where(outcome.effort > 0, sellers_price, 0.0))
    assert sorted(outcome.allocation.expert[served]) == np.flatnonzero(outcome.effort).tolist()
    assert set(np.flatnonzero(served)) == set(np.argsort(-np.array(bids), kind="stable")[:trades])
    assert set(np.flatnonzero(outcome.effort)) == set(np.argsort(asks, kind="stable")[:trades])


@pytest.mark.parametrize("seed", range(4))
def test_every_topic_of_every_world_trades_by_the_rules(seed: int, draw_topics: DrawMarket) -> None:
    market = draw_topics(seed)
    outcome = clear(market)
    cases = set()
    for world in range(market.budget.size):
        for topic in range(2):
            sellers = np.flatnonzero(
                (market.expert_topic[world] == topic) & (market.capacity[world] > 0)
            )
            users = np.flatnonzero(market.users.topic[world] == topic)
            value, points = (
                array[world][np.ix_(users, sellers)]
                for array in (market.users.value, market.users.points)
            )
            bids = (
                value.mean(axis=-1) / points.mean(axis=-1) if sellers.size else np.zeros(users.size)
            )
            asks = asks_of(market)[world, sellers]
            trades, buyers_price, sellers_price = mcafee_by_hand(
                bids[bids > 0].tolist(), asks.tolist()
            )
            buyers = np.sort(users[np.argsort(-bids, kind="stable")[:trades]])
            partners = np.sort(sellers[np.argsort(asks, kind="stable")[:trades]])
            np.testing.assert_array_equal(outcome.allocation.expert[world, buyers], partners)
            np.testing.assert_allclose(outcome.unit_price[world, partners], sellers_price)
            charge = buyers_price * market.users.points[world, buyers, partners]
            np.testing.assert_allclose(outcome.allocation.charge[world, buyers], charge)
            assert (outcome.allocation.expert[world, np.setdiff1d(users, buyers)] == -1).all()
            assert not outcome.effort[world, np.setdiff1d(sellers, partners)].any()
            cases.add((trades > 0, buyers_price == sellers_price))
    assert cases == {(True, True), (True, False), (False, True)}


def test_at_most_the_least_profitable_pair_of_the_efficient_matching_is_lost(
    traders: DrawMarket,
) -> None:
    gain = cp.Parameter((9, 8), name="gain")
    matched = cp.Variable((9, 8), nonneg=True, name="matched")
    one_unit_each = [cp.sum(matched, axis=0) <= 1, cp.sum(matched, axis=1) <= 1]
    efficient = cp.Problem(cp.Maximize(cp.sum(cp.multiply(gain, matched))), one_unit_each)
    assert efficient.is_dcp(dpp=True)
    lost = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        bids, asks = rng.uniform(0.0, 5.0, 9), rng.uniform(0.25, 4.25, 8)
        gain.value = bids[:, np.newaxis] - asks
        efficient.solve(solver=cp.HIGHS)
        best_pairs = np.cumsum(np.sort(bids)[::-1][:8] - np.sort(asks))
        k = int(np.argmax(best_pairs)) + 1
        assert efficient.value == pytest.approx(best_pairs[k - 1], rel=1e-6)
        assert matched.value.sum() == pytest.approx(k, abs=1e-3)
        outcome = clear(traders(bids.tolist(), asks.tolist()))
        trades = int((outcome.allocation.expert >= 0).sum())
        assert trades in (k - 1, k)
        assert outcome.welfare == pytest.approx(best_pairs[trades - 1] if trades else 0.0, rel=1e-9)
        lost.append(k - trades)
    assert 0 < sum(lost) < 40


def test_who_meets_whom_is_the_order_of_names_and_not_of_reports(traders: DrawMarket) -> None:
    points = np.arange(1.0, 13.0).reshape(3, 4)
    for bids, asks in (
        ([9.0, 8.0, 1.0], [3.0, 2.0, 7.0, 8.0]),
        ([8.0, 9.0, 1.0], [2.0, 3.0, 7.0, 8.0]),
    ):
        outcome = clear(traders(bids, asks, points))
        assert outcome.allocation.expert.tolist() == [0, 1, -1]
        np.testing.assert_allclose(outcome.points, [points[0, 0], points[1, 1], 0.0, 0.0])


def test_charge_and_payment_count_the_points_of_the_pair(traders: DrawMarket) -> None:
    points = np.array([[2.0, 5.0], [3.0, 7.0]])
    outcome = clear(traders([9.0, 1.0], [2.0, 5.0], points))
    np.testing.assert_allclose(outcome.allocation.charge, [3.0 * 2.0, 0.0])
    np.testing.assert_allclose(outcome.payment, [3.0 * 2.0, 0.0])
    assert outcome.welfare == pytest.approx(2.0 * (9.0 - 2.0))
    assert outcome.effort.tolist() == [1.0, 0.0]
    assert outcome.status == "closed_form"


def test_an_expert_sells_one_unit_whatever_its_capacity_and_none_without(
    traders: DrawMarket,
) -> None:
    bids, asks = [9.0, 8.0, 7.0], [2.0, 3.0, 7.5]
    ample = clear(traders(bids, asks, capacity=np.array([5, 5, 5])))
    assert np.bincount(
        ample.allocation.expert[ample.allocation.expert >= 0], minlength=3
    ).tolist() == [1, 1, 0]
    without = clear(traders(bids, asks, capacity=np.array([0, 5, 5])))
    assert without.allocation.expert.tolist() == [1, -1, -1]
    assert not clear(traders(bids, asks, capacity=np.zeros(3, dtype=int))).effort.any()


def test_a_bid_is_the_mean_over_experts_of_the_topic_that_can_serve(traders: DrawMarket) -> None:
    market = traders(
        [9.0, 1.0], [2.0, 5.0, 1.0, 1.0], capacity=np.array([1, 1, 0, 1]), expert_topic=[0, 0, 0, 1]
    )
    shifted = market.users.value.copy()
    shifted[0] = [7.0, 11.0, 1000.0, -1000.0]
    same = dataclasses.replace(market, users=dataclasses.replace(market.users, value=shifted))
    np.testing.assert_array_equal(clear(same).allocation.charge, clear(market).allocation.charge)
    assert clear(market).allocation.expert.tolist() == [0, -1]


@pytest.mark.parametrize("topic", [-1, 5])
def test_a_user_without_a_topic_or_without_experts_of_it_is_not_served(
    topic: int, traders: DrawMarket
) -> None:
    bids, asks = [9.0, 8.0, 1.0], [2.0, 3.0, 4.0]
    assert clear(traders(bids, asks)).allocation.expert[0] == 0
    outcome = clear(traders(bids, asks, users={"topic": np.array([topic, 0, 0])}))
    assert outcome.allocation.expert.tolist() == [-1, 0, -1]


@pytest.mark.filterwarnings("error")
def test_a_user_that_gains_nothing_or_gets_no_points_makes_no_bid(traders: DrawMarket) -> None:
    # With three bids the third pair would set one price for two trades.
    assert (clear(traders([9.0, 8.0, 0.1], [2.0, 3.0, 9.0])).allocation.expert >= 0).sum() == 2
    for bid in (0.0, -1.0):
        assert (clear(traders([9.0, 8.0, bid], [2.0, 3.0, 9.0])).allocation.expert >= 0).sum() == 1
    pointless = traders(
        [9.0, 8.0, 5.0],
        [2.0, 3.0, 9.0],
        [[0.0], [1.0], [1.0]],
        users={"value": np.full((3, 3), 7.0)},
    )
    assert clear(pointless).allocation.expert.tolist() == [-1, 0, -1]


def test_topics_do_not_touch_one_another(draw_topics: DrawMarket) -> None:
    market = draw_topics(7)
    changed = np.where(
        (market.users.topic == 0)[..., np.newaxis], market.users.value * 3.0, market.users.value
    )
    costs = np.where(market.expert_topic == 0, market.unit_cost / 3.0, market.unit_cost)
    before, after = (
        clear(market),
        clear(
            dataclasses.replace(
                market, unit_cost=costs, users=dataclasses.replace(market.users, value=changed)
            )
        ),
    )
    np.testing.assert_array_equal(
        before.allocation.charge[market.users.topic == 1],
        after.allocation.charge[market.users.topic == 1],
    )
    np.testing.assert_array_equal(
        before.payment[market.expert_topic == 1], after.payment[market.expert_topic == 1]
    )
    assert (before.allocation.charge != after.allocation.charge).any()


def test_where_no_topics_are_given_all_trade_in_one(traders: DrawMarket) -> None:
    bids, asks = [9.0, 8.0, 7.0], [2.0, 3.0, 4.0]
    given = clear(traders(bids, asks))
    left_out = clear(traders(bids, asks, users={"topic": None}, expert_topic=None))
    assert (given.allocation.expert >= 0).any()
    np.testing.assert_array_equal(given.allocation.charge, left_out.allocation.charge)
