"""The Fisher market: the conditions of equilibrium, and small markets worked out by hand."""

import dataclasses

import numpy as np
import pytest

import mechanisms
from mechanisms import Market, Outcome, UserReports
from mechanisms.fisher_equilibrium import equilibrium


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


@pytest.mark.parametrize("seed", range(3))
def test_the_conditions_of_equilibrium_hold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth, reserve = rng.uniform(0.0, 3.0, (40, 9, 6)), rng.uniform(0.05, 3.0, (40, 6))
    worth[rng.random(worth.shape) < 0.4] = -np.inf
    log_markup, spending = equilibrium(worth, reserve)
    price, spent = reserve * np.exp(log_markup), spending.sum(axis=-1)
    bang = np.exp(
        worth - log_markup[:, np.newaxis]
    )  # value for a credit, so far as it is worth at least the credit
    best = bang.max(axis=-1, initial=1.0)
    assert (log_markup >= 0).all()
    assert (spending >= 0).all()
    assert (spent <= 1 + 1e-7).all()
    where = spending > 1e-6
    np.testing.assert_allclose(
        bang[where], np.broadcast_to(best[..., np.newaxis], bang.shape)[where], rtol=1e-4
    )
    np.testing.assert_allclose(spent[best > 1 + 1e-4], 1.0, atol=1e-6)
    revenue = spending.sum(axis=-2)
    assert (revenue <= price + 1e-6).all()
    sold = log_markup > 1e-4
    np.testing.assert_allclose(revenue[sold], price[sold], rtol=1e-5)
    # All three states of a user and both of an expert occur: the conditions were put to the test.
    assert sold.any()
    assert (~sold).any()
    assert (spent < 0.9).any()
    assert ((spending > 1e-3).sum(axis=-1) > 1).any()


@pytest.mark.parametrize(
    ("budget", "price"),
    [
        pytest.param(1.5, 2.5, id="too little money for the reserve"),
        pytest.param(4.0, 4.0, id="all money for the whole band"),
        pytest.param(90.0, 15.0, id="no more than it is worth"),
    ],
)
def test_a_user_alone_pays_what_it_has_between_the_reserve_and_the_worth(
    budget: float, price: float
) -> None:
    # 0.5 points at 2 credits take 400 Hz, so the band of 1000 Hz sells from 2.5 on, and is worth 6
    # x 2.5 to the user.
    outcome = clear(one_expert(value=6.0, need=400.0, budget=budget))
    assert outcome.allocation.expert.tolist() == [0]
    np.testing.assert_allclose(outcome.allocation.charge, [price * 0.4], rtol=1e-6)
    np.testing.assert_allclose(outcome.unit_price, [price * 0.4 / 0.5], rtol=1e-6)


def test_who_can_pay_for_only_a_part_of_its_need_buys_nothing() -> None:
    outcome = clear(one_expert(value=6.0, need=400.0, budget=0.99))
    assert outcome.allocation.expert.tolist() == [-1]
    assert not outcome.allocation.charge.any()
    np.testing.assert_allclose(outcome.unit_price, [2.0])


@pytest.mark.parametrize("budget", np.linspace(1.1, 5.0, 9))
def test_a_need_of_the_whole_band_takes_all_money_and_not_a_rounding_more(budget: float) -> None:
    outcome = clear(one_expert(value=6.0, need=1000.0, budget=budget))
    assert outcome.allocation.expert.tolist() == [0]
    np.testing.assert_allclose(outcome.allocation.charge, [budget], rtol=1e-7)
    assert outcome.allocation.charge[0] <= budget


def test_users_alike_share_the_band_at_a_price_of_all_their_money() -> None:
    outcome = clear(one_expert(value=9.0, need=250.0, budget=8.0, num_users=4))
    assert outcome.allocation.expert.tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(outcome.allocation.charge, 2.0)
    np.testing.assert_allclose(outcome.unit_price, [8.0 / 2.0])


def test_a_fisher_market_known_by_hand() -> None:
    # Two users with a credit each. Both like the first good; the second user likes the other one
    # half as much, the first not at all. All money on the first good would give a price of 2: the
    # second user then has 1/2 a credit there and 1/2 : p at the other, and moves until p1 = 2 p2,
    # with p1 + p2 = 2.
    worth = np.log(np.array([[20.0, 1e-3], [20.0, 10.0]]))
    reserve = np.array([1e-3, 1e-3])
    log_markup, spending = equilibrium(worth - np.log(reserve), reserve)
    np.testing.assert_allclose(reserve * np.exp(log_markup), [4 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(spending, [[1.0, 0.0], [1 / 3, 2 / 3]], atol=1e-6)


def test_a_user_with_many_points_a_hertz_raises_the_reserve_only_if_it_could_pay() -> None:
    market = one_expert(value=6.0, need=400.0, budget=4.0, num_users=2)
    points = np.array([[0.5], [2.0]])
    could = clear(
        dataclasses.replace(market, users=dataclasses.replace(market.users, points=points))
    )
    could_not = clear(
        dataclasses.replace(
            market,
            users=dataclasses.replace(market.users, points=points, value=np.array([[6.0], [3.9]])),
        )
    )
    assert could.allocation.expert.tolist() == [
        -1,
        -1,
    ]  # the reserve of 2 x 2 x 2.5 takes 4 of 2 credits for 400 Hz
    assert could_not.allocation.expert.tolist() == [0, -1]
    np.testing.assert_allclose(could_not.allocation.charge, [1.6, 0.0], rtol=1e-6)
