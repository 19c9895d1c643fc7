"""Computing at experts against queues worked out by hand."""

from dataclasses import fields, replace

import numpy as np
import pytest

from envs import ChannelConfig, ExpertConfig, RequestConfig, Slot, World, WorldConfig

# An airtime of next to nothing, so that delays are those of computing. 200 words at the middle of
# the compute need are 200 words of work, 4 s at 50 words/s.
CONFIG = WorldConfig(
    num_users=3,
    num_experts=2,
    slot_s=6.0,
    requests=RequestConfig(num_transferred=1, words=(100.0, 300.0)),
    channel=ChannelConfig(bandwidth_hz=1e12),
    experts=ExpertConfig(words_per_second=50.0),
)
# words and compute need of the three users in three slots, their lots, and what they choose
SLOTS = (
    ([(200, 1.0), (100, 1.0), (200, 1.5)], [0.5, 0.1, 0.9], [0, 0, 0]),  # work 4, 2 and 6 s
    ([(300, 1.0), (100, 0.5), (200, 0.5)], [0.2, 0.8, 0.3], [0, 1, 0]),  # 6, 1 and 2 s
    ([(100, 1.0), (200, 1.0), (300, 1.5)], [0.4, 0.6, 0.5], [0, 0, 2]),  # 2 and 4 s; abandons
)
# Expert 0 has 12 s of work, does 6 and keeps 6; has 6 + 8 s, keeps 8; has 8 + 6 s, keeps 8.
LEFT_S = ([6, 0], [8, 0], [8, 0])
DELAY_S = {
    # everybody waits for what is left over and for the whole batch
    "batch": ([12, 12, 12], [6 + 8, 1, 6 + 8], [8 + 6, 8 + 6, 0]),
    # in the order of the lots: user 1, 0, 2; then 0, 2; then 0, 1
    "fifo": ([2 + 4, 2, 2 + 4 + 6], [6 + 6, 1, 6 + 6 + 2], [8 + 2, 8 + 2 + 4, 0]),
}


def with_lots(slot: Slot, lots: np.ndarray) -> Slot:
    """Return the slot with these lots in place of those drawn, (N, U)."""
    if "lots" in {field.name for field in fields(slot)}:
        return replace(slot, lots=lots)
    return replace(slot, conditions=replace(slot.conditions, lots=lots))


def play(world: World) -> list[tuple[list[float], list[float]]]:
    """Play the three slots, and return delays of users and what experts have left over."""
    played = []
    for subtasks, lots, choices in SLOTS:
        for user, (words, compute) in enumerate(subtasks):
            world.place_subtask(0, user, 0.125, float(words), compute, 0)
        world.slot = with_lots(world.slot, np.array([lots]))
        *_, result = world.step([choices])
        played.append((result.delay_s[0].tolist(), world.occupancy.compute_backlog_s[0].tolist()))
    return played


@pytest.mark.parametrize("service", DELAY_S)
def test_three_slots_of_a_queue_by_hand(service: str) -> None:
    config = replace(CONFIG, experts=replace(CONFIG.experts, service=service))
    played = play(World(config, seed=0))
    for (delay_s, left_s), by_hand, left in zip(played, DELAY_S[service], LEFT_S, strict=True):
        assert delay_s == pytest.approx(by_hand, abs=1e-3)
        assert left_s == pytest.approx(left, abs=1e-9)


def test_in_order_nobody_waits_longer_than_in_a_batch_and_the_last_as_long() -> None:
    batch, fifo = (
        World(
            replace(CONFIG, num_users=8, experts=replace(CONFIG.experts, service=service)),
            num_worlds=50,
            seed=0,
        )
        for service in ("batch", "fifo")
    )
    lots = batch.slot.lots
    np.testing.assert_array_equal(lots, fifo.slot.lots)
    everybody = np.zeros((50, 8), int)
    (*_, together), (*_, in_order) = batch.step(everybody), fifo.step(everybody)
    assert (in_order.delay_s <= together.delay_s + 1e-9).all()
    last = np.eye(8, dtype=bool)[lots.argmax(axis=-1)]
    np.testing.assert_allclose(in_order.delay_s[last], together.delay_s[last], rtol=1e-9)
    assert (in_order.delay_s[~last] < together.delay_s[~last]).all()
    order = np.argsort(lots, axis=-1)
    assert (np.diff(np.take_along_axis(in_order.delay_s, order, axis=-1)) > 0).all()


def test_lots_are_uniform_one_a_user_and_slot() -> None:
    world = World(replace(CONFIG, num_users=50), num_worlds=40, seed=0)
    drawn = []
    for _ in range(5):
        drawn.append(world.slot.lots.copy())
        world.step(np.full((40, 50), 2))
    lots = np.array(drawn)
    assert lots.shape == (5, 40, 50)
    assert np.unique(lots).size == lots.size
    assert ((lots >= 0) & (lots < 1)).all()
    assert lots.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * lots.size))


def test_without_a_speed_nothing_is_computed_and_nothing_waits() -> None:
    config = replace(CONFIG, experts=ExpertConfig(words_per_second=None))
    world = World(config, seed=0)
    *_, result = world.step([[0, 0, 0]])
    assert result.delay_s[0].max() < 1e-3
    assert result.work_words[0, 0] > 0  # work is done all the same, in no time
    assert not world.occupancy.compute_backlog_s.any()
