"""The four cells of the time to quality: their runs, the factors between them, the figure."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from interleaved import summary
from matplotlib.figure import Figure
from report import Measurement, Told, say_nothing, single
from time_to_quality import CELLS, LEVELS, Caps, Cell, LearningCurve, Row, Setting, time_to
from tuning import chosen

from paper_figures import style

COLUMNS = {"seconds": "s", "env_steps": "env steps", "updates": "updates"}
PATHS = (  # from RLlib with its mlp to ours with the pointer, the network first or the engine first
    (Cell("rllib", "mlp"), Cell("rllib", "pointer"), Cell("ours", "pointer")),
    (Cell("rllib", "mlp"), Cell("ours", "mlp"), Cell("ours", "pointer")),
)
COLOURS = {"rllib": "#6699CC", "ours": "#004488"}
LINES: Mapping[str, str | tuple[int, tuple[float, ...]]] = {"mlp": (0, (4, 1.5)), "pointer": "-"}
NAMES = {"rllib": "RLlib SAC", "ours": "Ours"}


def measure(
    caps: Caps,
    pointer_seeds: int = 3,
    mlp_seeds: int = 1,
    setting: Callable[[Cell], Setting] = chosen,
    told: Told = say_nothing,
    **env: int,
) -> tuple[list[Measurement], pd.DataFrame]:
    """Measure seconds, env steps and updates to each level in each cell, and the cells' factors.

    Args:
        caps: seconds of a run at most.
        pointer_seeds: seeds of the cells with the pointer.
        mlp_seeds: seeds of the cells with an mlp.
        setting: setting of each cell.
        told: is told what is being measured.
        env: keys of the contention world that differ.
    """
    for cell in CELLS:  # what happens once a process, as compiling a kernel, happens here
        told(f"{cell}, warming up")
        list(LearningCurve(cell, setting(cell), 0, cap_s=1e-9, **env).rows())
    curves: list[Row] = []
    for seed in range(max(pointer_seeds, mlp_seeds)):
        for cell in CELLS:
            if seed < (pointer_seeds if cell.network == "pointer" else mlp_seeds):
                for row in LearningCurve(cell, setting(cell), seed, caps.of(cell), **env).rows():
                    curves.append(row)
                    told(
                        f"{cell}, seed {seed}, {row['seconds']:.0f} s, "
                        f"{row['share_of_equilibrium']:.0%}"
                    )
    table = pd.DataFrame(curves)
    return rows_of(table, caps), table


def rows_of(curves: pd.DataFrame, caps: Caps) -> list[Measurement]:
    """Return seconds, env steps and updates to each level by cell, and factors between cells."""
    rows = []
    for level in LEVELS:
        reached = {cell: _reached(curves, cell, level) for cell in CELLS}
        for cell, runs in reached.items():
            for column, unit in COLUMNS.items():
                values = [np.inf if run is None else float(run[column]) for run in runs]
                row = summary("quality", str(cell), f"to {level:.0%} of equilibrium", unit, values)
                if column == "seconds" or np.isfinite(row.median):
                    rows.append(row)
        rows += _factors(reached, level, caps)
    best = curves.groupby(["engine", "network", "seed"])["share_of_equilibrium"].max()
    for cell in CELLS:
        rows.append(
            summary(
                "quality",
                str(cell),
                "best share of equilibrium",
                "",
                best[cell.engine, cell.network].tolist(),
            )
        )
    return rows


def draw(curves: pd.DataFrame) -> Figure:
    """Share of the equilibrium's gain against seconds, a line a run."""
    with plt.rc_context(style.SINGLE_COLUMN):
        figure, ax = plt.subplots(layout="constrained")
    for level in LEVELS:
        ax.axhline(level, color="0.6", linewidth=0.6)
    for cell in CELLS:
        mine = curves[(curves["engine"] == cell.engine) & (curves["network"] == cell.network)]
        label: str | None = f"{NAMES[cell.engine]}, {cell.network}"
        for _, run in mine.groupby("seed"):
            share = run["share_of_equilibrium"]
            ax.plot(
                run["seconds"],
                share,
                color=COLOURS[cell.engine],
                linestyle=LINES[cell.network],
                label=label,
            )
            label = None
    ax.set(xscale="log", ylim=(-0.5, 1), xlabel="Seconds of collecting and learning")
    ax.set_ylabel(style.METRIC_LABELS["share_of_equilibrium"])
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _reached(curves: pd.DataFrame, cell: Cell, level: float) -> list[Row | None]:
    """Return the row at which each seed of a cell reached a level, None where it did not."""
    mine = curves[(curves["engine"] == cell.engine) & (curves["network"] == cell.network)]
    return [time_to(run.to_dict("records"), level) for _, run in mine.groupby("seed")]


def _factors(
    reached: Mapping[Cell, list[Row | None]], level: float, caps: Caps
) -> list[Measurement]:
    """Return how many times sooner each cell is than the one before, or a bound at a cap."""
    seconds = {
        cell: float(np.median([np.inf if run is None else run["seconds"] for run in runs]))
        for cell, runs in reached.items()
    }
    rows = []
    for slow, fast in dict.fromkeys(
        step for path in PATHS for step in ((path[0], path[-1]), *pairwise(path))
    ):
        if np.isfinite(seconds[fast]):
            bound = "" if np.isfinite(seconds[slow]) else "at least "
            factor = min(seconds[slow], caps.of(slow)) / seconds[fast]
            variant = f"{slow} -> {fast}"
            rows.append(
                single("quality", variant, f"sooner to {level:.0%}, {bound}times", "", factor)
            )
    return rows
