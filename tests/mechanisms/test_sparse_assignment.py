"""The assignment on lists against enumeration and a linear program."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechanisms import Market
from mechanisms.arrays import FloatArray, IntArray
from mechanisms.candidates import expert_of, load, of_served
from mechanisms.pairs import pairs_of
from mechanisms.relaxation import relaxation
from mechanisms.sparse_assignment import within_capacity

DrawMarket = Callable[..., Market]


def best_by_enumeration(net: FloatArray, candidates: IntArray, capacity: IntArray) -> float:
    """The greatest welfare of all (C + 1)^U allocations that keep the places."""
    best, users = 0.0, np.arange(len(net))
    for columns in product(range(-1, net.shape[-1]), repeat=len(net)):
        served = np.array(columns) >= 0
        experts = candidates[users, columns][served]
        if (np.bincount(experts, minlength=capacity.size) <= capacity).all():
            best = max(best, float(net[users, columns][served].sum()))
    return best


@given(seed=st.integers(0, 10_000), users=st.integers(1, 5), listed=st.integers(1, 3))
def test_no_other_allocation_is_worth_more(seed: int, users: int, listed: int) -> None:
    rng = np.random.default_rng(seed)
    net, capacity = rng.uniform(-2.0, 8.0, (users, listed)), rng.integers(0, 3, 4)
    candidates = rng.permuted(np.tile(np.arange(4), (users, 1)), axis=-1)[:, :listed]
    column = within_capacity(net, candidates, capacity)
    worth = of_served(net, expert_of(column, candidates), candidates)
    assert worth.sum() == pytest.approx(best_by_enumeration(net, candidates, capacity), rel=1e-9)
    assert (worth[column >= 0] > 0).all()
    assert (load(np.ones(users), expert_of(column, candidates), 4) <= capacity).all()


@pytest.mark.parametrize("places", [1, 2, 5, 40])
def test_the_linear_program_reaches_no_more(places: int, draw_lists: DrawMarket) -> None:
    sizes = {"num_users": 60, "experts": 25, "listed": 6}
    market = draw_lists(places, leading=(), **sizes, capacity=np.full(25, places))
    asked = pairs_of(market, "test", bandwidth=False)
    column = within_capacity(asked.net, market.users.candidates, market.capacity)
    worth = of_served(
        asked.net, expert_of(column, market.users.candidates), market.users.candidates
    ).sum()
    assert worth == pytest.approx((asked.net * relaxation(asked).share).sum(), rel=1e-9)


def test_who_is_sure_of_a_place_takes_it_and_leaves_the_others_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Expert 0 has places for all who want it; once users 0 and 1 are sure of it, 2 alone wants
    # expert 1; then nobody is left to dispute anything, and no matching is asked for.
    def no_matching(*args: object) -> None:
        raise AssertionError("nothing is in dispute")

    monkeypatch.setattr("mechanisms.sparse_assignment._heaviest_matching", no_matching)
    candidates = np.array([[1, 0], [0, 1], [2, 1]])
    net = np.array([[3.0, 5.0], [4.0, 2.0], [-1.0, 1.0]])
    assert within_capacity(net, candidates, np.array([2, 1, 1])).tolist() == [1, 0, 1]


def test_equal_values_fill_every_place() -> None:
    candidates = np.array([[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1], [1, 2, 0]])
    column = within_capacity(np.full((5, 3), 7.0), candidates, np.array([1, 2, 1]))
    assert np.bincount(expert_of(column, candidates)[column >= 0], minlength=3).tolist() == [
        1,
        2,
        1,
    ]
