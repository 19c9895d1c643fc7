"""The tab of comparison: two runs, or two sweep points of one, as `marl-moe compare` tells them."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from marl_moe.errors import SpecError
from marl_moe.experiment.run.comparison import (
    Side,
    compare,
    differences,
    read_side,
    sides_of_points,
)
from marl_moe.report.data_table import printed_table
from marl_moe.report.looks import policy_look
from marl_moe.report.reported import LONGEST, Reported
from marl_moe.report.section import Section, number
from marl_moe.terminal.comparison import comparison_table, differences_table
from marl_moe.terminal.summary import chosen_metrics
from paper_figures.headings import Heading
from paper_figures.letters import distinct, shortened, visible

METRICS = ("gain", "welfare", "utility", "share_of_equilibrium")  # those that have values
MOST_PAIRS = 45  # above that each is compared with the first alone
ALONE = (
    "There is one run here without a sweep, and nothing to compare it with: "
    "`marl-moe report A B --out FILE` puts two side by side."
)


def section(runs: Sequence[Reported]) -> Section:
    """Return the section of runs; of one run its sweep points are compared."""
    if len(runs) == 1:
        return Section("comparison", "Comparison", _of_points(runs[0]))
    evaluated = [run for run in runs if len(run.tables["evaluation"])]
    left_out = [
        f"{run.name} is left out. {run.without('No policy was evaluated.')}"
        for run in runs
        if run not in evaluated
    ]
    if len(evaluated) < 2:
        return Section("comparison", "Comparison", "Fewer than two runs have policies to compare.")
    sides = [read_side(run.run.path) for run in evaluated]
    names = [run.name for run in evaluated]
    return Section("comparison", "Comparison", _compared(sides, names, left_out))


def _of_points(run: Reported) -> dict[str, Any] | str:
    if run.tables["evaluation"].empty:
        return run.without("No policy was evaluated in this run: there is nothing to compare.")
    sides = sides_of_points(run.run)
    if len(sides) < 2:
        return ALONE
    names = distinct(shortened(visible(label), LONGEST) for label in sides)
    return _compared(list(sides.values()), names, []) | {"points": list(sides)}


def _compared(sides: Sequence[Side], names: Sequence[str], notes: list[str]) -> dict[str, Any]:
    places = range(len(sides))
    pairs = list(combinations(places, 2))
    if len(pairs) > MOST_PAIRS:
        pairs = [(0, other) for other in places[1:]]
        notes.append(f"{len(sides)} are too many for all pairs: each is compared with the first.")
    return {
        "names": names,
        "pairs": [{"a": a, "b": b, **_pair(sides[a], sides[b])} for a, b in pairs],
        "notes": notes,
    }


def _pair(first: Side, second: Side) -> dict[str, Any]:
    """Return the differences of two experiments, and of what their policies came to."""
    differing = differences(first, second)
    found: dict[str, Any] = {
        "differences": printed_table(differences_table(differing)) if differing else None
    }
    try:
        own = [metric for metric in first.metrics if metric in second.metrics]
        rows = pd.concat([first.evaluation, second.evaluation])
        headings = chosen_metrics((), own, rows, (*METRICS, *own))
        compared, unpaired = compare(first, second, list(headings))
    except SpecError as reason:
        return found | {"why": str(reason)}
    return found | {
        "table": printed_table(comparison_table(compared, headings, unpaired)),
        "drawn": [_drawn(compared, name, heading) for name, heading in headings.items()],
    }


def _drawn(compared: pd.DataFrame, metric: str, heading: Heading) -> dict[str, Any]:
    """Return the differences of a metric to draw, a row for each policy at each point."""
    rows = compared[compared["metric"] == metric]
    policies = list(rows["policy"].unique())
    return {
        "heading": heading.text,
        "rows": [
            {
                "name": f"{row['policy']} {row['point']}".strip()
                if row["point"]
                else row["policy"],
                "look": policy_look(row["policy"], policies),
                "values": [number(row[key]) for key in ("mean", "low", "high")],
            }
            for _, row in rows.iterrows()
        ],
    }
