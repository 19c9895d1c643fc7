"""Pairs out of coverage: masked, rejected, allocated to nobody, and finite all the same."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, MarketConfig, World, WorldConfig
from envs.channel import Arrays, ChannelProcess, register
from envs.observation import bounds, column_names

LEVELS_DB = [[10.0, -20.0, -6.0], [-5.0, -4.9, -5.1], [-30.0, -40.0, -5.5]]
COVERED = [[True, False, False], [True, True, False], [False, False, False]]


@register("levels")
@dataclass(frozen=True)
class Levels(ChannelProcess):
    """Three users and three experts with a given SNR each."""

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": np.broadcast_to(np.array(LEVELS_DB, np.float32), shape)}


def levels(**keys: Any) -> WorldConfig:
    channel = ChannelConfig(process="levels", bandwidth_hz=1e5, **keys)
    return WorldConfig(num_users=3, num_experts=3, channel=channel, market=MarketConfig(capacity=3))


@pytest.mark.parametrize("mechanism", mechanisms.names())
def test_pairs_below_the_least_snr_are_masked_and_seen_as_not_available(mechanism: str) -> None:
    world = World(levels(), 2, seed=0, mechanism=mechanisms.make(mechanism))
    pending = world.slot.conditions.transfers[..., None]
    mask = world.slot.mask
    assert not (mask[..., :-1] & ~np.array(COVERED)).any()
    if mechanism == "none":
        np.testing.assert_array_equal(mask[..., :-1], COVERED & pending)
    assert mask[:, 2].sum(axis=-1).tolist() == [1, 1]  # who is covered by nobody may abandon
    names = column_names(world.config, world.mechanism.allocates)
    for expert in range(3):
        seen = world.slot.observation[..., names.index(f"expert_{expert}.available")]
        np.testing.assert_array_equal(seen, mask[..., expert])
    low, high = bounds(world.config, world.mechanism.allocates)
    assert ((world.slot.observation >= low) & (world.slot.observation <= high)).all()
    for load in (1, 3):
        assert np.isfinite(world.slot.expected_gain(load)).all()


@pytest.mark.parametrize("mechanism", mechanisms.names())
def test_nobody_is_allocated_an_expert_that_cannot_be_reached(mechanism: str) -> None:
    world = World(levels(), 4, seed=0, mechanism=mechanisms.make(mechanism))
    if not world.mechanism.allocates:
        pytest.skip("allocates nobody")
    allocated = 0
    for _ in range(20):
        expert = world.slot.offer.allocation.expert
        n, u = np.nonzero(expert >= 0)
        assert np.array(COVERED)[u, expert[n, u]].all()
        allocated += len(n)
        world.step(np.full((4, 3), 3))
    if mechanism in ("vcg", "shadow_price"):
        assert allocated > 0


def test_a_choice_out_of_coverage_is_rejected_and_abandons() -> None:
    world = World(levels(), 1, seed=0)
    pending = world.slot.conditions.subtasks.pending[0]
    _, reward, result = world.step([[1, 2, 0]])
    assert result.rejected[0].tolist() == [True, True, True]
    assert not result.transferred.any()
    assert not reward.any()
    assert not result.airtime_s.any()
    assert pending.any()


def test_who_must_not_abandon_may_where_nobody_covers_it() -> None:
    config = WorldConfig(
        num_users=3,
        num_experts=3,
        allow_abandon=False,
        channel=ChannelConfig(process="levels"),
    )
    world = World(config, 1, seed=0)
    while not world.slot.conditions.subtasks.pending.all():
        world.step(np.full((1, 3), 3))
    assert world.slot.mask[0].tolist() == [
        [*COVERED[0], False],
        [*COVERED[1], False],
        [False, False, False, True],
    ]


def test_null_covers_all() -> None:
    world = World(levels(min_snr_db=None), 1, seed=0)
    assert world.slot.conditions.links.covered is None
    pending = world.slot.conditions.transfers
    assert (world.slot.mask[..., :-1] == pending[..., None]).all()
