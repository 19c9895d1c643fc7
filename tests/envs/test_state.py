"""A world goes on bit for bit from its state, in another world of the same make."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    ObservationConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)

Actions = Callable[[World, np.random.Generator], np.ndarray]
WORLDS, USERS, EXPERTS, SLOTS = 2, 5, 7, 8
PLAIN = WorldConfig(num_users=USERS, num_experts=EXPERTS, episode_slots=SLOTS)
DRAWN = ObservationConfig(expected_load="drawn")
QUEUES = replace(
    PLAIN,
    requests=RequestConfig(arrival_probability=0.4, topic_persistence=0.5, private_probability=0.2),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
    experts=ExpertConfig(resample="episode"),
    quality=QualityConfig(judge_noise=0.16),
)
SCARCE = replace(
    PLAIN,
    requests=RequestConfig(num_transferred=2, zipf_exponent=1.0),
    channel=ChannelConfig(process="gauss_markov", speed_m_s=1.0, split="min_delay"),
    experts=ExpertConfig(availability_probability=0.7, max_concurrent=1, pool_seed=3),
)
EVERYTHING = replace(
    SCARCE,
    energy_budget_j=2.0,
    credit_budget=4.0,
    requests=RequestConfig(local_compute=0.0, private_probability=0.05, arrival_probability=0.9),
    channel=ChannelConfig(process="gauss_markov", speed_m_s=1.0, ber="snr", modulation="qam16"),
    experts=ExpertConfig(max_concurrent=2, words_per_second=60.0, service="fifo"),
    reward=RewardConfig(credits_per_second=0.01, downlink_energy="edge_device"),
    market=MarketConfig(interval=3, effort="enforced", budget_per_user=2.0),
)
CORNERS = {  # config, mechanism; 3 and 5 do not divide 8 slots
    "paper": (replace(PLAIN, requests=RequestConfig(num_transferred=1)), "none"),
    "queues": (QUEUES, "none"),
    "queues_priced": (replace(QUEUES, market=MarketConfig(interval=3)), "posted_price"),
    "scarce_priced": (replace(SCARCE, market=MarketConfig(interval=5)), "posted_price"),
    "priced_each_slot": (replace(SCARCE, market=MarketConfig(interval=1)), "posted_price"),
    "allocated": (SCARCE, "vcg"),
    "drawn": (replace(QUEUES, observation=DRAWN), "none"),
    "drawn_priced": (
        replace(SCARCE, observation=DRAWN, market=MarketConfig(interval=3)),
        "posted_price",
    ),
    "drawn_allocated": (
        replace(EVERYTHING, observation=DRAWN, market=MarketConfig(capacity=2)),
        "vcg",
    ),
    "everything_within_budget": (EVERYTHING, "proportional_share"),
    "everything_allocated": (replace(EVERYTHING, market=MarketConfig(capacity=2)), "vcg"),
}


def build(corner: str, seed: int | None) -> World:
    config, mechanism = CORNERS[corner]
    return World(config, WORLDS, seed, mechanisms.make(mechanism))


def play(
    world: World, slots: int, actions: np.random.Generator, any_actions: Actions
) -> Iterator[Any]:
    """Play slots, with a reset where one is due, and yield everything that they return."""
    for _ in range(slots):
        if world.done:
            yield world.reset().copy()
        observation, reward, result = world.step(any_actions(world, actions))
        yield from (observation.copy(), reward, world.slot.mask, *result)
        clearing = world.closed_clearing
        yield (
            None
            if clearing is None
            else {k: v for k, v in vars(clearing).items() if k != "solve_seconds"}
        )


def differing(first: Any, second: Any, name: str = "world") -> list[str]:
    """Return the names of all that differs inside two objects, whatever attributes they have."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        same = first.dtype == second.dtype and np.array_equal(
            first, second, equal_nan=first.dtype.kind == "f"
        )
        return [] if same else [name]
    if type(first) is not type(second):
        return [name]
    if isinstance(first, np.random.Generator):
        return differing(first.bit_generator.state, second.bit_generator.state, name)
    if isinstance(first, list | tuple):
        first, second = dict(enumerate(first)), dict(enumerate(second))
    elif is_dataclass(first):  # its fields; what it caches follows from them, when it is asked for
        names = [field.name for field in fields(first)]
        first, second = ({one: getattr(whole, one) for one in names} for whole in (first, second))
    elif not isinstance(first, dict) and type(first).__module__.startswith("envs."):
        first, second = vars(first), vars(second)
    if isinstance(first, dict) and isinstance(second, dict):
        if first.keys() != second.keys():
            return [name]
        return [
            found for key in first for found in differing(first[key], second[key], f"{name}.{key}")
        ]
    return (
        []
        if first is second or first == second or (first != first and second != second)
        else [name]
    )


