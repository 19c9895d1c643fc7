"""Requests of users: decomposition, resource assessment, topics and arrivals."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from envs import RequestConfig, World, WorldConfig
from envs.requests import RequestQueue, assess, topic_popularity
from envs.users import Owners


def queue(config: RequestConfig, num_users: int = 2000, seed: int = 0) -> RequestQueue:
    owners = Owners(config.local_compute, config.private_probability, config.arrival_probability)
    return RequestQueue(config, owners, 10, num_users, np.random.default_rng(seed))


def transferred_one_by_one(
    weight: Sequence[float], compute: Sequence[float], private: Sequence[bool], budget: float
) -> list[bool]:
    """Assess resources subtask by subtask: private ones, then the best g / c, up to the budget."""
    waiting = sorted(
        range(len(weight)),
        key=lambda k: (not private[k], 0 if private[k] else -weight[k] / compute[k]),
    )
    transferred = [False] * len(weight)
    spent, full = 0.0, False
    for k in waiting:
        full = full or spent + compute[k] > budget
        spent += compute[k]
        transferred[k] = full and not private[k]
    return transferred


@given(
    seed=st.integers(0, 2**32 - 1),
    budget=st.just(0.0) | st.floats(1e-3, 9),
    num_subtasks=st.integers(1, 8),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_device_keeps_private_subtasks_then_the_best_weight_for_compute(
    seed: int, budget: float, num_subtasks: int
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.dirichlet(np.ones(num_subtasks), 5)
    compute = rng.uniform(0.5, 1.5, (5, num_subtasks))
    private = rng.random((5, num_subtasks)) < 0.3
    transferred = assess(budget, weight, compute, private)
    for case in range(5):
        expected = transferred_one_by_one(weight[case], compute[case], private[case], budget)
        assert transferred[case].tolist() == expected


def test_a_worked_assessment() -> None:
    compute, private = np.array([1.0, 1.0, 0.5, 1.0]), np.array([False, False, False, True])
    # The private one costs 1. g / c is 0.5, 0.2, 0.4: the first fits (2.0), the third does not
    # (2.5).
    weight = np.array([0.5, 0.2, 0.2, 0.1])
    assert assess(2.2, weight, compute, private).tolist() == [False, True, True, False]
    # With equal weights the third goes before the first (1.5), which does not fit any more (2.5).
    assert assess(2.2, np.full(4, 0.25), compute, private).tolist() == [True, True, False, False]


def test_what_is_kept_fits_the_device_and_the_next_best_would_not() -> None:
    requests = queue(RequestConfig(), num_users=100)
    weight, _, compute, _ = np.moveaxis(requests.request_subtasks, -1, 0)
    # the subtasks to transfer stand first
    transferred = np.arange(8) < requests.num_transferred[..., None]
    kept = np.where(transferred, 0, compute).sum(axis=-1)
    assert (kept <= 6).all()
    value = weight / compute
    best_transferred = np.where(transferred, value, -np.inf)
    assert (
        best_transferred.max(axis=-1) <= np.where(transferred, np.inf, value).min(axis=-1)
    ).all()
    following = np.take_along_axis(compute, best_transferred.argmax(axis=-1)[..., None], axis=-1)[
        ..., 0
    ]
    assert ((kept + following > 6) | (requests.num_transferred == 0)).all()
    assert 0 < requests.num_transferred.mean() < 8


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_private_subtasks_are_never_transferred(probability: float) -> None:
    # a device that can run next to nothing keeps private subtasks, and these alone
    requests = queue(RequestConfig(local_compute=1e-9, private_probability=probability))
    expected = 8 * (1 - probability)
    tolerance = (
        4 * np.sqrt(8 * probability * (1 - probability) / requests.num_transferred.size) + 1e-12
    )
    assert requests.num_transferred.mean() == pytest.approx(expected, abs=tolerance)


def test_fixed_number_of_transferred_subtasks_has_equal_weights_and_takes_the_most_compute() -> (
    None
):
    config = RequestConfig(num_transferred=3)
    requests = queue(config, num_users=500)
    assert (requests.num_transferred == 3).all()
    weight, _, compute, _ = np.moveaxis(requests.request_subtasks, -1, 0)
    assert (weight == 1 / 8).all()
    # The largest of 8 and the third largest, between 0.5 and 1.5, are Beta(8, 1) and Beta(6, 3).
    assert stats.kstest(compute.max(axis=-1).ravel() - 0.5, stats.beta(8, 1).cdf).pvalue > 1e-3
    assert stats.kstest(compute.min(axis=-1).ravel() - 0.5, stats.beta(6, 3).cdf).pvalue > 1e-3
    # In the prompt's order each is the largest as often.
    assert stats.chisquare(np.bincount(compute.argmax(axis=-1).ravel(), minlength=3)).pvalue > 1e-3


def test_gating_weights_are_dirichlet() -> None:
    weight = queue(RequestConfig(local_compute=0)).request_subtasks[
        ..., 0
    ]  # all transferred, in the prompt's order
    np.testing.assert_allclose(weight.sum(axis=-1), 1, rtol=1e-12)
    for k in (0, 7):
        assert stats.kstest(weight[..., k].ravel(), stats.beta(1, 7).cdf).pvalue > 1e-3


def test_words_and_compute_needs_are_uniform() -> None:
    requests = queue(RequestConfig(), num_users=500)
    _, words, compute, _ = np.moveaxis(requests.request_subtasks, -1, 0)
    assert stats.kstest(words.ravel(), "uniform", (100, 200)).pvalue > 1e-3
    assert stats.kstest(compute.ravel(), "uniform", (0.5, 1.0)).pvalue > 1e-3


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("persistence", [0.0, 0.8])
def test_topics_follow_zipf(exponent: float, persistence: float) -> None:
    config = RequestConfig(zipf_exponent=exponent, topic_persistence=persistence, num_transferred=1)
    requests = queue(config)
    for _ in range(3):  # persistence leaves the frequencies of every slot as they are
        requests.advance()
    expected = np.array([1 / rank**exponent for rank in range(1, 7)])
    expected *= requests.subtasks.topic.size / expected.sum()
    assert (
        stats.chisquare(np.bincount(requests.subtasks.topic.ravel(), minlength=6), expected).pvalue
        > 1e-3
    )
    assert topic_popularity(config).sum() == pytest.approx(1)


@pytest.mark.parametrize("num_transferred", [1, 3, None])
def test_a_topic_is_kept_from_one_transferred_subtask_to_the_next_with_the_given_probability(
    num_transferred: int | None,
) -> None:
    config = RequestConfig(topic_persistence=0.8, num_transferred=num_transferred)
    requests = queue(config)
    same = followed = 0
    last = np.where(requests.subtasks.pending, requests.subtasks.topic, -1)
    for _ in range(6):
        requests.advance()
        both = requests.subtasks.pending & (last >= 0)
        same += int((both & (requests.subtasks.topic == last)).sum())
        followed += int(both.sum())
        last = np.where(requests.subtasks.pending, requests.subtasks.topic, last)
    expected = 0.8 + 0.2 / 6  # kept, or drawn anew and the same by chance
    assert followed > 50_000
    assert same / followed == pytest.approx(
        expected, abs=4 * np.sqrt(expected * (1 - expected) / followed)
    )


@pytest.mark.parametrize("num_transferred", [1, 3, None])
def test_requests_drawn_ahead_go_on_with_the_users_topic_and_arrive_in_the_order_drawn(
    num_transferred: int | None,
) -> None:
    config = RequestConfig(topic_persistence=0.8, num_transferred=num_transferred)
    requests = queue(config, num_users=20)
    ahead = requests.drawn.shape[2]
    # at most 16 requests, and 8,192 subtasks of all 200 users
    assert ahead == {1: 16, 3: 13, None: 5}[num_transferred]
    same = followed = renewed = 0
    last = np.where(requests.subtasks.pending, requests.subtasks.topic, -1)
    for _ in range(300):
        before = requests.drawn.copy()
        was_last = requests.completing & (requests.request == ahead - 1)
        requests.advance()
        changed = (requests.drawn != before).any(axis=(2, 3, 4))
        # drawn anew when all are behind the user, not before
        np.testing.assert_array_equal(changed, was_last)
        assert (requests.request[was_last] == 0).all()
        renewed += int(was_last.sum())
        both = requests.subtasks.pending & (last >= 0)
        same += int((both & (requests.subtasks.topic == last)).sum())
        followed += int(both.sum())
        last = np.where(requests.subtasks.pending, requests.subtasks.topic, last)
    expected = 0.8 + 0.2 / 6
    assert renewed > 500
    assert same / followed == pytest.approx(
        expected, abs=4 * np.sqrt(expected * (1 - expected) / followed)
    )


def test_a_drawn_topic_does_not_depend_on_the_one_before_it() -> None:
    requests = queue(RequestConfig(num_transferred=1))
    before = requests.subtasks.topic.ravel()
    requests.advance()
    table = np.zeros((6, 6))
    np.add.at(table, (before, requests.subtasks.topic.ravel()), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_requests_arrive_with_the_given_probability_at_users_without_one() -> None:
    requests = queue(RequestConfig(num_transferred=1, arrival_probability=0.3))
    for _ in range(4):
        share = requests.active.mean()
        assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / requests.active.size))
        requests.advance()


def test_subtasks_are_transferred_one_a_slot_in_order_and_then_the_request_is_complete() -> None:
    requests = queue(RequestConfig(num_transferred=3), num_users=5)
    words = requests.request_subtasks[..., :3, 1].copy()
    for position in range(3):
        assert requests.subtasks.pending.all()
        np.testing.assert_array_equal(requests.subtasks.words, words[..., position])
        assert (requests.completing == (position == 2)).all()
        requests.advance()
    assert not np.isin(requests.subtasks.words, words).any()


def test_a_request_without_anything_to_transfer_lasts_one_slot() -> None:
    requests = queue(RequestConfig(local_compute=100), num_users=5)
    assert requests.active.all()
    assert not requests.subtasks.pending.any()
    assert (requests.subtasks.weight == 0).all()
    assert (requests.subtasks.words == 0).all()
    assert requests.completing.all()


def test_idle_users_complete_nothing() -> None:
    requests = queue(RequestConfig(arrival_probability=0), num_users=5)
    assert not requests.active.any()
    assert not requests.completing.any()


def test_a_device_without_compute_refuses_requests_with_a_private_part() -> None:
    config = RequestConfig(num_subtasks=2, local_compute=0.0, private_probability=0.3)
    world = World(WorldConfig(num_users=50, requests=config), num_worlds=20, seed=0)
    arrived = refused = 0
    for _ in range(10):
        before = world.requests.position == 0
        pending = world.requests.subtasks.pending.copy()
        *_, result = world.step(np.full((20, 50), world.num_experts))
        assert not (result.refused & pending).any()
        assert np.isnan(result.utility[result.refused]).all()
        assert not result.gain[result.refused].any()
        arrived += int(before.sum())
        refused += int(result.refused.sum())
        # all of a request that is not refused is transferred
        assert (pending | result.refused).all()
    share = 1 - 0.7**2
    assert refused / arrived == pytest.approx(share, abs=4 * np.sqrt(0.25 / arrived))
    little = replace(config, local_compute=0.01)
    world = World(WorldConfig(num_users=50, requests=little), num_worlds=20, seed=0)
    assert not world.requests.refused.any()
