"""Tuning of the time to quality: the same settings and seconds for each cell, on seeds apart.

`tuning.csv` beside this file is what `python tests/benchmarks tune` measured, and `chosen` reads
the choice off it. A cell's best setting is the one that is soonest at the highest level; where none
gets there, soonest at the level below; where none gets there either, the one with the greatest
share at the end.

RLlib's mlp reaches no level within the budget with any setting, and shares near 0 at the end of it
say little of later. Such a cell is given the setting that is best for its network in the other
engine, which gets further with as many updates. That is the stronger choice: with it RLlib's mlp
had a share of 0.4 to 0.5 after 500 s on a tuning seed.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd
from report import Told, say_nothing
from time_to_quality import CELLS, LEVELS, Cell, LearningCurve, Row, Setting

SETTINGS = (
    Setting(
        learning_rate=1e-3,
        gamma=0.5,
        target_entropy_ratio=0.1,
        replay_ratio=2,
        num_envs=16,
        warm_up=2000,
    ),
    Setting(
        learning_rate=1e-3,
        gamma=0.5,
        target_entropy_ratio=0.1,
        replay_ratio=8,
        num_envs=4,
        warm_up=1000,
    ),
    Setting(
        learning_rate=3e-3,
        gamma=0.5,
        target_entropy_ratio=0.1,
        replay_ratio=4,
        num_envs=4,
        warm_up=1000,
    ),
    Setting(
        learning_rate=1e-3,
        gamma=0.0,
        target_entropy_ratio=0.1,
        replay_ratio=4,
        num_envs=4,
        warm_up=1000,
    ),
)
SEEDS = (1000, 1001, 1002)  # those reported begin at 0
BUDGET_S = 120.0  # of each cell and setting: as many of the seeds as fit
RESOLUTION = 0.08  # coarser than of the benchmark, half the time of tuning would go into evaluation
RESULT_FILE = Path(__file__).with_name("tuning.csv")


def tune(budget_s: float = BUDGET_S, told: Told = say_nothing, **env: int) -> Iterator[Row]:
    """Yield a row for each setting, cell and seed.

    Seconds are CPU seconds, so that a busy machine does not choose.
    """
    for number, setting in enumerate(SETTINGS, start=1):
        for cell in CELLS:
            spent = longest = 0.0
            for seed in SEEDS:
                if seed != SEEDS[0] and spent + longest > budget_s:
                    break
                told(f"{cell}, setting {number} of {len(SETTINGS)}, seed {seed}")
                curve = LearningCurve(
                    cell, setting, seed, budget_s - spent, time.process_time, RESOLUTION, **env
                )
                rows = list(curve.rows())
                spent += curve.seconds
                longest = max(longest, curve.seconds)
                yield asdict(cell) | asdict(setting) | {"seed": seed} | _result(rows)


def chosen(cell: Cell) -> Setting:
    """Return the setting of a cell by `tuning.csv`."""
    return choice(pd.read_csv(RESULT_FILE), cell)


def choice(table: pd.DataFrame, cell: Cell) -> Setting:
    """Return the best setting of a cell, of its network elsewhere if its own reached no level."""
    network, mine = table["network"] == cell.network, table["engine"] == cell.engine
    own = table[network & mine]
    reached = own[[_column(level) for level in LEVELS]].notna().any(axis=None)
    return best(own if reached else table[network & ~mine])


def best(table: pd.DataFrame) -> Setting:
    """Return the best setting in rows of `tune`, by medians; not reached is later than any time."""
    names = [field.name for field in fields(Setting)]
    columns = [_column(level) for level in sorted(LEVELS, reverse=True)]
    ranked = (
        table.fillna(dict.fromkeys(columns, np.inf))
        .groupby(names)[[*columns, "share_at_end"]]
        .median()
    )
    ranked = ranked.sort_values(
        [*columns, "share_at_end"], ascending=[True] * len(columns) + [False]
    )
    return Setting(
        *(
            kind(value)
            for kind, value in zip((float,) * 4 + (int,) * 2, ranked.index[0], strict=True)
        )
    )


def _result(rows: list[Row]) -> Row:
    """Return seconds of the first evaluation at each level, NaN without one, and the end."""
    first = {}
    for level in LEVELS:
        seconds = [row["seconds"] for row in rows if row["share_of_equilibrium"] >= level]
        first[_column(level)] = seconds[0] if seconds else np.nan
    last = rows[-1]
    ends = {
        "share_at_end": last["share_of_equilibrium"],
        "seconds": last["seconds"],
        "updates": last["updates"],
    }
    return first | ends


def _column(level: float) -> str:
    return f"seconds_to_{100 * level:.0f}"
