"""The tab that says what a run asks, what it came to, and what of it was drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import paper_figures
from marl_moe.errors import SpecError
from marl_moe.experiment.study.remarks import remarks
from marl_moe.report.data_table import cell, printed_table, table
from marl_moe.report.facts import facts
from marl_moe.report.looks import policy_look
from marl_moe.report.reported import Reported
from marl_moe.report.section import Section, number
from marl_moe.terminal.search import judged_lines
from marl_moe.terminal.sides import exploitability_table, sides_table
from marl_moe.terminal.summary import COLUMNS, chosen_metrics, lost_line
from mechanisms.errors import described
from paper_figures.figures import unmet
from paper_figures.headings import Heading
from paper_figures.policy_table import YARDSTICKS, PolicyTable, policy_table
from paper_figures.statistics import interval_text, mean_heading

NO_POLICIES = "No policy was evaluated in this run."


def section(runs: Sequence[Reported]) -> Section:
    """Return the section of runs."""
    return Section("overview", "Overview", {"runs": [_of_run(run) for run in runs]})


def _of_run(run: Reported) -> dict[str, Any]:
    run.run.use_code()  # several runs may have metrics of their own
    evaluation = run.tables["evaluation"]
    specs = [point.spec for point in run.run.points]
    told = remarks(specs, evaluation, run.tables["training"], run.tables["audit"])
    lost = lost_line(run.tables["training"])
    return {
        "name": run.name,
        "unfinished": run.unfinished,
        "facts": facts(run),
        "remarks": [*told, *([f"Lost: {lost}"] if lost else []), *judged_lines(run.run)],
        "results": _results(run) if len(evaluation) else run.without(_why_no_policies(run)),
        "tables": [*_of_sides(run)],
        "figures": _figures(run),
    }


def _why_no_policies(run: Reported) -> str:
    if run.run.spec.kind == "market_study":
        return "A market study compares no policies: its results are in the tab Market."
    return NO_POLICIES


def _results(run: Reported) -> dict[str, Any]:
    """Return the table of policies, and the same numbers to draw."""
    evaluation, own = run.tables["evaluation"], run.run.spec.metrics
    try:
        headings = chosen_metrics((), own, evaluation, (*COLUMNS, *own))
        found = policy_table(run.tables, headings)
    except (SpecError, paper_figures.CannotDraw) as reason:
        return {"table": None, "why": f"There is no table: {reason}."}
    policies = list(evaluation["policy"].unique())
    return {
        "table": policies_table(found, run.learned),
        "points": list(found.points),
        "looks": {policy: policy_look(policy, policies) for policy in policies},
        "metrics": [_drawn(found, at, heading) for at, heading in enumerate(found.headings)],
    }


def policies_table(found: PolicyTable, learned: set[str]) -> dict[str, Any]:
    """Return the means of policies for the page, the best of each column and point marked.

    Args:
        found: the means.
        learned: policies that were trained.
    """
    columns = [("policy", False), *((heading.text, True) for heading in found.headings)]
    rows: list[Any] = []
    for point, policies in found.points.items():
        if len(found.points) > 1:
            rows.append(point)
        best_rule = next(
            (name for name in policies if name not in learned and name not in YARDSTICKS), None
        )
        for policy, cells in policies.items():
            kind = "learned" if policy in learned else ""
            kind = "yardstick" if policy in YARDSTICKS else kind
            note = "best rule" if policy == best_rule else kind
            numbers = [
                cell(interval_text(mean, low, high), mean, best=is_best)
                for mean, low, high, is_best in cells
            ]
            rows.append([cell(policy, note=note), *numbers])
    fewest, most = found.episodes
    episodes = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    notes = [f"{episodes} episodes a policy, seed and sweep point."]
    if found.marks:
        notes.append(
            "★ best of its column, or not told from the best: the interval of the difference, "
            "paired by seed, or of one seed by world, contains 0. Yardsticks, by which others are "
            "measured, are never it. "
            f"The best rule is the first of those that do not learn by {found.headings[0].words}."
        )
    return table(mean_heading(found.intervals), columns, rows, notes)


def _drawn(found: PolicyTable, at: int, heading: Heading) -> dict[str, Any]:
    """Return a column of the table by policy: mean, low and high at each point."""
    policies: dict[str, list[list[float | int | None]]] = {}
    for policy in dict.fromkeys(name for rows in found.points.values() for name in rows):
        cells = [rows[policy][at] if policy in rows else None for rows in found.points.values()]
        policies[policy] = [[number(part) for part in each[:3]] if each else [] for each in cells]
    return {"heading": heading.text, "policies": policies}


def _of_sides(run: Reported) -> list[dict[str, Any]]:
    """Return the tables of sides that learn, as the terminal shows them."""
    name, tables = run.run.spec.name, []
    evaluation, exploitability = run.tables["evaluation"], run.tables["exploitability"]
    algorithms = [point.spec.algorithm for point in run.run.points]
    if len(evaluation) and any(each and each.roles.learning for each in algorithms):
        tables.append(printed_table(sides_table(name, evaluation)))
    if len(exploitability):
        tables.append(printed_table(exploitability_table(name, exploitability)))
    return tables


def _figures(run: Reported) -> dict[str, Any]:
    """Return the figures that lie in the run folder, and why others do not."""
    tables = {name: rows for name, rows in run.tables.items() if len(rows)}
    folder = run.run.path / "figures"
    drawn = [name for name in paper_figures.FIGURES if _is_there(folder, name)]
    asked = {name for point in run.run.points for name in point.spec.figures}
    why = {
        name: _why_not(name, tables, name in asked)
        for name in paper_figures.FIGURES
        if name not in drawn
    }
    return {"drawn": drawn, "not_drawn": list(why.items())}


def _is_there(folder: Path, name: str) -> bool:
    return (folder / f"{name}.pdf").is_file() or (folder / f"{name}.png").is_file()


def _why_not(name: str, tables: Mapping[str, pd.DataFrame], asked: bool) -> str:
    try:
        reason = unmet(name, tables)
    except Exception as error:  # whatever code of a user's own does
        return described(error)
    if reason is not None:
        return reason
    return "its tables are there" if asked else "the experiment's `figures` do not name it"
