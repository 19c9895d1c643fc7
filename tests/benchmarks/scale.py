"""Scale: what a slot costs among thousands of users and experts, with candidate lists and without.

Each size in a process of its own, so that its memory is its own: what resets and steps under random
actions take above
a process that has imported everything. After that come the equilibria of the first slots: their
time, and the gain a user, by which lists can be held against seeing all experts.
"""

from dataclasses import replace
from multiprocessing import get_context
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from contention import contention_world
from interleaved import summary
from matplotlib.figure import Figure
from memory import MEBIBYTE, peak_bytes
from report import Measurement, Told, say_nothing, single
from world_speed import SLOTS

from envs import ObservationConfig, World
from marl_moe.policies.equilibrium import Nash
from paper_figures import style

Size = tuple[int, int, int | None]  # users, experts, candidates: None is all experts
SIZES: tuple[Size, ...] = (
    (16, 30, None),
    *((users, 3 * users, candidates) for users in (100, 300, 1000) for candidates in (None, 30)),
    (1000, 3000, 10),
    (1000, 3000, 100),
    (1000, 10_000, 30),
    (3000, 9000, 30),
)
ALL = "all experts"
LOOKS = {ALL: ("#BB5566", "D"), "30 candidates": ("#004488", "o")}


def measure(
    sizes: tuple[Size, ...] = SIZES, repeats: int = 3, told: Told = say_nothing
) -> list[Measurement]:
    """Measure a reset, a step and an equilibrium (ms) and the peak of memory at each size."""
    rows = []
    for size in sizes:
        told(f"scale, {name_of(size)}")
        with get_context("spawn").Pool(1) as process:
            rows += process.apply(_measured, (size, repeats))
    return rows


def draw(table: pd.DataFrame) -> Figure:
    """Draw a step against the users, three experts a user, with lists and without, logarithmic."""
    steps = table[(table["benchmark"] == "scale") & (table["quantity"] == "step")]
    size = steps["variant"].str.extract(r"(?P<users>[\d,]+) x (?P<experts>[\d,]+), (?P<seen>.*)")
    steps = steps.assign(
        users=size["users"].str.replace(",", "").astype(int),
        experts=size["experts"].str.replace(",", "").astype(int),
        seen=size["seen"],
    )
    steps = steps[steps["experts"] == 3 * steps["users"]]
    with plt.rc_context(style.SINGLE_COLUMN):
        figure, ax = plt.subplots(layout="constrained")
    for seen, (colour, marker) in LOOKS.items():
        line = steps[steps["seen"] == seen].sort_values("users")
        ax.plot(line["users"], line["median"], color=colour, marker=marker, label=seen)
    users = sorted(steps["users"].unique())
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="Number of users, three experts each",
        ylabel="Time of a step (ms)",
    )
    ax.set_xticks(users, [f"{number:,}" for number in users])
    ax.xaxis.minorticks_off()
    ax.legend()
    return figure


def name_of(size: Size) -> str:
    """Return the name of a size in the rows."""
    num_users, num_experts, candidates = size
    listed = ALL if candidates is None else f"{candidates} candidates"
    return f"{num_users:,} x {num_experts:,}, {listed}"


def _measured(size: Size, repeats: int) -> list[Measurement]:
    """Return the rows of one size."""
    num_users, num_experts, candidates = size
    idle = peak_bytes()
    config = replace(
        contention_world(num_users, num_experts),
        observation=ObservationConfig(candidates=candidates),
    )
    world = World(config, seed=0)
    actions = np.random.default_rng(0).integers(
        world.num_candidates + 1, size=(SLOTS, 1, num_users)
    )
    resets, steps, equilibria, gains = [], [], [], []
    for _ in range(repeats):
        began = perf_counter()
        world.reset(seed=0)
        resets.append(1000 * (perf_counter() - began))
        began = perf_counter()
        while not world.done:
            world.step(actions[world.slot.index])
        steps.append(1000 * (perf_counter() - began) / SLOTS)
    peak = peak_bytes()
    world.reset(seed=0)
    policy = Nash(np.random.default_rng(0))
    for _ in range(repeats):
        began = perf_counter()
        chosen = policy.act(world.slot)
        equilibria.append(1000 * (perf_counter() - began))
        gains.append(float(world.step(chosen)[2].gain.mean()))
    name = name_of(size)
    return [
        summary("scale", name, "step", "ms", steps),
        summary("scale", name, "reset", "ms", resets),
        summary("scale", name, "equilibrium", "ms", equilibria),
        summary("scale", name, "gain of the equilibrium", "credits", gains),
        single("scale", name, "memory", "MiB", (peak - idle) / MEBIBYTE),
    ]
