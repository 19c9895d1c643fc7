"""What users expect of others: who is drawn where."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    ObservationConfig,
    RequestConfig,
    Slot,
    World,
    WorldConfig,
)
from envs.channel import Arrays, ChannelProcess, register
from envs.conditions import Conditions
from envs.observation import column_names
from envs.offer import Offer
from envs.strangers import Meeting, Strangers

DRAWN = ObservationConfig(expected_load="drawn")
CROWDED = WorldConfig(
    num_users=6,
    num_experts=5,
    requests=RequestConfig(num_transferred=1),
    experts=ExpertConfig(unit_cost=(0.1, 1.0)),
    observation=DRAWN,
)


def test_users_expect_those_seen_and_those_drawn_three_to_seven() -> None:
    world = World(CROWDED, num_worlds=2, seed=0, mechanism=mechanisms.make("posted_price"))
    world.step(np.zeros((2, 6), int))
    slot, drawn, names = world.slot, world.crowding.drawn, column_names(CROWDED, False)
    others = np.zeros((2, 6, 5))
    for n, u, e in np.ndindex(2, 6, 5):
        mine = 0.3 * (world.occupancy.last_expert[n, u] == e)  # after one slot
        seen = max(world.occupancy.recent_load[n, e] - mine, 0)
        others[n, u, e] = 0.3 * seen + 0.7 * drawn[n, e]
    beside = slot.observation[..., [name.endswith("gain_beside_drawn") for name in names]]
    alone = slot.observation[..., [name.endswith("gain_alone") for name in names]]
    np.testing.assert_allclose(beside, slot.gain_beside(others), rtol=1e-4, atol=1e-4)
    assert (beside < alone - 0.1).any()


def test_a_new_price_moves_those_who_are_drawn_before_anybody_was_seen_to_move() -> None:
    """At 0 credits a point no edge device serves; at 5 some do, whoever did before."""
    price = mechanisms.make("posted_price")
    config = replace(CROWDED, experts=ExpertConfig(unit_cost=(0.5, 1.0)))
    world = World(config, seed=0, mechanism=price)
    offer = world.slot.offer
    served = world.crowding.drawn.sum()
    assert served > 1
    world.crowding.update(world.slot.conditions, replace(offer, unit_price=0 * offer.unit_price))
    assert world.crowding.drawn.sum() < 0.1 * served
    world.crowding.update(world.slot.conditions, offer)
    assert world.crowding.drawn.sum() == pytest.approx(served, rel=0.1)


@pytest.mark.parametrize(
    ("mechanism", "slots"),
    [("none", [5, 10]), ("posted_price", [5, 10]), ("vcg", list(range(1, 12)))],
)
def test_strangers_meet_the_experts_at_each_clearing_or_as_often(
    mechanism: str, slots: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(CROWDED, num_worlds=2, seed=0, mechanism=mechanisms.make(mechanism))
    found, meet = [], Strangers.meet

    def noted(strangers: Strangers, conditions: Conditions, offer: Offer) -> Meeting:
        found.append(conditions.index)
        return meet(strangers, conditions, offer)

    monkeypatch.setattr(Strangers, "meet", noted)
    for slot in range(11):
        world.step(np.full((2, 6), slot % 5))
    assert found == slots


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_those_drawn_are_as_many_as_come_to_users_who_count_on_them(mechanism: str) -> None:
    """Choices of 300 populations of users with the same experts, beside what strangers tell."""
    experts = ExpertConfig(unit_cost=(0.1, 1.0), pool_seed=7)
    config = replace(
        CROWDED, num_users=12, experts=experts, channel=ChannelConfig(bandwidth_hz=4e3)
    )
    world = World(config, num_worlds=300, seed=3, mechanism=mechanisms.make(mechanism))
    slot, drawn = world.slot, world.crowding.drawn
    beside = slot.gain_beside(slot.conditions.candidates.of(drawn.astype(np.float32)))
    come = first_choices(slot, beside)
    alone = first_choices(slot, slot.expected_gain())
    assert drawn.mean(axis=0).max() > 1
    np.testing.assert_allclose(drawn.mean(axis=0), come, atol=0.3)
    assert np.abs(drawn.mean(axis=0) - alone).max() > 0.4  # of users who expect nobody


def first_choices(slot: Slot, gain: np.ndarray) -> np.ndarray:
    """Others whom each expert has where users take their best, or abandon, (E,)."""
    gain = np.where(slot.mask[..., :-1], gain, -np.inf)
    chosen = np.where(gain.max(axis=-1) > 0, gain.argmax(axis=-1), slot.num_experts)
    share = np.bincount(chosen.ravel(), minlength=slot.num_experts + 1) / chosen.size
    return (slot.num_users - 1) * share[:-1]


def test_experts_that_are_down_draw_nobody() -> None:
    experts = ExpertConfig(availability_probability=0.5)
    world = World(replace(CROWDED, experts=experts), num_worlds=3, seed=1)
    for _ in range(5):
        drawn, up = world.crowding.drawn, world.available
        assert (drawn[~up] == 0).all()
        assert (drawn.sum(axis=-1) > 0)[up.any(axis=-1)].all()
        world.step(np.zeros((3, 6), int))


def test_where_experts_go_down_others_draw_more_at_once_and_no_other_world_is_moved() -> None:
    """Down in world 0 alone, between two meetings."""
    config = replace(CROWDED, num_users=16, market=MarketConfig(interval=9))
    world = World(config, 2, seed=0)
    before = world.crowding.drawn
    most = before[0].argmax()
    world.step(np.full((2, 16), 5))
    np.testing.assert_array_equal(world.crowding.drawn, before)
    conditions = world.slot.conditions
    down = conditions.available.copy()
    down[0, most] = False
    world.crowding.update(replace(conditions, available=down), world.slot.offer)
    after = world.crowding.drawn
    assert after[0, most] == 0
    assert (np.delete(after[0] - before[0], most) > 0).all()
    assert np.delete(after[0] - before[0], most).sum() > 0.1
    np.testing.assert_array_equal(after[1], before[1])


def test_experts_that_are_down_at_first_are_expected_like_others_once_they_are_up() -> None:
    experts = ExpertConfig(unit_cost=(0.1, 1.0), availability_probability=0.5, pool_seed=1)
    config = replace(CROWDED, num_users=16, market=MarketConfig(interval=40), experts=experts)
    world = World(config, 300, seed=0)
    first = world.available
    every = replace(world.slot.conditions, available=np.ones_like(first))
    world.crowding.update(every, world.slot.offer)
    drawn = world.crowding.drawn
    up, down = (np.where(mask, drawn, 0).sum(0) / mask.sum(0) for mask in (first, ~first))
    np.testing.assert_allclose(down, up, rtol=0.35)


@register("passing")
@dataclass(frozen=True)
class Passing(ChannelProcess):
    """Experts pass one after another: in slot t expert t mod E can be reached, and no other."""

    def place_experts(self, shape: Any, rng: np.random.Generator) -> Arrays:
        return {"due": np.broadcast_to(np.arange(shape[1], dtype=np.float32), shape)}

    def following_experts(self, experts: Arrays, slot_s: float, rng: Any) -> Arrays:
        return {"due": (experts["due"] - 1) % experts["due"].shape[-1]}

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"fading_db": rng.uniform(0, 5, shape).astype(np.float32)}

    def snr_of(self, state: Arrays) -> Any:
        return state["fading_db"] + np.where(state["due"] == 0, 20, -30).astype(np.float32)

    def covered(self, state: Arrays) -> Any:
        return np.broadcast_to(state["due"] == 0, state["fading_db"].shape)


@pytest.mark.parametrize("mechanism", ["none", "posted_price", "vcg"])
@pytest.mark.parametrize("candidates", [None, 5])
def test_those_drawn_go_to_experts_where_they_have_come(
    mechanism: str, candidates: int | None
) -> None:
    config = replace(
        CROWDED,
        channel=ChannelConfig(process="passing", bandwidth_hz=1e5),
        observation=replace(DRAWN, candidates=candidates),
    )
    world, twin = (World(config, 2, seed, mechanisms.make(mechanism)) for seed in (4, 5))
    for slot in range(7):
        drawn = world.crowding.drawn
        assert (drawn[:, slot % 5] > 0).all()
        assert (np.delete(drawn, slot % 5, axis=1) == 0).all()
        twin.set_state(world.get_state())
        np.testing.assert_array_equal(twin.slot.observation, world.slot.observation)
        world.step(np.zeros((2, 6), int))


def test_newcomers_draw_some() -> None:
    world = World(CROWDED, num_worlds=2, seed=0)
    world.step(np.zeros((2, 6), int))
    world.add_experts(3)
    assert world.crowding.drawn.shape == (2, 8)
    assert (world.crowding.drawn[:, 5:].sum(axis=-1) > 0).all()


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
@pytest.mark.parametrize("observation", [DRAWN, ObservationConfig()])
def test_a_user_alone_counts_on_nobody_wherever_it_went_itself(
    mechanism: str, observation: ObservationConfig
) -> None:
    config = replace(CROWDED, num_users=1, observation=observation)
    world = World(config, seed=0, mechanism=mechanisms.make(mechanism))
    names, rng = column_names(config), np.random.default_rng(0)
    ending = "_drawn" if observation is DRAWN else ""
    while not world.done:
        block = dict(zip(names, world.slot.observation[0, 0], strict=True))
        assert all(
            block[f"expert_{e}.gain_alone"] == block[f"expert_{e}.gain_beside{ending}"]
            for e in range(5)
        )
        world.step(rng.integers(6, size=(1, 1)))
    assert world.crowding is None


BATTERIES = {
    "wired": {"count": 2},
    "kites": {"count": 3, "battery_j": [5.0, 15.0], "joules_per_word": 0.05},
}


@pytest.mark.parametrize("mechanism", ["none", "posted_price", "vcg"])
def test_no_action_in_a_world_changes_what_is_drawn_in_another_or_for_a_later_episode(
    mechanism: str,
) -> None:
    config = replace(
        CROWDED,
        episode_slots=12,
        expert_groups=BATTERIES,
        experts=ExpertConfig(unit_cost=(0.1, 1.0), availability_probability=0.9),
    )
    busy, idle = (World(config, 2, 0, mechanisms.make(mechanism)) for _ in range(2))
    emptied = False
    while not busy.done:
        emptied |= not np.array_equal(busy.available, idle.available)
        kites = np.where(busy.slot.mask[0, :, 2:5].any(axis=-1), 2, 5)
        kites += busy.slot.mask[0, :, 2:5].argmax(axis=-1)
        actions = np.stack([kites, np.full(6, 5)])
        seen, seen_beside_idle = busy.step(actions)[0][1], idle.step(np.full((2, 6), 5))[0][1]
        np.testing.assert_array_equal(seen, seen_beside_idle)
    assert emptied
    np.testing.assert_array_equal(busy.reset(), idle.reset())


def test_strangers_have_as_much_to_ask_as_users_in_the_slots_of_an_episode() -> None:
    requests = RequestConfig(arrival_probability=0.1)
    config = replace(CROWDED, requests=requests)
    world = World(config, num_worlds=400, seed=1)
    others, pending = [], []
    for slot in range(31):
        if slot % 5 == 0:  # who is drawn is found anew
            others.append(world.crowding.drawn.sum(axis=-1).mean())
            pending.append(5 * world.slot.conditions.transfers.mean())
        world.step(np.full((400, 6), 5))
    share = np.divide(others, pending)  # who would rather transfer than abandon
    np.testing.assert_allclose(share, share.mean(), rtol=0.12)
    assert max(pending) > 2 * min(pending)


def test_nothing_else_of_the_world_depends_on_strangers() -> None:
    plain = replace(CROWDED, observation=ObservationConfig())
    worlds = [World(config, 2, 5, mechanisms.make("posted_price")) for config in (CROWDED, plain)]
    beside = [name.endswith("gain_beside") for name in column_names(plain)]
    rng, differs = np.random.default_rng(0), False
    for _ in range(8):
        actions = rng.integers(6, size=(2, 6))
        (seen, reward, _), (seen_plain, reward_plain, _) = [one.step(actions) for one in worlds]
        np.testing.assert_array_equal(reward, reward_plain)
        other = seen != seen_plain
        differs |= other.any()
        assert not other[..., ~np.array(beside)].any()
    assert differs
