"""Admission: the lottery for places of experts, and the platform's account."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from envs.admission import by_account, by_places

Actions = Callable[[World, np.random.Generator], np.ndarray]


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
    limit = np.full((worlds, experts), np.inf if places is None else places)
    admitted = by_account(cell, requested, limit, lot, reserved, reserved, account)
    for n in range(worlds):
        left, free = account[n], [users if places is None else places] * experts
        for u in np.argsort(lot[n]):
            e = expert[n, u]
            fits = bool(requested[n, u] and reserved[n, u] <= left and free[e])
            assert admitted[n, u] == fits
            left -= fits * reserved[n, u]
            free[e] -= fits
        assert left >= 0


@pytest.mark.parametrize("price", [None, 5.0])
@pytest.mark.parametrize("places", [1, 3])
def test_experts_serve_no_more_than_their_places_and_the_surplus_pays_nothing(
    places: int,
    price: float | None,
    any_actions: Actions,
    fixed_prices: Callable[..., mechanisms.Mechanism],
) -> None:
    config = WorldConfig(
        num_users=12,
        num_experts=2,
        requests=RequestConfig(num_transferred=1),
        channel=ChannelConfig(bandwidth_hz=2000.0),
        experts=ExpertConfig(max_concurrent=places, words_per_second=400.0),
    )
    mechanism = None if price is None else fixed_prices(price)
    world = World(config, num_worlds=20, seed=0, mechanism=mechanism)
    rng = np.random.default_rng(0)
    declined = 0
    for _ in range(10):
        actions = any_actions(world, rng)
        allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1)[..., 0]

        def at_experts(users: np.ndarray, chosen: np.ndarray = actions) -> np.ndarray:
            return np.stack([(users & (chosen == e)).sum(axis=1) for e in (0, 1)], axis=1)

        *_, result = world.step(actions)
        # who is declined had a place, which nobody else is given
        places_taken = result.load + at_experts(result.declined)
        np.testing.assert_array_equal(places_taken, np.minimum(at_experts(allowed), places))
        surplus = (actions < 2) & ~result.transferred
        assert (surplus & allowed & ~result.declined).any()
        np.testing.assert_array_equal(result.rejected, surplus & ~result.declined)
        assert (result.utility[surplus] == 5 * (8.80 - 0.86)).all()
        for what in ("charge", "energy_j", "gain", "delay_s", "qos", "harm"):
            assert (getattr(result, what)[surplus] == 0).all()
        declined += int(result.declined.sum())
    assert (declined > 0) == (price is not None and places > 1)


def test_the_lottery_for_places_is_fair_to_every_user() -> None:
    config = WorldConfig(
        num_users=6,
        num_experts=1,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(max_concurrent=2),
        episode_slots=20,
    )
    world = World(config, num_worlds=300, seed=0)
    served = np.zeros(6)
    for _ in range(20):
        *_, result = world.step(np.zeros((300, 6), int))
        served += result.transferred.sum(axis=0)
    assert served.sum() == 2 * 300 * 20
    assert stats.chisquare(served).pvalue > 1e-3
