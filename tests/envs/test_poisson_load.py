"""The gain at an uncertain load, against what the world delivers at loads that are drawn."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    ObservationConfig,
    RequestConfig,
    RewardConfig,
    Slot,
    World,
    WorldConfig,
    poisson_load,
)
from envs.delivery import deliver
from envs.transfers import Transfers

USERS, EXPERTS, WORLDS, DRAWS = 13, 3, 4, 600
MEANS = np.array([0.8, 1.5, 4.0])
# everybody's work is the mean
ALIKE = RequestConfig(
    num_transferred=1, num_topics=1, words=(200.0, 200.0), compute_need=(1.0, 1.0)
)
BUSY = WorldConfig(
    num_users=USERS,
    num_experts=EXPERTS,
    requests=ALIKE,
    channel=ChannelConfig(bandwidth_hz=4000.0),
    experts=ExpertConfig(words_per_second=150.0, mean_competence=0.9, own_competence=(0.8, 1.0)),
)
# all channels are the same, so that those beside a user decline where it is declined
PAID = replace(
    BUSY,
    channel=ChannelConfig(bandwidth_hz=4000.0, snr_db=(12.0, 12.0)),
    experts=replace(BUSY.experts, unit_cost=(0.1, 0.5), cost_slope=(0.1, 0.5)),
)
KINDS = {
    "batch": (BUSY, "none"),
    "no computing": (replace(BUSY, experts=replace(BUSY.experts, words_per_second=None)), "none"),
    "total power": (replace(BUSY, channel=replace(BUSY.channel, access="total_power")), "none"),
    "bit errors": (replace(BUSY, channel=replace(BUSY.channel, ber="snr")), "none"),
    "places": (replace(BUSY, experts=replace(BUSY.experts, max_concurrent=2)), "none"),
    "delay costs": (replace(BUSY, reward=RewardConfig(credits_per_second=0.1)), "none"),
    "bought": (PAID, "posted_price"),
    "enforced": (replace(PAID, market=MarketConfig(effort="enforced")), "posted_price"),
    "fixed costs": (replace(PAID, reward=RewardConfig(downlink_energy="edge_device")), "cost_plus"),
}


def slot_of(config: WorldConfig, mechanism: str = "none") -> Slot:
    world = World(config, WORLDS, seed=2, mechanism=mechanisms.make(mechanism))
    for _ in range(2):
        crowded = np.tile(np.arange(config.num_users) % 2, (WORLDS, 1))
        world.step(crowded)  # leaves backlogs at experts 0 and 1
    return world.slot


def delivered(slot: Slot, expert: int, rng: np.random.Generator) -> np.ndarray:
    """Gain of user 0 at an expert beside others drawn by Poisson's law, (WORLDS, DRAWS)."""
    gains = []
    for _ in range(DRAWS):
        others = np.minimum(rng.poisson(MEANS[expert], WORLDS), USERS - 1)
        requested = np.arange(USERS) <= others[:, None]
        drawn = replace(slot, lots=rng.random(slot.lots.shape))
        column = np.full(requested.shape, expert)
        gains.append(deliver(Transfers.of(drawn, column, requested)).gain[:, 0])
    return np.array(gains).T


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_mean_of_what_is_delivered_beside_as_many_as_poissons_law_draws(
    kind: str,
) -> None:
    slot, rng = slot_of(*KINDS[kind]), np.random.default_rng(0)
    expected = slot.gain_beside(np.broadcast_to(MEANS, (WORLDS, USERS, EXPERTS)))
    varied = 0
    for expert in range(EXPERTS):
        gains = delivered(slot, expert, rng)
        error = gains.std(axis=1) / np.sqrt(DRAWS)
        off = np.abs(expected[:, 0, expert] - gains.mean(axis=1))
        assert (off <= 4.5 * error + 2e-3).all(), (expert, off, error)
        varied += gains.std() > 0.01
    assert varied >= 2  # an expert with a backlog may decline all


@pytest.mark.parametrize("kind", KINDS)
def test_beside_nobody_it_is_the_prospect_of_a_user_alone(kind: str) -> None:
    slot = slot_of(*KINDS[kind])
    nobody = np.zeros((WORLDS, 1, EXPERTS))
    np.testing.assert_array_equal(slot.gain_beside(nobody), slot.expected_gain(1))


def test_a_user_without_others_is_alone_whatever_load_is_expected() -> None:
    slot = slot_of(replace(BUSY, num_users=1))
    crowd = np.full((WORLDS, 1, EXPERTS), 5.0)
    np.testing.assert_array_equal(slot.gain_beside(crowd), slot.expected_gain(1))


