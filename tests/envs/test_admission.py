"""Admission: the lottery for places of experts, and the platform's account."""

from collections import Counter
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from envs.admission import by_account, by_places


def test_every_set_of_winners_of_a_lottery_is_equally_likely() -> None:
    num_draws = 20_000
    requested = np.tile([True, True, False, True, True, True], (num_draws, 1))
    lot = np.random.default_rng(0).random(requested.shape)
    served = by_places(np.full(requested.shape, 3), requested, 2, lot)
    winners = Counter(tuple(np.flatnonzero(row).tolist()) for row in served)
    assert set(winners) == set(combinations((0, 1, 3, 4, 5), 2))
    assert stats.chisquare(list(winners.values())).pvalue > 1e-3


@given(num_experts=st.integers(1, 5), places=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_lottery_fills_every_place_that_is_requested_and_no_more(
    num_experts: int, places: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    expert, requested = rng.integers(num_experts, size=(6, 9)), rng.random((6, 9)) < 0.7
    served = by_places(expert, requested, places, rng.random((6, 9)))
    for world in range(6):
        for e in range(num_experts):
            requests = sum(1 for u in range(9) if requested[world, u] and expert[world, u] == e)
            assert served[world, expert[world] == e].sum() == min(requests, places)
    assert not (served & ~requested).any()


@given(seed=st.integers(0, 2**32 - 1), places=st.one_of(st.none(), st.integers(1, 3)))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_an_account_covers_requests_one_after_another_in_the_order_of_their_lots(
    seed: int, places: int | None
) -> None:
    rng = np.random.default_rng(seed)
    worlds, users, experts = 3, 7, 4
    expert = rng.integers(experts, size=(worlds, users))
    cell = np.arange(worlds)[:, None] * experts + expert
    requested, lot = rng.random(cell.shape) < 0.8, rng.random(cell.shape)
    reserved, account = rng.uniform(0, 2, cell.shape), rng.uniform(0, 5, worlds)
    shape = worlds, experts
    admitted = by_account(cell, requested, places, lot, reserved, reserved, account, shape)
    for n in range(worlds):
        left, free = account[n], [users if places is None else places] * experts
        for u in np.argsort(lot[n]):
            e = expert[n, u]
            fits = bool(requested[n, u] and reserved[n, u] <= left and free[e])
            assert admitted[n, u] == fits
            left -= fits * reserved[n, u]
            free[e] -= fits
        assert left >= 0
