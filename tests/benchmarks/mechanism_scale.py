"""Cost of a clearing among thousands of users and experts, on one market of the contention world.

Each in a process of its own, so that its memory is its own: what clearings take above a process
that has the market and has cleared a small one, solvers and all.
"""

from dataclasses import replace
from multiprocessing import get_context
from time import perf_counter

from contention import contention_spec
from interleaved import summary
from memory import MEBIBYTE, peak_bytes
from report import Measurement, Told, say_nothing, single
from scale import Size, name_of

import mechanisms
from envs import ObservationConfig
from marl_moe.experiment.study.evaluation import make_heuristic
from marl_moe.experiment.study.market_study import sample_markets
from mechanisms import Market

SIZES: tuple[Size, ...] = ((64, 300, None), (64, 300, 30), (1000, 3000, 30))


def measure(
    sizes: tuple[Size, ...] = SIZES,
    names: tuple[str, ...] = mechanisms.names(),
    repeats: int = 5,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Milliseconds of a clearing and the peak of memory, of each mechanism at each size."""
    rows = []
    for size in sizes:
        small = market_of((3, 6, None if size[2] is None else 6))
        market = market_of(size)
        for name in names:
            told(f"{name}, {name_of(size)}")
            with get_context("spawn").Pool(1) as process:
                rows += process.apply(_measured, (name, size, market, small, repeats))
    return rows


def market_of(size: Size) -> Market:
    """Return a world's market after the slots in which demand settles, with a partial budget."""
    num_users, num_experts, candidates = size
    spec = contention_spec(num_users=num_users, num_experts=num_experts, episode_slots=11)
    env = replace(
        spec.env,
        market=replace(spec.env.market, budget_per_user=1.0),
        observation=ObservationConfig(candidates=candidates),
    )
    return sample_markets(env, make_heuristic("random", 0), 1, seed=0).world(0)


def _measured(
    name: str, size: Size, market: Market, small: Market, repeats: int
) -> list[Measurement]:
    """Return the rows of one mechanism at one size; `small` is a market to load solvers by."""
    mechanism, milliseconds = mechanisms.make(name), []
    mechanism.clear(small)
    idle = peak_bytes()
    for _ in range(repeats):
        began = perf_counter()
        mechanism.clear(market)
        milliseconds.append(1000 * (perf_counter() - began))
    variant = f"{name}, {name_of(size)}"
    return [
        summary("mechanisms", variant, "clearing", "ms", milliseconds),
        single("mechanisms", variant, "memory", "MiB", (peak_bytes() - idle) / MEBIBYTE),
    ]
