"""Growth: what an update and a step of the worlds cost as users and experts become more."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from interleaved import Work, rates, summary
from matplotlib.figure import Figure
from report import Measurement, Told, frame, say_nothing, single
from update_speed import built
from world_speed import episode

from paper_figures import style

USERS = (1, 4, 16, 64, 256)
EXPERTS = (30, 100, 300, 1000)
NUM_WORLDS = 4
COSTS = {"step": "a step of 4 worlds", "update": "an update of 256"}
LOOKS = {"step": ("#004488", "o"), "update": ("#BB5566", "D")}


def measure(
    users: Sequence[int] = USERS,
    experts: Sequence[int] = EXPERTS,
    repeats: int = 3,
    seconds: float = 0.5,
    told: Told = say_nothing,
) -> list[Measurement]:
    """Measure milliseconds of a step and an update by users (30 experts) and experts (16 users)."""
    rows = []
    for axis, sizes in (("users", users), ("experts", experts)):
        for size in sizes:
            num_users, num_experts = (size, min(experts)) if axis == "users" else (16, size)
            told(f"growth, {num_users} users, {num_experts} experts")
            runners = {"num_envs_per_env_runner": NUM_WORLDS}
            # The replay is filled, and next to nothing is learned.
            training = {
                "training_intensity": 1e-6,
                "replay_buffer_config": {"capacity": 20_000},
            }
            algorithm = built(num_users, num_experts, env_runners=runners, training=training)
            works = {"step": _step(num_users, num_experts), "update": _update(algorithm)}
            for cost, values in rates(works, repeats, seconds).items():
                variant = f"{size} {axis}"
                rows.append(
                    summary("growth", variant, cost, "ms", [1000 / value for value in values])
                )
            algorithm.stop()
    fitted = slopes(frame(rows)).items()
    return rows + [
        single("growth", f"against {axis}", f"{cost}, slope", "", slope)
        for (axis, cost), slope in fitted
    ]


def _step(num_users: int, num_experts: int) -> Work:
    play = episode(NUM_WORLDS, num_users, num_experts)

    def work() -> int:
        play()
        return 1

    return work


def _update(algorithm: Any) -> Work:
    def work() -> int:
        algorithm._update("users", 1)
        return 1

    return work


def slopes(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Fit b of cost = a size^b for each axis and cost: least squares of logs, upper half."""
    fitted = {}
    for (axis, cost), points in _points(table).groupby(["axis", "quantity"]):
        upper = points.nlargest(max(2, (len(points) + 1) // 2), "size")
        slope = np.polyfit(np.log(upper["size"]), np.log(upper["median"]), 1)[0]
        fitted[axis, cost] = round(float(slope), 2) + 0.0  # no slope of -0.00
    return fitted


def draw(table: pd.DataFrame) -> Figure:
    """Cost against users and against experts, all axes logarithmic."""
    with plt.rc_context(style.DOUBLE_COLUMN):
        figure, axes = plt.subplots(1, 2, sharey=True, layout="constrained")
    points, fitted = _points(table), slopes(table)
    for ax, axis in zip(axes, ("users", "experts"), strict=True):
        for cost, (colour, marker) in LOOKS.items():
            line = points[(points["axis"] == axis) & (points["quantity"] == cost)].sort_values(
                "size"
            )
            label = f"{COSTS[cost]}, slope {fitted[axis, cost]:.2f}"
            ax.fill_between(
                line["size"], line["least"], line["most"], color=colour, alpha=0.2, linewidth=0
            )
            ax.plot(line["size"], line["median"], color=colour, marker=marker, label=label)
        ax.set(xscale="log", yscale="log", xlabel=f"Number of {axis}")
        sizes = sorted(points.loc[points["axis"] == axis, "size"].unique())
        ax.set_xticks(sizes, [f"{size}" for size in sizes])
        ax.minorticks_off()
        ax.legend()
    axes[0].set_ylabel("Time (ms)")
    return figure


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """Return the costs, with size and axis."""
    points = table[(table["benchmark"] == "growth") & table["quantity"].isin(list(COSTS))]
    size = points["variant"].str.split(" ", expand=True)
    return points.assign(size=size[0].astype(int), axis=size[1])
