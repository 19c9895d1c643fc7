"""The Fisher market with satiation: conditions of equilibrium, and small markets by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

import mechanisms
from mechanisms import Market, Outcome, UserReports
from mechanisms.fisher import trade_in
from mechanisms.fisher_equilibrium import Traded, equilibrium, price_of
from mechanisms.testing import draw_market


def clear(market: Market) -> Outcome:
    return mechanisms.make("fisher").clear(market)


def one_expert(value: float, need: float, budget: float, num_users: int = 1) -> Market:
    """Users alike, 0.5 points each, and an expert of 1000 Hz that asks 2 credits a point."""
    each = np.ones((num_users, 1))
    users = UserReports(value * each, 0.5 * each, need * each)
    return Market(
        [1.0],
        [1.0],
        [1.0],
        [3.8],
        budget,
        users,
        capacity=[num_users],
        bandwidth_limit=[1000.0],
    )


def crowded(seed: int, factor: float = 1.0) -> Market:
    """Return four markets of 14 users and 5 experts, with up to two places and little money."""
    market = draw_market(seed, users=14)
    return replace(market, budget=factor * market.budget)


@pytest.mark.parametrize("factor", [1.0, 3.0, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_conditions_of_equilibrium_hold(seed: int, factor: float) -> None:
    market = crowded(seed, factor)
    traded, _ = trade_in(market, None)
    for index in range(len(market.budget)):
        one = traded.world((index,))
        found = equilibrium(one)
        share, price = found.share, price_of(one, found)
        assert (share >= -1e-9).all()
        assert not share[~one.trades].any()
        # Feasible: one service a user, places, bands.
        bought, sold = share.sum(axis=-1), share.sum(axis=-2)
        band = (share * one.need).sum(axis=-2)
        assert (bought <= 1 + 1e-6).all()
        assert (sold <= one.capacity * (1 + 2e-6) + 1e-6).all()
        assert (band <= 1 + 2e-6).all()
        # Sold out where dearer than what is asked.
        np.testing.assert_allclose(
            sold[found.place_price > 1e-6], one.capacity[found.place_price > 1e-6], atol=1e-4
        )
        np.testing.assert_allclose(band[found.band_price > 1e-6], 1.0, atol=1e-4)
        # Walras: all that users spend is what experts ask and what the scarce is worth.
        spent = (share * price).sum(axis=-1)
        worth = found.place_price @ one.capacity + found.band_price.sum()
        assert spent.sum() == pytest.approx((share * one.asked).sum() + worth, abs=1e-4)
        # A user buys where its bid exceeds the price by most, until money or wish runs out.
        value = (share * one.worth).sum(axis=-1)
        np.testing.assert_allclose(
            np.minimum(1.0, 1.0 / np.maximum(value, 1.0)), found.pace, atol=1e-3
        )
        bid = found.pace[:, np.newaxis] * one.worth
        gain = np.where(one.trades, bid - price, -np.inf)
        surplus = np.maximum(gain.max(axis=-1), 0.0)
        where = share > 1e-4
        most = np.broadcast_to(surplus[:, np.newaxis], share.shape)
        np.testing.assert_allclose(gain[where], most[where], atol=1e-3)
        np.testing.assert_allclose(bought[surplus > 1e-3], 1.0, atol=1e-4)
        assert (spent <= 1 + 1e-3).all()
        np.testing.assert_allclose(spent, found.pace * value - surplus, atol=1e-3)
        unsatiated = (bought < 1 - 1e-4) & (found.pace < 1 - 1e-3)
        np.testing.assert_allclose(spent[unsatiated], 1.0, atol=1e-3)
        bang = np.divide(one.worth, price, out=np.zeros_like(price), where=one.trades)
        best = np.broadcast_to(bang.max(axis=-1, keepdims=True), bang.shape)
        spends_all = where & unsatiated[:, np.newaxis]
        np.testing.assert_allclose(bang[spends_all], best[spends_all], rtol=2e-3)


def test_every_state_of_a_user_and_of_an_expert_occurs_in_the_markets_above() -> None:
    states = set()
    for seed in range(4):
        for factor in (1.0, 3.0, 100.0):
            traded, _ = trade_in(crowded(seed, factor), None)
            for index in range(4):
                one = traded.world((index,))
                found = equilibrium(one)
                bought = found.share.sum(axis=-1)
                trades = one.trades.any(axis=-1)
                states |= {
                    ("poor", bool(p < 0.99), bool(b > 0.99))
                    for p, b in zip(found.pace[trades], bought[trades], strict=True)
                }
                states |= {("place", bool(price > 0.01)) for price in found.place_price}
                states |= {("band", bool(price > 0.01)) for price in found.band_price}
    assert len(states) == 8


@pytest.mark.parametrize("budget", [5.0, 10.0, 100.0])
def test_a_user_alone_pays_what_is_asked_however_much_money_it_has(budget: float) -> None:
    outcome = clear(one_expert(value=5.0, need=500.0, budget=budget))
    assert outcome.allocation.expert.tolist() == [0]
    np.testing.assert_allclose(outcome.allocation.charge, [0.5 * 2.0], rtol=1e-6)
    np.testing.assert_allclose(outcome.unit_price, [2.0], rtol=1e-6)


def test_who_has_less_money_than_is_asked_buys_nothing() -> None:
    outcome = clear(one_expert(value=6.0, need=400.0, budget=0.99))
    assert outcome.allocation.expert.tolist() == [-1]
    assert not outcome.allocation.charge.any()
    np.testing.assert_allclose(outcome.unit_price, [2.0])


def test_users_alike_spend_all_their_money_on_a_band_for_half_of_them() -> None:
    # Each of four buys half a service with 2 credits: 4 credits a service. Two are served, and pay
    # the money they have.
    market = one_expert(value=9.0, need=500.0, budget=8.0, num_users=4)
    traded, _ = trade_in(market, None)
    found = equilibrium(traded)
    np.testing.assert_allclose(2.0 * price_of(traded, found), 4.0, rtol=1e-3)
    np.testing.assert_allclose(found.pace, 2.0 / 4.5, rtol=1e-3)
    outcome = clear(market)
    assert (outcome.allocation.expert >= 0).sum() == 2
    np.testing.assert_allclose(outcome.allocation.charge.sum(), 4.0, rtol=1e-6)


def test_a_satiated_user_keeps_its_money() -> None:
    # Both have 8 credits and value every service at 10. One can go elsewhere for 2 credits, so the
    # place of the first expert, who asks 1, costs no more than 2, and its price is 1.
    traded = Traded(
        trades=np.array([[True, True], [True, False]]),
        worth=np.array([[10.0, 10.0], [10.0, 8.0]]) / 8,
        asked=np.array([[1.0, 2.0], [1.0, 0.0]]) / 8,
        need=np.zeros((2, 2)),
        capacity=np.array([1, 1]),
    )
    found = equilibrium(traded)
    np.testing.assert_allclose(found.share, [[0, 1], [1, 0]], atol=1e-5)
    np.testing.assert_allclose(8 * found.place_price, [1.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(found.pace, 0.8, rtol=1e-5)


def test_a_user_of_little_money_mixes_a_good_and_a_cheap_service() -> None:
    # 6 credits; services worth 10 and 6 at 5.5 and 2. Bids exceed both prices alike where pace (10
    # - 6) = 5.5 - 2; then pace w = 6 tells the shares.
    traded = Traded(
        trades=np.ones((1, 2), dtype=bool),
        worth=np.array([[10.0, 6.0]]) / 6,
        asked=np.array([[5.5, 2.0]]) / 6,
        need=np.zeros((1, 2)),
        capacity=np.array([1, 1]),
    )
    found = equilibrium(traded)
    good = (6 / 0.875 - 6) / 4
    np.testing.assert_allclose(found.pace, 0.875, rtol=1e-3)
    np.testing.assert_allclose(found.share, [[good, 1 - good]], atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_prices_for_large_budgets_are_an_optimal_dual_of_the_assignment(seed: int) -> None:
    market = crowded(seed, 1000.0)
    traded, money = trade_in(market, None)
    for index in range(len(market.budget)):
        one = traded.world((index,))
        found = equilibrium(one)
        user, expert = np.nonzero(one.trades)
        net = (one.worth - one.asked)[user, expert]
        rows = np.zeros((14 + 5 + 5, user.size))
        rows[user, np.arange(user.size)] = 1.0
        rows[14 + expert, np.arange(user.size)] = 1.0
        rows[19 + expert, np.arange(user.size)] = one.need[user, expert]
        limits = np.concatenate([np.ones(14), one.capacity, np.ones(5)])
        optimum = -linprog(-net, A_ub=rows, b_ub=limits).fun
        gain = np.where(one.trades, one.worth - price_of(one, found), 0.0)
        surplus = np.maximum(gain, 0.0).max(axis=-1)  # the least that is feasible at these prices
        dual = surplus.sum() + found.place_price @ one.capacity + found.band_price.sum()
        assert dual == pytest.approx(optimum, rel=1e-6)
        assert (found.place_price >= 0).all()
        assert (found.band_price >= 0).all()
        np.testing.assert_array_equal(found.pace, 1.0)
    assert (money[:, np.newaxis] * found.place_price).max() > 0.1


def test_charges_for_large_budgets_and_wide_bands_are_clarkes() -> None:
    # Experts whose cost grows by next to nothing ask what a service costs, as in `vcg`.
    market = replace(
        crowded(0, 1000.0), cost_slope=np.full(5, 1e-9), bandwidth_limit=np.full(5, 1e9)
    )
    ours, vcg = clear(market), mechanisms.make("vcg").clear(market)
    np.testing.assert_array_equal(ours.allocation.expert, vcg.allocation.expert)
    np.testing.assert_allclose(ours.allocation.charge, vcg.allocation.charge, atol=1e-5)
    assert (ours.allocation.expert >= 0).any(axis=-1).all()


def test_welfare_grows_with_budgets_and_no_more_where_they_are_large() -> None:
    factors = (1.0, 2.0, 5.0, 10.0, 100.0)
    welfare = np.array(
        [[clear(crowded(seed, factor)).welfare for factor in factors] for seed in range(8)]
    )
    mean = welfare.mean(axis=(0, 2))
    assert (np.diff(mean) >= -1e-6).all()
    assert mean[0] < 0.95 * mean[-1]
    np.testing.assert_allclose(welfare[:, 4], welfare[:, 3], rtol=1e-6)


def test_a_band_that_nobody_else_wants_costs_nothing_and_one_that_all_want_is_sold_whole() -> None:
    # 500 of 1000 Hz each: a third user makes the band dear.
    for num_users, is_dear in ((2, False), (3, True)):
        traded, _ = trade_in(one_expert(5.0, 500.0, 100.0 * num_users, num_users), None)
        found = equilibrium(traded)
        assert bool(found.band_price[0] > 1e-6) == is_dear
        assert (found.share * traded.need).sum() == pytest.approx(1.0, abs=1e-5)
