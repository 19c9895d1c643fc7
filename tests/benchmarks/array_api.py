"""Cost of a world of array-API code: `World`, its port and a second process, side by side.

Milliseconds that all worlds take for a slot of the contention world, observations and resets
included: `World`; the port on NumPy; the port on torch, as it is and compiled (torch.compile);
`World` in two processes with half of the worlds each, as RLlib's env runners have it. What must
pass through memory, at the rate of a copy, bounds them all.
"""

import numpy as np
import torch
from array_step import ArrayWorld
from contention import contention_world
from interleaved import Work, rates, ratios, summary
from report import Measurement, Told, say_nothing, single
from two_processes import two_processes
from world_speed import NUM_EXPERTS, SLOTS, episode

from envs import World
from envs.observation import observation_size

SIZES = ((1, 8), (64, 8), (1024, 8), (1024, 16))  # worlds, users
WORLD = "World"
COPIED_BYTES = 2**28  # far more than what lies in a core's own cache
MEGABYTE = 1e6


def measure(
    sizes: tuple[tuple[int, int], ...] = SIZES,
    num_experts: int = NUM_EXPERTS,
    device: str = "cpu",
    threads: tuple[int, ...] = (1, 2),
    compiled: bool = True,
    repeats: int = 5,
    seconds: float = 0.5,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Measure milliseconds a slot of each variant and size, ratios to `World`, and the bound."""
    threads_before = torch.get_num_threads()
    rows = []
    for num_worlds, num_users in sizes:
        size = f"{num_worlds} x {num_users} x {num_experts}"
        told(size)
        works = _works(num_worlds, num_users, num_experts, device, threads, compiled)
        with two_processes(num_worlds, num_users, num_experts) as halves:
            measured = rates(works | halves | {"copy": _copy()}, repeats, seconds, told)
        bandwidth = measured.pop("copy")
        for name, values in measured.items():
            variant = f"{size}, {name}"
            rows.append(
                summary("array_api", variant, "slot", "ms", [1000 / value for value in values])
            )
            if name != WORLD:
                rows.append(
                    summary(
                        "array_api",
                        variant,
                        "speed",
                        "times World",
                        ratios(values, measured[WORLD]),
                    )
                )
        moved = bytes_moved(num_worlds, num_users, num_experts)
        bounds = [1000 * moved / rate for rate in bandwidth]
        rows += [
            single("array_api", f"{size}, memory", "moved", "MB a slot", moved / MEGABYTE),
            summary(
                "array_api", f"{size}, memory", "copy", "GB/s", [rate / 1e9 for rate in bandwidth]
            ),
            summary("array_api", f"{size}, memory", "least a slot could take", "ms", bounds),
        ]
        torch._dynamo.reset()
    torch.set_num_threads(threads_before)
    return rows


def bytes_moved(num_worlds: int, num_users: int, num_experts: int) -> int:
    """Return the bytes that a slot must read and write at least, without the draws.

    A user's observation and mask are written, its latent SNR read and written, its mean SNR and the
    competence of its topic read (single precision); it has about 20 numbers of its own in double
    precision, an expert 6, read or written.
    """
    user = (
        4 * observation_size(contention_world(num_experts=num_experts))
        + (num_experts + 1)
        + 4 * 4 * num_experts
        + 8 * 20
    )
    return num_worlds * (num_users * user + num_experts * 8 * 6)


def _works(
    num_worlds: int,
    num_users: int,
    num_experts: int,
    device: str,
    threads: tuple[int, ...],
    compiled: bool,
) -> dict[str, Work]:
    """Return a slot of all worlds in every variant; each counts slots."""
    size = num_worlds, num_users, num_experts
    works = {WORLD: _slot_of(episode(*size)), "port, NumPy": _port(*size, None, 1)}
    ways = [("", False), (" compiled", True)] if compiled else [("", False)]
    for way, is_compiled in ways:
        if device == "cpu":
            for count in threads:
                works[f"port, torch{way}, threads: {count}"] = _port(
                    *size, device, count, is_compiled
                )
        else:
            works[f"port, torch{way} on {device}"] = _port(*size, device, 1, is_compiled)
    if device != "cpu":
        works[f"World, observations sent to {device}"] = _sent(*size, device)
    return works


def _slot_of(play: Work) -> Work:
    def work() -> int:
        play()
        return 1

    return work


def _port(
    num_worlds: int,
    num_users: int,
    num_experts: int,
    device: str | None,
    threads: int,
    compiled: bool = False,
) -> Work:
    world = ArrayWorld(contention_world(num_users, num_experts), num_worlds, 0, device, compiled)
    drawn = np.random.default_rng(0).integers(num_experts + 1, size=(SLOTS, num_worlds * num_users))
    actions = world.xp.asarray(drawn, device=device)

    def work() -> int:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if world.slot >= world.config.episode_slots:
            world.reset()
        world.step(actions[world.slot % SLOTS])
        if device not in (None, "cpu"):
            torch.accelerator.synchronize()
        return 1

    return work


def _sent(num_worlds: int, num_users: int, num_experts: int, device: str) -> Work:
    """Return a slot of `World` with its actions from a device and its observations sent there."""
    world = World(contention_world(num_users, num_experts), num_worlds, seed=0)
    drawn = np.random.default_rng(0).integers(num_experts + 1, size=(SLOTS, num_worlds, num_users))
    actions = torch.asarray(drawn, device=device)
    world.reset()

    def work() -> int:
        if world.done:
            world.reset()
        observations, *_ = world.step(actions[world.slot.index % SLOTS].cpu().numpy())
        torch.asarray(observations, device=device)
        torch.accelerator.synchronize()
        return 1

    return work


def _copy() -> Work:
    """Return a copy from one array to another, which counts bytes read and written."""
    source = np.ones(COPIED_BYTES // 8)
    target = np.empty_like(source)

    def work() -> int:
        np.copyto(target, source)
        return 2 * source.nbytes

    return work