def stored(state: Any, folder: Path) -> Any:
    """Write a state to a JSON and an npz file, neither of them pickled, and read it back."""
    arrays: dict[str, np.ndarray] = {}

    def without_arrays(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {key: without_arrays(value) for key, value in entry.items()}
        if isinstance(entry, np.ndarray):
            arrays[str(len(arrays))] = entry
            return [len(arrays) - 1]
        assert entry is None or type(entry) in (bool, int, float, str)
        return entry

    def with_arrays(entry: Any, loaded: Any) -> Any:
        if isinstance(entry, dict):
            return {key: with_arrays(value, loaded) for key, value in entry.items()}
        return loaded[str(entry[0])] if isinstance(entry, list) else entry

    (folder / "state.json").write_text(json.dumps(without_arrays(state)))
    np.savez(folder / "state.npz", **arrays)
    with np.load(folder / "state.npz", allow_pickle=False) as loaded:
        return with_arrays(json.loads((folder / "state.json").read_text()), loaded)


@pytest.mark.parametrize("slots_before", [0, 3, 5, SLOTS, SLOTS + 6])
@pytest.mark.parametrize("corner", CORNERS)
def test_a_restored_world_goes_on_bit_for_bit_past_its_next_resets(
    corner: str, slots_before: int, any_actions: Actions, tmp_path: Path
) -> None:
    original, restored = build(corner, seed=1), build(corner, seed=2)
    list(play(original, slots_before, np.random.default_rng(0), any_actions))
    list(play(restored, 2, np.random.default_rng(1), any_actions))
    restored.set_state(stored(original.get_state(), tmp_path))
    assert differing(original, restored) == []
    first, second = (
        list(play(w, 2 * SLOTS, np.random.default_rng(9), any_actions))
        for w in (original, restored)
    )
    assert differing(first, second) == []


@pytest.mark.parametrize("played", [False, True])
def test_the_first_reset_after_a_restore_is_the_one_the_original_would_have_made(
    played: bool, any_actions: Actions
) -> None:
    original, restored = build("queues", seed=1), build("queues", seed=2)
    list(play(original if played else restored, 1, np.random.default_rng(0), any_actions))
    restored.set_state(original.get_state())
    np.testing.assert_array_equal(restored.reset(), original.reset())
    assert differing(original, restored) == []


def test_a_world_with_added_experts_needs_a_config_with_as_many() -> None:
    original, small = build("queues_priced", seed=1), build("queues_priced", seed=2)
    original.add_experts(3)
    before = small.get_state()
    with pytest.raises(ValueError, match=r"\(2, 7\).*\(2, 10\)"):
        small.set_state(original.get_state())
    assert differing(before, small.get_state()) == []
    large = World(original.config, WORLDS, seed=2, mechanism=mechanisms.make("posted_price"))
    large.set_state(original.get_state())
    assert differing(original, large) == []


def test_no_state_is_taken_between_newcomers_and_the_next_slot(any_actions: Actions) -> None:
    """The books of the last slot are of fewer experts; whoever joined has none."""
    original, restored = build("queues_priced", seed=1), build("queues_priced", seed=2)
    list(play(original, 3, np.random.default_rng(0), any_actions))
    state = original.get_state()
    for world in (original, restored):
        world.add_experts(3)
    with pytest.raises(RuntimeError, match="step before get_state"):
        original.get_state()
    with pytest.raises(ValueError, match=r"\(2, 10\).*\(2, 7\)"):
        original.set_state(state)
    list(play(original, 1, np.random.default_rng(0), any_actions))
    restored.set_state(original.get_state())
    assert differing(original, restored) == []


def leaves(state: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, entry in state.items():
        if isinstance(entry, dict):
            yield from leaves(entry, (*path, key))
        else:
            yield (*path, key), entry


@pytest.mark.parametrize("slots", [4, 6])  # an interval of 3 slots has ended in the second case
def test_an_entry_that_does_not_fit_is_named_and_changes_nothing(
    slots: int, any_actions: Actions
) -> None:
    world, target = build("queues_priced", seed=1), build("queues_priced", seed=2)
    list(play(world, slots, np.random.default_rng(0), any_actions))
    before = target.get_state()
    paths = [path for path, entry in leaves(world.get_state()) if isinstance(entry, np.ndarray)]
    assert (("market", "closed", "payment") in paths) == (slots == 6)
    for path in paths:
        state = world.get_state()
        parent = state
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = parent[path[-1]][..., :-1]
        with pytest.raises(
            ValueError, match=r"\['" + r"'\]\['".join(path) + r"'\] should be .* it is"
        ):
            target.set_state(state)
        del parent[path[-1]]
        with pytest.raises(ValueError, match="should hold"):
            target.set_state(state)
    assert differing(before, target.get_state()) == []


def test_a_state_shares_no_array_with_the_worlds_it_left_and_entered(any_actions: Actions) -> None:
    original, restored = build("queues_priced", seed=1), build("queues_priced", seed=2)
    list(play(original, 3, np.random.default_rng(0), any_actions))
    state, unspoilt = original.get_state(), original.get_state()
    restored.set_state(state)
    for _, entry in leaves(state):
        if isinstance(entry, np.ndarray):
            entry[...] = 0
    assert differing(original, restored) == []
    assert differing(unspoilt, original.get_state()) == []
