"""Markets of 1,000 users x 3,000 experts, 30 candidates each: proofs of optimality, and memory."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import mechanisms
from mechanisms import Market
from mechanisms.candidates import load, of_pairs, of_served, total
from mechanisms.fisher import trade_in
from mechanisms.fisher_equilibrium import equilibrium, price_of
from mechanisms.pairs import pairs_of, possible
from mechanisms.relaxation import relaxation
from mechanisms.vcg import least_prices

USERS, EXPERTS, LISTED = 1000, 3000, 30

DrawMarket = Callable[..., Market]


@pytest.fixture(scope="module")
def large(draw_lists: DrawMarket) -> Market:
    """Draw a market of scarce places and money.

    Lists meet at about a third of the experts, which have up to two places each.
    """
    sizes = {"num_users": USERS, "experts": EXPERTS, "listed": LISTED}
    return draw_lists(
        0,
        leading=(),
        **sizes,
        budget=np.array(5.0 * USERS),
        users={"topic": np.zeros(USERS, dtype=int)},
    )


def test_vcg_is_optimal_at_the_least_prices(large: Market) -> None:
    asked = pairs_of(large, "test", bandwidth=False)
    outcome = mechanisms.make("vcg").clear(large)
    taken = load(np.ones(USERS), outcome.allocation.expert, EXPERTS)
    assert (taken <= large.capacity).all()
    # Duality: what users gain above some prices and what these bring in is as much as any
    # assignment is worth.
    price = least_prices(asked, outcome.allocation.expert)
    gain = np.where(
        of_pairs(large.capacity, large.users.candidates) > 0,
        asked.net - of_pairs(price, large.users.candidates),
        0.0,
    )
    surplus = np.maximum(gain, 0.0).max(axis=-1)
    assert surplus.sum() + price @ large.capacity == pytest.approx(outcome.welfare, rel=1e-9)
    own = of_served(asked.net, outcome.allocation.expert, large.users.candidates)
    paid = price[outcome.allocation.expert] * (outcome.allocation.expert >= 0)
    np.testing.assert_allclose(own - paid, surplus, atol=1e-9)
    # Least: an expert that is not full costs nothing, and a full one what another user would give
    # for it.
    open_to_all = large.capacity > 0
    assert not price[(taken < large.capacity) & open_to_all].any()
    would_give = asked.net - (own - paid)[:, np.newaxis]
    elsewhere = large.users.candidates != outcome.allocation.expert[:, np.newaxis]
    for expert in np.flatnonzero((price > 0) & open_to_all):
        most = would_give[(large.users.candidates == expert) & elsewhere].max()
        assert price[expert] == pytest.approx(most, abs=1e-9)
    assert (price[open_to_all] > 0.1).sum() > 100


def test_the_relaxation_proves_its_optimum_with_bandwidth_rows(large: Market) -> None:
    asked = possible(pairs_of(large, "test", bandwidth=True))
    found = relaxation(asked)
    assert (found.share.sum(axis=-1) <= 1 + 1e-9).all()
    assert (total(found.share, large.users.candidates, EXPERTS) <= large.capacity + 1e-8).all()
    assert (
        total(found.share * asked.band.need, large.users.candidates, EXPERTS)
        <= asked.band.limit * (1 + 1e-8)
    ).all()
    price = of_pairs(found.place_price, large.users.candidates) + asked.band.need * of_pairs(
        found.band_price, large.users.candidates
    )
    gain = np.where(of_pairs(large.capacity, large.users.candidates) > 0, asked.net - price, 0.0)
    bound = np.maximum(gain, 0.0).max(axis=-1).sum() + found.place_price @ large.capacity
    bound += found.band_price @ asked.band.limit
    assert (asked.net * found.share).sum() == pytest.approx(bound, rel=1e-6)


def test_fisher_finds_an_equilibrium(large: Market) -> None:
    traded, _ = trade_in(large, None)
    found = equilibrium(traded)
    price, bought = price_of(traded, found), found.share.sum(axis=-1)
    value = (traded.worth * found.share).sum(axis=-1)
    # Duality: what prices and paces bound is reached.
    reached = np.where(value > 1, 1 + np.log(np.maximum(value, 1)), value).sum()
    reached -= (traded.asked * found.share).sum()
    bid = found.pace[:, np.newaxis] * traded.worth
    surplus = np.where(traded.trades, bid - price, 0.0).max(axis=-1, initial=0.0)
    bound = (surplus - np.log(found.pace)).sum()
    bound += found.place_price @ traded.capacity + found.band_price.sum()
    assert reached == pytest.approx(bound, rel=1e-5)
    sold = total(found.share, large.users.candidates, EXPERTS)
    band = total(found.share * traded.need, large.users.candidates, EXPERTS)
    assert (bought <= 1 + 1e-6).all()
    assert (sold <= large.capacity + 1e-5).all()
    assert (band <= 1 + 1e-5).all()
    assert (found.place_price > 1e-3).sum() > 100
    assert (found.pace < 0.99).sum() > 10


@pytest.mark.parametrize("name", mechanisms.names())
def test_a_clearing_takes_memory_for_pairs_and_for_experts_but_not_for_users_times_experts(
    name: str, large: Market, draw_lists: DrawMarket
) -> None:
    mechanism = mechanisms.make(name)
    mechanism.clear(draw_lists(1))  # imports
    tracemalloc.start()
    mechanism.clear(large)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Of float64: 25 fields of pairs are a quarter of one field of users times experts.
    assert peak < 25 * USERS * LISTED * 8
