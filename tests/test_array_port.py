"""The port of the world to array-API code plays the world's episodes; it is not timed here."""

from dataclasses import replace
from math import isfinite
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.usefixtures("benchmarks_importable")


def test_the_array_api_port_is_measured_beside_the_world_and_two_processes_and_bounded_by_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import array_api

    monkeypatch.setattr(array_api, "COPIED_BYTES", 2**16)
    sizes = ((1, 2), (4, 2))
    rows = array_api.measure(
        sizes=sizes, num_experts=5, threads=(1,), compiled=False, repeats=1, seconds=0
    )
    ports = {"port, NumPy", "port, torch, threads: 1"}
    for (num_worlds, num_users), more in zip(sizes, (set(), {"World, two processes"}), strict=True):
        size = f"{num_worlds} x {num_users} x 5, "
        mine = {
            (row.variant.removeprefix(size), row.quantity): row
            for row in rows
            if row.variant.startswith(size)
        }
        assert {variant for variant, quantity in mine if quantity == "slot"} == {
            "World"
        } | ports | more
        assert {variant for variant, quantity in mine if quantity == "speed"} == ports | more
        assert all(row.median > 0 and isfinite(row.median) for row in mine.values())
        bound = mine["memory", "least a slot could take"].median
        moved_mb = mine["memory", "moved"].median
        assert bound == pytest.approx(moved_mb / mine["memory", "copy"].median)  # MB / (GB/s)
        observations = num_worlds * num_users * (4 + 5 * 10) * 4  # bytes
        assert moved_mb * 1e6 > observations


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("kind", ["contention", "default", "persistent"])
def test_the_array_api_port_plays_the_episodes_of_the_world_with_the_same_draws(
    device: str | None, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import array_step
    from contention import contention_world

    from envs import World, WorldConfig

    def lent(seed: int, device: str) -> Any:  # the world's draws, for torch
        _, *streams = (
            np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)
        )
        draws = array_step.NumPyDraws(*streams)
        names = ("normal", "uniform", "uniform_double")
        return SimpleNamespace(
            **{
                name: lambda *shape, name=name: torch.as_tensor(getattr(draws, name)(*shape))
                for name in names
            }
        )

    monkeypatch.setattr(array_step, "TorchDraws", lent)
    config = (
        contention_world(7, 12)
        if kind == "contention"
        else WorldConfig(num_users=7, num_experts=12)
    )
    if kind == "persistent":  # where requests have several subtasks
        config = replace(
            config, requests=replace(config.requests, zipf_exponent=1.0, topic_persistence=0.6)
        )
    config = replace(config, episode_slots=8, experts=replace(config.experts, resample="episode"))
    world, port = World(config, num_worlds=3, seed=5), array_step.ArrayWorld(config, 3, 5, device)
    rng = np.random.default_rng(0)
    observation, seen = world.reset(), port.observation
    for _ in range(2):
        np.testing.assert_allclose(seen, observation.reshape(21, -1), rtol=1e-6, atol=1e-6)
        for _ in range(config.episode_slots):
            actions = rng.integers(config.num_experts + 1, size=(3, 7))
            observation, reward, result = world.step(actions)
            seen, gain, told = port.step(port.xp.asarray(actions.ravel()))
            np.testing.assert_allclose(seen, observation.reshape(21, -1), rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(port.mask, world.slot.mask.reshape(21, -1))
            np.testing.assert_allclose(gain, reward.ravel(), rtol=1e-6)
            for name, values in told.items():
                np.testing.assert_allclose(
                    values, getattr(result, name).ravel(), rtol=1e-12, atol=1e-12, err_msg=name
                )
        observation, seen = world.reset(), port.reset()
