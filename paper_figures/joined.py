"""Several runs as one: their tables together, and the run at the end of the name of each policy."""

from collections.abc import Mapping
from string import ascii_uppercase

import pandas as pd

from paper_figures.settings import identity, read
from paper_figures.tables import CannotDraw, Tables, require

MOST_RUNS = 6
POLICIES = {"training": "algorithm", "evaluation": "policy"}  # tables that are joined


def joined(tables: Mapping[str, Tables]) -> dict[str, pd.DataFrame]:
    """Return the tables of several runs as those of one, of the sweep points that all have.

    The policy `sac` of the run A is `sac (A)`.

    Args:
        tables: by the letter of the run.

    Raises:
        CannotDraw: a run evaluated no policy, or no sweep point is one of all.
    """
    points = []
    for run, of_run in tables.items():
        try:
            evaluation = require(of_run, "evaluation", ("point", "policy"))
        except CannotDraw as reason:
            raise CannotDraw(f"run {run}: {reason}") from None
        points.append({_place(text) for text in evaluation["settings"].unique()})
    shared = set.intersection(*points)
    if not shared:
        counts = ", ".join(
            f"{run} has {len(of_run['evaluation']['settings'].unique())}"
            for run, of_run in tables.items()
        )
        raise CannotDraw(f"the runs have no sweep point in common ({counts})")
    found = {}
    for name, column in POLICIES.items():
        parts = []
        for run, of_run in tables.items():
            if name in of_run and not of_run[name].empty:
                table = of_run[name]
                here = table[table["settings"].map(_place).isin(shared)]
                parts.append(here.assign(**{column: here[column] + f" ({run})"}))
        if parts:
            found[name] = _as_first(pd.concat(parts, ignore_index=True))
    return found


def letters(count: int) -> str:
    """Return the letters of so many runs.

    Raises:
        CannotDraw: there are more than can be told apart, or fewer than two.
    """
    if not 2 <= count <= MOST_RUNS:
        raise CannotDraw(f"2 to {MOST_RUNS} runs are drawn in one figure, got {count}")
    return ascii_uppercase[:count]


def _as_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which a sweep point has the settings and the label of its first run."""
    places = table["settings"].map(_place)
    first = table.assign(place=places).drop_duplicates("place").set_index("place")
    return table.assign(settings=places.map(first["settings"]), point=places.map(first["point"]))


def _place(settings: str) -> str:
    """Return the identity of a sweep point, which two runs may share."""
    return identity(read(settings))