def test_lists_of_all_experts_give_what_no_lists_give() -> None:
    listed = replace(BUSY, observation=ObservationConfig(candidates=EXPERTS))
    means = np.broadcast_to(MEANS, (WORLDS, USERS, EXPERTS))
    whole, lists = (slot_of(config).gain_beside(means) for config in (BUSY, listed))
    np.testing.assert_allclose(lists, whole, rtol=1e-6)


@pytest.mark.parametrize("mean", [0.0, 0.1, 1.0, 7.5, 40.0, 90.0, 800.0])
def test_weights_are_of_poissons_law_and_linear_in_between(mean: float) -> None:
    """Held to the pmf of scipy, number by number."""
    for most in (0, 1, 5, 40, 1500):
        numbers = poisson_load.evaluated_numbers(most)
        weights = poisson_load.poisson_weights(np.full((2, 1, 3), mean), numbers)
        law = stats.poisson.pmf(np.arange(most + 1), mean)
        law[-1] = stats.poisson.sf(most - 1, mean)
        exact = [
            law @ np.interp(np.arange(most + 1), numbers, unit) for unit in np.eye(len(numbers))
        ]
        np.testing.assert_allclose(weights[:, 1, 0, 2], exact, atol=2e-4 if mean > 64 else 2e-6)
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-3 if mean > 64 else 1e-5)


@pytest.mark.parametrize(
    ("most", "numbers"),
    [
        (0, [0]),
        (1, [0, 1]),
        (2, [0, 1, 2]),
        (5, [0, 1, 2, 3, 4, 5]),
        (9, [0, 1, 2, 3, 4, 6, 9]),
        (63, [0, 1, 2, 3, 4, 6, 9, 14, 21, 32, 48, 63]),
    ],
)
def test_numbers_evaluated_lie_ever_further_apart_and_end_with_all_others(
    most: int, numbers: list[int]
) -> None:
    assert list(poisson_load.evaluated_numbers(most)) == numbers


def test_many_pairs_beside_many_others_take_no_more_memory_than_their_weights() -> None:
    """A thousand users, all seen at an expert: 1,000 x 480,000 probabilities would take 2 GB."""
    others = np.full((16, 1000, 30), 900.0, np.float32)
    numbers = poisson_load.evaluated_numbers(999)
    tracemalloc.start()
    weights = poisson_load.poisson_weights(others, numbers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * weights.nbytes + 60e6
    few = poisson_load.poisson_weights(others[0, :2, :3], numbers)
    np.testing.assert_allclose(weights[:, 7, 5:7, 4:7], few, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("mean", [0.0, 0.1, 1.0, 7.5])
def test_more_others_than_are_told_apart_are_rare_or_impossible(mean: float) -> None:
    for limit in (0, 1, 5, 40):
        most = poisson_load.most_others(mean, limit)
        assert most <= limit
        if most < limit:
            assert stats.poisson.sf(most, mean) <= 1e-6
            assert most == 0 or stats.poisson.sf(most - 1, mean) > 1e-6


@pytest.mark.parametrize("kind", ["batch", "bought"])
def test_who_goes_by_it_loses_next_to_nothing_of_the_gain_at_every_load(kind: str) -> None:
    """Gains bend at deadlines and where devices decline, so they are not linear in between."""
    config, mechanism = KINDS[kind]
    config = replace(config, num_users=30, num_experts=12, requests=RequestConfig())
    world = World(config, 40, seed=0, mechanism=mechanisms.make(mechanism))
    rng = np.random.default_rng(0)
    for _ in range(8):
        world.step(rng.integers(13, size=(40, 30)))
    slot = world.slot
    others = slot.conditions.others_seen()
    law = stats.poisson(others.astype(float)).pmf(np.arange(30)[:, None, None, None])
    law[-1] = 1 - law[:-1].sum(axis=0)
    at_load = np.stack([slot.expected_gain(load) for load in range(1, 31)])
    exact = np.where(slot.mask[..., :-1], (law * at_load).sum(axis=0), -np.inf)
    found = np.where(slot.mask[..., :-1], slot.gain_beside(others), -np.inf)
    taken = np.take_along_axis(exact, found.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    gained = np.where(found.max(axis=-1) > 0, taken, 0).mean()
    assert gained > 0.999 * np.maximum(exact.max(axis=-1), 0).mean() > 0
